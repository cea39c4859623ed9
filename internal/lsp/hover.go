package lsp

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/schema"
	"github.com/dwmon/dwmon/internal/words"
)

// Markers that the server looks at.
const (
	requirementsMark = "__REQUIREMENTS__"
	sourceMark       = "__SOURCE__"
	optionsMark      = "__OPTIONS__"
)

// sectionHelp says what stands below each marker.
var sectionHelp = map[string]string{
	"__QUERY__":      "What the row getter is asked, as it stands. Its result has the columns `dwmon_unique_key` and `dwmon_timestamp`; order it newest first, and let LIMIT reach back further than the longest look-back.",
	requirementsMark: "One requirement line or more: when to count, how far back, and what is GOOD. Lines that begin with # are comments.",
	sourceMark:       "Where the rows are: a name from `sources` in dwmon.yaml, or a URL such as sqlite:demo.db.",
	"__EXTRA__":      "Optional: JSON for your plugins, passed to them byte for byte. Left out: {}.",
	optionsMark:      "Optional: dwmon's own settings for this checker, in YAML.",
}

// tokenHelp says what each token means.
var tokenHelp = map[string]string{
	"CHECKHOURS":      "Local hours, both ends included: `0-23`, one hour `9`, lists `9,13` or `0-5,22-23`, every so many `*/4`.",
	"CHECKMINUTES":    "Minutes of the hour, 0 to 59, written in the same ways as hours: `0`, `0,30`, `*/5`, `0-59`.",
	"CHECKDAYS":       "Single days and ranges from MON to SUN, instead of WEEKDAYS and WEEKENDS: `MON,WED-FRI`.",
	"WEEKENDS":        "Saturday and Sunday.",
	"WEEKDAYS":        "Monday to Friday.",
	"MINNUM":          "GOOD when at least so many rows are counted. Without it there is no lower bound.",
	"MAXNUM":          "GOOD when at most so many rows are counted. Without it there is no upper bound.",
	"LOOKBACKSECONDS": "How far back is counted, in seconds, at most 31622400 (366 days).",
	"HALFOPEN":        "Optional: the window's lower end is included, so that windows laid end to end lose nothing.",
}

// hover tells what stands at a place; null where there is nothing to tell.
func (s *server) hover(p positionParams) (*hoverResult, error) {
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile {
		return nil, nil
	}
	at := d.offset(p.Position)
	o := d.outline()
	sec := o.At(at)
	if sec == nil {
		return nil, nil
	}
	var text string
	var span checkfile.Span
	switch {
	case sec.Marker.Holds(at):
		text, span = "**"+sec.Mark+"**\n\n"+sectionHelp[sec.Mark], sec.Marker
	case sec.Mark == requirementsMark:
		text, span = s.hoverLine(d, o, sec, at)
	case sec.Mark == optionsMark:
		text, span = hoverOption(o, sec, at)
	case sec.Mark == sourceMark:
		text, span = hoverSource(o, sec, at, s.configOf(d.uri))
	}
	if text == "" {
		return nil, nil
	}
	return &hoverResult{Contents: markup{"markdown", text}, Range: d.rangeOf(span.From, span.To)}, nil
}

