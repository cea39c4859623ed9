package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

func start(t *testing.T, p *pagerDuty, more map[string]any) *providertest.Handler {
	t.Helper()
	settings := map[string]any{"url": providertest.Serve(t, p.ServeHTTP).URL, "routing_key": routingKey}
	for name, v := range more {
		settings[name] = v
	}
	return providertest.MustStart(t, newPlugin(), settings)
}

func TestFaults(t *testing.T) {
	providertest.Suite{
		New: newPlugin,
		Settings: func(base string) map[string]any {
			return map[string]any{"url": strings.Replace(base, "://", "://me:s3cr3t-of-the-proxy@", 1), "routing_key": routingKey}
		},
		Taken: newPagerDuty().ServeHTTP,
	}.Run(t)
}

// TestWhatIsSent: each notice as PagerDuty gets it, all events of one in a file.
func TestWhatIsSent(t *testing.T) {
	for name, n := range providertest.Notices() {
		t.Run(name, func(t *testing.T) {
			p := newPagerDuty()
			if err := start(t, p, nil).Notice(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if n.Kind == pluginsdk.NoticeDigest || n.Kind == pluginsdk.NoticeCorrected {
				if len(p.events) > 0 {
					t.Errorf("%s is sent", p.events[0].body)
				}
				return
			}
			var text strings.Builder
			for _, e := range inOrder(p.events) {
				text.WriteString(providertest.Indented(t, e.body))
			}
			providertest.Golden(t, name+".json", text.String())
		})
	}
}

// inOrder sorts events of different alerts, which are sent side by side.
func inOrder(events []received) []received {
	var sorted []received
	for _, key := range []string{"K7QXA2-17", "K7QXA2-12", "K7QXA2-9", "K7QXA2-18", "K7QXA2-19", "K7QXA2/.test/49"} {
		for _, e := range events {
			if e.DedupKey == key {
				sorted = append(sorted, e)
			}
		}
	}
	return sorted
}

func TestResults(t *testing.T) {
	p := newPagerDuty()
	h := start(t, p, nil)
	again := providertest.Bad()
	again.MinuteEpoch += 60
	again.IdempotencyKey = "K7QXA2/billing/new_invoices/1795856520/0"
	again.ConsecutiveBad = 2
	for _, c := range []struct {
		name  string
		ev    pluginsdk.CheckEvent
		open  int
		total int
	}{
		{"good at first", providertest.Good(), 0, 0},
		{"bad", providertest.Bad(), 1, 1},
		{"bad, told again", providertest.Bad(), 1, 1},
		{"bad a minute later", again, 1, 1},
		{"unknown", providertest.Unknown(), 1, 1},
		{"good", providertest.Good(), 0, 1},
		{"good, told again", providertest.Good(), 0, 1},
	} {
		if err := h.Check(t.Context(), c.ev); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if len(p.open) != c.open || p.total != c.total {
			t.Errorf("%s: %d open of %d alerts, want %d of %d", c.name, len(p.open), p.total, c.open, c.total)
		}
	}
	providertest.Golden(t, "result_bad.json", providertest.Indented(t, p.events[1].body))
	providertest.Golden(t, "result_good.json", providertest.Indented(t, p.events[len(p.events)-1].body))
}

// TestAnIncidentIsOneAlert: opened, told again and repeated is one alert; recovered
// resolves it, however the incident ended.
func TestAnIncidentIsOneAlert(t *testing.T) {
	for _, end := range []string{"recovered", "line_changed", "off", "forgotten"} {
		p := newPagerDuty()
		h := start(t, p, nil)
		over := providertest.Recovered()
		over.Incident.End = end
		for i, n := range []pluginsdk.Notice{providertest.Opened(), providertest.Opened(), providertest.Repeated(), over, over} {
			if err := h.Notice(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			if open := len(p.open) == 1; open != (i < 3) || p.total != 1 {
				t.Errorf("%s, notice %d: open %v, %d alerts", end, i, open, p.total)
			}
		}
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		setting, label, want string
	}{
		{"", "", "error"}, {"warning", "", "warning"}, {"warning", "critical", "critical"}, {"warning", "Info", "info"}, {"warning", "page", "warning"},
	} {
		p := newPagerDuty()
		more := map[string]any{}
		if c.setting != "" {
			more["severity"] = c.setting
		}
		h := start(t, p, more)
		n, ev := providertest.Opened(), providertest.Bad()
		n.Labels["severity"], ev.Labels["severity"] = c.label, c.label
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if err := h.Check(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
		for _, e := range p.events {
			if e.Payload.Severity != c.want {
				t.Errorf("setting %q, label %q: %s, want %s", c.setting, c.label, e.Payload.Severity, c.want)
			}
		}
	}
}

// TestAnythingFits: whatever a notice holds, PagerDuty takes it.
func TestAnythingFits(t *testing.T) {
	p := newPagerDuty()
	h := start(t, p, nil)
	long := strings.Repeat("ü", 3000)
	n := providertest.Opened()
	n.Summary, n.Detail, n.Description, n.Runbook, n.Source, n.Owner, n.Checker.Name = long, strings.Repeat(long, 100), long, long, long, long, long
	n.Incident.ID, n.Incident.Cause = long, long
	for range 200 {
		n.Facts = append(n.Facts, pluginsdk.Fact{Label: fmt.Sprint("fact ", len(n.Facts)), Value: long})
		n.Keys = append(n.Keys, strings.Repeat(long, 10))
	}
	empty := providertest.Opened()
	empty.Summary, empty.Source, empty.Created, empty.Labels, empty.Facts = "", "", time.Time{}, nil, nil
	templated := n
	templated.Templated = true
	ev := providertest.Bad()
	ev.Requirement = strings.Repeat(ev.Requirement, 20)
	for name, n := range map[string]pluginsdk.Notice{"long": n, "empty": empty, "templated": templated} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.Check(t.Context(), ev); err != nil {
		t.Error(err)
	}
}

// TestDedupKeys fit, are the same for the same line and differ for others.
func TestDedupKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringN(0, 400, -1)
		a, b := text.Draw(rt, "a"), text.Draw(rt, "b")
		ka, kb := dedupKey(a), dedupKey(b)
		if len(ka) > maxDedupKey || ka != dedupKey(a) || (ka == kb) != (a == b) {
			rt.Fatalf("%q and %q", ka, kb)
		}
	})
	key := func(change func(*pluginsdk.CheckEvent)) string {
		ev := providertest.Bad()
		change(&ev)
		return resultKey(&ev)
	}
	one := key(func(*pluginsdk.CheckEvent) {})
	for name, c := range map[string]struct {
		change func(*pluginsdk.CheckEvent)
		same   bool
	}{
		"another minute":       {func(ev *pluginsdk.CheckEvent) { ev.IdempotencyKey = "K7QXA2/billing/new_invoices/1795856520/0" }, true},
		"another count":        {func(ev *pluginsdk.CheckEvent) { ev.EventCount = 0 }, true},
		"another line":         {func(ev *pluginsdk.CheckEvent) { ev.Requirement += " HALFOPEN" }, false},
		"another checker":      {func(ev *pluginsdk.CheckEvent) { ev.CheckerName = "billing/refunds" }, false},
		"another installation": {func(ev *pluginsdk.CheckEvent) { ev.IdempotencyKey = "XYZ/billing/new_invoices/1795856460/0" }, false},
	} {
		if got := key(c.change); (got == one) != c.same {
			t.Errorf("%s: %s and %s", name, got, one)
		}
	}
}

