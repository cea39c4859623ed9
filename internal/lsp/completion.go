package lsp

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/schema"
)

// zonesText are the names of time zones that people use, one a line: those of the
// time zone database's table of countries, and UTC. Go does not tell the names
// that it knows.
//
//go:embed zones.txt
var zonesText string

func zoneNames() []string { return append(strings.Fields(zonesText), "Local") }

// proposal is something that may be written at a place.
type proposal struct {
	label, detail, help string
	kind                int
	// text is put in; snippet, where it is not empty, for clients that take it.
	text, snippet string
}

// completion proposes what can stand at a place and does not stand there yet.
func (s *server) completion(p positionParams) (completionList, error) {
	list := completionList{Items: []completionItem{}}
	d := s.docs[p.TextDocument.URI]
	if d == nil || kindOf(d.uri) != checkerFile {
		return list, nil
	}
	at := d.offset(p.Position)
	from, proposals := s.propose(d, at)
	for i, prop := range proposals {
		list.Items = append(list.Items, s.item(d, prop, i, from, at))
	}
	return list, nil
}

func (s *server) item(d *document, p proposal, i, from, to int) completionItem {
	item := completionItem{
		Label: p.label, Kind: p.kind, Detail: p.detail, SortText: fmt.Sprintf("%04d", i), FilterText: p.label,
		InsertTextFormat: formatPlain, TextEdit: textEdit{d.rangeOf(from, to), p.text},
	}
	if s.snippets && p.snippet != "" {
		item.InsertTextFormat, item.TextEdit.NewText = formatSnippet, p.snippet
	}
	if p.help != "" {
		item.Documentation = &markup{"markdown", p.help}
	}
	return item
}

// propose gives what can stand at an offset, in place of what stands between from
// and there.
func (s *server) propose(d *document, at int) (from int, all []proposal) {
	o := d.outline()
	sec := o.At(at)
	lineFrom, _ := d.lineAt(at)
	lineFrom = min(lineFrom, at)
	before := strings.TrimPrefix(d.text[lineFrom:at], "\ufeff")
	written := strings.TrimLeft(before, " \t")
	start := at - len(written)
	switch {
	case strings.HasPrefix(written, "_"):
		return start, missingMarkers(o, at)
	case strings.HasPrefix(written, "#"), sec != nil && sec.Marker.Holds(at):
		return at, nil
	case sec == nil:
		return start, missingMarkers(o, at)
	case sec.Mark == requirementsMark:
		from, all = proposeTokens(o, sec, at, start, written)
	case sec.Mark == sourceMark:
		from, all = start, proposeSources(o, sec, start, s.configOf(d.uri))
	case sec.Mark == optionsMark:
		from, all = proposeOptions(o, sec, at, s.configOf(d.uri))
	default:
		return at, nil
	}
	if before == "" {
		all = append(all, missingMarkers(o, at)...)
	}
	return from, all
}

// markerSnippets are what usually stands below a marker.
var markerSnippets = map[string]string{
	"__QUERY__":      "SELECT ${1:id} AS dwmon_unique_key, ${2:created_at} AS dwmon_timestamp\nFROM ${3:table}\nORDER BY dwmon_timestamp DESC LIMIT ${4:10000}",
	requirementsMark: lineSnippet,
	sourceMark:       "${1:source}",
	"__EXTRA__":      `{"${1:key}": "${2:value}"}`,
	optionsMark:      "owner: ${1:team}",
}

const (
	lineText    = "CHECKHOURS0-23 CHECKMINUTES*/10 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS3600"
	lineSnippet = "CHECKHOURS${1:0-23} CHECKMINUTES${2:*/10} WEEKENDS WEEKDAYS MINNUM${3:1} LOOKBACKSECONDS${4:3600}"
)

// missingMarkers proposes the sections that are not there. The one that is being
// written at the offset is not there yet.
func missingMarkers(o *checkfile.Outline, at int) (all []proposal) {
	markers, _ := checkfile.Markers()
	for _, mark := range markers {
		there := slices.ContainsFunc(o.Sections, func(s checkfile.Section) bool { return s.Mark == mark && !s.Marker.Holds(at) })
		if !there {
			all = append(all, proposal{
				label: mark, kind: kindModule, detail: "section", help: sectionHelp[mark], text: mark, snippet: mark + "\n" + markerSnippets[mark],
			})
		}
	}
	return all
}

