package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// trail is what is known about a query from the requests that were made for it.
type trail struct {
	limit time.Duration // 0: none

	mu        sync.Mutex
	last      *http.Request // for a page of the result
	transport http.RoundTripper
	final     bool // the last page has arrived
}

// trailKey is the key of a trail in the context of a request.
type trailKey struct{}

// guard is the transport that all requests of a database go through.
type guard struct{ http.RoundTripper }

// RoundTrip leaves the trail of a query's requests and holds its answers to the
// protocol.
func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	t, _ := req.Context().Value(trailKey{}).(*trail)
	if t == nil || req.Method == http.MethodDelete {
		return g.RoundTripper.RoundTrip(req)
	}
	if req.Method == http.MethodPost {
		req = t.begin(req)
	} else {
		t.follow(req, g.RoundTripper)
	}
	resp, err := g.RoundTripper.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := t.look(resp.Body)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	resp.Body = body
	return resp, nil
}

// begin adds to the statement's request what the driver cannot add: the limit, as a
// property of this query. It asks for results in the answers themselves: a storage
// that a cluster may put them in is not reachable from everywhere.
func (t *trail) begin(req *http.Request) *http.Request {
	req = req.Clone(req.Context())
	req.Header.Del("X-Trino-Query-Data-Encoding")
	if t.limit > 0 {
		req.Header.Add("X-Trino-Session", limitProperty(t.limit))
	}
	return req
}

func (t *trail) follow(req *http.Request, transport http.RoundTripper) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.transport = req, transport
}

// ended says that the result has come to its end.
func (t *trail) ended() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.final
}

// stop returns what stops the query on the server; nil where there is nothing to
// stop, or nothing known to stop it by: a query whose answer nobody reads is given
// up by the server after some minutes, or at its time limit.
func (t *trail) stop() func() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || t.final {
		return nil
	}
	last, transport := t.last, t.transport
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), endLimit)
		defer cancel()
		req := last.Clone(ctx)
		req.Method = http.MethodDelete
		if resp, err := transport.RoundTrip(req); err == nil {
			resp.Body.Close()
		}
	}
}

// headSize is how much of an answer is looked at to see what it is. The members
// looked for come before the rows.
const headSize = 4096

// page is an answer whose beginning has been looked at.
type page struct {
	io.Reader
	io.Closer
}

// errNoPage is of an answer with status 200 that does not come from Trino, but from
// something in between. The driver would take it for the end of the result.
var errNoPage = errors.New("the answer is no page of a Trino result; is this the URL of a coordinator?")

// look notes whether an answer is the last page of a result.
func (t *trail) look(body io.ReadCloser) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(body, headSize)
	head, err := r.Peek(headSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.Contains(head, []byte(`"id":`)) {
		return nil, errNoPage
	}
	if !bytes.Contains(head, []byte(`"nextUri":`)) {
		t.mu.Lock()
		t.final = true
		t.mu.Unlock()
	}
	return page{r, body}, nil
}
