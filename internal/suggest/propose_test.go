package suggest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/golden"
	"github.com/dwmon/dwmon/internal/suggest"
	"github.com/dwmon/dwmon/internal/suggest/proof"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// steady gives so many rows a minute over some days, at random within each.
func steady(c *suggest.Counts, from time.Time, days int, perMinute func(time.Time) float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	for m := from.Unix(); m < from.AddDate(0, 0, days).Unix(); m += 60 {
		rows := 0 // Poisson's, by exponential waits
		for at := rng.ExpFloat64(); at < perMinute(time.Unix(m, 0).UTC()); at += rng.ExpFloat64() {
			rows++
		}
		for range rows {
			c.Add([]int64{m*1e6 + rng.Int64N(60e6)})
		}
	}
}

func options(change func(*suggest.Options)) suggest.Options {
	o := suggest.Options{Present: proof.Present, Zone: time.UTC, Alert: dwmon.DefaultAlertRule, FalseAlarms: 1}
	if change != nil {
		change(&o)
	}
	return o
}

// counted is the history of some days.
func counted(days int, perMinute func(time.Time) float64) suggest.Past {
	c := suggest.NewCounts(monday.Unix(), monday.AddDate(0, 0, days).Unix(), proof.Present)
	steady(c, monday, days, perMinute)
	return suggest.Past{Counts: c}
}

func each(rate float64) func(time.Time) float64 { return func(time.Time) float64 { return rate } }

func TestRefusals(t *testing.T) {
	out := func(p suggest.Past, s suggest.Span) suggest.Past {
		p.Out = append(p.Out, s)
		return p
	}
	purged := counted(9, each(2))
	purged.Purged = true
	tests := []struct {
		name   string
		o      suggest.Options
		past   suggest.Past
		reason suggest.RefusalReason
	}{
		{"assumed timestamps", options(func(o *suggest.Options) { o.Assumed = true }), counted(30, each(2)), suggest.RefuseAssumed},
		{"thirteen days", options(nil), counted(13, each(2)), suggest.RefuseThin},
		{"a narrow --since", options(func(o *suggest.Options) { o.Since = true }), counted(5, each(2)), suggest.RefuseThin},
		{"purged", options(nil), purged, suggest.RefusePurged},
		{"constant zero", options(nil), counted(30, each(0)), suggest.RefuseEmpty},
		{"few rows", options(nil), counted(30, each(0.0005)), suggest.RefuseFew},
		{"mostly holes", options(nil), out(counted(30, each(2)), suggest.Span{
			From: monday.AddDate(0, 0, 4).Unix(), Until: monday.AddDate(0, 0, 27).Unix(), Why: suggest.WhyHole,
		}), suggest.RefuseHoles},
		{"a change nine days ago", options(nil), counted(40, func(at time.Time) float64 {
			if at.Before(monday.AddDate(0, 0, 31)) {
				return 1
			}
			return 3
		}), suggest.RefuseChanged},
		{"due only where nothing is known", options(func(o *suggest.Options) {
			o.Closed = dwmon.NewClosedDays(map[dwmon.Day]string{dwmon.DayOf(2026, 3, 2): "off", dwmon.DayOf(2026, 3, 9): "off"})
			o.Present = []dwmon.Requirement{{Hours: 1 << 9, Minutes: 1, Days: 1 << 1, Min: dwmon.At(0), Lookback: 300}}
		}), counted(14, each(2)), suggest.RefuseThin},
	}
	var text strings.Builder
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := suggest.Propose(tt.o, tt.past)
			var refusal *suggest.Refusal
			if !errors.As(err, &refusal) {
				t.Fatalf("not refused: %v, %v", p, err)
			}
			if refusal.Reason != tt.reason {
				t.Errorf("refused because of %s, want %s", refusal.Reason, tt.reason)
			}
			fmt.Fprintf(&text, "%s (%s)\n    %s.\n    Try: %s\n\n", tt.name, refusal.Reason, refusal.Why, refusal.Do)
		})
	}
	golden.Compare(t, filepath.Join("testdata", "refusals.golden"), text.String())
}

// day is a rate that rises and falls, lower at weekends.
func day(rate float64) func(time.Time) float64 {
	return func(at time.Time) float64 {
		r := rate
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			r /= 3
		}
		if at.Hour() < 7 || at.Hour() >= 20 {
			r /= 4
		}
		return r
	}
}

