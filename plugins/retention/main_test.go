package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"pgregory.net/rapid"
)

// actAs makes the test binary act as the plugin.
const actAs = "RETENTION_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if os.Getenv(actAs) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestTheExecutableDescribesItself(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "describe")
	cmd.Env = append(os.Environ(), actAs+"=1")
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "retention 0.1.0: purges rows that are older than a duration\n\nkinds      purger\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

const day = 24 * time.Hour

var now = time.Unix(1_700_000_000, 0)

func TestCutoff(t *testing.T) {
	for _, c := range []struct {
		name, keep, extra string
		want              time.Duration // how long rows are kept; 0: all are
		fault             string
	}{
		{"the setting", "400d", `{}`, 400 * day, ""},
		{"no EXTRA", "90s", ``, 90 * time.Second, ""},
		{"the checker's own", "400d", `{"retention": {"keep": "30d"}, "alert": "x"}`, 30 * day, ""},
		{"the checker's own alone", "", `{"retention": {"keep": "30d"}}`, 30 * day, ""},
		{"for ever", "400d", `{"retention": {"keep": "forever"}}`, 0, ""},
		{"for ever by default", "forever", `{}`, 0, ""},
		{"null", "400d", `{"retention": null}`, 400 * day, ""},
		{"an EXTRA for somebody else", "400d", `["x"]`, 400 * day, ""},
		{"longer than there was time", "106751d", `{}`, 106751 * day, ""},
		{"nobody says", "", `{}`, 0, "nothing says how long rows are kept: set keep"},
		{"misspelt", "400d", `{"retention": {"kepe": "30d"}}`, 0, `the EXTRA section: retention: want {"keep": "30d"}: json: unknown field "kepe"`},
		{"no object", "400d", `{"retention": "30d"}`, 0, `the EXTRA section: retention: want {"keep": "30d"}`},
		{"empty", "400d", `{"retention": {}}`, 0, `the EXTRA section: retention: keep: "" is no duration`},
		{"no duration", "400d", `{"retention": {"keep": "30"}}`, 0, `keep: "30" is no duration: want a whole number and s, m, h or d, such as 90s or 400d, or forever`},
		{"nothing is kept", "400d", `{"retention": {"keep": "0d"}}`, 0, "keep: 0 would purge every row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &purger{settings: settings{Keep: c.keep, Probability: 1}, random: func() float64 { return 0.999 }}
			if err := p.setup(t.Context()); err != nil {
				t.Fatal(err)
			}
			diags := p.ValidateChecker(t.Context(), pluginsdk.CheckerText{ExtraJSON: []byte(c.extra)})
			cut, err := p.IdentifyOld(t.Context(), pluginsdk.PurgeInput{ExtraJSON: []byte(c.extra), Now: now})
			at, set := cut.OlderThan()
			if c.fault != "" {
				if err == nil || !strings.HasPrefix(strings.TrimPrefix(err.Error(), "the EXTRA section: retention: "), strings.TrimPrefix(c.fault, "the EXTRA section: retention: ")) || set {
					t.Errorf("%v, %v", err, set)
				}
				if len(diags) != 1 || diags[0].Summary != err.Error() {
					t.Error(diags)
				}
				return
			}
			if err != nil || len(diags) != 0 || set != (c.want != 0) || (set && !at.Equal(now.Add(-c.want))) {
				t.Errorf("%v %v %v %v", at, set, err, diags)
			}
			if set && !strings.HasPrefix(cut.Reason(), "rows are kept for ") {
				t.Error(cut.Reason())
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		settings settings
		want     string
	}{
		{settings{Keep: "x", Probability: 1}, `keep: "x" is no duration`},
		{settings{Keep: "0s", Probability: 1}, "keep: 0 would purge every row"},
		{settings{Keep: "1d", Probability: 1.1}, "probability is 1.1"},
		{settings{Keep: "1d", Probability: -0.1}, "probability is -0.1"},
	} {
		p := &purger{settings: c.settings}
		if err := p.setup(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.settings, err)
		}
	}
	if p := newPlugin().Purger.(*purger); p.settings.Probability != 1 {
		t.Error("the default is not to purge in every pass")
	}
}

func TestProbability(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1).Draw(t, "probability")
		drawn := rapid.Float64Range(0, 0.999999).Draw(t, "random")
		p := &purger{settings: settings{Keep: "1d", Probability: share}, random: func() float64 { return drawn }}
		if err := p.setup(context.Background()); err != nil {
			t.Fatal(err)
		}
		cut, err := p.IdentifyOld(context.Background(), pluginsdk.PurgeInput{Now: now})
		if _, set := cut.OlderThan(); err != nil || set != (drawn < share) {
			t.Fatalf("probability %v, drawn %v: purged %v, %v", share, drawn, set, err)
		}
	})
}
