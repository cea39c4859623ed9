package backtest_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// table is a source to which rows come for a month, about one in so many seconds.
type table struct {
	source
	every   int64
	lateFor int64 // one row in five is late by up to so many seconds
	lag     int64 // seconds; of a replica
	rng     *rand.Rand
	next    int64 // when the next row happens, seconds
	n       int
}

// reach makes the rows that happen up to a time, microseconds, and drops those that no
// query gives any more.
func (s *table) reach(clock int64, quiet bool) {
	for ; s.next < clock/1e6; s.next += 1 + s.rng.Int64N(2*s.every) {
		s.n++
		if quiet {
			continue
		}
		ev := event{key: fmt.Sprint("k", s.n), micros: s.next*1e6 + s.rng.Int64N(1e6)}
		ev.arrives = ev.micros
		if s.lateFor > 0 && s.rng.IntN(5) == 0 {
			ev.arrives += s.rng.Int64N(s.lateFor) * 1e6
		}
		s.events = append(s.events, ev)
	}
	s.clock, s.asOf = clock, nil
	if s.lag > 0 {
		asOf := clock - (s.lag+s.rng.Int64N(60))*1e6
		s.asOf = &asOf
	}
	if n := len(s.events) - 400; n > 200 {
		s.events = append(s.events[:0], s.events[n&^1:]...) // odd rows stay odd
	}
}

// tracked is a checker of the month.
type tracked struct {
	*dwmon.Checker
	source *table
	rule   dwmon.AlertRule
	closed *dwmon.ClosedDays
	off    int // until which minute of the month
}

// every is the line at every so many minutes only: a pass is a commit, and takes time.
func every(minutes int, r dwmon.Requirement) dwmon.Requirement {
	r.Minutes = dwmon.MinuteSet(dwmon.StepSet(minutes, 60))
	return r
}

func everyMinute(low, high, lookback int64) dwmon.Requirement {
	return dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Lookback: lookback, Min: dwmon.At(low), Max: dwmon.At(high),
	}
}

func trackedCheckers() []*tracked {
	night := everyMinute(1, 90, 1800)
	night.Hours, night.Minutes, night.HalfOpen = 0b111111, dwmon.MinuteSet(dwmon.StepSet(10, 60)), true
	workdays := every(5, everyMinute(3, 60, 600))
	workdays.Days = dwmon.Weekdays
	all := []*tracked{
		{Checker: &dwmon.Checker{Name: "orders", Lines: []dwmon.Requirement{everyMinute(4, 16, 300), night}}, source: &table{every: 30, lateFor: 900}},
		{
			Checker: &dwmon.Checker{Name: "cut", Lines: []dwmon.Requirement{every(2, everyMinute(8, 40, 600))}, Options: dwmon.Options{Grace: 90 * time.Second}},
			source:  &table{source: source{limit: 12}, every: 25}, rule: dwmon.AlertRule{After: 2, Of: 3, Recover: 2, Growth: 1, UnknownAfter: 3},
		},
		{Checker: &dwmon.Checker{Name: "replica", Lines: []dwmon.Requirement{every(2, everyMinute(5, 30, 600)), every(4, everyMinute(1000, 9000, 100_000))}}, source: &table{every: 40, lag: 200, lateFor: 100}},
		{Checker: &dwmon.Checker{Name: "assumed", Lines: []dwmon.Requirement{every(3, everyMinute(1, 9, 180))}, Options: dwmon.Options{Assumed: true}}, source: &table{source: source{now: true}, every: 60}},
		{Checker: &dwmon.Checker{Name: "workdays", Lines: []dwmon.Requirement{workdays}}, source: &table{every: 60}},
	}
	all[4].closed = dwmon.NewClosedDays(map[dwmon.Day]string{dwmon.DayOf(2026, 3, 27): "a holiday"})
	for i, c := range all {
		c.Source, c.Extra, c.Text = "s", []byte("{}"), []byte(c.Name)
		c.source.rng = rand.New(rand.NewPCG(7, uint64(i)))
		if c.rule == (dwmon.AlertRule{}) {
			c.rule = dwmon.DefaultAlertRule
		}
	}
	return all
}

