// Package heartbeat tells a service outside, over HTTP, that dwmon does its work.
// The service raises the alarm when it is not told any more: a dead man's switch.
//
// It never holds up what it watches over: a beat is one request with a time limit,
// and while one is under way others are left out.
package heartbeat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options of a Heart. A zero field means its default.
type Options struct {
	// URL is asked with Method (GET). It is a secret: no error shows more of it than
	// its host.
	URL, Method string
	// Every is how long at least lies between two slots that are told of (1 min),
	// Timeout how long a request may take (10 s).
	Every, Timeout time.Duration
	// UserAgent is sent with requests.
	UserAgent string
	// Redact takes secrets out of a text; nil: there are none.
	Redact func(string) string
	// Observe, where set, is told of each beat that Run has sent, and of those withheld
	// because passes were not done.
	Observe func(Outcome)
	// Log; nil: slog.Default().
	Log *slog.Logger
}

// Outcome is what became of a beat.
type Outcome int

const (
	// Sent: the service took it.
	Sent Outcome = iota
	// Failed: the service did not take it, or could not be reached.
	Failed
	// Withheld: passes of the slot were not done.
	Withheld
)

// Heart sends beats.
type Heart struct {
	opts   Options
	host   string
	client *http.Client
	beats  chan int64

	mu       sync.Mutex
	withheld int // slots in a row without a beat

	// last is the slot that was told of last, 0 for none, and failures are the beats
	// that failed since. Only Run touches them.
	last     int64
	failures int
}

// New gives a Heart that does nothing yet.
func New(o Options) (*Heart, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("heartbeat: its url is no URL of HTTP")
	}
	o.Method = cmp.Or(o.Method, http.MethodGet)
	o.Every = cmp.Or(o.Every, time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.Redact == nil {
		o.Redact = func(text string) string { return text }
	}
	if o.Observe == nil {
		o.Observe = func(Outcome) {}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxConnsPerHost, transport.MaxIdleConns = 1, 1
	transport.IdleConnTimeout = 3 * time.Minute // a beat each minute shares a connection
	return &Heart{
		opts: o, host: u.Host, beats: make(chan int64, 1),
		client: &http.Client{Transport: transport, Timeout: o.Timeout, CheckRedirect: stayAtHome},
	}, nil
}

// mostRedirects is how many are followed.
const mostRedirects = 5

// stayAtHome follows redirects within a host only, and never from https to http:
// the URL is a secret of that host.
func stayAtHome(req *http.Request, via []*http.Request) error {
	before := via[len(via)-1].URL
	switch {
	case len(via) > mostRedirects:
		return fmt.Errorf("it redirects more than %d times", mostRedirects)
	case req.URL.Host != before.Host:
		return errors.New("it redirects to another host, which is not followed: the URL is a secret; name the right one")
	case before.Scheme == "https" && req.URL.Scheme != "https":
		return errors.New("it redirects from https to http, which is not followed: the URL is a secret")
	}
	return nil
}

// Slot says what became of a slot, of which so many passes were not done: a beat
// where there are none. It never waits for the service.
func (h *Heart) Slot(slot int64, undone int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if undone > 0 {
		if h.withheld == 0 {
			h.opts.Log.Warn("no heartbeat is sent: passes of the minute were not done", "passes", undone)
		}
		h.withheld++
		h.opts.Observe(Withheld)
		return
	}
	if h.withheld > 0 {
		h.opts.Log.Info("all passes of a minute were done again: heartbeats go on", "minutes_without", h.withheld)
		h.withheld = 0
	}
	select {
	case h.beats <- slot:
	default: // one is on its way already
	}
}

// Run sends the beats until ctx ends.
func (h *Heart) Run(ctx context.Context) {
	defer h.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case slot := <-h.beats:
			if !due(h.last, slot, h.opts.Every) {
				continue
			}
			err := h.Send(ctx)
			if ctx.Err() != nil {
				return
			}
			h.took(slot, err)
		}
	}
}

// due says whether a slot is to be told of after the last one that was.
func due(last, slot int64, every time.Duration) bool {
	return last == 0 || slot-last >= int64(every/time.Second) || slot < last // the clock was set back
}

// took logs when errors begin and end, not each, and then tells Observe.
func (h *Heart) took(slot int64, err error) {
	if err != nil {
		if h.failures == 0 {
			h.opts.Log.Error("the heartbeat failed; it is tried again each minute", "error", err)
		}
		h.failures++
		h.opts.Observe(Failed)
		return
	}
	if h.failures > 0 {
		h.opts.Log.Info("the heartbeat is taken again", "failures", h.failures)
	}
	h.last, h.failures = slot, 0
	h.opts.Observe(Sent)
}

// Send sends one beat. The error holds no secret.
func (h *Heart) Send(ctx context.Context) error {
	err := h.request(ctx)
	if err == nil {
		return nil
	}
	return errors.New(h.opts.Redact("heartbeat to " + h.host + ": " + err.Error()))
}

func (h *Heart) request(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, h.opts.Method, h.opts.URL, nil)
	if err != nil {
		return errors.New("its url is no URL of HTTP")
	}
	if h.opts.UserAgent != "" {
		req.Header.Set("User-Agent", h.opts.UserAgent)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return h.without(err)
	}
	defer resp.Body.Close()
	// What is read is what lets the connection be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return nil
}

// without gives the error without the URL that the client puts around it.
func (h *Heart) without(err error) error {
	var ue *url.Error
	if !errors.As(err, &ue) {
		return err
	}
	if ue.Timeout() {
		return fmt.Errorf("no answer within %s", h.opts.Timeout)
	}
	return ue.Err
}
