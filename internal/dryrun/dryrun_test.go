package dryrun_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dryrun"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// now is a Monday.
var now = time.Date(2026, 6, 1, 12, 0, 30, 0, time.UTC)

// everyMinute is a line that is always due.
func everyMinute(low, high dwmon.Bound, lookback int64) dwmon.Requirement {
	return dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: low, Max: high, Lookback: lookback, FileLine: 4,
	}
}

func checker(query string, lines ...dwmon.Requirement) *dwmon.Checker {
	return &dwmon.Checker{Name: "orders", Query: query, Source: "s", Extra: []byte("{}"), Revision: "1", Lines: lines}
}

// row is one row of a result.
type row struct {
	key    string
	micros int64
}

// ago is a row from some time before now.
func ago(key string, d time.Duration) row { return row{key, now.Add(-d).UnixMicro()} }

// result is a source that gives the same rows each time, in batches of a size.
type result struct {
	rows    []row
	batch   int
	summary dwmon.FetchSummary
}

func (r *result) GetRows(_ context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	s := r.summary
	s.Rows = int64(len(r.rows))
	var b dwmon.Batch
	for i, one := range r.rows {
		b.Keys = append(b.Keys, one.key...)
		b.Lengths = append(b.Lengths, uint32(len(one.key)))
		b.Micros = append(b.Micros, one.micros)
		if len(b.Micros) == max(r.batch, 1) || i == len(r.rows)-1 {
			if err := sink(&b); err != nil {
				return s, err
			}
			clear(b.Keys) // a batch is gone when the sink returns
			b = dwmon.Batch{Keys: b.Keys[:0], Lengths: b.Lengths[:0], Micros: b.Micros[:0]}
		}
	}
	return s, nil
}

// try makes a dry run on a result.
func try(t interface{ Fatal(...any) }, q dryrun.Question, r *result) *dryrun.Report {
	in := dryrun.NewIntake(q)
	s, err := r.GetRows(context.Background(), dwmon.FetchRequest{}, in.Add)
	if err != nil {
		t.Fatal(err)
	}
	return in.Report(s, q.Now)
}

// TestVerdictsAreThoseOfAFirstPass compares them with the engine's own: what it counts
// and judges when it sees the checker for the first time.
func TestVerdictsAreThoseOfAFirstPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, r := drawChecker(t), drawResult(t)
		store := model.New()
		e, err := engine.New(engine.Options{Store: store, Zone: time.UTC, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		pass := e.Pass(context.Background(), &engine.Job{Checker: c, Getter: r}, now, false)
		if pass.Err != nil {
			t.Fatal(pass.Err)
		}
		report := try(t, dryrun.Question{Checker: c, Zone: time.UTC, Now: now, Windows: 2000}, r)
		got := map[string]string{}
		for _, l := range report.Lines {
			for _, w := range l.Windows {
				got[fmt.Sprint(w.Minute, " line ", l.Index)] = fmt.Sprint(w.Count, w.Status, w.Reason)
			}
		}
		for _, v := range pass.Results {
			at := fmt.Sprint(v.Minute, " line ", v.LineIndex)
			if want := fmt.Sprint(v.Count, v.Status, v.Reason); got[at] != want {
				t.Fatalf("at %s the pass says %s, the dry run %q", at, want, got[at])
			}
		}
		if len(pass.Results) == 0 && r.summary.DataAsOf == nil {
			t.Fatal("the pass judged nothing: this compares nothing")
		}
		tally := pass.Fetch.Tally
		if report.Rows != tally.Rows || report.SkippedFuture != tally.Skipped || report.Cut != pass.Fetch.Cut || report.Keys != pass.Fetch.Ingested.Fresh {
			t.Fatalf("the pass counted %+v, %d new, cut %v; the dry run %+v", tally, pass.Fetch.Ingested.Fresh, pass.Fetch.Cut, report)
		}
	})
}

func drawChecker(t *rapid.T) *dwmon.Checker {
	query := rapid.SampledFrom([]string{
		"SELECT k, ts FROM t", "SELECT k, ts FROM t ORDER BY ts DESC LIMIT 12", "SELECT k, ts FROM t LIMIT 12", "not SQL",
	}).Draw(t, "query")
	c := checker(query)
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		l := everyMinute(dwmon.At(rapid.Int64Range(0, 4).Draw(t, "min")), dwmon.Bound{}, rapid.Int64Range(1, 900).Draw(t, "lookback"))
		if rapid.Bool().Draw(t, "max") {
			l.Max = dwmon.At(l.Min.N + rapid.Int64Range(0, 4).Draw(t, "more"))
		}
		l.Minutes = dwmon.MinuteSet(rapid.SampledFrom([]uint64{1<<60 - 1, dwmon.StepSet(3, 60), dwmon.StepSet(5, 60) << 1}).Draw(t, "minutes"))
		l.HalfOpen = rapid.Bool().Draw(t, "half open")
		l.FileLine = len(c.Lines) + 4
		c.Lines = append(c.Lines, l)
	}
	c.Options.Grace = time.Duration(rapid.IntRange(0, 180).Draw(t, "grace")) * time.Second
	return c
}

