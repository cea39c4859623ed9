package main

import (
	"slices"
	"strconv"
	"strings"
)

// reading reads the directives that say how rows are read from a page.
func (p *parser) reading(r *request, has map[string]value) {
	if v, ok := has["format"]; ok {
		r.format = format(v.text)
		if all := []string{string(formatJSON), string(formatNDJSON), string(formatCSV)}; !slices.Contains(all, v.text) {
			p.in(v, 0, "want json, ndjson or csv%s", didYouMean(v.text, all))
		}
	}
	if v, ok := has["rows"]; ok {
		r.rows = p.program(v)
	} else if r.format == formatJSON && !p.misspelt {
		line, at := p.first.place(0)
		p.at(line, at, "`rows` is missing: say how rows are read, such as `rows: .items[] | {key: .id, time: .created_at}`")
	}
	for _, name := range []string{"columns", "delimiter"} {
		if v, ok := has[name]; ok && r.format != formatCSV {
			p.in(v, 0, "%q is for `format: csv`", name)
		}
	}
	if v, ok := has["delimiter"]; ok {
		r.csv.delimiter = p.character(v)
	}
	if v, ok := has["columns"]; ok {
		if r.rows != nil {
			p.in(v, 0, "`rows` and `columns` both say how rows are read; give one of them")
		}
		p.columns(r, v)
	}
	if v, ok := has["empty"]; ok {
		at := 0
		for _, text := range strings.Split(v.text, ",") {
			code, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil || code < 201 || code > 499 || code == 401 || code == 403 || code == 429 {
				p.in(v, at, "want status codes that say that there are no rows, such as 204 or 404")
			}
			r.empty = append(r.empty, code)
			at += len(text) + 1
		}
	}
}

// columns reads the columns of key and time: two names, or two numbers.
func (p *parser) columns(r *request, v value) {
	names := strings.Split(v.text, ",")
	if len(names) != 2 {
		p.in(v, 0, "want two columns, that of the key and that of the time, such as `columns: order_id, created_at`")
		return
	}
	to := []*column{&r.csv.key, &r.csv.time}
	for i, text := range names {
		text = strings.TrimSpace(text)
		if n, err := strconv.Atoi(text); err == nil {
			if n < 1 || n > 10_000 {
				p.in(v, 0, "columns are counted from 1")
			}
			to[i].number = n
		} else if to[i].name = text; text == "" {
			p.in(v, 0, "want two columns, such as `columns: order_id, created_at`")
		}
	}
	if (r.csv.key.number > 0) != (r.csv.time.number > 0) {
		p.in(v, 0, "want two names or two numbers: with numbers, the first line is a record like any other")
	}
}

// paging reads the directives that say how pages follow one another.
func (p *parser) paging(r *request, has map[string]value) {
	if v, ok := has["next"]; ok {
		if r.linkNext = v.text == "link"; !r.linkNext {
			r.next = p.program(v)
		}
	}
	if v, ok := has["pages"]; ok {
		r.pages = p.whole(v, 1, 1_000_000)
		if _, ok := has["next"]; !ok && r.pages > 1 {
			p.in(v, 0, "there is one page only: `next` is missing")
		}
	}
	if _, ok := has["next"]; !ok && r.usesNext() {
		line, at := p.first.place(0)
		p.at(line, at, "{{next}} is used, and nothing says what it is: `next` is missing")
	}
}

func (p *parser) program(v value) *program {
	prog, err := compile(v)
	if err != nil {
		p.inPlace(v, err)
	}
	return prog
}
