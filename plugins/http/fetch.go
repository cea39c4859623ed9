package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// fetch is one run of a request, with all its pages.
type fetch struct {
	*getter
	out         pluginsdk.RowSink
	base        *base
	own         bool // the base is the checker's own SOURCE
	credentials *credentials
	env         env
	page        int    // the one being read, from 1
	read        int64  // bytes of all pages
	doing       string // what is being asked, for errors
}

// begin says when the fetch begins and how far it reaches back.
func (f *fetch) begin(r *request, since time.Time) {
	f.env.now = time.Now()
	if f.env.since = since; since.IsZero() {
		f.env.since = f.env.now.Add(-r.window)
	}
}

// call is one request as it is sent.
type call struct {
	method  string
	url     *url.URL
	headers http.Header
	body    []byte
}

// fingerprint tells whether two calls ask the same.
func (c *call) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", c.method, c.url)
	h.Write(c.body)
	return [sha256.Size]byte(h.Sum(nil))
}

// call puts the values into the request.
func (f *fetch) call(r *request) (call, error) {
	c := call{method: r.method, headers: http.Header{}}
	target, err := r.target.render(&f.env)
	if err != nil {
		return c, err
	}
	if c.url, err = f.base.resolve(target); err != nil {
		return c, err
	}
	plain := map[string]string{}
	for _, h := range r.headers {
		text, err := h.value.render(&f.env)
		if err != nil {
			return c, fmt.Errorf("%s: %w", h.name, err)
		}
		c.headers.Set(h.name, text)
		plain[h.name] = text
	}
	if c.headers.Get("Accept") == "" {
		c.headers.Set("Accept", r.format.accept())
	}
	body, err := r.body.render(&f.env)
	if err != nil {
		return c, err
	}
	if r.method == http.MethodPost {
		c.body = []byte(body)
		c.headers.Set("Content-Type", contentType(plain, body))
	}
	return c, f.mayAsk(c.url)
}

// mayAsk refuses hosts that nobody allowed.
func (f *fetch) mayAsk(u *url.URL) error {
	if originOf(u) == f.base.origin || f.allowed(f.base, u) {
		return nil
	}
	return fmt.Errorf("%s is not where the source is (%s); where it may be asked, without credentials, add %q to allowed_hosts",
		where(u), f.base.origin, u.Host)
}

// pages reads one page after the other.
func (f *fetch) pages(ctx context.Context, r *request) error {
	seen := map[[sha256.Size]byte]int{}
	digests := map[uint64]int{}
	seed := maphash.MakeSeed()
	var nextURL *url.URL
	for f.page = 1; ; f.page++ {
		if f.page > f.settings.MaxPages {
			return pluginsdk.CheckerError(fmt.Errorf("there are more than %d pages; ask for less (`window`, more rows a page), read fewer with `pages`, or raise max_pages", f.settings.MaxPages))
		}
		c, err := f.call(r)
		if err != nil {
			return pluginsdk.CheckerError(f.named(err))
		}
		if nextURL != nil {
			c.url = nextURL
		}
		if before, again := seen[c.fingerprint()]; again {
			return pluginsdk.CheckerError(f.named(fmt.Errorf("`next` leads back to page %d: paging goes round in a circle", before)))
		}
		seen[c.fingerprint()] = f.page
		page := newRows(f.out, f.zone, seed)
		next, err := f.readPage(ctx, r, c, page)
		if err != nil {
			return err
		}
		if before, again := digests[page.digest.Sum64()]; again && page.count > 0 {
			return pluginsdk.CheckerError(f.named(fmt.Errorf("it has the same rows as page %d: paging does not move on; look at `next` and its parameter", before)))
		}
		digests[page.digest.Sum64()] = f.page
		if next == nil || f.page == r.pages {
			return nil
		}
		if r.usesNext() && !r.linkNext {
			f.env.next = next
			continue
		}
		if nextURL, err = f.follow(c.url, next, r.linkNext); err != nil {
			return pluginsdk.CheckerError(f.named(fmt.Errorf("next: %w", err)))
		}
	}
}

// readPage asks for a page and gives its rows to the host. next is nil after the
// last one.
func (f *fetch) readPage(ctx context.Context, r *request, c call, page *rows) (next any, err error) {
	resp, stop, err := f.send(ctx, c, r.empty)
	if err != nil || resp == nil {
		return nil, err
	}
	defer stop()
	about := &facts{since: f.env.since, now: f.env.now, extra: f.env.extra, page: f.page, headers: headersOf(resp.Header)}
	watched, unwatch := f.heap.watch(resp.ctx)
	defer unwatch()
	var document any
	switch r.format {
	case formatNDJSON:
		err = f.readNDJSON(watched, r, resp, page, about)
	case formatCSV:
		err = f.readCSV(watched, r, resp, page, about)
	default:
		document, err = f.readJSON(watched, r, resp, page, about)
	}
	if err != nil {
		return nil, err
	}
	about.count = page.count
	switch {
	case r.linkNext:
		return linkNext(resp.Header), nil
	case r.next == nil:
		return nil, nil
	}
	return f.runNext(watched, r.next, document, about)
}

