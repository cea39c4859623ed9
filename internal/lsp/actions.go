package lsp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

const kindQuickFix = "quickfix"

// codeActions offers to mend the faults in a range.
func (s *server) codeActions(p codeActionParams) ([]codeAction, error) {
	found := []codeAction{}
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile || !wants(p.Context.Only) {
		return found, nil
	}
	_, own := s.parse(d.text, "", "")
	tried := 0
	for _, f := range s.faults(d) {
		diagnostic := d.diagnostic(f)
		if !meet(diagnostic.Range, p.Range) {
			continue
		}
		offer := func(fix fix, preferred bool) {
			found = append(found, codeAction{
				Title: fix.title, Kind: kindQuickFix, Diagnostics: []Diagnostic{diagnostic}, IsPreferred: preferred,
				Edit: workspaceEdit{map[string][]textEdit{d.uri: d.textEdits(fix.edits)}},
			})
		}
		for _, fix := range d.fixes(f) {
			if !f.Edit.Mends() {
				if tried++; tried > maxTried || !s.mends(d, fix, len(own)) {
					continue
				}
			}
			offer(fix, true)
		}
		if f.Severity == dwmon.SeverityWarning {
			offer(d.allow(f.Rule()), false)
		}
	}
	return found, nil
}

// maxTried bounds how many changes are tried out for one request: each is read as
// a file.
const maxTried = 20

// allow is the comment by which a warning is not given any more, above the first
// section.
func (d *document) allow(code string) fix {
	at := len(d.text) - len(strings.TrimPrefix(d.text, "\ufeff"))
	if o := d.outline(); len(o.Sections) > 0 {
		at, _ = d.lineAt(o.Sections[0].Marker.From)
	}
	end := "\n"
	if strings.Contains(d.text, "\r\n") {
		end = "\r\n"
	}
	return fix{"Allow " + code + " in this file", []edit{{checkfile.Span{From: at, To: at}, "# dwmon: allow " + code + end}}}
}

// wants says whether quick fixes are asked for.
func wants(only []string) bool {
	return len(only) == 0 || slices.ContainsFunc(only, func(kind string) bool { return kind == "" || kind == kindQuickFix })
}

// meet says whether two ranges have a place in common.
func meet(a, b Range) bool { return !before(a.End, b.Start) && !before(b.End, a.Start) }

func before(a, b Position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

// fix is a change of the text that may mend a fault.
type fix struct {
	title string
	edits []edit
}

// edit replaces a span; edits of one fix are in the order of the text and do not
// overlap.
type edit struct {
	span checkfile.Span
	text string
}

func (d *document) textEdits(edits []edit) []textEdit {
	out := make([]textEdit, len(edits))
	for i, e := range edits {
		out[i] = textEdit{d.rangeOf(e.span.From, e.span.To), e.text}
	}
	return out
}

// mends says whether a change makes the file better: fewer faults than there are.
func (s *server) mends(d *document, f fix, faults int) bool {
	var b strings.Builder
	at := 0
	for _, e := range f.edits {
		b.WriteString(d.text[at:e.span.From] + e.text)
		at = e.span.To
	}
	b.WriteString(d.text[at:])
	_, left := s.parse(b.String(), "", "")
	return len(left) < faults
}

var (
	didYouMean = regexp.MustCompile(`did you mean ([^"…]+)\?$`)
	addTokens  = regexp.MustCompile(`^add ([A-Z][A-Z0-9*/,-]*(?: [A-Z][A-Z0-9*/,-]*)*) (?:for|to) `)
)

// fixes are the edit that a fault carries, else the changes that its hint speaks
// of. Hints are for people, so whether such a change is right is tried out: mends.
func (d *document) fixes(f dwmon.FileFault) (all []fix) {
	from, to := d.faultSpan(f)
	if f.Edit.Mends() {
		to = d.place(f.Line, f.Edit.Until)
		title := "Replace by " + f.Edit.With
		if f.Edit.With == "" {
			title = "Remove " + strings.TrimSpace(d.text[from:to])
		}
		return []fix{{title, []edit{{checkfile.Span{From: from, To: to}, f.Edit.With}}}}
	}
	if m := didYouMean.FindStringSubmatch(f.Hint); m != nil {
		if edits := d.replaceTokens(from, to, strings.Fields(m[1])); edits != nil {
			all = append(all, fix{"Replace by " + m[1], edits})
		}
	}
	if m := addTokens.FindStringSubmatch(f.Hint); m != nil {
		lineFrom, end := d.lineAt(from)
		end = lineFrom + len(strings.TrimRight(d.text[lineFrom:end], " \t"))
		all = append(all, fix{"Add " + m[1], []edit{{checkfile.Span{From: end, To: end}, " " + m[1]}}})
	}
	return all
}

// replaceTokens replaces the word at a place; where several tokens are meant, each
// that stands in the same requirement line.
func (d *document) replaceTokens(from, to int, meant []string) []edit {
	if len(meant) == 1 {
		return []edit{{checkfile.Span{From: from, To: to}, meant[0]}}
	}
	o := d.outline()
	sec := o.At(from)
	if sec == nil {
		return nil
	}
	var edits []edit
	for _, line := range sec.Lines {
		if !line.Span.Holds(from) {
			continue
		}
		for _, t := range line.Tokens {
			i := slices.IndexFunc(meant, func(text string) bool { return t.Name != "" && strings.HasPrefix(text, t.Name) })
			if i >= 0 {
				edits = append(edits, edit{t.Span, meant[i]})
			}
		}
	}
	if len(edits) != len(meant) {
		return nil
	}
	return edits
}