// liveMonth lives days of minutes over a database, with all that goes wrong in a month
// in each three days.
func liveMonth(t *testing.T, days int) (*sqlite.DB, []*tracked, *time.Location) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 26, 22, 0, 0, 0, time.UTC) // two days before the clocks are set forward
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dwmon.db"), sqlite.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	e, err := engine.New(engine.Options{Store: db, Zone: zone, CatchUp: 4 * time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	checkers := trackedCheckers()
	for _, c := range checkers {
		c.source.next = now.Unix() - 7200
	}
	rng := rand.New(rand.NewPCG(1, 2))
	begin, dead, down, quiet := now, 0, 0, 0
	for minute := range days * 1440 {
		if rng.IntN(900) == 0 {
			dead = minute + 1 + rng.IntN(400) // dwmon does not run
		}
		if rng.IntN(500) == 0 {
			down = minute + 1 + rng.IntN(60) // the source is down
		}
		if rng.IntN(700) == 0 {
			quiet = minute + 1 + rng.IntN(40) // nothing happens
		}
		for i, c := range checkers {
			now = begin.Add(time.Duration(minute)*time.Minute + time.Second + engine.Offset(c.Name, 10*time.Second) + time.Duration(rng.IntN(1e6))*time.Microsecond)
			c.source.reach(now.UnixMicro(), minute < quiet)
			c.source.down = minute < down
			if minute < dead || minute < c.off {
				continue
			}
			if rng.IntN(2000) == 0 {
				if err := db.SwitchOff(t.Context(), c.Name, dwmon.FloorMinute(now.Unix()), dwmon.OffAway); err == nil {
					c.off = minute + 1 + rng.IntN(90)
					continue
				}
			}
			if i == 0 && rng.IntN(1000) == 0 {
				c.source.odd = !c.source.odd // another query
			}
			c.Query = c.source.query()
			c.Revision = c.Name + c.Query
			job := &engine.Job{Checker: c.Checker, Getter: &c.source.source, Alert: c.rule, Closed: c.closed}
			pass := now
			if rng.IntN(50) == 0 {
				now = now.Add(time.Duration(rng.IntN(50)) * time.Second) // a place at the source is waited for
			}
			if r := e.Pass(context.Background(), job, pass, true); r.Err != nil && !c.source.down {
				t.Fatalf("%s at %s: %v", c.Name, now, r.Err)
			}
		}
	}
	return db, checkers, zone
}

func (c *tracked) options(zone *time.Location) backtest.Options {
	return backtest.Options{Checker: c.Checker, Zone: zone, Closed: c.closed, CatchUp: 4 * time.Hour, Alert: c.rule}
}