// group tells of so many incidents.
func group(size int) pluginsdk.Notice {
	n := providertest.Grouped()
	n.Items = nil
	for i := range size {
		part := providertest.Opened()
		part.Incident.ID = fmt.Sprint("K7QXA2-", i)
		n.Items = append(n.Items, part.Parts()...)
	}
	return n
}

// TestALargeGroupGoesOnWhereItEnded: a rate limit stops a notice of many events;
// those that were taken are not sent again.
func TestALargeGroupGoesOnWhereItEnded(t *testing.T) {
	const size, perAttempt = 50, 12
	p := newPagerDuty()
	h := start(t, p, nil)
	n := group(size)
	for p.limit = perAttempt; ; p.limit += perAttempt {
		err := h.Notice(t.Context(), n)
		if err == nil {
			break
		}
		if pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || p.limit > size {
			t.Fatal(err)
		}
	}
	if len(p.events) != size || p.total != size {
		t.Errorf("%d events for %d alerts, want %d", len(p.events), p.total, size)
	}
}

// TestOneBadEventSpoilsNoOther of its group.
func TestOneBadEventSpoilsNoOther(t *testing.T) {
	p := newPagerDuty()
	h := start(t, p, nil)
	n := group(6)
	n.Items[2].Incident.ID, n.Items[2].Kind = "", pluginsdk.NoticeRecovered // PagerDuty resolves nothing without a key
	err := h.Notice(t.Context(), n)
	if pluginsdk.ClassOf(err) != pluginsdk.ClassPermanent || p.total != 5 {
		t.Errorf("%v, %d alerts", err, p.total)
	}
}

