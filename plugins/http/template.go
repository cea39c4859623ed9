package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// position is where in a request a placeholder stands: it says how its value is
// escaped.
type position int

const (
	inPlain position = iota
	inPath
	inQuery // of a URL, or a form
	inHeader
	inJSON     // where a value may stand
	inJSONText // between quotes
	inPromQL
	inPromQLText // between quotes, escaped with a backslash
	inPromQLRaw  // between back quotes
)

// template is a text with placeholders.
type template []part

// part is a literal or, where hole is set, a placeholder.
type part struct {
	literal string
	hole    *hole
}

// hole is a placeholder: {{root.path|fallback}}.
type hole struct {
	offset   int
	root     string // since, now, extra or next
	path     []string
	fallback *string
	position position
	quote    byte // around it, in PromQL
}

// syntax follows a text and knows the position at its end.
type syntax interface {
	feed(literal string)
	position() (position, byte)
}

// always is a syntax with one position.
type always position

func (a always) feed(string)                {}
func (a always) position() (position, byte) { return position(a), 0 }

// quoting is the syntax of JSON or PromQL, as far as quotes go.
type quoting struct {
	promQL  bool
	quote   byte // 0: outside
	escaped bool
	comment bool
}

func (q *quoting) feed(literal string) {
	for i := range len(literal) {
		c := literal[i]
		switch {
		case q.comment:
			q.comment = c != '\n'
		case q.escaped:
			q.escaped = false
		case q.quote != 0 && c == '\\' && q.quote != '`':
			q.escaped = true
		case q.quote != 0 && c == q.quote:
			q.quote = 0
		case q.quote != 0:
		case c == '"', q.promQL && (c == '\'' || c == '`'):
			q.quote = c
		case q.promQL && c == '#':
			q.comment = true
		}
	}
}

func (q *quoting) position() (position, byte) {
	switch {
	case !q.promQL && q.quote != 0:
		return inJSONText, 0
	case !q.promQL:
		return inJSON, 0
	case q.quote == '`':
		return inPromQLRaw, q.quote
	case q.quote != 0:
		return inPromQLText, q.quote
	}
	return inPromQL, 0
}

var (
	holeForm = regexp.MustCompile(`^([a-z]+)((?:\.[A-Za-z0-9_-]+)*)$`)
	// timeForms are how since and now may be written.
	timeForms = []string{"rfc3339", "epoch", "epoch_ms", "date"}
)

// parseTemplate reads a text with placeholders. Its errors know their place.
func parseTemplate(text string, s syntax) (template, error) {
	var t template
	literal := func(piece string) {
		s.feed(piece)
		if n := len(t); n > 0 && t[n-1].hole == nil {
			t[n-1].literal += piece
		} else if piece != "" {
			t = append(t, part{literal: piece})
		}
	}
	at := 0
	for {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			literal(text[at:])
			return t, nil
		}
		literal(text[at : at+open])
		at += open
		if strings.HasPrefix(text[at:], "{{{{") {
			literal("{{")
			at += 4
			continue
		}
		end := strings.Index(text[at:], "}}")
		if end < 0 || strings.Contains(text[at:at+end], "\n") {
			return nil, faultAt(at, "a placeholder begins here and does not end; close it with }}, or write {{{{ for a plain {{")
		}
		h, err := parseHole(text[at+2:at+end], at)
		if err != nil {
			return nil, err
		}
		h.position, h.quote = s.position()
		t = append(t, part{hole: h})
		at += end + 2
	}
}

func parseHole(text string, offset int) (*hole, error) {
	h := &hole{offset: offset}
	name, fallback, given := strings.Cut(text, "|")
	if given {
		h.fallback = &fallback
	}
	m := holeForm.FindStringSubmatch(strings.TrimSpace(name))
	if m == nil {
		return nil, faultAt(offset, "{{%s}} is no placeholder; there are {{since}}, {{now}}, {{next}} and {{extra.NAME}}", cut(text))
	}
	h.root = m[1]
	if m[2] != "" {
		h.path = strings.Split(m[2][1:], ".")
	}
	switch h.root {
	case "since", "now":
		if len(h.path) > 1 || len(h.path) == 1 && !slices.Contains(timeForms, h.path[0]) {
			return nil, faultAt(offset, "{{%s}}: a time is written as one of %s, such as {{since.epoch}}", cut(text), strings.Join(timeForms, ", "))
		}
	case "extra":
		if len(h.path) == 0 {
			return nil, faultAt(offset, "{{extra}}: say which value, such as {{extra.shop}}")
		}
	case "next":
		if len(h.path) > 0 {
			return nil, faultAt(offset, "{{%s}}: what `next` gives has no parts; pick one there", cut(text))
		}
	default:
		return nil, faultAt(offset, "{{%s}} is no placeholder; there are {{since}}, {{now}}, {{next}} and {{extra.NAME}}%s",
			cut(text), didYouMean(h.root, []string{"since", "now", "next", "extra"}))
	}
	if h.fallback != nil && h.root != "next" {
		return nil, faultAt(offset, "{{%s}}: only {{next|…}} has a text for the first page", cut(text))
	}
	return h, nil
}