func run(t *testing.T, db *sqlite.DB, o backtest.Options) (got []dwmon.Result, sum *backtest.Summary) {
	t.Helper()
	sum, err := backtest.Run(t.Context(), db, o, func(r dwmon.Result) error { got = append(got, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got, sum
}

func history(t *testing.T, db *sqlite.DB, name string) (results []dwmon.Result, gaps []dwmon.GapEntry) {
	t.Helper()
	err := db.History(t.Context(), dwmon.HistoryQuery{Name: name}, func(e dwmon.Entry) error {
		switch {
		case e.Result != nil:
			e.Result.Corrected = nil
			results = append(results, *e.Result)
		case e.Gap != nil:
			gaps = append(gaps, *e.Gap)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return results, gaps
}

// naive counts the rows of the database in a line's window, whenever they came.
func naive(t *testing.T, db *sqlite.DB, name string) func(dwmon.Requirement, int64) int64 {
	t.Helper()
	p, err := db.Past(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	err = db.Timestamps(t.Context(), p.CheckerID, -1<<62, 1<<62, func(micros []int64) error { all = append(all, micros...); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return func(r dwmon.Requirement, minute int64) (n int64) {
		for _, us := range all {
			low := us > (minute-r.Lookback)*1e6 || r.HalfOpen && us == (minute-r.Lookback)*1e6
			if low && us < minute*1e6 {
				n++
			}
		}
		return n
	}
}

func TestAMonthReplayed(t *testing.T) {
	days := 3
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		days = 31
	}
	db, checkers, zone := liveMonth(t, days)
	seen := map[dwmon.Reason]int{}
	incidents, late := 0, 0
	for _, c := range checkers {
		want, gaps := history(t, db, c.Name)
		got, sum := run(t, db, c.options(zone))
		compare(named{t, c.Name}, want, got)
		slices.SortStableFunc(sum.Gaps, func(a, b dwmon.GapEntry) int {
			return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.RequirementIndex, b.RequirementIndex))
		})
		if diff := gocmp.Diff(gaps, sum.Gaps); diff != "" {
			t.Errorf("%s: gaps (-lived +replayed):\n%s", c.Name, diff)
		}
		var lived, replayed []string
		recorded, err := db.Incidents(t.Context(), c.Name, true, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range recorded {
			lived = append(lived, describe(i.Subject, i.LineIndex, i.Opened, i.OpenedAt, i.Closed, i.End, i.CatchUp))
		}
		slices.Sort(lived)
		replayed = replayedIncidents(sum)
		if diff := gocmp.Diff(lived, replayed); diff != "" {
			t.Errorf("%s: incidents (-lived +replayed):\n%s", c.Name, diff)
		}
		incidents += len(replayed)
		var good, bad, unknown int64
		for _, r := range want {
			seen[r.Reason]++
			switch r.Status {
			case dwmon.Good:
				good++
			case dwmon.Bad:
				bad++
			default:
				unknown++
			}
		}
		if sum.Good != good || sum.Bad != bad || sum.Unknown != unknown || sum.From > want[0].Minute || sum.Until < want[len(want)-1].Minute {
			t.Errorf("%s: the summary says %d good, %d bad, %d unknown from %d to %d", c.Name, sum.Good, sum.Bad, sum.Unknown, sum.From, sum.Until)
		}
		for _, l := range sum.Lines {
			late += int(l.Late)
		}
	}
	for _, reason := range []dwmon.Reason{dwmon.Low, dwmon.High, dwmon.Truncated, dwmon.AssumedTime} {
		if seen[reason] == 0 {
			t.Errorf("no result of the month is %s: the month proves nothing about that", reason)
		}
	}
	if incidents < 10 || late == 0 {
		t.Errorf("%d incidents, %d of late rows: the month proves little", incidents, late)
	}
	t.Run("Hindsight", func(t *testing.T) { hindsight(t, db, checkers, zone) })
	t.Run("Since", func(t *testing.T) { since(t, db, checkers, zone) })
	t.Run("Mistakes", func(t *testing.T) { mistakes(t, db, checkers[0], zone) })
	t.Run("Purged", func(t *testing.T) { purged(t, db, checkers[2], zone) })
	t.Run("WithoutRecords", func(t *testing.T) { withoutRecords(t, db, checkers[0], zone) })
}

// named tells whose results differ.
type named struct {
	*testing.T
	name string
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.T.Errorf(n.name+": "+format, args...)
}

// hindsight counts every row, whenever it came.
func hindsight(t *testing.T, db *sqlite.DB, checkers []*tracked, zone *time.Location) {
	for _, c := range checkers {
		o := c.options(zone)
		o.Hindsight = true
		got, sum := run(t, db, o)
		count := naive(t, db, c.Name)
		for i := 0; i < len(got); i += 37 {
			r := got[i]
			if want := count(c.Lines[r.RequirementIndex], r.Minute); r.EventCount != want {
				t.Errorf("%s: %d rows counted at %s, there are %d", c.Name, r.EventCount, r.LocalTime, want)
			}
		}
		for _, i := range sum.Incidents {
			if i.Late {
				t.Errorf("%s: an incident of hindsight is there for late rows: %+v", c.Name, i)
			}
		}
	}
}

// since begins later, with the verdicts of the whole replay, which it has warmed up for.
func since(t *testing.T, db *sqlite.DB, checkers []*tracked, zone *time.Location) {
	for _, c := range checkers {
		whole, _ := run(t, db, c.options(zone))
		o := c.options(zone)
		minute := whole[len(whole)*3/4].Minute
		o.Since = &minute
		got, sum := run(t, db, o)
		first := slices.IndexFunc(whole, func(r dwmon.Result) bool { return r.Minute >= minute })
		want := whole[first:]
		if len(got) != len(want) || sum.From != minute {
			t.Errorf("%s: %d results since %d, want %d; from %d", c.Name, len(got), minute, len(want), sum.From)
			continue
		}
		for i := range want {
			g, w := got[i], want[i]
			g.ConsecutiveBad, w.ConsecutiveBad = 0, 0 // a long run began before
			if diff := gocmp.Diff(w, g); diff != "" {
				t.Errorf("%s: result %d of %d (-whole +since):\n%s", c.Name, i, len(want), diff)
				break
			}
		}
	}
}

// mistakes shows that the comparison with history would find them: a row that counts
// before it was known, and a fetch that is left out.
func mistakes(t *testing.T, db *sqlite.DB, c *tracked, zone *time.Location) {
	want, _ := history(t, db, c.Name)
	for what, past := range map[string]backtest.Past{
		"rows known too soon": tooSoon{db}, "a fetch left out": leftOut{DB: db},
	} {
		var got []dwmon.Result
		_, err := backtest.Run(t.Context(), past, c.options(zone), func(r dwmon.Result) error { got = append(got, r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if gocmp.Equal(want, got) {
			t.Errorf("%s: the results are the same all the same", what)
		}
	}
}

type tooSoon struct{ *sqlite.DB }

func (p tooSoon) PastRows(ctx context.Context, checkerID, from, until int64, yield func([]dwmon.PastRow) error) error {
	return p.DB.PastRows(ctx, checkerID, from, until, func(rows []dwmon.PastRow) error {
		for i := range rows {
			rows[i].FirstSeen = min(rows[i].FirstSeen, rows[i].Micros)
		}
		return yield(rows)
	})
}

type leftOut struct{ *sqlite.DB }

func (p leftOut) PastFetches(ctx context.Context, checkerID, afterSlot, afterID int64, yield func([]dwmon.PastFetch) error) error {
	n := 0
	return p.DB.PastFetches(ctx, checkerID, afterSlot, afterID, func(all []dwmon.PastFetch) error {
		return yield(slices.DeleteFunc(all, func(dwmon.PastFetch) bool { n++; return n == 1000 }))
	})
}

// withoutRecords replays what no fetch is on record of any more: most of it comes out as
// it was, for rows say when they were first seen, and an outage is not mistaken for too
// few rows.
func withoutRecords(t *testing.T, db *sqlite.DB, c *tracked, zone *time.Location) {
	whole, _ := run(t, db, c.options(zone))
	cut := whole[len(whole)/2].Minute
	if _, err := db.Sweep(t.Context(), dwmon.Retention{Fetches: time.Hour}, (cut+3600)*1e6); err != nil {
		t.Fatal(err)
	}
	got, sum := run(t, db, c.options(zone))
	count := naive(t, db, c.Name)
	made, exact := 0, map[[2]int64]dwmon.Result{}
	for _, r := range whole {
		exact[[2]int64{r.Minute, int64(r.RequirementIndex)}] = r
	}
	same, tooLow := 0, 0
	for _, r := range got {
		w, lived := exact[[2]int64{r.Minute, int64(r.RequirementIndex)}]
		switch n := count(c.Lines[r.RequirementIndex], r.Minute); {
		case r.EventCount > n:
			t.Errorf("made up: %d rows at %s, there are %d", r.EventCount, r.LocalTime, n)
		case r.Minute > cut+4*3600 && (r.EventCount != w.EventCount || r.Status != w.Status):
			t.Errorf("on record: %s %d at %s, was %s %d", r.Status, r.EventCount, r.LocalTime, w.Status, w.EventCount)
		case r.Minute < cut-600 && lived && !w.CatchUp:
			made++
			if r.EventCount == w.EventCount {
				same++
			}
		case r.Minute < cut-600 && lived && r.Reason == dwmon.Low && n >= r.Min.N && w.Reason != dwmon.Low:
			tooLow++
		}
	}
	// Where a fetch brought nothing, nobody knows that it was made: a row may count too
	// soon. And one that was late when an outage began counts only after it.
	if same < made*85/100 || tooLow > made/1000 {
		t.Errorf("of %d results judged in time %d are the same; of those made up for %d are too low", made, same, tooLow)
	}
	if made < 1000 || len(sum.Notes) != 1 {
		t.Errorf("%d results before the records begin; the notes are %q", made, sum.Notes)
	}
}

// purged replays from where no window reaches below the purge mark.
func purged(t *testing.T, db *sqlite.DB, c *tracked, zone *time.Location) {
	want, _ := run(t, db, c.options(zone))
	p, err := db.Past(t.Context(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	mark := want[len(want)-1].Minute - 110_017 // leaves windows of the longest look-back
	if _, err := db.Purge(t.Context(), p.CheckerID, mark); err != nil {
		t.Fatal(err)
	}
	got, sum := run(t, db, c.options(zone))
	exact := map[[2]int64]dwmon.Result{}
	for _, r := range want {
		exact[[2]int64{r.Minute, int64(r.RequirementIndex)}] = r
	}
	if len(got) == 0 || len(sum.Notes) != 1 {
		t.Fatalf("%d results, notes %q", len(got), sum.Notes)
	}
	for _, r := range got {
		if r.Minute-r.LookbackSeconds < mark {
			t.Errorf("%s was judged, whose window reaches below the mark", r.LocalTime)
		}
		if w := exact[[2]int64{r.Minute, int64(r.RequirementIndex)}]; r.EventCount != w.EventCount || r.Status != w.Status {
			t.Errorf("%s %d at %s, was %s %d", r.Status, r.EventCount, r.LocalTime, w.Status, w.EventCount)
		}
	}
}
