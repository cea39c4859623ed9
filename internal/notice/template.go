package notice

import (
	"fmt"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Template words notices in a user's own way. It may be used by several
// goroutines at once. Parts that are nil keep the built-in text.
type Template struct{ summary, body *wording }

// TemplateError is what is wrong with a template.
type TemplateError struct {
	// Part is "summary" or "body".
	Part   string
	Faults []dwmon.TextFault
}

// Error gives the first fault with its place.
func (e *TemplateError) Error() string {
	return failure(e.Part, e.Faults[0]).Error()
}

// failure is a fault of a part as an error.
func failure(part string, f dwmon.TextFault) error {
	if f.Column == 0 {
		return fmt.Errorf("the template's %s, line %d: %s", part, f.Line, f.Message)
	}
	return fmt.Errorf("the template's %s, line %d, column %d: %s", part, f.Line, f.Column, f.Message)
}

// ParseTemplate reads the templates of a summary and of a body; an empty one
// keeps the built-in text. Errors are *TemplateError.
func ParseTemplate(summary, body string) (*Template, error) {
	s, faults := parseWording(summary)
	if len(faults) > 0 {
		return nil, &TemplateError{"summary", faults}
	}
	b, faults := parseWording(body)
	if len(faults) > 0 {
		return nil, &TemplateError{"body", faults}
	}
	return &Template{s, b}, nil
}

// Check tries the template on samples of every kind of notice, so that what is
// wrong is found before a notice is needed. Errors are *TemplateError.
func (t *Template) Check() error {
	if faults := t.summary.check(nil); len(faults) > 0 {
		return &TemplateError{"summary", faults}
	}
	if faults := t.body.check(nil); len(faults) > 0 {
		return &TemplateError{"body", faults}
	}
	return nil
}

// Faults gives what is wrong with the text of a template, be it a summary's or a
// body's. extra is the EXTRA section of the checker that it is for; nil where it
// is for any: what is done with EXTRA is not judged then.
func Faults(text string, extra []byte) []dwmon.TextFault {
	w, faults := parseWording(text)
	if len(faults) > 0 {
		return faults
	}
	return w.check(extra)
}

// Over gives the template with another's parts where it has none. Both may be nil.
func (t *Template) Over(other *Template) *Template {
	if t == nil || other == nil {
		if t == nil {
			return other
		}
		return t
	}
	o := *other
	if t.summary != nil {
		o.summary = t.summary
	}
	if t.body != nil {
		o.body = t.body
	}
	return &o
}

// Apply words a notice that Compose has made of the data. Where that fails, the
// built-in text stays, and a fact says so. What tells several things together is
// left as it is: its items bear the summaries that templates have made.
func (t *Template) Apply(n *dwmon.Notice, d Data) error {
	if t == nil || len(n.Items) > 0 {
		return nil
	}
	view := d.view(n)
	summary, err := t.summary.execute(view)
	if err != nil {
		return builtIn(n, "summary", t.summary.fault(err))
	}
	body, err := t.body.execute(view)
	if err != nil {
		return builtIn(n, "body", t.body.fault(err))
	}
	if text := clip(oneLine(summary), maxSummary); text != "" {
		n.Summary = text
	}
	if text := lines(body); text != "" {
		n.Detail, n.Templated = text, true
	}
	return nil
}

// builtIn keeps the built-in text, and says why.
func builtIn(n *dwmon.Notice, part string, f dwmon.TextFault) error {
	text := fmt.Sprintf("its %s cannot be used, line %d: %s", part, f.Line, oneLine(f.Message))
	n.Facts = append(n.Facts[:len(n.Facts):len(n.Facts)], dwmon.Fact{Label: "Template", Value: clip(text, maxFact)})
	n.Detail = layOut(n.Facts)
	return failure(part, f)
}

// lines cleans a text of several lines.
func lines(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	kept := strings.Split(strings.TrimRight(text, " \t\n"), "\n")
	for i, line := range kept {
		parts := strings.Split(strings.TrimRight(line, " \t"), "\t")
		for j := range parts {
			parts[j] = clean(parts[j])
		}
		kept[i] = strings.Join(parts, "\t")
	}
	text = strings.Join(kept, "\n")
	if len(text) > maxOutput { // written out, characters take more room
		text = strings.ToValidUTF8(text[:maxOutput-len("…")], "") + "…"
	}
	if text == "" {
		return ""
	}
	return text + "\n"
}