// uses says that a placeholder of that root is in the template.
func (t template) uses(root string) bool {
	return slices.ContainsFunc(t, func(p part) bool { return p.hole != nil && p.hole.root == root })
}

// bareNext finds a {{next}} that says nothing about the first page.
func (t template) bareNext() *hole {
	for _, p := range t {
		if p.hole != nil && p.hole.root == "next" && p.hole.fallback == nil {
			return p.hole
		}
	}
	return nil
}

// env is what placeholders stand for during one page.
type env struct {
	since, now time.Time
	extra      any // decoded with json.Number
	next       any // nil on the first page
	// sample: what EXTRA holds is not known; anything will do.
	sample bool
}

// render puts the values in.
func (t template) render(e *env) (string, error) {
	var b strings.Builder
	for _, p := range t {
		if p.hole == nil {
			b.WriteString(p.literal)
			continue
		}
		text, err := p.hole.render(e)
		if err != nil {
			return "", placed{p.hole.offset, err}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (h *hole) name() string {
	return "{{" + strings.Join(append([]string{h.root}, h.path...), ".") + "}}"
}

func (h *hole) render(e *env) (string, error) {
	if h.root == "next" && e.next == nil && h.fallback != nil {
		return *h.fallback, nil
	}
	v, err := h.lookup(e)
	if err != nil {
		return "", err
	}
	if h.position == inJSON {
		return gojqText(v)
	}
	text, err := scalarText(v)
	if err != nil {
		return "", fmt.Errorf("%s %w", h.name(), err)
	}
	return h.escape(text)
}

// lookup finds the value of a placeholder.
func (h *hole) lookup(e *env) (any, error) {
	switch h.root {
	case "since":
		return timeText(e.since, h.path), nil
	case "now":
		return timeText(e.now, h.path), nil
	case "next":
		return e.next, nil
	}
	if e.sample {
		return json.Number("0"), nil
	}
	v := e.extra
	for i, name := range h.path {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: %s in EXTRA is no object", h.name(), strings.Join(append([]string{"extra"}, h.path[:i]...), "."))
		}
		if v, ok = object[name]; !ok {
			return nil, fmt.Errorf("%s: EXTRA has no %q", h.name(), strings.Join(h.path[:i+1], "."))
		}
	}
	return v, nil
}

// timeText writes a time in one of timeForms. since is floored: it may lie too far
// back, never too late.
func timeText(t time.Time, form []string) any {
	if len(form) == 0 {
		form = timeForms[:1]
	}
	switch t = t.UTC(); form[0] {
	case "epoch":
		return json.Number(strconv.FormatInt(t.Unix(), 10))
	case "epoch_ms":
		return json.Number(strconv.FormatInt(t.UnixMilli(), 10))
	case "date":
		return t.Format(time.DateOnly)
	default:
		return t.Truncate(time.Second).Format(time.RFC3339)
	}
}

// scalarText is the text of a value that has one.
func scalarText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case nil:
		return "", errors.New("is null; here a text or a number is wanted")
	case []any, map[string]any:
		return "", errors.New("is a list or an object; here a text or a number is wanted")
	default:
		return gojqText(v)
	}
}

// gojqText is the JSON of a value, numbers digit for digit.
func gojqText(v any) (string, error) {
	text, err := gojq.Marshal(v)
	return string(text), err
}

// barePromQL is what may stand in PromQL outside of quotes: a name, a number, a
// duration.
var barePromQL = regexp.MustCompile(`^[A-Za-z0-9_:.]+$`)

// escape makes a text fit for the place it goes to.
func (h *hole) escape(text string) (string, error) {
	switch h.position {
	case inPath:
		if text == "." || text == ".." {
			return "", fmt.Errorf("%s is %q, which would lead elsewhere in a path", h.name(), text)
		}
		return url.PathEscape(text), nil
	case inQuery:
		return url.QueryEscape(text), nil
	case inHeader:
		if !validHeaderValue(text) {
			return "", fmt.Errorf("%s holds a line break or another control character, which no header may", h.name())
		}
	case inJSONText:
		quoted, err := gojqText(text)
		return quoted[1 : len(quoted)-1], err
	case inPromQL:
		if !barePromQL.MatchString(text) {
			return "", fmt.Errorf("%s is %q: outside of quotes only a name, a number or a duration may be put into a query", h.name(), cut(text))
		}
	case inPromQLText:
		return strings.NewReplacer(`\`, `\\`, "\n", `\n`, string(h.quote), `\`+string(h.quote)).Replace(text), nil
	case inPromQLRaw:
		if strings.Contains(text, "`") {
			return "", fmt.Errorf("%s holds a back quote, which would end the text it stands in; use double quotes", h.name())
		}
	}
	return text, nil
}
