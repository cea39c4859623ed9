package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

func TestFaults(t *testing.T) {
	for name, settings := range map[string]func(base string) map[string]any{
		"basic": func(base string) map[string]any {
			return map[string]any{"url": base, "username": "dwmon", "password": "s3cr3t-password"}
		},
		"bearer": func(base string) map[string]any { return map[string]any{"url": base, "bearer_token": "s3cr3t-token"} },
		"two members": func(base string) map[string]any {
			return map[string]any{"urls": []string{base, strings.Replace(base, "://", "://me:s3cr3t-of-the-proxy@", 1)}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			providertest.Suite{New: newPlugin, Settings: settings, Taken: newFake().ServeHTTP}.Run(t)
		})
	}
}

// TestWhatIsPosted: each notice as Alertmanager gets it.
func TestWhatIsPosted(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 28, 9, 30, 0, 123456789, time.UTC) }
	post := func(t *testing.T, golden string, tell func(*providertest.Handler) error) {
		f := newFake()
		h := &handler{settings: defaults, now: now}
		p := providertest.MustStart(t, h.plugin(), map[string]any{"url": providertest.Serve(t, f.ServeHTTP).URL})
		if err := tell(p); err != nil {
			t.Fatal(err)
		}
		if golden == "" {
			if len(f.bodies) != 0 {
				t.Errorf("%s is posted", f.bodies[0])
			}
			return
		}
		providertest.Golden(t, golden, providertest.Indented(t, f.bodies[0]))
	}
	for name, n := range providertest.Notices() {
		t.Run(name, func(t *testing.T) {
			golden := name + ".json"
			if n.Kind == pluginsdk.NoticeDigest || n.Kind == pluginsdk.NoticeCorrected {
				golden = ""
			}
			post(t, golden, func(h *providertest.Handler) error { return h.Notice(t.Context(), n) })
		})
	}
	for golden, ev := range map[string]pluginsdk.CheckEvent{
		"result_bad.json": providertest.Bad(), "result_good.json": providertest.Good(), "": providertest.Unknown(),
	} {
		t.Run("result "+golden, func(t *testing.T) {
			post(t, golden, func(h *providertest.Handler) error { return h.Check(t.Context(), ev) })
		})
	}
}

// TestOneMemberIsEnough: one that is down holds up nobody, and is told what comes
// when it is there again.
func TestOneMemberIsEnough(t *testing.T) {
	up, other := newFake(), newFake()
	down := providertest.Serve(t, other.ServeHTTP)
	h := providertest.MustStart(t, newPlugin(), map[string]any{"urls": []string{down.URL, providertest.Serve(t, up.ServeHTTP).URL}})
	if err := h.Notice(t.Context(), providertest.Opened()); err != nil || len(up.alerts) != 1 || len(other.alerts) != 1 {
		t.Errorf("both up: %v, %d and %d alerts", err, len(up.alerts), len(other.alerts))
	}
	down.Close()
	if err := h.Notice(t.Context(), providertest.SourceDown()); err != nil || len(up.alerts) != 2 {
		t.Errorf("one down: %v, %d alerts", err, len(up.alerts))
	}
	if err := h.Health(t.Context()); pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable {
		t.Errorf("health does not say that one is down: %v", err)
	}
}

// TestALargeGroup looks for alerts with other labels a few incidents at a time.
func TestALargeGroup(t *testing.T) {
	f := newFake()
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": providertest.Serve(t, f.ServeHTTP).URL})
	n := pluginsdk.Notice{Kind: pluginsdk.NoticeOpened, Summary: "many", IdempotencyKey: "k"}
	for i := range 3*lookedUpAtOnce + 1 {
		one := of(providertest.Opened(), fmt.Sprintf("c%d (1", i)) // an id that is no regular expression
		n.Items = append(n.Items, one.Parts()...)
	}
	if err := h.Notice(t.Context(), n); err != nil || len(f.alerts) != len(n.Items) {
		t.Fatal(err, len(f.alerts))
	}
	for i := range n.Items {
		over := providertest.Recovered()
		n.Items[i].Kind, n.Items[i].Incident.ClosedEpoch, n.Items[i].Owner = over.Kind, over.Incident.ClosedEpoch, "new owner"
	}
	if err := h.Notice(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	for _, a := range f.alerts {
		if a.EndsAt.After(f.now()) {
			t.Errorf("%v still fires", a.Labels)
		}
	}
}

// TestAClockThatIsBehind: what has ended by our clock has ended by Alertmanager's.
func TestAClockThatIsBehind(t *testing.T) {
	f := newFake()
	f.late = 100 * 24 * time.Hour
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": providertest.Serve(t, f.ServeHTTP).URL})
	n := providertest.Recovered()
	n.Incident.OpenedEpoch, *n.Incident.ClosedEpoch = time.Now().Unix()-60, time.Now().Unix()
	opened := n
	incident := *n.Incident
	opened.Kind, opened.Incident, incident.ClosedEpoch = pluginsdk.NoticeOpened, &incident, nil
	for i, n := range []pluginsdk.Notice{opened, n} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		for _, a := range f.alerts {
			if fires := a.EndsAt.After(f.now()); fires != (i == 0) {
				t.Errorf("after notice %d it fires: %v, until %v", i, fires, a.EndsAt)
			}
		}
	}
}

