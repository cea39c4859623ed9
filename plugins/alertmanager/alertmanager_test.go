package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// TestAlertmanager tries the same on the real Alertmanager and on the fake, so that
// what others learn from the fake is true.
func TestAlertmanager(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		testLife(t, func(t *testing.T) string { return providertest.Serve(t, newFake().ServeHTTP).URL })
	})
	t.Run("real", func(t *testing.T) {
		url := server(t, providertest.Serve(t, func(http.ResponseWriter, *http.Request) {}).URL)
		testLife(t, func(*testing.T) string { return url })
	})
}

// active asks for the alerts that fire, by their label checker.
func active(t *testing.T, url string) map[string]alert {
	t.Helper()
	resp, err := http.Get(url + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var alerts []alert
	if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil {
		t.Fatal(err)
	}
	firing := map[string]alert{}
	for _, a := range alerts {
		key := a.Labels["checker"]
		for firing[key].Labels != nil { // another of the same checker
			key += "+"
		}
		firing[key] = a
	}
	return firing
}

// of makes a notice about another incident, of another checker, so that tests may
// share a server.
func of(n pluginsdk.Notice, name string) pluginsdk.Notice {
	n.Checker.Name = name
	n.Incident.ID = "K7QXA2." + name
	return n
}

func testLife(t *testing.T, serve func(*testing.T) string) {
	t.Run("an incident is one alert, from its beginning to its end", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url, "labels": map[string]string{"env": "prod"}})
		const name = "billing/life"
		for i, n := range []pluginsdk.Notice{
			providertest.Opened(), providertest.Opened(), providertest.Repeated(), providertest.Recovered(), providertest.Recovered(),
		} {
			if err := h.Notice(t.Context(), of(n, name)); err != nil {
				t.Fatal(i, err)
			}
			firing := active(t, url)
			a, fires := firing[name]
			if fires != (i < 3) || firing[name+"+"].Labels != nil {
				t.Fatalf("after notice %d these fire: %v", i, firing)
			}
			if !fires {
				continue
			}
			if !a.StartsAt.Equal(time.Unix(n.Incident.OpenedEpoch, 0)) || time.Until(a.EndsAt) < 365*24*time.Hour {
				t.Errorf("after notice %d it fires from %v to %v", i, a.StartsAt, a.EndsAt)
			}
			want := map[string]string{
				"alertname": "dwmon_count", "checker": name, "incident": "K7QXA2." + name, "owner": "payments", "source": "AWS",
				"severity": "warning", "team": "payments", "tier": "1", "env": "prod",
			}
			if fmt.Sprint(a.Labels) != fmt.Sprint(want) {
				t.Errorf("labels are %v, want %v", a.Labels, want)
			}
		}
	})
	t.Run("a new incident of the same line fires again", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
		again := providertest.Opened()
		again.Incident.OpenedEpoch += 3600
		for i, n := range []pluginsdk.Notice{of(providertest.Opened(), "again"), of(providertest.Recovered(), "again"), of(again, "again")} {
			n.Incident.ID = fmt.Sprint("K7QXA2.again", i/2)
			if err := h.Notice(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		if a := active(t, url)["again"]; a.Labels["incident"] != "K7QXA2.again1" {
			t.Errorf("what fires is %v", a)
		}
	})
	t.Run("labels that change meanwhile", func(t *testing.T) {
		for _, over := range []pluginsdk.Notice{providertest.Recovered(), providertest.Repeated()} {
			url := serve(t)
			h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
			name := "relabelled." + string(over.Kind)
			if err := h.Notice(t.Context(), of(providertest.Opened(), name)); err != nil {
				t.Fatal(err)
			}
			over.Owner, over.Labels = "somebody else", map[string]string{"tier": "3"}
			if err := h.Notice(t.Context(), of(over, name)); err != nil {
				t.Fatal(err)
			}
			firing := active(t, url)
			if a := firing[name]; over.Trouble() != (a.Labels["tier"] == "3") || firing[name+"+"].Labels != nil {
				t.Errorf("after %s these fire: %v", over.Kind, firing)
			}
		}
	})
	t.Run("an end in the future of Alertmanager's clock", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
		if err := h.Notice(t.Context(), of(providertest.Opened(), "clock")); err != nil {
			t.Fatal(err)
		}
		n := of(providertest.Recovered(), "clock")
		*n.Incident.ClosedEpoch = time.Now().Unix() + 3600
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if a, fires := active(t, url)["clock"]; fires {
			t.Errorf("%v fires until %v", a.Labels, a.EndsAt)
		}
	})
	t.Run("a group", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
		n := providertest.Grouped()
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		firing := active(t, url)
		for name, want := range map[string]bool{"billing/new_invoices": true, "billing/refunds": true, "billing/payouts": false} {
			if _, fires := firing[name]; fires != want {
				t.Errorf("%s fires: %v", name, fires)
			}
		}
	})
	t.Run("results without incidents", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
		later := providertest.Bad()
		later.MinuteEpoch += 60
		for i, ev := range []pluginsdk.CheckEvent{
			providertest.Good(), providertest.Bad(), later, providertest.Unknown(), later, providertest.Good(), providertest.Good(),
		} {
			ev.CheckerName = "billing/results"
			if err := h.Check(t.Context(), ev); err != nil {
				t.Fatal(i, err)
			}
			firing := active(t, url)
			a, fires := firing["billing/results"]
			if fires != (i >= 1 && i < 5) || firing["billing/results+"].Labels != nil {
				t.Errorf("after result %d these fire: %v", i, firing)
			}
			if fires && a.StartsAt.Unix() != providertest.Bad().MinuteEpoch {
				t.Errorf("after result %d it fires since %v", i, a.StartsAt)
			}
		}
	})
	t.Run("anything is taken", func(t *testing.T) {
		url := serve(t)
		h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
		n := of(providertest.Opened(), "März/\xff")
		n.Labels = map[string]string{"": "x", "9lives": "x", "a-b": "first", "a.b": "second", "alertname": "x", "incident": "x", "größe": "\xff", "empty": ""}
		n.Summary, n.Detail, n.Source = "\xff", strings.Repeat("ü", 100_000), "postgres://me:s3cr3t@db/x"
		empty := of(providertest.Opened(), "empty")
		empty.Summary, empty.Detail, empty.Source, empty.Owner, empty.Labels, empty.Results = "", "", "", "", nil, nil
		for _, n := range []pluginsdk.Notice{n, empty, providertest.SourceDown(), providertest.Behind(), providertest.Test()} {
			if err := h.Notice(t.Context(), n); err != nil {
				t.Errorf("%s: %v", n.Checker.Name, err)
			}
		}
		got := active(t, url)["März/\uFFFD"].Labels
		for name, want := range map[string]string{
			"_": "x", "_9lives": "x", "a_b": "first", "alertname": "dwmon_count", "gr__e": "\uFFFD", "source": "postgres://me:xxxxx@db/x",
		} {
			if got[name] != want {
				t.Errorf("label %s is %q, want %q, of %v", name, got[name], want, got)
			}
		}
	})
}

// TestReceiversAreTold: through the real Alertmanager its receiver hears of an
// incident once, and once of its end.
func TestReceiversAreTold(t *testing.T) {
	heard := make(chan string, 100)
	receiver := providertest.Serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var said struct {
			Alerts []struct {
				Status      string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
		_ = json.Unmarshal(body, &said)
		for _, a := range said.Alerts {
			heard <- a.Status + " " + a.Labels["checker"] + ": " + a.Annotations["summary"]
		}
	})
	url := server(t, receiver.URL)
	h := providertest.MustStart(t, newPlugin(), map[string]any{"url": url})
	next := func() string {
		select {
		case text := <-heard:
			return text
		case <-time.After(time.Minute):
			t.Fatal("the receiver heard nothing for a minute")
			return ""
		}
	}
	tell := func(n pluginsdk.Notice) {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	tell(providertest.Opened())
	if got, want := next(), "firing billing/new_invoices: billing/new_invoices: 4 rows in 3m, fewer than 5"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	tell(providertest.Opened())
	tell(providertest.Repeated())
	tell(providertest.Recovered())
	if got, want := next(), "resolved billing/new_invoices: billing/new_invoices: recovered after 13m, 7 rows in 3m"; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
}