// TestEventsOfOneAlertStayInOrder although those of others go beside them.
func TestEventsOfOneAlertStayInOrder(t *testing.T) {
	p := newPagerDuty()
	h := start(t, p, nil)
	n := group(10)
	for _, i := range n.Items[:10] {
		over := providertest.Recovered()
		over.Incident.ID = i.Incident.ID
		n.Items = append(n.Items, over.Parts()...)
	}
	if err := h.Notice(t.Context(), n); err != nil || len(p.open) != 0 || p.total != 10 {
		t.Errorf("%v, %d of %d alerts are open", err, len(p.open), p.total)
	}
}

func TestAWrongKeyWaitsForTheRightOne(t *testing.T) {
	for name, key := range map[string]string{"unknown": "s3cr3tXXXXXXXXXXXXXXXXXXXXXXXXXX", "too short": "s3cr3t"} {
		h := start(t, newPagerDuty(), map[string]any{"routing_key": key})
		err := h.Check(t.Context(), providertest.Bad())
		if text := fmt.Sprint(err); pluginsdk.ClassOf(err) != pluginsdk.ClassCredentials || !strings.Contains(text, "routing_key") || strings.Contains(text, key) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPortalIsNotPagerDuty(t *testing.T) {
	s := providertest.Serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>please log in")) })
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": s.URL, "routing_key": routingKey})
	if err := h.Check(t.Context(), providertest.Bad()); pluginsdk.ClassOf(err) != pluginsdk.ClassConfig {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"right":                    {map[string]any{"routing_key": routingKey}, ""},
		"the EU's":                 {map[string]any{"routing_key": routingKey, "url": "https://events.eu.pagerduty.com/"}, ""},
		"the whole endpoint":       {map[string]any{"routing_key": routingKey, "url": "https://events.pagerduty.com/v2/enqueue"}, ""},
		"a key of the REST API":    {map[string]any{"routing_key": "s3cr3t+rest_key_67890"}, "21 characters"},
		"a key with a space":       {map[string]any{"routing_key": "s3cr3t0123456789abcdef012345678 "}, "holds a space"},
		"a severity of another's":  {map[string]any{"routing_key": routingKey, "severity": "page"}, `severity is "page"; want critical, error, warning, info`},
		"a URL without its scheme": {map[string]any{"routing_key": routingKey, "url": "events.pagerduty.com"}, "url: want a URL"},
	} {
		h, err := providertest.Start(t, newPlugin(), c.settings)
		switch text := fmt.Sprint(err); {
		case c.want == "" && err == nil:
			if got := h.CheckHandler.(*handler).endpoint.Path; got != "/v2/enqueue" {
				t.Errorf("%s: %s", name, got)
			}
		case pluginsdk.ClassOf(err) != pluginsdk.ClassConfig || c.want == "" || !strings.Contains(text, c.want) || strings.Contains(text, "s3cr3t"):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestHealth(t *testing.T) {
	p := newPagerDuty()
	if err := start(t, p, nil).Health(t.Context()); err != nil || len(p.events) != 0 {
		t.Error(err, len(p.events))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := start(t, p, nil).Health(ctx); err == nil {
		t.Error("a probe that was given up found PagerDuty well")
	}
}
