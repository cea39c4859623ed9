package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
)

// coordinator is a fake of Trino's /v1/statement protocol: a statement is posted, its
// result comes in pages, each of which names the next; a page that was acknowledged
// is gone; DELETE ends a query.
type coordinator struct {
	t      *testing.T
	engine *engine.Engine
	// canned are results of certain statements.
	canned map[string]cannedResult
	// password of the user reader; empty: none is wanted.
	password string
	// wrap, where set, sees each answer to a GET before it is sent.
	wrap func(w http.ResponseWriter, page map[string]any) bool

	mu       sync.Mutex
	queries  map[string]*query
	posted   []*http.Request // statements, without their bodies
	texts    []string
	deleted  int
	pageRows int
}

// cannedResult is a result as it stands in the answers.
type cannedResult struct {
	types []string // of the two columns
	rows  [][]any
}

// query is one query on the coordinator.
type query struct {
	id     string
	ctx    context.Context
	cancel context.CancelFunc
	pages  chan map[string]any

	mu      sync.Mutex
	path    string         // of the page that was served last
	current map[string]any // that page: who asks again gets it again
}

func newCoordinator(t *testing.T) *coordinator {
	return &coordinator{t: t, engine: engine.New(t), canned: make(map[string]cannedResult), queries: make(map[string]*query), pageRows: 1000}
}

// start returns a server of the coordinator.
func (c *coordinator) start() *httptest.Server {
	s := httptest.NewUnstartedServer(c)
	if c.password != "" {
		s.StartTLS()
	} else {
		s.Start()
	}
	c.t.Cleanup(func() {
		c.mu.Lock()
		for _, q := range c.queries {
			q.cancel()
		}
		c.mu.Unlock()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (c *coordinator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.password != "" {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("reader:"+c.password))
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", "Basic realm=\"Trino\"")
			http.Error(w, "Access Denied: Invalid credentials", http.StatusUnauthorized)
			return
		}
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/statement":
		c.post(w, r)
	case r.Method == http.MethodGet && len(parts) == 6 && parts[1] == "statement":
		c.get(w, r, parts)
	case r.Method == http.MethodDelete && len(parts) == 6 && parts[1] == "statement":
		c.end(w, parts[3])
	case r.Method == http.MethodDelete && len(parts) == 3 && parts[1] == "query":
		c.end(w, parts[2])
	case r.URL.Path == "/v1/info":
		c.write(w, map[string]any{"nodeVersion": map[string]any{"version": "478"}, "environment": "test", "coordinator": true, "starting": false})
	case r.URL.Path == "/v1/statement":
		w.WriteHeader(http.StatusOK)
	default:
		http.NotFound(w, r)
	}
}

func (c *coordinator) post(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("X-Trino-User") == "" {
		http.Error(w, "User must be set", http.StatusBadRequest)
		return
	}
	base := "http://" + r.Host
	if r.TLS != nil {
		base = "https://" + r.Host
	}
	c.mu.Lock()
	q := &query{id: fmt.Sprintf("20240601_120000_%05d_abcde", len(c.texts)), pages: make(chan map[string]any)}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	c.queries[q.id] = q
	c.posted, c.texts = append(c.posted, r), append(c.texts, string(text))
	c.mu.Unlock()
	go c.run(q, string(text), base)
	c.write(w, answer(q, base+"/v1/statement/queued/"+q.id+"/slug/1", "QUEUED"))
}

// answer is a page without data.
func answer(q *query, next, state string) map[string]any {
	page := map[string]any{"id": q.id, "infoUri": "http://trino/ui/" + q.id, "stats": map[string]any{"state": state}}
	if next != "" {
		page["nextUri"] = next
	}
	return page
}

// run runs a statement and offers its pages.
func (c *coordinator) run(q *query, text, base string) {
	token := 0
	send := func(page map[string]any) bool {
		select {
		case q.pages <- page:
			return true
		case <-q.ctx.Done():
			return false
		}
	}
	next := func() string {
		token++
		return fmt.Sprintf("%s/v1/statement/executing/%s/slug/%d", base, q.id, token)
	}
	send(answer(q, next(), "RUNNING"))
	if canned, ok := c.canned[text]; ok {
		page := answer(q, next(), "RUNNING")
		page["columns"] = []any{column("dwmon_unique_key", canned.types[0]), column("dwmon_timestamp", canned.types[1])}
		page["data"] = canned.rows
		send(page)
		send(answer(q, "", "FINISHED"))
		return
	}
	fail := func(err error) {
		page := answer(q, "", "FAILED")
		page["error"] = failure(err)
		send(page)
	}
	result, err := c.engine.Query(q.ctx, c.engine.DB, text)
	if err != nil {
		fail(err)
		return
	}
	defer result.Close()
	var columns []any
	var data []any
	page := func() map[string]any {
		p := answer(q, next(), "RUNNING")
		if columns != nil {
			p["columns"] = columns
		}
		if len(data) > 0 {
			p["data"] = data
		}
		data = nil
		return p
	}
	hang := strings.Contains(text, engine.Hang)
	for {
		row, err := result.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fail(err)
			return
		}
		if columns == nil {
			columns = columnsOf(result.Columns, row)
		}
		data = append(data, jsonRow(row))
		if len(data) == c.pageRows || hang {
			if !send(page()) {
				return
			}
		}
	}
	if columns == nil {
		columns = columnsOf(result.Columns, make([]any, len(result.Columns)))
	}
	if send(page()) {
		send(answer(q, "", "FINISHED"))
	}
}