// runNext asks the program for the next page. More than one answer is an error:
// there is no telling which is meant.
func (f *fetch) runNext(ctx context.Context, p *program, document any, about *facts) (any, error) {
	var answers []any
	err := p.run(ctx, document, about, func(v any) error {
		if answers = append(answers, v); len(answers) > 1 {
			return errors.New("it gives more than one value; which page is next?")
		}
		return nil
	})
	if err != nil {
		return nil, f.programError(ctx, fmt.Errorf("next: %w", err))
	}
	if len(answers) == 0 {
		return nil, nil
	}
	switch v := answers[0].(type) {
	case nil:
		return nil, nil
	case bool:
		if !v {
			return nil, nil
		}
	case string:
		if v == "" {
			return nil, nil
		}
		return v, nil
	case []any, map[string]any:
	default:
		return v, nil
	}
	return nil, pluginsdk.CheckerError(f.named(fmt.Errorf("next: it gives %s; want a URL, a cursor, a page's number, or null after the last page", preview(answers[0]))))
}

// follow makes the URL of the next page. link says that it comes from the header
// Link, where it certainly is a URL.
func (f *fetch) follow(from *url.URL, next any, link bool) (*url.URL, error) {
	text, ok := next.(string)
	if !ok {
		return nil, fmt.Errorf("it gives %s, which is no URL; to put it into the request, write {{next}} where it belongs", preview(next))
	}
	ref, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("it gives %q, which is no URL", cut(text))
	}
	if !link && !strings.Contains(text, "/") && !strings.HasPrefix(text, "?") {
		// A cursor would be taken for a path beside this one.
		return nil, fmt.Errorf("it gives %q, which looks like a cursor and no URL; write {{next}} where it belongs in the request", cut(text))
	}
	u := from.ResolveReference(ref)
	u.Fragment = ""
	if u.User != nil {
		return nil, errors.New("it gives a URL with a user in it")
	}
	return u, f.mayAsk(u)
}

var linkForm = regexp.MustCompile(`<([^>]*)>((?:\s*;\s*[^,;="]+(?:=(?:"[^"]*"|[^,;"]*))?)*)`)

var relForm = regexp.MustCompile(`(?i);\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))`)

// linkNext finds the target of the link with rel="next"; nil where there is none.
func linkNext(h http.Header) any {
	for _, line := range h.Values("Link") {
		for _, m := range linkForm.FindAllStringSubmatch(line, -1) {
			rel := relForm.FindStringSubmatch(m[2])
			if rel == nil {
				continue
			}
			for _, name := range strings.Fields(rel[1] + " " + rel[2]) {
				if strings.EqualFold(name, "next") {
					return m[1]
				}
			}
		}
	}
	return nil
}

// headersOf are a response's headers as jq programs see them.
func headersOf(h http.Header) map[string]any {
	all := make(map[string]any, len(h))
	for name, values := range h {
		all[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return all
}

// named puts the page or what else was being asked before an error, and removes
// secrets from its text.
func (f *fetch) named(err error) error {
	text := err.Error()
	if f.doing != "" {
		text = f.asking() + ": " + text
	}
	return &quoted{text: f.credentials.secrets.Replace(text), err: err}
}

// asking says what is being asked, without what may be secret.
func (f *fetch) asking() string {
	if f.page > 1 {
		return f.credentials.secrets.Replace(fmt.Sprintf("page %d (%s)", f.page, f.doing))
	}
	return f.credentials.secrets.Replace(f.doing)
}

// owned makes err the instance's fault, or the checker's where the base is its own
// SOURCE: a wrong SOURCE must not hold up other checkers.
func (f *fetch) owned(fault func(error) error, err error) error {
	if f.own {
		return pluginsdk.CheckerError(err)
	}
	return fault(err)
}

// quoted is an error with a text of ours: the SDK can ask what kind the original
// is, but nobody comes across its text, which may hold a secret.
type quoted struct {
	text string
	err  error
}

func (q *quoted) Error() string        { return q.text }
func (q *quoted) Is(target error) bool { return errors.Is(q.err, target) }
func (q *quoted) As(target any) bool   { return errors.As(q.err, target) }

// oneLine joins the lines of a server's message.
func oneLine(text []byte) string { return string(bytes.Join(bytes.Fields(text), []byte(" "))) }