// TestAProxyThatLetsNobodyAsk costs the care for changed labels only.
func TestAProxyThatLetsNobodyAsk(t *testing.T) {
	f := newFake()
	f.writeOnly = true
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": providertest.Serve(t, f.ServeHTTP).URL})
	for _, n := range []pluginsdk.Notice{providertest.Opened(), providertest.Repeated(), providertest.Recovered()} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Error(n.Kind, err)
		}
	}
}

func TestAuthorization(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("dwmon:s3cr3t"))
	for name, c := range map[string]struct {
		settings map[string]any
		user     string
		want     string
	}{
		"basic":      {map[string]any{"username": "dwmon", "password": "s3cr3t"}, "", basic},
		"in the URL": {map[string]any{}, "dwmon:s3cr3t@", basic},
		"bearer":     {map[string]any{"bearer_token": "s3cr3t"}, "", "Bearer s3cr3t"},
	} {
		f := newFake()
		f.authorization = c.want
		c.settings["url"] = strings.Replace(providertest.Serve(t, f.ServeHTTP).URL, "://", "://"+c.user, 1)
		h := providertest.MustStart(t, newPlugin(), c.settings)
		if err := h.Notice(t.Context(), providertest.Repeated()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := h.Health(t.Context()); err != nil {
			t.Errorf("%s: health: %v", name, err)
		}
		f.authorization = "Bearer another"
		if err := h.Health(t.Context()); pluginsdk.ClassOf(err) != pluginsdk.ClassCredentials {
			t.Errorf("%s: health without the right to ask: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	const url = "http://alertmanager:9093"
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"right":              {map[string]any{"url": url}, ""},
		"a prefix":           {map[string]any{"url": url + "/am/"}, ""},
		"the whole endpoint": {map[string]any{"urls": []string{url + "/am/api/v2/alerts"}}, ""},
		"none":               {map[string]any{}, "url is missing"},
		"two ways":           {map[string]any{"url": url, "urls": []string{url}}, "url and urls exclude one another"},
		"no URL":             {map[string]any{"urls": []string{url, "alertmanager:9093"}}, "url: want a URL"},
		"two credentials":    {map[string]any{"url": url, "username": "me", "bearer_token": "s3cr3t"}, "exclude one another"},
		"no user":            {map[string]any{"url": url, "password": "s3cr3t"}, "username is missing"},
		"a token of lines":   {map[string]any{"url": url, "bearer_token": "s3cr3t\nX: y"}, "line break"},
		"a label's name":     {map[string]any{"url": url, "labels": map[string]string{"a-b": "x"}}, `"a-b" is no name of a label`},
		"one of ours":        {map[string]any{"url": url, "labels": map[string]string{"checker": "x"}}, "checker is set by the plugin itself"},
		"severity":           {map[string]any{"url": url, "labels": map[string]string{"severity": "x"}}, "there is the setting of that name"},
		"no hold":            {map[string]any{"url": url, "hold": "0s"}, "hold must be above 0"},
	} {
		h, err := providertest.Start(t, newPlugin(), c.settings)
		switch text := fmt.Sprint(err); {
		case c.want == "" && err == nil:
			m := h.CheckHandler.(*handler).members[0]
			if got := m.api("alerts").Path; got != "/api/v2/alerts" && got != "/am/api/v2/alerts" {
				t.Errorf("%s: %s", name, got)
			}
		case pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || c.want == "" || !strings.Contains(text, c.want) || strings.Contains(text, "s3cr3t"):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestHealth(t *testing.T) {
	for body, want := range map[string]pluginsdk.Class{
		`{"versionInfo": {"version": "0.27.0"}}`: "", `<html>`: pluginsdk.ClassConfig, `{}`: pluginsdk.ClassConfig,
	} {
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": providertest.Serve(t, says(body)).URL})
		if err := h.Health(t.Context()); pluginsdk.ClassOf(err) != want {
			t.Errorf("%s: %v", body, err)
		}
	}
}
