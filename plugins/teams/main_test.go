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

	"github.com/dwmon/dwmon/plugins/internal/message"
	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

const flowPath = "/workflows/0f3a/triggers/manual/paths/invoke?api-version=2016-06-01&sig=s3cr3tXXXXXXXXXXXX"

// flow plays a workflow, and refuses what Teams would refuse or not show.
type flow struct {
	*httptest.Server
	mu   sync.Mutex
	got  []string
	keys []string
}

func newFlow(t *testing.T) *flow {
	f := &flow{}
	f.Server = providertest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost {
			http.Error(w, `{"error":{"code":"NotFound"}}`, http.StatusNotFound)
			return
		}
		if fault := faultOf(body); fault != "" || r.URL.RequestURI() != flowPath {
			t.Errorf("%s %s: %.2000s", fault, r.URL, body)
			http.Error(w, fault, http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		f.got, f.keys = append(f.got, string(body)), append(f.keys, r.Header.Get("Idempotency-Key"))
		f.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	})
	return f
}

func (f *flow) settings() map[string]any { return map[string]any{"url": f.URL + flowPath} }

// members of each type of element of Adaptive Cards 1.4 that we use.
var members = map[string][]string{
	"AdaptiveCard":   {"type", "$schema", "version", "fallbackText", "msteams", "body", "actions"},
	"Container":      {"type", "id", "style", "bleed", "spacing", "items"},
	"RichTextBlock":  {"type", "id", "spacing", "inlines"},
	"TextRun":        {"type", "text", "size", "weight", "color", "isSubtle"},
	"Action.OpenUrl": {"type", "title", "url"},
}

func faultOf(body []byte) string {
	var e struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     map[string]any
		}
	}
	switch {
	case len(body) > 28<<10:
		return fmt.Sprintf("%d bytes", len(body))
	case json.Unmarshal(body, &e) != nil, e.Type != "message", len(e.Attachments) != 1:
		return "no message with one attachment"
	case e.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive":
		return "no card"
	case e.Attachments[0].Content["version"] != "1.4":
		return "a version that Teams does not know"
	}
	return faultOfElement(e.Attachments[0].Content)
}

func faultOfElement(e map[string]any) string {
	kind, _ := e["type"].(string)
	known, ok := members[kind]
	if !ok {
		return "an element of type " + kind
	}
	if text, has := e["text"].(string); kind == "TextRun" && (!has || text == "") {
		return "an empty run"
	}
	for name, v := range e {
		if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+name+" ") {
			return kind + " has no " + name
		}
		list, _ := v.([]any)
		for _, child := range list {
			if fault := faultOfElement(child.(map[string]any)); fault != "" {
				return fault
			}
		}
	}
	return ""
}

func TestConformance(t *testing.T) {
	o := plugintest.Options{Settings: newFlow(t).settings()}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "teams"), o) })
}

func TestWhatEveryServerMaySay(t *testing.T) {
	providertest.Suite{
		New:      newPlugin,
		Settings: func(base string) map[string]any { return map[string]any{"url": base + flowPath} },
		Taken:    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
	}.Run(t)
}

func TestSettings(t *testing.T) {
	for url, want := range map[string]string{"https://x.example.com/s3cr3t": "", "x.example.com/s3cr3t": "url: want a URL", "": "url: want a URL"} {
		_, err := providertest.Start(t, newPlugin(), map[string]any{"url": url})
		if text := fmt.Sprint(err); (want == "") != (err == nil) || !strings.Contains(text, want) && err != nil || strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestTheCardAsItsReaderSeesIt(t *testing.T) {
	f := newFlow(t)
	h := providertest.MustStart(t, newPlugin(), f.settings())
	if err := h.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, sample := range noticetest.All() {
		if err := h.Notice(t.Context(), sample.Notice); err != nil {
			t.Fatal(sample.Name, err)
		}
		noticetest.Golden(t, sample.Name+".json", providertest.Indented(t, []byte(f.got[i])))
	}
	if err := h.Check(t.Context(), providertest.Bad()); err != nil || !strings.Contains(f.got[len(f.got)-1], "billing/new_invoices: 4 rows in the 3 min before 10:01, fewer than 5") {
		t.Error(err, f.got[len(f.got)-1])
	}
}

func TestARedeliveryHasTheSameKey(t *testing.T) {
	f := newFlow(t)
	h := providertest.MustStart(t, newPlugin(), f.settings())
	for _, n := range []pluginsdk.Notice{noticetest.OpenedLow(), noticetest.OpenedLow(), noticetest.Recovered()} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if f.keys[0] == "" || f.keys[0] != f.keys[1] || f.keys[1] == f.keys[2] || f.got[0] != f.got[1] || !strings.Contains(f.got[0], f.keys[0]) {
		t.Error(f.keys)
	}
}

func TestALargeNoticeIsShortened(t *testing.T) {
	f := newFlow(t)
	h := providertest.MustStart(t, newPlugin(), f.settings())
	body := noticetest.OpenedLow()
	body.Templated, body.Detail = true, strings.Repeat("\"<&> wörter\n", 5_000)
	for _, n := range []pluginsdk.Notice{noticetest.Hostile(), noticetest.Huge(), noticetest.Grouped(500), body} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"", "Shortened: dwmon status has all of it.", "and 450 more: see dwmon status", "Shortened"} {
		if !strings.Contains(f.got[i], want) || !strings.Contains(f.got[i], "🔴 BAD") {
			t.Errorf("%d: %s", i, f.got[i])
		}
	}
	for _, s := range f.got {
		if len(s) < 2000 {
			t.Errorf("%d bytes: that is shorter than need be", len(s))
		}
	}
}

// TestTheLeastSizeIsSmallEnough: whatever a notice holds, there is a card for it.
func TestTheLeastSizeIsSmallEnough(t *testing.T) {
	long := strings.Repeat("\x01\"🔴&", 5_000) // of each character the worst that JSON makes
	m := &message.Message{Word: "BAD", Summary: long, Since: long, Body: long}
	for range 50 {
		m.Items = append(m.Items, message.Item{Word: "BAD", Summary: long, Owner: long})
		m.Facts = append(m.Facts, pluginsdk.Fact{Label: long, Value: "https://x/" + strings.Repeat("&", 990)})
	}
	if body, err := bodyOf(m); err != nil || len(body) > maxBody {
		t.Error(len(body), err)
	}
}

func TestAWorkflowThatIsOffHoldsAllBack(t *testing.T) {
	for code, class := range map[string]pluginsdk.Class{"WorkflowTriggerIsNotEnabled": pluginsdk.ClassConfig, "WorkflowNotFound": pluginsdk.ClassConfig, "InvalidRequestContent": pluginsdk.ClassPermanent} {
		s := providertest.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"m"}}`, code)
		})
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": s.URL + flowPath})
		if err := h.Notice(t.Context(), noticetest.OpenedLow()); pluginsdk.ClassOf(err) != class || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %s, %v", code, pluginsdk.ClassOf(err), err)
		}
	}
}
