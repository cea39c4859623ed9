package main

import (
	"net/http"
	"strings"
	"time"
)

// request is a QUERY section that was read without fault.
type request struct {
	method  string
	target  target
	headers []header
	body    template

	rows *program
	// next says where the next page is: a program, or the header Link.
	next     *program
	linkNext bool
	// pages is how many are read on purpose; 0: all.
	pages  int
	format format
	csv    csvForm
	window time.Duration
	// empty are status codes that say that there are no rows.
	empty []int

	prometheus *promQuery
	search     *searchQuery
}

// header is a header line of the request.
type header struct {
	name  string
	value template
}

// format is how the answer is written.
type format string

const (
	formatJSON   format = "json"
	formatNDJSON format = "ndjson"
	formatCSV    format = "csv"
)

// csvForm says how records of a CSV are read.
type csvForm struct {
	delimiter rune
	// key and time are the columns; both empty where `rows` reads the records or
	// they have our own names.
	key, time column
}

// column is a column of a CSV, by its name in the first line or by its number.
type column struct {
	name   string
	number int // from 1; 0: by name
}

// defaultWindow is twice the default of catch_up: it bridges an outage of a day and
// a look-back of another.
const defaultWindow = 48 * time.Hour

// target is the path or URL of a request, with its parameters.
type target struct {
	path   template
	query  bool // there is a ?
	params []template
}

// optional says that a parameter is left out on the first page: its whole value is
// a {{next}} without a text for that page.
func optional(param template) bool {
	return len(param) == 2 && param[0].hole == nil && strings.HasSuffix(param[0].literal, "=") &&
		strings.Count(param[0].literal, "=") == 1 && param[1].hole != nil && param[1].hole.root == "next" && param[1].hole.fallback == nil
}

// render puts the values in.
func (t *target) render(e *env) (string, error) {
	path, err := t.path.render(e)
	if err != nil || !t.query {
		return path, err
	}
	var params []string
	for _, p := range t.params {
		if e.next == nil && optional(p) {
			continue
		}
		text, err := p.render(e)
		if err != nil {
			return "", err
		}
		params = append(params, text)
	}
	return path + "?" + strings.Join(params, "&"), nil
}

// usesNext says that what `next` gives is put into the request.
func (r *request) usesNext() bool {
	all := append([]template{r.target.path, r.body}, r.target.params...)
	for _, h := range r.headers {
		all = append(all, h.value)
	}
	for _, t := range all {
		if t.uses("next") {
			return true
		}
	}
	return false
}

// contentType is the type of the body, as the headers say or as it looks.
func contentType(headers map[string]string, body string) string {
	if t := headers["Content-Type"]; t != "" {
		return t
	}
	switch trimmed := strings.TrimSpace(body); {
	case strings.HasPrefix(trimmed, "{"), strings.HasPrefix(trimmed, "["):
		return "application/json"
	default:
		return "text/plain; charset=utf-8"
	}
}

// accept is the header Accept where the request has none.
func (f format) accept() string {
	switch f {
	case formatNDJSON:
		return "application/x-ndjson, application/json;q=0.9, */*;q=0.1"
	case formatCSV:
		return "text/csv, */*;q=0.1"
	default:
		return "application/json, */*;q=0.1"
	}
}

// methods that ask without changing anything; POST because searches are made with
// it.
var methods = []string{http.MethodGet, http.MethodPost}