// proposeTokens proposes the tokens that a requirement line does not have yet.
func proposeTokens(o *checkfile.Outline, sec *checkfile.Section, at, start int, written string) (from int, all []proposal) {
	from = start + strings.LastIndexAny(written, " \t") + 1
	has := map[string]bool{}
	for _, line := range sec.Lines {
		if !line.Span.Holds(at) {
			continue
		}
		for _, t := range line.Tokens {
			if !t.Span.Holds(at) {
				has[t.Name] = true
			}
		}
	}
	if strings.TrimSpace(written) == "" && len(has) == 0 {
		all = append(all, proposal{
			label: lineText, kind: kindValue, detail: "a whole line", help: "Every ten minutes: at least one row in the hour before.", text: lineText, snippet: lineSnippet,
		})
	}
	for _, name := range checkfile.TokenNames() {
		if has[name] || excluded(name, has) {
			continue
		}
		sample := checkfile.TokenSample(name)
		p := proposal{label: sample, kind: kindKeyword, detail: "token", help: tokenHelp[name], text: sample}
		if value := strings.TrimPrefix(sample, name); value != "" {
			p.snippet = name + "${1:" + value + "}"
		}
		all = append(all, p)
	}
	return from, all
}

// excluded says whether a token may not stand beside those that are there.
func excluded(name string, has map[string]bool) bool {
	switch name {
	case "CHECKDAYS":
		return has["WEEKDAYS"] || has["WEEKENDS"]
	case "WEEKDAYS", "WEEKENDS":
		return has["CHECKDAYS"]
	default:
		return false
	}
}

// proposeSources proposes the names of the configuration, in the first line of the
// section that holds anything.
func proposeSources(o *checkfile.Outline, sec *checkfile.Section, start int, cfg *config.Config) (all []proposal) {
	if cfg == nil || start > sec.Body.To || strings.TrimSpace(o.Text(checkfile.Span{From: sec.Body.From, To: max(start, sec.Body.From)})) != "" {
		return nil
	}
	for _, name := range sourceNames(cfg) {
		all = append(all, proposal{label: name, kind: kindValue, detail: cfg.Sources[name].Getter, help: servedBy(name, cfg), text: name})
	}
	return all
}

// proposeOptions proposes keys of OPTIONS, or values of the key at the place.
func proposeOptions(o *checkfile.Outline, sec *checkfile.Section, at int, cfg *config.Config) (from int, all []proposal) {
	body := o.Text(sec.Body)
	at -= sec.Body.From
	_, place := scanYAML(body[:at])
	from = sec.Body.From + place.from
	node, ok := schema.Of("options").At(place.path...)
	switch {
	case place.none || !ok:
		return from, nil
	case !place.value:
		return from, proposeKeys(body, place, node)
	}
	for _, value := range optionValues(place, node, cfg) {
		if place.from == at && at > 0 && body[at-1] == ':' {
			value.text = " " + value.text
		}
		all = append(all, value)
	}
	return from, all
}

// proposeKeys proposes the keys of a mapping that are not there yet.
func proposeKeys(body string, place yamlPlace, node schema.Node) (all []proposal) {
	entries, _ := scanYAML(body)
	for _, key := range node.Keys {
		path := append(slices.Clone(place.path), key)
		there := slices.ContainsFunc(entries, func(e yamlEntry) bool {
			return e.key == key && e.from != place.from && slices.Equal(e.path, place.path)
		})
		if n, ok := schema.Of("options").At(path...); ok && !there {
			p := proposal{label: key, kind: kindProperty, help: optionHelp(n), text: key + ": "}
			if n.Keys != nil {
				p.snippet = key + ": {$1}"
			}
			all = append(all, p)
		}
	}
	return all
}

// optionValues proposes values of the key that a place's path ends in.
func optionValues(place yamlPlace, node schema.Node, cfg *config.Config) (all []proposal) {
	key := strings.Join(place.path, ".")
	var names []string
	switch key {
	case "timezone":
		names = zoneNames()
	case "handlers":
		names = handlerNames(cfg)
	case "calendar":
		names = calendarNames(cfg)
	}
	for _, name := range names {
		text := name
		if key == "handlers" && !place.list {
			text = "[" + name + "]"
		}
		all = append(all, proposal{label: name, kind: kindValue, text: text})
	}
	for _, v := range node.Values {
		all = append(all, proposal{label: fmt.Sprint(v), kind: kindEnumMember, text: fmt.Sprint(v)})
	}
	return all
}

// handlerNames are those of the configuration; without a list in it, log.
func handlerNames(cfg *config.Config) []string {
	if cfg == nil || cfg.Handlers == nil {
		return []string{"log"}
	}
	names := []string{}
	for _, h := range cfg.Handlers {
		names = append(names, h.Name)
	}
	return names
}

func calendarNames(cfg *config.Config) (names []string) {
	if cfg == nil {
		return nil
	}
	for name := range cfg.Calendars {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