func drawResult(t *rapid.T) *result {
	r := &result{batch: rapid.IntRange(1, 5).Draw(t, "batch")}
	for range rapid.IntRange(0, 30).Draw(t, "rows") {
		second := rapid.OneOf(rapid.Int64Range(-60, 3000), rapid.Int64Range(-90_000, -86_000)).Draw(t, "seconds ago")
		r.rows = append(r.rows, row{fmt.Sprintf("k%d", rapid.IntRange(0, 25).Draw(t, "key")), now.UnixMicro() - second*1e6})
	}
	if rapid.Bool().Draw(t, "newest first") {
		slices.SortStableFunc(r.rows, func(a, b row) int { return int(b.micros - a.micros) })
	}
	r.summary.Cut = rapid.Bool().Draw(t, "cut")
	r.summary.SkippedNull = rapid.SampledFrom([]int64{0, 0, 5}).Draw(t, "without a time")
	if rapid.Bool().Draw(t, "a replica") {
		at := now.Add(-time.Duration(rapid.IntRange(0, 500).Draw(t, "behind")) * time.Second).UnixMicro()
		r.summary.DataAsOf = &at
	}
	return r
}

func TestTheFirstRowOfAKeyCounts(t *testing.T) {
	r := try(t, dryrun.Question{
		Checker: checker("q", everyMinute(dwmon.At(1), dwmon.Bound{}, 60)), Zone: time.UTC, Now: now, Rows: 3, Windows: 2,
	}, &result{rows: []row{
		ago("a", 40*time.Second), ago("b", 45*time.Second), ago("a", 100*time.Second), ago("a", 40*time.Second),
		{"f", now.Add(25 * time.Hour).UnixMicro()},
		ago("f", 50*time.Second),
	}})
	if r.Keys != 3 || r.RepeatedRows != 2 || r.RepeatedKeys != 1 || r.SkippedFuture != 1 || r.Rows != 6 {
		t.Errorf("counted: %+v", r)
	}
	if diff := cmp.Diff([]dryrun.Repeat{{Key: "a", Rows: 3, Time: "2026-06-01T11:59:50Z"}}, r.Repeated); diff != "" {
		t.Errorf("repeated (-want +got):\n%s", diff)
	}
	var counts []int64
	for _, w := range r.Lines[0].Windows {
		counts = append(counts, w.Count)
	}
	// a, b and f lie in the last window; the second row of a, in the one before, counts in none.
	if diff := cmp.Diff([]int64{0, 3}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if len(r.FirstRows) != 3 || r.FirstRows[0].Key != "a" || r.FirstRows[0].LocalTime != "2026-06-01 11:59:50 UTC" {
		t.Errorf("first rows: %+v", r.FirstRows)
	}
}

// TestDoubts: what deserves a look, and what does not.
func TestDoubts(t *testing.T) {
	const limited = "SELECT k, ts FROM t ORDER BY ts DESC LIMIT 20"
	long := everyMinute(dwmon.At(1), dwmon.Bound{}, 3600)
	every := func(n int, from, step time.Duration) (rows []row) {
		for i := range n {
			rows = append(rows, ago(fmt.Sprint("k", i), from+time.Duration(i)*step))
		}
		return rows
	}
	hoursAgo := now.Add(-2 * time.Hour).UnixMicro()
	ahead := now.Add(10 * time.Second).UnixMicro()
	for _, c := range []struct {
		name   string
		query  string
		lines  []dwmon.Requirement
		rows   []row
		sum    dwmon.FetchSummary
		opts   dwmon.Options
		stands bool
		want   string // codes
		says   string // within the first warning
	}{
		{name: "rows that come steadily", rows: every(30, 5*time.Second, 10*time.Second)},
		{name: "no rows", want: dryrun.WarnNoRows, says: "every count is 0"},
		{name: "only rows without a time", sum: dwmon.FetchSummary{SkippedNull: 3}, want: dryrun.WarnAllSkipped},
		{name: "only rows of another day", rows: []row{ago("a", -48*time.Hour)}, want: dryrun.WarnAllSkipped},
		{name: "one time for all", rows: []row{ago("a", time.Second), ago("b", time.Second)}, want: dryrun.WarnConstant, says: "2026-06-01T12:00:29Z"},
		{name: "one row only", rows: []row{ago("a", time.Second)}},
		{name: "assumed and constant", rows: []row{ago("a", 0), ago("b", 0)}, opts: dwmon.Options{Assumed: true}, want: dryrun.WarnBaseline},
		{name: "assumed, but the rows have times", rows: every(3, 0, time.Hour), opts: dwmon.Options{Assumed: true}, want: dryrun.WarnNotConstant, says: "span 2 hours"},
		{name: "two hours old, of rows that come each ten seconds", rows: every(30, 2*time.Hour+5*time.Second, 10*time.Second), want: dryrun.WarnZone, says: "almost exactly 2 hours old"},
		{name: "two hours old, of rows that come each hour", rows: every(30, 2*time.Hour+5*time.Second, time.Hour)},
		{name: "two hours and ten minutes old", rows: every(30, 130*time.Minute, 10*time.Second)},
		{name: "half an hour ahead", rows: every(30, -30*time.Minute+5*time.Second, 10*time.Second), want: dryrun.WarnZone, says: "30 minutes ahead of the clock"},
		{name: "seven minutes ahead", rows: every(30, -7*time.Minute, 10*time.Second), want: dryrun.WarnAhead, says: "7 minutes ahead"},
		{name: "a key twice", rows: append(every(3, 0, time.Minute), ago("k1", 3*time.Minute)), want: dryrun.WarnRepeated, says: "others had another time"},
		{name: "a key twice with one time", rows: append(every(3, 0, time.Minute), ago("k2", 2*time.Minute)), want: dryrun.WarnRepeated, says: "only the first row of a key counts"},
		{name: "a limit that cuts what is newest first", query: limited, lines: []dwmon.Requirement{long}, rows: every(20, 0, time.Minute), want: dryrun.WarnLimit, says: "reaches back 19 minutes only; the longest look-back is 1 hour"},
		{name: "a limit that cuts beyond the look-back", query: limited, rows: every(20, 0, time.Minute)},
		{name: "a limit that is not reached", query: limited, lines: []dwmon.Requirement{long}, rows: every(12, 0, 10*time.Minute)},
		{name: "a limit that the rate will reach", query: limited, lines: []dwmon.Requirement{long}, rows: every(12, 0, time.Minute), want: dryrun.WarnLimit, says: "more than LIMIT 20 lets through"},
		{name: "a limit on rows in any order", query: limited, rows: append(every(5, time.Minute, time.Minute), ago("z", 0)), want: dryrun.WarnUnordered, says: "as soon as there are 20"},
		{name: "a limit that has cut rows in any order", query: limited, rows: append(every(19, time.Minute, time.Minute), ago("z", 0)), want: dryrun.WarnUnordered, says: "LIMIT 20 has cut the result"},
		{name: "a source that cuts rows in any order", sum: dwmon.FetchSummary{Cut: true}, rows: append(every(5, time.Minute, time.Minute), ago("z", 0)), want: dryrun.WarnUnordered, says: "the source gave only part"},
		{name: "a query that gives a minute only", lines: []dwmon.Requirement{everyMinute(dwmon.At(9), dwmon.Bound{}, 600)}, rows: every(8, 5*time.Second, 10*time.Second), want: dryrun.WarnOldest, says: "1 window that is too low begins before the oldest row, which is 75 seconds old"},
		{name: "a quiet minute", rows: every(5, 3*time.Minute, time.Minute)},
		{name: "rows in any order without a limit", rows: append(every(5, time.Minute, time.Minute), ago("z", 0))},
		{name: "a replica that is far behind", sum: dwmon.FetchSummary{DataAsOf: &hoursAgo}, rows: every(5, 3*time.Hour, time.Hour), want: dryrun.WarnSourceData, says: "2 hours ago"},
		{name: "a source whose clock is ahead", sum: dwmon.FetchSummary{SourceNow: &ahead}, rows: every(5, 0, time.Minute), want: dryrun.WarnSourceClock, says: "10 seconds ahead of ours"},
		{name: "a source whose clock is ahead of one that stands", sum: dwmon.FetchSummary{SourceNow: &ahead}, rows: every(5, 0, time.Minute), stands: true},
		{name: "switched off", opts: dwmon.Options{Disabled: true}, rows: every(5, 0, time.Minute), want: dryrun.WarnDisabled},
		{name: "never due", lines: []dwmon.Requirement{{Hours: 1, Minutes: 1, Lookback: 60, Min: dwmon.At(1), FileLine: 7}}, rows: every(5, 0, time.Minute), want: dryrun.WarnNeverDue, says: "line 7 is never due"},
		{name: "what the plugin says", sum: dwmon.FetchSummary{Warnings: []string{"half asleep"}}, rows: every(5, 0, time.Minute), want: dryrun.WarnPlugin, says: "the row getter says: half asleep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.lines == nil {
				c.lines = []dwmon.Requirement{everyMinute(dwmon.At(1), dwmon.Bound{}, 60)}
			}
			ch := checker(c.query, c.lines...)
			ch.Options = c.opts
			r := try(t, dryrun.Question{Checker: ch, Zone: time.UTC, Now: now, Stands: c.stands, Windows: 1}, &result{rows: c.rows, batch: 3, summary: c.sum})
			var codes []string
			for _, w := range r.Warnings {
				codes = append(codes, w.Code)
			}
			if got := strings.Join(codes, " "); got != c.want {
				t.Fatalf("warnings %q, want %q: %+v", got, c.want, r.Warnings)
			}
			if c.says != "" && !strings.Contains(r.Warnings[0].Message, c.says) {
				t.Errorf("%q does not say %q", r.Warnings[0].Message, c.says)
			}
		})
	}
}
