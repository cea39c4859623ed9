package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// fake plays Alertmanager's API v2. TestAlertmanager tries the same on it and on the
// real one.
type fake struct {
	// late is how far its clock is behind.
	late time.Duration
	// authorization is what a request must bring; empty: nothing.
	authorization string
	// writeOnly: a proxy before it lets only posts through.
	writeOnly bool

	mu     sync.Mutex
	bodies [][]byte
	alerts map[string]alert
}

func newFake() *fake { return &fake{alerts: map[string]alert{}} }

func (f *fake) now() time.Time { return time.Now().Add(-f.late) }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	if f.authorization != "" && r.Header.Get("Authorization") != f.authorization {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v2/status":
		_, _ = io.WriteString(w, `{"cluster": {"status": "disabled"}, "versionInfo": {"version": "0.25.0"}, "config": {"original": ""}, "uptime": "2026-11-28T09:00:00Z"}`)
	case "GET /api/v2/alerts":
		f.get(w, r)
	case "POST /api/v2/alerts":
		f.post(w, r)
	default:
		http.NotFound(w, r)
	}
}

var incidentFilter = regexp.MustCompile(`^incident=~("(?:[^"\\]|\\.)*")$`)

func (f *fake) get(w http.ResponseWriter, r *http.Request) {
	if f.writeOnly {
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	wanted := regexp.MustCompile("")
	if filter := r.URL.Query().Get("filter"); filter != "" {
		m := incidentFilter.FindStringSubmatch(filter)
		var text string
		if m == nil || json.Unmarshal([]byte(m[1]), &text) != nil {
			http.Error(w, "bad matcher format: "+filter, http.StatusBadRequest)
			return
		}
		wanted = regexp.MustCompile("^(?:" + text + ")$")
	}
	active := []alert{}
	for _, key := range slices.Sorted(maps.Keys(f.alerts)) {
		if a := f.alerts[key]; a.EndsAt.After(f.now()) && wanted.MatchString(a.Labels["incident"]) {
			active = append(active, a)
		}
	}
	_ = json.NewEncoder(w).Encode(active)
}

func (f *fake) post(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var alerts []alert
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&alerts); err != nil || r.Header.Get("Content-Type") != "application/json" {
		answer(w, http.StatusUnprocessableEntity, fmt.Sprint(err))
		return
	}
	var faults []string
	for _, a := range alerts {
		if fault := invalid(&a); fault != "" {
			faults = append(faults, fault)
			continue
		}
		f.put(a)
	}
	f.bodies = append(f.bodies, body)
	if len(faults) > 0 {
		answer(w, http.StatusBadRequest, strings.Join(faults, "; "))
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

var nameForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func invalid(a *alert) string {
	maps.DeleteFunc(a.Labels, func(_, v string) bool { return v == "" })
	if len(a.Labels) == 0 {
		return "at least one label pair required"
	}
	for _, names := range []map[string]string{a.Labels, a.Annotations} {
		for name := range names {
			if !nameForm.MatchString(name) {
				return fmt.Sprintf("invalid name %q", name)
			}
		}
	}
	if a.EndsAt.Before(a.StartsAt) {
		return "start time must be before end time"
	}
	return ""
}

// put joins an alert with the one of the same labels that it overlaps: the earlier
// start, and of two ends the later, but that one which has passed goes first.
func (f *fake) put(a alert) {
	key := fmt.Sprint(a.Labels)
	old, ok := f.alerts[key]
	overlaps := a.EndsAt.After(old.StartsAt) && a.EndsAt.Before(old.EndsAt) || a.StartsAt.After(old.StartsAt) && a.StartsAt.Before(old.EndsAt)
	if ok && overlaps {
		if old.StartsAt.Before(a.StartsAt) {
			a.StartsAt = old.StartsAt
		}
		oldEnded := !old.EndsAt.After(f.now())
		if ended := !a.EndsAt.After(f.now()); old.EndsAt.After(a.EndsAt) && (!ended || oldEnded) {
			a.EndsAt = old.EndsAt
		}
	}
	f.alerts[key] = a
}

// says answers each request with the same text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}
