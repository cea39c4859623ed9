package lsp

import (
	"encoding/json"
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
)

type formattingParams struct {
	TextDocument textDocument    `json:"textDocument"`
	Options      json.RawMessage `json:"options"`
}

// formatting gives the file's canonical layout as one edit; none where it has
// errors. The editor's options do not count: there is one layout.
func (s *server) formatting(p formattingParams) ([]textEdit, error) {
	edits := []textEdit{}
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile {
		return edits, nil
	}
	tidy := string(checkfile.Tidy([]byte(d.text)))
	if tidy == d.text {
		return edits, nil
	}
	from, to, text := d.difference(tidy)
	return append(edits, textEdit{d.rangeOf(from, to), text}), nil
}

// difference gives the whole lines in which a new text differs: what stands
// between from and to becomes text. Cursors and folds elsewhere stay where they are.
func (d *document) difference(new string) (from, to int, text string) {
	old := d.text
	for from < min(len(old), len(new)) && old[from] == new[from] {
		from++
	}
	from = strings.LastIndexByte(old[:from], '\n') + 1
	end := 0
	for end < min(len(old), len(new))-from && old[len(old)-1-end] == new[len(new)-1-end] {
		end++
	}
	for end > 0 && old[len(old)-end-1] != '\n' { // the end begins with a line
		end--
	}
	return from, len(old) - end, new[from : len(new)-end]
}

// symbols are the sections and requirement lines.
func (s *server) symbols(p documentParams) ([]documentSymbol, error) {
	all := []documentSymbol{}
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile {
		return all, nil
	}
	o := d.outline()
	for _, sec := range o.Sections {
		symbol := documentSymbol{
			Name: strings.Trim(sec.Mark, "_"), Kind: symbolNamespace,
			Range: d.rangeOf(sec.Marker.From, d.sectionEnd(sec)), SelectionRange: d.rangeOf(sec.Marker.From, sec.Marker.To),
		}
		for _, line := range sec.Lines {
			text := strings.Join(strings.Fields(o.Text(line.Span)), " ")
			r := d.rangeOf(line.Span.From, line.Span.To)
			symbol.Children = append(symbol.Children, documentSymbol{Name: text, Kind: symbolEvent, Range: r, SelectionRange: r})
		}
		all = append(all, symbol)
	}
	return all, nil
}

// sectionEnd is where a section's text ends, blank lines left out.
func (d *document) sectionEnd(sec checkfile.Section) int {
	return sec.Body.From + len(strings.TrimRight(d.text[sec.Body.From:sec.Body.To], " \t\r\n"))
}

// folding folds the sections.
func (s *server) folding(p documentParams) ([]foldingRange, error) {
	all := []foldingRange{}
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile {
		return all, nil
	}
	for _, sec := range d.outline().Sections {
		start, end := d.position(sec.Marker.From).Line, d.position(d.sectionEnd(sec)).Line
		if end > start {
			all = append(all, foldingRange{StartLine: start, EndLine: end, Kind: "region"})
		}
	}
	return all, nil
}
