package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
)

const (
	hookPath = "/services/T0000/B0000/s3cr3tXXXXXXXXXXXXXXXXXX"
	botToken = "xoxb-s3cr3t-0123456789"
)

// slack plays Slack, as its documentation has it, and refuses what that would refuse.
type slack struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	posts    []map[string]any
	raw      []string
	channels map[string]string // by name, what is wrong with it; "" is right
	answer   string            // instead of all others
	header   http.Header
	deleted  map[string]bool // messages, by their timestamps
}

func newSlack(t *testing.T) *slack {
	s := &slack{t: t, channels: map[string]string{"#ops": "", "#orders": "", "#old": "is_archived"}, header: http.Header{}}
	s.Server = providertest.Serve(t, s.serve)
	return s
}

func (s *slack) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, values := range s.header {
		w.Header()[name] = values
	}
	switch r.URL.Path {
	case hookPath:
		s.hook(w, r)
	case "/api/chat.postMessage", "/api/auth.test":
		s.call(w, r)
	default:
		http.Error(w, "no_service", http.StatusNotFound)
	}
}

func (s *slack) hook(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var p map[string]any
	if json.Unmarshal(body, &p) != nil || faultOf(p) != "" || p["channel"] != nil {
		s.t.Errorf("%s: %s", faultOf(p), body)
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.posts, s.raw = append(s.posts, p), append(s.raw, string(body))
	_, _ = io.WriteString(w, "ok")
}

func (s *slack) call(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var p map[string]any
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	switch {
	case s.answer != "":
		say("%s", s.answer)
		return
	case r.Header.Get("Content-Type") != "application/json; charset=utf-8":
		s.t.Errorf("Content-Type %s", r.Header.Get("Content-Type"))
	case r.Header.Get("Authorization") != "Bearer "+botToken:
		say(`{"ok":false,"error":"invalid_auth"}`)
		return
	case json.Unmarshal(body, &p) != nil:
		say(`{"ok":false,"error":"invalid_json"}`)
		return
	case strings.HasSuffix(r.URL.Path, "auth.test"):
		say(`{"ok":true,"user":"dwmon"}`)
		return
	}
	channel, _ := p["channel"].(string)
	wrong, known := s.channels[channel]
	switch {
	case !known:
		say(`{"ok":false,"error":"channel_not_found"}`)
	case wrong != "":
		say(`{"ok":false,"error":%q}`, wrong)
	case p["thread_ts"] != nil && s.deleted[p["thread_ts"].(string)]:
		say(`{"ok":false,"error":"thread_not_found"}`)
	case faultOf(p) != "":
		s.t.Errorf("%s: %s", faultOf(p), body)
		say(`{"ok":false,"error":"invalid_blocks"}`)
	default:
		s.posts, s.raw = append(s.posts, p), append(s.raw, string(body))
		say(`{"ok":true,"channel":"C0%s","ts":"1772457000.%06d"}`, strings.TrimPrefix(channel, "#"), len(s.posts))
	}
}

// faultOf says which of Slack's rules a message breaks.
func faultOf(p map[string]any) string {
	if t, _ := p["text"].(string); t == "" || utf8.RuneCountInString(t) > 4000 && p["channel"] != nil || strings.Contains(t, "<!") {
		return "text"
	}
	blocks, _ := p["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > 50 {
		return fmt.Sprintf("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		if fault := faultOfBlock(b.(map[string]any)); fault != "" {
			return fmt.Sprintf("block %d: %s", i, fault)
		}
	}
	return ""
}

func faultOfBlock(b map[string]any) string {
	list := func(name string) (all []any) { all, _ = b[name].([]any); return all }
	switch b["type"] {
	case "header":
		return faultOfText(b["text"], "plain_text", 150)
	case "section":
		fields := list("fields")
		if b["text"] == nil && len(fields) == 0 || len(fields) > 10 {
			return fmt.Sprintf("%d fields and no text", len(fields))
		}
		for _, f := range fields {
			if fault := faultOfText(f, "mrkdwn", 2000); fault != "" {
				return fault
			}
		}
		if b["text"] != nil {
			return faultOfText(b["text"], "mrkdwn", 3000)
		}
	case "context":
		if n := len(list("elements")); n == 0 || n > 10 {
			return fmt.Sprintf("%d elements", n)
		}
		for _, e := range list("elements") {
			if fault := faultOfText(e, "mrkdwn", 3000); fault != "" {
				return fault
			}
		}
	default:
		return fmt.Sprintf("a block of type %v", b["type"])
	}
	return ""
}

func faultOfText(v any, kind string, most int) string {
	t, _ := v.(map[string]any)
	s, _ := t["text"].(string)
	switch n := utf8.RuneCountInString(s); {
	case t["type"] != kind:
		return fmt.Sprintf("a text of type %v", t["type"])
	case n == 0 || n > most:
		return fmt.Sprintf("a text of %d characters", n)
	case kind == "plain_text" && t["verbatim"] != nil, kind == "mrkdwn" && t["emoji"] != nil:
		return "a member that the text does not have"
	case strings.Contains(s, "<!") || strings.Contains(s, "<@") || strings.Contains(s, "<#"):
		return "a mention: " + s
	}
	return ""
}
