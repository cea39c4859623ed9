package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// TestATestResultIsPlausible: what a handler is told could have come of the checker's
// first line, and says that it is a test.
func TestATestResultIsPlausible(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		low, high := rapid.Int64Range(0, 1000).Draw(rt, "min"), rapid.Int64Range(0, 1000).Draw(rt, "more")
		line := dwmon.Requirement{Hours: 1, Minutes: 1, Days: dwmon.Weekdays, Lookback: 60}
		switch rapid.IntRange(0, 2).Draw(rt, "bounds") {
		case 0:
			line.Min = dwmon.At(low)
		case 1:
			line.Max = dwmon.At(high)
		default:
			line.Min, line.Max = dwmon.At(low), dwmon.At(low+high)
		}
		status := rapid.SampledFrom([]dwmon.Status{dwmon.Good, dwmon.Bad, dwmon.Unknown}).Draw(rt, "status")
		try := trial{
			opts: TrialOptions{Status: status}, cfg: &config.Config{Timezone: time.UTC}, now: time.Unix(1_780_000_030, 0),
			checker: &dwmon.Checker{Name: "orders", Source: "X", Lines: []dwmon.Requirement{line}, Options: dwmon.Options{Labels: map[string]string{"team": "a"}}},
		}
		r := try.result()
		judged, reason := line.Judge(r.EventCount)
		never := line.Min.Set && line.Min.N == 0 && !line.Max.Set
		switch {
		case status == dwmon.Bad && !never && (judged != dwmon.Bad || r.Reason != reason), status == dwmon.Good && judged != dwmon.Good:
			rt.Fatalf("a count of %d is %s (%s), told was %s (%s)", r.EventCount, judged, reason, status, r.Reason)
		case (r.Reason == "") != (status == dwmon.Good), r.EventCount < 0, r.Status != status:
			rt.Fatalf("%+v", r)
		case r.Minute != 1_780_000_020, r.LocalTime != "2026-05-28 20:27:00", r.Requirement != line.Identity():
			rt.Fatalf("%+v", r)
		case !strings.HasPrefix(r.CheckerName, TestChecker+"/"), r.Labels["test"] != "true", r.Labels["team"] != "a":
			rt.Fatalf("not marked as a test: %+v", r)
		}
		if try.checker.Options.Labels["test"] != "" {
			rt.Fatal("the checker's own labels were changed")
		}
	})
}

// TestWhoseSettings: those of the source that the checker names, of the one handler,
// of the one that is named; and who is not sure is told.
func TestWhoseSettings(t *testing.T) {
	cfg := &config.Config{
		Sources: map[string]config.Source{
			"A": {Name: "A", Getter: "shop", Settings: config.Settings(`{"a":1}`)},
			"B": {Name: "B", Getter: "other", Settings: config.Settings(`{"b":1}`)},
			"C": {Name: "C", Getter: "shop", Settings: config.Settings(`{"c":1}`), Timezone: time.UTC},
		},
		Handlers: []config.Handler{
			{Name: "first", Plugin: "shop", Settings: config.Settings(`{"h":1}`)},
			{Name: "second", Plugin: "shop", Settings: config.Settings(`{"h":2}`)},
			{Name: "third", Plugin: "lone", Settings: config.Settings(`{"h":3}`)},
		},
		Purger: &config.Purger{Plugin: "shop", Settings: config.Settings(`{"p":1}`)},
	}
	for _, c := range []struct {
		plugin   string
		kind     pluginhost.Kind
		source   string // of the checker; empty for none
		as       string
		given    string
		settings string
		of, err  string
	}{
		{plugin: "shop", kind: pluginhost.RowGetter, source: "A", settings: `{"a":1}`, of: "source A"},
		{plugin: "shop", kind: pluginhost.RowGetter, source: "A", as: "C", settings: `{"c":1,"timezone":"UTC"}`, of: "source C"},
		{plugin: "shop", kind: pluginhost.RowGetter, source: "B", of: "none"},
		{plugin: "shop", kind: pluginhost.RowGetter, source: "shop:x", of: "none"},
		{plugin: "shop", kind: pluginhost.RowGetter, source: "A", as: "B", err: "the configuration has no source B of plugin shop; there are: A, C"},
		{plugin: "shop", kind: pluginhost.RowGetter, of: "none"},
		{plugin: "other", kind: pluginhost.RowGetter, settings: `{"b":1}`, of: "source B"},
		{plugin: "shop", kind: pluginhost.RowGetter, source: "A", given: `{"g":1}`, settings: `{"g":1}`, of: "--settings"},
		{plugin: "shop", kind: pluginhost.CheckHandler, err: "several handlers of plugin shop (first, second): name one with --as"},
		{plugin: "shop", kind: pluginhost.CheckHandler, as: "second", settings: `{"h":2}`, of: "handler second"},
		{plugin: "lone", kind: pluginhost.CheckHandler, settings: `{"h":3}`, of: "handler third"},
		{plugin: "nobody", kind: pluginhost.CheckHandler, of: "none"},
		{plugin: "shop", kind: pluginhost.Purger, settings: `{"p":1}`, of: "the purger"},
		{plugin: "lone", kind: pluginhost.Purger, of: "none"},
	} {
		try := trial{opts: TrialOptions{As: c.as}, cfg: cfg, plugin: pluginhost.Plugin{Name: c.plugin, Kinds: []pluginhost.Kind{pluginhost.RowGetter}, Sources: []string{"shop"}}, out: &Trial{}}
		if c.source != "" {
			try.checker = &dwmon.Checker{Source: c.source}
		}
		if c.given != "" {
			try.opts.Settings = []byte(c.given)
		}
		settings, of, err := try.settings(c.kind)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		if string(settings) != c.settings || of != c.of {
			t.Errorf("%+v: %s of %q", c, string(settings), of)
		}
	}
}

// TestServingCountsEveryKindOnce: a checker counts once for a plugin, however many
// kinds of its work that does, and for none that only lies there.
func TestServingCountsEveryKindOnce(t *testing.T) {
	plugins := []pluginhost.Plugin{
		{Name: "shop", Kinds: []pluginhost.Kind{pluginhost.RowGetter, pluginhost.CheckHandler}, Sources: []string{"shop"}},
		{Name: "log", Kinds: []pluginhost.Kind{pluginhost.CheckHandler}},
		{Name: "idle", Kinds: []pluginhost.Kind{pluginhost.CheckHandler}},
	}
	handled := func(handlers ...string) *dwmon.Checker {
		return &dwmon.Checker{Source: "shop", Options: dwmon.Options{Handlers: handlers}}
	}
	both := &config.Config{Handlers: []config.Handler{{Name: "a", Plugin: "shop"}, {Name: "b", Plugin: "log"}}, Purger: &config.Purger{Plugin: "idle"}}
	for _, c := range []struct {
		cfg     *config.Config
		checker *dwmon.Checker
		want    []string
	}{
		{&config.Config{}, handled(), []string{"log", "shop"}},
		{both, handled(), []string{"idle", "log", "shop"}},
		{both, handled("a"), []string{"idle", "shop"}},
		{both, &dwmon.Checker{Source: "nobody's", Options: dwmon.Options{Handlers: []string{}}}, []string{"idle"}},
		{&config.Config{Handlers: []config.Handler{}}, &dwmon.Checker{Source: "shop:x"}, []string{"shop"}},
	} {
		r := wiring(c.cfg, plugins)
		if got := r.serving(c.checker, r.configured(), r.purgerConfig()); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.checker, got, c.want)
		}
	}
}
