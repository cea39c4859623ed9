package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
)

// fakeAPI is a fake of BigQuery's REST interface: jobs.insert, jobs.get,
// jobs.getQueryResults, jobs.cancel.
type fakeAPI struct {
	t      *testing.T
	engine *engine.Engine
	// canned are the types and values of certain queries' two columns.
	canned map[string][2][2]string
	// fail, where set, answers certain paths.
	fail func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	jobs     map[string]*fakeJob
	inserted []map[string]any // configurations of jobs that were to run
	cancels  int
}

type fakeJob struct {
	id, text string
	ctx      context.Context
	cancel   context.CancelFunc

	mu     sync.Mutex
	result *engine.Result
	err    error
	schema []any
	ready  []any // rows that were read to know the types
	pages  map[string]map[string]any
	ended  bool
}

func newFake(t *testing.T) *fakeAPI {
	return &fakeAPI{t: t, engine: engine.New(t), canned: make(map[string][2][2]string), jobs: make(map[string]*fakeJob)}
}

func (f *fakeAPI) start() string {
	s := httptest.NewServer(f)
	f.t.Cleanup(func() {
		f.mu.Lock()
		for _, j := range f.jobs {
			j.cancel()
		}
		f.mu.Unlock()
		s.CloseClientConnections()
		s.Close()
	})
	return "bigquery://shop/sales?location=EU&endpoint=" + s.URL + "/bigquery/v2/"
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fail != nil && f.fail(w, r) {
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/bigquery/v2/projects/shop/")
	parts := strings.Split(path, "/")
	switch {
	case r.Method == http.MethodPost && path == "jobs":
		f.insert(w, r)
	case r.Method == http.MethodPost && len(parts) == 3 && parts[2] == "cancel":
		f.mu.Lock()
		f.cancels++
		f.mu.Unlock()
		if j := f.job(parts[1]); j != nil {
			j.end()
		}
		answer(w, map[string]any{})
	case r.Method == http.MethodGet && len(parts) == 2 && parts[0] == "queries":
		f.results(w, r, f.job(parts[1]))
	case r.Method == http.MethodGet && len(parts) == 2 && parts[0] == "jobs":
		j := f.job(parts[1])
		if j == nil || !j.mu.TryLock() { // not there, or at a page of its result
			answer(w, resource(cmp.Or(j, &fakeJob{}), "DONE", nil))
			return
		}
		defer j.mu.Unlock()
		state := "RUNNING"
		if j.schema != nil || j.err != nil {
			state = "DONE"
		}
		answer(w, resource(j, state, j.err))
	default:
		refuse(w, http.StatusNotFound, "notFound", "Not found: "+r.URL.Path)
	}
}

func (f *fakeAPI) job(id string) *fakeJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.jobs[id]
}

// end ends a job, whatever it is at.
func (j *fakeJob) end() {
	j.cancel()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.result != nil {
		j.result.Close()
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// refuse answers as Google's interfaces do.
func refuse(w http.ResponseWriter, status int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
		"code": status, "message": message, "errors": []any{map[string]any{"reason": reason, "message": message}},
	}})
}

func resource(j *fakeJob, state string, err error) map[string]any {
	status := map[string]any{"state": state}
	if err != nil {
		reason := "invalidQuery"
		if j.ctx.Err() != nil {
			reason = "stopped"
		}
		status["errorResult"] = map[string]any{"reason": reason, "message": err.Error()}
	}
	return map[string]any{
		"jobReference":  map[string]any{"projectId": "shop", "jobId": j.id, "location": "EU"},
		"status":        status,
		"configuration": map[string]any{"jobType": "QUERY", "query": map[string]any{"query": j.text, "destinationTable": map[string]any{"projectId": "shop", "datasetId": "_anon", "tableId": "anon" + j.id}}},
		"statistics":    map[string]any{"query": map[string]any{"statementType": kindOf(j.text)}},
	}
}

// kindOf is what BigQuery would say of a statement, for those that tests ask.
func kindOf(text string) string {
	switch {
	case strings.Contains(text, "; DELETE"):
		return "SCRIPT"
	case strings.HasPrefix(strings.ToUpper(strings.TrimLeft(text, "( ")), "SELECT"), strings.HasPrefix(text, "WITH"):
		return "SELECT"
	}
	return "DELETE"
}