func (c *coordinator) get(w http.ResponseWriter, r *http.Request, parts []string) {
	c.mu.Lock()
	q := c.queries[parts[3]]
	c.mu.Unlock()
	if q == nil || q.ctx.Err() != nil {
		http.Error(w, "Query not found", http.StatusGone)
		return
	}
	page := q.page(r)
	if c.wrap != nil && !c.wrap(w, page) {
		return
	}
	c.write(w, page)
}

// page is the page that a request asks for.
func (q *query) page(r *http.Request) map[string]any {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.path == r.URL.Path {
		return q.current
	}
	select {
	case q.current = <-q.pages:
		q.path = r.URL.Path
		return q.current
	case <-time.After(100 * time.Millisecond): // a long poll that found nothing
		scheme := "http://"
		if r.TLS != nil {
			scheme = "https://"
		}
		return answer(q, scheme+r.Host+r.URL.Path, "RUNNING")
	case <-q.ctx.Done():
		page := answer(q, "", "FAILED")
		page["error"] = trinoError("USER_CANCELED", "USER_ERROR", "Query was canceled")
		return page
	}
}

// end cancels a query.
func (c *coordinator) end(w http.ResponseWriter, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q := c.queries[id]; q != nil {
		q.cancel()
		c.deleted++
	}
	w.WriteHeader(http.StatusNoContent)
}

// write writes a page with its members in the order in which Trino has them.
func (c *coordinator) write(w http.ResponseWriter, page map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(encode(page))
}

func encode(page map[string]any) []byte {
	text := []byte("{")
	for _, name := range []string{
		"id", "infoUri", "nextUri", "columns", "data", "stats", "error", "nodeVersion", "environment", "coordinator", "starting",
	} {
		if v, ok := page[name]; ok {
			if len(text) > 1 {
				text = append(text, ',')
			}
			member, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			text = fmt.Appendf(text, "%q:%s", name, member)
		}
	}
	return append(text, '}')
}

func column(name, typeName string) map[string]any {
	raw, arguments := typeName, []any{}
	if base, rest, ok := strings.Cut(typeName, "("); ok {
		numbers, tail, _ := strings.Cut(rest, ")")
		raw = base + tail
		for _, n := range strings.Split(numbers, ",") {
			if n = strings.TrimSpace(n); n[0] >= '0' && n[0] <= '9' {
				arguments = append(arguments, map[string]any{"kind": "LONG", "value": json.Number(n)})
			} else {
				arguments = append(arguments, map[string]any{"kind": "TYPE", "value": map[string]any{"rawType": n, "arguments": []any{}}})
			}
		}
	}
	return map[string]any{"name": name, "type": typeName, "typeSignature": map[string]any{"rawType": raw, "arguments": arguments}}
}

func columnsOf(names []string, row []any) []any {
	var columns []any
	for i, name := range names {
		typeName := "bigint"
		switch row[i].(type) {
		case float64:
			typeName = "double"
		case string, []byte:
			typeName = "varchar"
		}
		columns = append(columns, column(name, typeName))
	}
	return columns
}

func jsonRow(row []any) []any {
	for i, v := range row {
		if b, ok := v.([]byte); ok {
			row[i] = string(b)
		}
	}
	return row
}

// failure is an error of the engine in Trino's words.
func failure(err error) map[string]any {
	switch text := err.Error(); {
	case strings.Contains(text, "no such table"):
		return trinoError("TABLE_NOT_FOUND", "USER_ERROR", text)
	case strings.Contains(text, "no such column"):
		return trinoError("COLUMN_NOT_FOUND", "USER_ERROR", text)
	default:
		return trinoError("SYNTAX_ERROR", "USER_ERROR", "line 1:1: "+text)
	}
}

func trinoError(name, kind, message string) map[string]any {
	return map[string]any{
		"message": message, "errorCode": 1, "errorName": name, "errorType": kind,
		"failureInfo": map[string]any{"type": "io.trino.spi.TrinoException", "message": message, "suppressed": []any{}, "stack": []any{}},
	}
}
