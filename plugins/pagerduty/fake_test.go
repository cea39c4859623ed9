package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// routingKey is the one that the fake knows.
const routingKey = "s3cr3t0123456789abcdef0123456789"

// pagerDuty plays the Events API v2 from its documentation: it refuses what
// PagerDuty would refuse, and folds events together by dedup_key.
type pagerDuty struct {
	mu sync.Mutex
	// limit is how many events are taken before there are too many; 0: no limit.
	limit  int
	events []received
	// open has the open alerts by dedup_key, and how many alerts there ever were.
	open  map[string]bool
	total int
}

type received struct {
	event
	body []byte
}

func newPagerDuty() *pagerDuty { return &pagerDuty{open: map[string]bool{}} }

func (p *pagerDuty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" {
		http.NotFound(w, r)
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 512<<10+1))
	e, faults := readEvent(body)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case len(faults) > 0:
		answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": faults})
	case e.RoutingKey != routingKey:
		answer(w, http.StatusBadRequest, map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{"Invalid routing key"}})
	case p.limit > 0 && len(p.events) >= p.limit:
		answer(w, http.StatusTooManyRequests, map[string]any{"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly."})
	default:
		p.take(e, body)
		answer(w, http.StatusAccepted, map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

func (p *pagerDuty) take(e event, body []byte) {
	p.events = append(p.events, received{e, body})
	switch {
	case e.Action == "resolve":
		delete(p.open, e.DedupKey) // one that is not open is dropped
	case !p.open[e.DedupKey]:
		p.open[e.DedupKey] = true
		p.total++
	}
}

// readEvent reads an event, and says all that is wrong with it.
func readEvent(body []byte) (e event, faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if len(body) > 512<<10 {
		fault("the event is larger than 512 KB")
		return e, faults
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		fault("%v", err)
		return e, faults
	}
	if len(e.RoutingKey) != 32 {
		fault("Length of 'routing_key' is incorrect (should be 32 characters)")
	}
	if utf8.RuneCountInString(e.DedupKey) > 255 {
		fault("'dedup_key' is too long (maximum 255 characters)")
	}
	switch e.Action {
	case "trigger":
		faults = append(faults, payloadFaults(e.Payload)...)
	case "acknowledge", "resolve":
		if e.DedupKey == "" {
			fault("'dedup_key' is missing or blank")
		}
	default:
		fault("'event_action' is invalid")
	}
	for _, l := range e.Links {
		if !strings.HasPrefix(l.Href, "https://") && !strings.HasPrefix(l.Href, "http://") {
			fault("'href' is invalid")
		}
	}
	return e, faults
}

func payloadFaults(p *payload) (faults []string) {
	if p == nil {
		return []string{"'payload' is missing or blank"}
	}
	if p.Summary == "" || utf8.RuneCountInString(p.Summary) > 1024 {
		faults = append(faults, "'payload.summary' is missing, blank or too long")
	}
	if p.Source == "" {
		faults = append(faults, "'payload.source' is missing or blank")
	}
	if !slices.Contains([]string{"critical", "error", "warning", "info"}, p.Severity) {
		faults = append(faults, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	}
	if _, err := time.Parse(time.RFC3339, p.Timestamp); p.Timestamp != "" && err != nil {
		faults = append(faults, "'payload.timestamp' is invalid")
	}
	return faults
}

// TestTheFakeIsStrict: a fake that took everything would prove nothing.
func TestTheFakeIsStrict(t *testing.T) {
	const good = `{"routing_key": "s3cr3t0123456789abcdef0123456789", "event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "x", "severity": "error"}}`
	if _, faults := readEvent([]byte(good)); len(faults) > 0 {
		t.Fatal(faults)
	}
	for from, to := range map[string]string{
		`"dedup_key": "k"`:                 `"dedup_key": "` + strings.Repeat("k", 256) + `"`,
		`"summary": "s"`:                   `"summary": ""`,
		`"source": "x"`:                    `"source": ""`,
		`"severity": "error"`:              `"severity": "bad"`,
		`"s3cr3t0123456789abcdef01234567`:  `"`,
		`"event_action": "trigger"`:        `"event_action": "open"`,
		`"payload": {`:                     `"more": {}, "payload": {`,
		`"source": "x",`:                   `"source": "x", "timestamp": "now",`,
		`"dedup_key": "k", "payload": {"s`: `"dedup_key": "k", "links": [{"href": "x"}], "payload": {"s`,
	} {
		if _, faults := readEvent([]byte(strings.Replace(good, from, to, 1))); len(faults) != 1 {
			t.Errorf("%s: %v", to, faults)
		}
	}
}
