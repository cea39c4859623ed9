package main

import (
	"encoding/json"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// form is what a request is: which directives it may have.
type form string

const (
	formRequest    form = "a request"
	formPrometheus form = "a Prometheus query"
	formSearch     form = "a search"
)

// directives of each form. The preset's own name comes first.
var directivesOf = map[form][]string{
	formRequest:    {"rows", "next", "pages", "format", "columns", "delimiter", "window", "empty", "body"},
	formPrometheus: {"prometheus", "count", "step", "window"},
	formSearch:     {"search", "query", "key", "time", "window"},
}

// build makes the request of what was split.
func (p *parser) build() *request {
	r := &request{method: http.MethodGet, format: formatJSON, csv: csvForm{delimiter: ','}, window: defaultWindow}
	kind, given := p.form()
	if kind == "" {
		return r
	}
	has := p.unique(kind)
	if v, ok := has["window"]; ok {
		r.window = p.duration(v, time.Second, 400*24*time.Hour)
	}
	switch kind {
	case formPrometheus:
		p.noHeaders(kind)
		r.prometheus = p.prometheus(has)
	case formSearch:
		p.noHeaders(kind)
		r.search = p.search(has)
	default:
		p.requestLine(r, given)
		p.requestHeaders(r)
		p.reading(r, has)
		p.paging(r, has)
		p.body(r, has)
	}
	return r
}

// form says what the first line is.
func (p *parser) form() (form, value) {
	if p.first.text != "" {
		return formRequest, p.first
	}
	if len(p.directives)+len(p.headers) == 0 {
		return "", value{}
	}
	for _, d := range p.directives {
		switch d.name {
		case "prometheus":
			return formPrometheus, d.value
		case "search":
			return formSearch, d.value
		}
	}
	first := append(slices.Clone(p.directives), p.headers...)
	slices.SortFunc(first, func(a, b directive) int { return a.line - b.line })
	p.at(first[0].line, first[0].at, "the first line says what is asked: GET /path, POST /path, `prometheus: …` or `search: …`")
	return "", value{}
}

// unique checks the names of directives and gives their values.
func (p *parser) unique(kind form) map[string]value {
	names := directivesOf[kind]
	has := map[string]value{}
	for _, d := range p.directives {
		switch {
		case !slices.Contains(names, d.name):
			p.unknown(d, kind)
		case has[d.name].from != nil:
			p.at(d.line, d.at, "%q is there twice", d.name)
		case d.text == "":
			p.in(d.value, 0, "%q has no value", d.name)
		default:
			has[d.name] = d.value
		}
	}
	return has
}

func (p *parser) unknown(d directive, kind form) {
	for other, names := range directivesOf {
		if slices.Contains(names, d.name) {
			p.at(d.line, d.at, "%q belongs to %s, and this is %s", d.name, other, kind)
			return
		}
	}
	p.misspelt = true
	names := directivesOf[kind]
	hint := didYouMean(d.name, names)
	if hint == "" {
		hint = "; there are " + strings.Join(names, ", ") + " (a header begins with a capital letter)"
	}
	p.at(d.line, d.at, "%q is unknown%s", d.name, hint)
}

func (p *parser) noHeaders(kind form) {
	for _, h := range p.headers {
		if lower := strings.ToLower(h.name); slices.Contains(directivesOf[kind], lower) {
			p.at(h.line, h.at, "%q is written in lower case: %q", h.name, lower)
			continue
		}
		p.at(h.line, h.at, "%q is a header, and %s has none; headers for the whole source belong into dwmon.yaml", h.name, kind)
	}
}

var requestLine = regexp.MustCompile(`^(\S+)[ \t]+(.*)$`)

// requestLine reads METHOD target.
func (p *parser) requestLine(r *request, v value) {
	m := requestLine.FindStringSubmatchIndex(v.text)
	if m == nil {
		if strings.HasPrefix(v.text, "/") || isURL(v.text) {
			p.in(v, 0, "the method is missing; write GET %s", cut(v.text))
		} else {
			p.in(v, 0, "want a method and a path, such as GET /v1/orders, or `prometheus: …`, or `search: …`")
		}
		return
	}
	r.method = v.text[m[2]:m[3]]
	if !slices.Contains(methods, r.method) {
		if upper := strings.ToUpper(r.method); slices.Contains(methods, upper) {
			p.in(v, 0, "the method is written in upper case: %s", upper)
		} else {
			p.in(v, 0, "%s is no method to read with; there are %s", cut(r.method), strings.Join(methods, " and "))
		}
	}
	target := strings.TrimSpace(v.text[m[4]:m[5]])
	if cutOff, ok := strings.CutSuffix(target, " HTTP/1.1"); ok {
		target = cutOff
	}
	p.target(r, v.slice(m[4], m[4]+len(target)))
}

// authority is what a full URL begins with, up to its path.
var authority = regexp.MustCompile(`(?i)^https?://[^/?#]*`)

var anyHole = regexp.MustCompile(`\{\{[^{}]*\}\}`)

func (p *parser) target(r *request, v value) {
	path, query, has := strings.Cut(v.text, "?")
	switch {
	case !isURL(v.text) && !strings.HasPrefix(v.text, "/"):
		p.in(v, 0, "a target begins with / or with http:// or https://")
		return
	case strings.Contains(authority.FindString(v.text), "{{"):
		p.in(v, strings.Index(v.text, "{{"), "a placeholder stands in the path or behind it, never in the host: who is asked is no matter of values")
		return
	case strings.Contains(v.text, "#"):
		p.in(v, strings.Index(v.text, "#"), "a target has no fragment; a plain # is written %%23")
		return
	}
	// Placeholders may hold anything; the same number of bytes stands for them.
	literal := anyHole.ReplaceAllStringFunc(v.text, func(h string) string { return strings.Repeat("x", len(h)) })
	literal, _, _ = strings.Cut(literal, "{{") // one that does not end, of which is said more below
	if at := strings.IndexAny(literal, " \t\\\"<>^`{}|"); at >= 0 {
		p.in(v, at, "%q cannot stand in a URL; write it as %s", v.text[at:at+1], url.PathEscape(v.text[at:at+1]))
		return
	}
	r.target.query = has
	r.target.path = p.template(v.slice(0, len(path)), always(inPath))
	p.noBareNext(v.slice(0, len(path)), r.target.path)
	at := len(path) + 1
	for _, param := range strings.Split(query, "&") {
		if has && param != "" {
			pv := v.slice(at, at+len(param))
			t := p.template(pv, always(inQuery))
			if !optional(t) {
				p.noBareNext(pv, t)
			}
			r.target.params = append(r.target.params, t)
		}
		at += len(param) + 1
	}
	if len(p.faults) > 0 {
		return
	}
	if text, err := r.target.render(&env{sample: true}); err == nil {
		if _, err := url.ParseRequestURI(text); err != nil {
			p.in(v, 0, "%q is no valid URL: special characters are percent-encoded", cut(v.text))
		}
	}
}

// template reads a value with placeholders.
func (p *parser) template(v value, s syntax) template {
	t, err := parseTemplate(v.text, s)
	if err != nil {
		p.inPlace(v, err)
	}
	return t
}

// noBareNext refuses a {{next}} of which nobody knows what it is on the first page.
func (p *parser) noBareNext(v value, t template) {
	if h := t.bareNext(); h != nil {
		p.in(v, h.offset, "say what the first page is asked with, such as {{next|1}} or, in JSON, {{next|null}}")
	}
}

// secretHeaders have no place in a checker file.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie"}

func (p *parser) requestHeaders(r *request) {
	seen := map[string]bool{}
	for _, h := range p.headers {
		name := textproto.CanonicalMIMEHeaderKey(h.name)
		lower := strings.ToLower(h.name)
		switch {
		case slices.Contains(directivesOf[formRequest], lower):
			p.misspelt = true
			p.at(h.line, h.at, "%q is written in lower case: %q", h.name, lower)
		case !validHeaderName(name):
			p.at(h.line, h.at, "%q is no name of a header", cut(h.name))
		case slices.Contains(secretHeaders, name):
			p.at(h.line, h.at, "%s has no place in a checker file; credentials belong into the settings of the source in dwmon.yaml", name)
		case slices.Contains(ownHeaders, name):
			p.at(h.line, h.at, "%s is set by the plugin itself", name)
		case seen[name]:
			p.at(h.line, h.at, "the header %s is there twice", name)
		case strings.Contains(h.text, "\n"):
			p.in(h.value, 0, "a header stands in one line")
		case !validHeaderValue(h.text):
			p.in(h.value, 0, "the header holds a control character")
		default:
			t := p.template(h.value, always(inHeader))
			p.noBareNext(h.value, t)
			r.headers = append(r.headers, header{name, t})
		}
		seen[name] = true
	}
}

// body reads the body of a POST, and checks it where it is JSON.
func (p *parser) body(r *request, has map[string]value) {
	v, ok := has["body"]
	if !ok {
		return
	}
	if r.method != http.MethodPost {
		p.in(v, 0, "only a POST has a body")
		return
	}
	plain := map[string]string{}
	for _, h := range r.headers {
		plain[h.name], _ = h.value.render(&env{sample: true})
	}
	kind := contentType(plain, v.text)
	switch {
	case strings.Contains(kind, "ndjson"):
		r.body = p.template(v, &quoting{})
	case strings.Contains(kind, "json"):
		r.body = p.jsonTemplate(v)
	case strings.Contains(kind, "x-www-form-urlencoded"):
		r.body = p.template(v, always(inQuery))
	default:
		r.body = p.template(v, always(inPlain))
	}
	p.noBareNext(v, r.body)
}

// jsonTemplate reads JSON with placeholders, and says what is wrong with it.
func (p *parser) jsonTemplate(v value) template {
	before := len(p.faults)
	t := p.template(v, &quoting{})
	if len(p.faults) > before {
		return t
	}
	text, err := t.render(&env{sample: true})
	if err != nil {
		p.inPlace(v, err)
		return t
	}
	var any json.RawMessage
	if err := json.Unmarshal([]byte(text), &any); err != nil {
		at := 0
		if wrong, ok := err.(*json.SyntaxError); ok && text == v.text { // without placeholders places agree
			at = max(int(wrong.Offset)-1, 0)
		}
		p.in(v, at, "it is no valid JSON: %v", err)
	}
	return t
}

// duration reads a duration within bounds.
func (p *parser) duration(v value, least, most time.Duration) time.Duration {
	d, err := pluginsdk.ParseDuration(v.text)
	switch {
	case err != nil:
		p.in(v, 0, "%v", err)
	case d.Std() < least || d.Std() > most:
		p.in(v, 0, "want a duration from %s to %s", pluginsdk.Duration(least), pluginsdk.Duration(most))
	}
	return d.Std()
}

// whole reads a whole number within bounds.
func (p *parser) whole(v value, least, most int) int {
	n, err := strconv.Atoi(v.text)
	if err != nil || n < least || n > most {
		p.in(v, 0, "want a whole number from %d to %d", least, most)
	}
	return n
}

// character reads the delimiter.
func (p *parser) character(v value) rune {
	if v.text == "tab" || v.text == `\t` {
		return '\t'
	}
	c, n := utf8.DecodeRuneInString(v.text)
	if n != len(v.text) || c == '"' || c == '\r' || c == '\n' || c == utf8.RuneError {
		p.in(v, 0, "want one character, or the word tab")
	}
	return c
}