// Texts as they would stand in a file.
func TestTexts(t *testing.T) {
	sometimes := func(hours ...int) func(time.Time) float64 { // a burst on most days
		return func(at time.Time) float64 {
			r := day(4)(at)
			if at.Hour() == hours[0] && at.Day()%5 != 0 && at.Minute() < at.Day() {
				r *= 6
			}
			return r
		}
	}
	closed := dwmon.NewClosedDays(map[dwmon.Day]string{dwmon.DayOf(2026, 3, 17): "St Patrick's Day"})
	tests := []struct {
		name string
		o    suggest.Options
		past suggest.Past
	}{
		{"steady", options(nil), counted(28, each(3))},
		{"day_and_week", options(func(o *suggest.Options) { o.Closed = closed }), counted(28, day(6))},
		{"growing", options(nil), counted(84, func(at time.Time) float64 { return day(4)(at) * (1 + float64(at.Sub(monday)/time.Hour)/24/7*0.06) })},
		{"bursts", options(func(o *suggest.Options) { o.FalseAlarms = 0.5 }), counted(28, sometimes(14))},
		{"short_windows", options(func(o *suggest.Options) { o.Lookback = 60 }), counted(28, each(1))},
		{"few_rows", options(nil), counted(56, each(0.004))},
		{"every_two_hours", options(func(o *suggest.Options) { o.Every, o.Lookback = 120, 7200 }), counted(28, day(6))},
		{"launch", options(nil), counted(42, func(at time.Time) float64 {
			return day(6)(at) * min(1, float64(at.Sub(monday)/time.Hour)/24/14)
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := suggest.Propose(tt.o, tt.past)
			if err != nil {
				t.Fatal(err)
			}
			again, err := suggest.Propose(tt.o, tt.past)
			if diff := cmp.Diff(p, again); diff != "" || err != nil {
				t.Errorf("the same history gives other lines (%v):\n%s", err, diff)
			}
			text := strings.Join(p.Text(time.UTC, tt.o.FalseAlarms), "\n") + "\n"
			parses(t, p, text)
			fmt.Fprintln(&stringsBuilder{&text}, "\n"+facts(p))
			golden.Compare(t, filepath.Join("testdata", tt.name+".golden"), text)
		})
	}
}

// stringsBuilder appends to a text.
type stringsBuilder struct{ text *string }

func (b *stringsBuilder) Write(p []byte) (int, error) {
	*b.text += string(p)
	return len(p), nil
}

// facts are what else a proposal says.
func facts(p *suggest.Proposal) string {
	text := fmt.Sprintf("expected %.2f incidents a week; present %.2f, proposed %.2f on this history; growth %.1f %% a week", p.Expected, p.Present.PerWeek(), p.Proposed.PerWeek(), 100*p.Growth)
	if p.Before != nil {
		text += fmt.Sprintf("; %s until %s", p.Before.Why, time.Unix(p.Before.Until, 0).UTC().Format(time.DateOnly))
	}
	for _, s := range p.Out {
		text += fmt.Sprintf("\nleft out: %s to %s, %s %s", time.Unix(s.From, 0).UTC().Format(time.DateTime), time.Unix(s.Until, 0).UTC().Format(time.DateTime), s.Why, s.Note)
	}
	return text
}

// parses makes sure that a text is a REQUIREMENTS section that says what was proposed.
func parses(t *testing.T, p *suggest.Proposal, text string) {
	t.Helper()
	c, faults := checkfile.Parse("f", "f", []byte("__QUERY__\nq\n__SOURCE__\ns\n__REQUIREMENTS__\n"+text))
	if c == nil {
		t.Fatalf("the lines do not parse: %v", faults)
	}
	for i, want := range p.Requirements() {
		if got := c.Lines[i].Identity(); got != want.Identity() {
			t.Errorf("line %d says %s, proposed was %s", i+1, got, want.Identity())
		}
	}
}

// Of an old outage and an old burst nothing is learnt, whether they are recorded or
// only far from the usual.
func TestOldTroubleMovesNothing(t *testing.T) {
	plain, err := suggest.Propose(options(nil), counted(42, day(6)))
	if err != nil {
		t.Fatal(err)
	}
	troubled, err := suggest.Propose(options(nil), counted(42, func(at time.Time) float64 {
		switch at.Format("01-02 15") {
		case "03-11 10", "03-11 11", "03-11 12":
			return 0
		case "03-20 15":
			return 60
		}
		return day(6)(at)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(troubled.Out); n != 2 {
		t.Errorf("%d unusual times were left out, want 2: %v", n, troubled.Out)
	}
	if troubled.Proposed.Found != 2 {
		t.Errorf("the lines find %d of 2 unusual times", troubled.Proposed.Found)
	}
	for _, at := range []time.Time{monday.Add(11 * time.Hour), monday.Add(15*time.Hour + 18*24*time.Hour)} {
		a, b := lineAt(plain, at), lineAt(troubled, at)
		if float64(b.Min.N) < 0.8*float64(a.Min.N) || float64(b.Max.N) > 1.25*float64(a.Max.N) {
			t.Errorf("at %s %s became %s", at.Format(time.DateTime), a.Identity(), b.Identity())
		}
	}
}

func lineAt(p *suggest.Proposal, at time.Time) suggest.Line {
	for _, l := range p.Lines {
		if l.Matches(at) {
			return l
		}
	}
	return suggest.Line{}
}

// Every minute that was due has exactly one line, and no other has any.
func TestProposedLinesAreDueWhenThePresentOnesAre(t *testing.T) {
	present := []dwmon.Requirement{
		{Hours: 1<<18 - 1<<8, Minutes: dwmon.MinuteSet(dwmon.StepSet(10, 60)), Days: dwmon.Weekdays, Min: dwmon.At(1), Lookback: 600},
		{Hours: 1 << 12, Minutes: 1, Days: dwmon.Weekends, Min: dwmon.At(1), Lookback: 86_400, HalfOpen: true},
	}
	p, err := suggest.Propose(options(func(o *suggest.Options) { o.Present = present }), counted(35, day(6)))
	if err != nil {
		t.Fatal(err)
	}
	for at := monday; at.Before(monday.AddDate(0, 0, 7)); at = at.Add(time.Minute) {
		want, got := 0, 0
		for _, l := range present {
			if l.Matches(at) {
				want++
			}
		}
		for _, l := range p.Lines {
			if l.Matches(at) {
				got++
				if l.HalfOpen != (at.Weekday() == time.Saturday || at.Weekday() == time.Sunday) {
					t.Errorf("at %s HALFOPEN is not kept: %s", at, l.Identity())
				}
			}
		}
		if got != want {
			t.Fatalf("%d lines are due at %s, and %d of the present ones", got, at, want)
		}
	}
}