// hoverLine tells of the token at a place, and of its line in words.
func (s *server) hoverLine(d *document, o *checkfile.Outline, sec *checkfile.Section, at int) (string, checkfile.Span) {
	i := slices.IndexFunc(sec.Lines, func(l checkfile.OutlineLine) bool { return l.Span.Holds(at) })
	if i < 0 {
		return "", checkfile.Span{}
	}
	line := sec.Lines[i]
	var parts []string
	span := line.Span
	for _, t := range line.Tokens {
		if t.Span.Holds(at) && t.Name != "" {
			parts, span = append(parts, "**"+t.Name+"**: "+tokenHelp[t.Name]), t.Span
			break
		}
	}
	if r, ok := o.Requirement(line); ok {
		zone := s.zoneOf(d, o)
		parts = append(parts, upperFirst(words.Line(r, zone))+".", s.nextDue(r, zone))
		for _, remark := range words.Remarks(r) {
			parts = append(parts, upperFirst(remark)+".")
		}
	}
	return strings.Join(parts, "\n\n"), span
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// zoneOf is the time zone of a checker, also of one with faults.
func (s *server) zoneOf(d *document, o *checkfile.Outline) *time.Location {
	for i := range o.Sections {
		sec := &o.Sections[i]
		if sec.Mark != optionsMark {
			continue
		}
		body := o.Text(sec.Body)
		entries, _ := scanYAML(body)
		for _, e := range entries {
			if len(e.path) > 0 || e.key != "timezone" || e.valueTo <= e.to {
				continue
			}
			name := strings.Trim(strings.TrimSpace(body[e.to+1:e.valueTo]), `"'`)
			if zone, err := time.LoadLocation(name); err == nil && name != "" {
				return zone
			}
		}
	}
	return zone(s.configOf(d.uri))
}

// nextDue tells the next minutes at which a line is due, holidays not looked at.
func (s *server) nextDue(r dwmon.Requirement, zone *time.Location) string {
	const shown = 3
	due := r.NextDue(zone, nil, s.opts.Now().Unix(), shown)
	if len(due) == 0 {
		return "It is never due."
	}
	times := make([]string, len(due))
	for i, minute := range due {
		at := time.Unix(minute, 0).In(zone)
		times[i] = at.Format("Mon ") + words.Stamp(at)
	}
	return "Next due: " + strings.Join(times, ", ") + "."
}

// hoverOption tells of the key at a place in OPTIONS, or of the one whose value
// stands there.
func hoverOption(o *checkfile.Outline, sec *checkfile.Section, at int) (string, checkfile.Span) {
	entries, _ := scanYAML(o.Text(sec.Body))
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		span := checkfile.Span{From: sec.Body.From + e.from, To: sec.Body.From + e.to}
		if at < span.From || at > sec.Body.From+e.valueTo {
			continue
		}
		node, ok := schema.Of("options").At(append(slices.Clone(e.path), e.key)...)
		if !ok {
			continue
		}
		return "**" + e.key + "**: " + optionHelp(node), span
	}
	return "", checkfile.Span{}
}

// optionHelp says what a key means, as the schema has it.
func optionHelp(n schema.Node) string {
	text := n.Description
	if n.Values != nil {
		text += "\n\nOne of: " + plainList(n.Values) + "."
	}
	if n.Default != nil {
		text += fmt.Sprintf("\n\nDefault: `%v`.", n.Default)
	}
	if n.Keys != nil {
		text += "\n\nKeys: `" + strings.Join(n.Keys, "`, `") + "`."
	}
	return text
}

func plainList(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprintf("`%v`", v)
	}
	return strings.Join(texts, ", ")
}

// hoverSource tells who serves the source, as far as the configuration says.
func hoverSource(o *checkfile.Outline, sec *checkfile.Section, at int, cfg *config.Config) (string, checkfile.Span) {
	body := o.Text(sec.Body)
	source := strings.TrimSpace(body)
	from := sec.Body.From + strings.Index(body, source)
	span := checkfile.Span{From: from, To: from + len(source)}
	if source == "" || !span.Holds(at) {
		return "", checkfile.Span{}
	}
	return servedBy(source, cfg), span
}

func servedBy(source string, cfg *config.Config) string {
	shown := (&dwmon.Checker{Source: source}).ShownSource()
	if cfg == nil {
		return "**" + shown + "**\n\nThere is no " + config.FileName + " above this file that could say who serves it." + claim(source)
	}
	src, ok := cfg.Sources[source]
	if !ok {
		text := "**" + shown + "**\n\nIt is not among the `sources` of " + config.FileName + "." + claim(source)
		if near, found := dwmon.Nearest(source, sourceNames(cfg)); found {
			text += " Did you mean " + near + "?"
		}
		return text
	}
	text := fmt.Sprintf("**%s**\n\nServed by the row getter `%s`, as `sources` of %s says. At most %d fetches at a time, each %s at most.",
		shown, src.Getter, config.FileName, src.Concurrency, words.Duration(int64(src.Timeout/time.Second)))
	if src.Timezone != nil {
		text += " Timestamps without a zone are those of " + words.Zone(src.Timezone) + "."
	}
	return text
}

// claim says who serves a source that the configuration does not name.
func claim(source string) string {
	if scheme, _, found := strings.Cut(source, ":"); found && scheme != "" && !strings.ContainsAny(scheme, " \t\n/") {
		return " It is a URL: the row getter that claims the scheme `" + scheme + ":` serves it."
	}
	return " The row getter that claims this very name serves it, if there is exactly one."
}

func sourceNames(cfg *config.Config) (names []string) {
	for name := range cfg.Sources {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