func (f *fakeAPI) insert(w http.ResponseWriter, r *http.Request) {
	var body struct {
		JobReference  struct{ JobID string }
		Configuration map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "invalid", err.Error())
		return
	}
	text := body.Configuration["query"].(map[string]any)["query"].(string)
	j := &fakeJob{id: body.JobReference.JobID, text: text, pages: make(map[string]map[string]any)}
	j.ctx, j.cancel = context.WithCancel(context.Background())
	if dry, _ := body.Configuration["dryRun"].(bool); dry {
		defer j.cancel()
		if _, ok := f.canned[text]; !ok && kindOf(text) == "SELECT" && !strings.Contains(text, engine.Hang) {
			stmt, err := f.engine.DB.PrepareContext(r.Context(), text)
			if err != nil {
				refuse(w, http.StatusBadRequest, "invalidQuery", "Syntax error: "+err.Error())
				return
			}
			stmt.Close()
		}
		answer(w, resource(j, "DONE", nil))
		return
	}
	f.mu.Lock()
	f.jobs[j.id] = j
	f.inserted = append(f.inserted, body.Configuration)
	f.mu.Unlock()
	go f.run(j)
	answer(w, resource(j, "RUNNING", nil))
}

// run starts a job and reads its first row, to know the types.
func (f *fakeAPI) run(j *fakeJob) {
	if c, ok := f.canned[j.text]; ok {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.schema = []any{field("dwmon_unique_key", c[0][0]), field("dwmon_timestamp", c[1][0])}
		j.ready, j.ended = []any{row([]any{c[0][1], c[1][1]})}, true
		return
	}
	result, err := f.engine.Query(j.ctx, f.engine.DB, j.text)
	var first []any
	if err == nil {
		if first, err = result.Next(); err != nil && err != io.EOF {
			result.Close()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch err {
	case nil:
		j.ready = []any{row(first)}
	case io.EOF:
		first, j.ended = make([]any, len(result.Columns)), true
		result.Close()
	default:
		j.err = err
		return
	}
	j.result = result
	for i, name := range result.Columns {
		kind := "INTEGER"
		switch first[i].(type) {
		case float64:
			kind = "FLOAT"
		case string, []byte:
			kind = "STRING"
		}
		j.schema = append(j.schema, field(name, kind))
	}
}

func field(name, kind string) map[string]any {
	return map[string]any{"name": name, "type": kind, "mode": "NULLABLE"}
}

func row(values []any) map[string]any {
	var cells []any
	for _, v := range values {
		switch x := v.(type) {
		case nil:
		case []byte:
			v = string(x)
		case string:
		default:
			v = fmt.Sprint(x)
		}
		cells = append(cells, map[string]any{"v": v})
	}
	return map[string]any{"f": cells}
}

// results answers with a page, or that the job is not done.
func (f *fakeAPI) results(w http.ResponseWriter, r *http.Request, j *fakeJob) {
	if j == nil {
		refuse(w, http.StatusNotFound, "notFound", "Not found: Job")
		return
	}
	for range 10 {
		j.mu.Lock()
		done := j.schema != nil || j.err != nil
		j.mu.Unlock()
		if done {
			break
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-j.ctx.Done():
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	ref := map[string]any{"projectId": "shop", "jobId": j.id, "location": "EU"}
	if j.err != nil {
		reason := "invalidQuery"
		if j.ctx.Err() != nil {
			reason = "stopped"
		}
		refuse(w, http.StatusBadRequest, reason, j.err.Error())
		return
	}
	if j.schema == nil {
		answer(w, map[string]any{"jobComplete": false, "jobReference": ref})
		return
	}
	page := map[string]any{"jobComplete": true, "jobReference": ref, "schema": map[string]any{"fields": j.schema}, "totalRows": "1"}
	if r.URL.Query().Get("maxResults") == "0" { // the client waits with these
		answer(w, page)
		return
	}
	token := r.URL.Query().Get("pageToken")
	if old, ok := j.pages[token]; ok {
		answer(w, old)
		return
	}
	if err := j.fill(page, token); err != nil {
		refuse(w, http.StatusBadRequest, "stopped", "Job execution was cancelled: "+err.Error())
		return
	}
	answer(w, page)
}

const pageRows = 5000

// fill reads the rows of a page, which is kept: who asks again gets it again.
func (j *fakeJob) fill(page map[string]any, token string) error {
	rows := j.ready
	j.ready = nil
	hang := strings.Contains(j.text, engine.Hang)
	for !j.ended && len(rows) < pageRows && (!hang || len(rows) == 0) {
		next, err := j.result.Next()
		if err == io.EOF {
			j.ended = true
			j.result.Close()
			break
		}
		if err != nil {
			j.result.Close()
			return err
		}
		rows = append(rows, row(next))
	}
	page["rows"] = rows
	if !j.ended {
		n, _ := strconv.Atoi(token)
		page["pageToken"] = strconv.Itoa(n + 1)
	}
	clear(j.pages)
	j.pages[token] = page
	return nil
}
