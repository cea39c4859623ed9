package checkfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"go.yaml.in/yaml/v3"
)

// MayHaveOptions says whether a text may hold options: one without errors has none
// where it is false. It is for those who look at the options of thousands of texts.
func MayHaveOptions(text []byte) bool { return bytes.Contains(text, []byte(markOptions)) }

// options reads the OPTIONS section.
func (s *source) options(c *dwmon.Checker, sections map[string]section) {
	sec, ok := sections[markOptions]
	if !ok {
		return
	}
	line, offset := s.place(sec.start)
	if sec.start == len(s.text) {
		return
	}
	r := &strictyaml.Reader{File: s.file, Code: dwmon.CodeOptions, Lines: s.lines, FirstLine: line + 1, FirstColumn: 1 + len([]rune(s.lines[line][:min(offset, len(s.lines[line]))]))}
	if root := r.Read([]byte(s.body(sec))); root != nil {
		o := optionsReader{r: r, to: &c.Options, extra: c.Extra, template: s.template}
		r.Fields(root, "OPTIONS", o.fields())
	}
	s.faults = append(s.faults, r.Faults...)
	for i := range r.Faults {
		if r.Faults[i].Severity == dwmon.SeverityError {
			s.errors++
		}
	}
}

type optionsReader struct {
	r  *strictyaml.Reader
	to *dwmon.Options
	// extra is the EXTRA section, template as in Parser.
	extra    []byte
	template func(text string, extra []byte) []dwmon.TextFault
}

func (o optionsReader) fields() []strictyaml.Field {
	return []strictyaml.Field{
		{Name: "timezone", Read: o.timezone},
		{Name: "timeout", Read: o.duration("timeout", &o.to.Timeout, time.Second)},
		{Name: "grace", Read: o.duration("grace", &o.to.Grace, 0)},
		{Name: "timestamps", Read: o.timestamps},
		{Name: "owner", Read: o.text("owner", &o.to.Owner)},
		{Name: "description", Read: o.text("description", &o.to.Description)},
		{Name: "runbook", Read: o.text("runbook", &o.to.Runbook)},
		{Name: "labels", Read: o.labels},
		{Name: "enabled", Read: o.enabled},
		{Name: "handlers", Read: o.handlers},
		{Name: "alert", Read: o.alert},
		{Name: "calendar", Read: o.calendar},
		{Name: "keys", Read: o.keys},
		{Name: "template", Read: o.words},
	}
}

func (o optionsReader) text(name string, to *string) func(*yaml.Node) {
	return func(n *yaml.Node) { *to, _ = o.r.Text(n, name) }
}

func (o optionsReader) duration(name string, to *time.Duration, low time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) { *to, _ = o.r.Duration(n, name, low, 0) }
}

func (o optionsReader) timezone(n *yaml.Node) {
	o.to.Timezone, _ = o.r.Zone(n, "timezone")
}

func (o optionsReader) timestamps(n *yaml.Node) {
	text, ok := o.r.Text(n, "timestamps")
	if ok && text != "assumed" {
		o.r.At(n, fmt.Sprintf("timestamps is %s: only assumed is known", word(text)),
			"write assumed where the query gives the current time as timestamp; else remove the key")
	}
	o.to.Assumed = text == "assumed"
}

func (o optionsReader) keys(n *yaml.Node) {
	text, ok := o.r.Text(n, "keys")
	known := []string{"shown", "hidden"}
	if ok && !slices.Contains(known, text) {
		hint := "write hidden to keep keys of rows out of notices; shown is the default"
		if near, found := dwmon.Nearest(text, known); found {
			hint = "did you mean " + near + "?"
		}
		o.r.At(n, "keys is "+word(text)+", neither shown nor hidden", hint)
	}
	o.to.HideKeys = text == "hidden"
}

// words reads the template of the checker's notices.
func (o optionsReader) words(n *yaml.Node) {
	text, ok := o.r.Word(n, "template")
	if !ok {
		return
	}
	o.to.Template = text
	if o.template == nil {
		return
	}
	for _, f := range o.template(text, o.extra) {
		o.r.AtText(n, "template", f)
	}
}

func (o optionsReader) enabled(n *yaml.Node) {
	if enabled, ok := o.r.Bool(n, "enabled"); ok {
		o.to.Disabled = !enabled
	}
}

func (o optionsReader) handlers(n *yaml.Node) {
	o.to.Handlers = o.r.Words(n, "handlers", "a list of handlers' names, such as [log]; [] tells nobody")
}

func (o optionsReader) labels(n *yaml.Node) {
	labels := map[string]string{}
	for _, e := range o.r.Mapping(n, "labels") {
		if strings.TrimSpace(e.Name) == "" {
			o.r.At(e.Key, "a label has no name", "write a name before the colon")
			continue
		}
		labels[e.Name], _ = o.r.Text(e.Value, "the label "+word(e.Name))
	}
	o.to.Labels = labels
}

func (o optionsReader) alert(n *yaml.Node) {
	o.to.Alert = o.r.Alert(n, "alert")
}

func (o optionsReader) calendar(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		o.to.Calendar = o.r.Words(n, "calendar", "the name of a calendar or a list of names, such as [de]")
		return
	}
	if name, ok := o.r.Word(n, "calendar"); ok {
		o.to.Calendar = []string{name}
	}
}
