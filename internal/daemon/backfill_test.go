package daemon_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// cutQuery gives a few of the newest rows: many of its results are cut, and leave holes.
const cutQuery = `__QUERY__
SELECT execution_id AS dwmon_unique_key, ts AS dwmon_timestamp FROM model_executions ORDER BY ts DESC LIMIT 40
__REQUIREMENTS__
CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM3 MAXNUM20 LOOKBACKSECONDS180
CHECKHOURS0-23 CHECKMINUTES*/10 WEEKENDS WEEKDAYS MINNUM25 LOOKBACKSECONDS1200
__SOURCE__
sqlite:%s
`

// bursts lets rows arrive in bursts until a time, one in six of them late.
func (w *importWorld) bursts(from, until time.Time) {
	w.t.Helper()
	tx, err := w.source.Begin()
	if err != nil {
		w.t.Fatal(err)
	}
	defer tx.Rollback()
	pace := 60_000
	for at := from; at.Before(until); at = at.Add(time.Duration(w.rng.IntN(pace)) * time.Millisecond) {
		if w.rng.IntN(10) == 0 {
			pace = []int{10_000, 60_000, 240_000}[w.rng.IntN(3)]
		}
		us := at.UnixMicro()
		if w.rng.IntN(6) == 0 {
			us -= w.rng.Int64N(2400e6)
		}
		w.serial++
		if _, err := tx.Exec(fmt.Sprintf("INSERT INTO model_executions VALUES (%d, %d.%06d)", w.serial, us/1e6, us%1e6)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// told is everything that came of a checker's verdicts, a JSON object for each.
func told(t *testing.T, cfg *config.Config, name string) (all []string) {
	t.Helper()
	r, err := daemon.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	add := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	err = r.History(t.Context(), dwmon.HistoryQuery{Name: name}, func(e dwmon.Entry) error { add(e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	incidents, err := r.Incidents(t.Context(), name, true, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range incidents {
		add(i)
	}
	corrections, err := r.Corrections(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corrections {
		add(struct {
			Minute, Before, After int64
			Line                  int
		}{c.Minute, c.CountBefore, c.CountAfter, c.LineIndex})
	}
	return all
}

// verdicts are a checker's results of minutes after one as they were recorded, by line
// and minute.
func verdicts(t *testing.T, cfg *config.Config, name string, after int64) map[string]string {
	t.Helper()
	r, err := daemon.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[string]string{}
	err = r.History(t.Context(), dwmon.HistoryQuery{Name: name}, func(e dwmon.Entry) error {
		if e.Result != nil && e.Result.Minute > after {
			keep(all, *e.Result)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func keep(all map[string]string, r dwmon.Result) {
	all[fmt.Sprintf("line %d at %s", r.RequirementIndex, r.LocalTime)] = fmt.Sprint(r.EventCount, r.Status, r.Reason, r.CatchUp, r.EvaluatedAt)
}

// replayed are those of a backtest of the text in use.
func replayed(t *testing.T, cfg *config.Config, name string, after int64) map[string]string {
	t.Helper()
	r, err := daemon.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[string]string{}
	results := int64(0)
	b, err := r.Backtest(t.Context(), daemon.BacktestRequest{Target: name, Yield: func(r dwmon.Result) error {
		results++
		if r.Minute > after {
			keep(all, r)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if b.Before != nil || b.Good+b.Bad+b.Unknown != results {
		t.Errorf("the summary is %+v, %d results came", b.Summary, results)
	}
	return all
}

// TestBackfillChangesNoVerdict lives some hours twice, with the same passes, but one of
// the two lives has backfills in between: before the first pass and after any other,
// cut or whole. Verdicts, gaps, corrections and incidents are the same.
func TestBackfillChangesNoVerdict(t *testing.T) {
	begin := time.Date(2026, 6, 1, 0, 0, 20, 0, time.UTC)
	w := newImportWorld(t, begin)
	if err := os.RemoveAll(filepath.Join(w.dir, "checks")); err != nil {
		t.Fatal(err)
	}
	write(t, w.dir, "checks/cut.dwmon", fmt.Sprintf(cutQuery, filepath.Join(w.dir, "source.db")))
	plain, filled := w.config("plain.db"), w.config("filled.db")
	// A quiet half hour: else a burst just before the first pass could fill all that the
	// query gives, and no backfill would find a row of history.
	w.bursts(begin.Add(-12*time.Hour), begin.Add(-30*time.Minute))
	w.bursts(begin.Add(-2*time.Minute), begin)
	now, history := begin, int64(0)
	for step := range 14 {
		if step == 0 || w.rng.IntN(3) == 0 {
			out, err := daemon.Backfill(t.Context(), daemon.Options{Config: filled, Now: func() time.Time { return now }, Guard: []string{os.Args[0], "guard"}},
				daemon.BackfillRequest{Name: "cut", Limit: []int64{0, 0, 60, 150}[w.rng.IntN(4)]}, nil)
			if err != nil {
				t.Fatal(err)
			}
			history += out.Fresh
		}
		w.once(plain, now)
		w.once(filled, now)
		next := now.Add(time.Duration(1+w.rng.IntN(40)) * time.Minute)
		w.bursts(now, next)
		now = next
	}
	want, got := told(t, plain, "cut"), told(t, filled, "cut")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-plain +with backfills:\n%s", diff)
	}
	if history == 0 || len(want) < 100 {
		t.Errorf("%d rows of history, %d things compared", history, len(want))
	}
	for name, cfg := range map[string]*config.Config{"plain": plain, "filled": filled} {
		after := int64(math.MinInt64)
		if name == "filled" { // windows before its first pass go by the rows that were brought in
			after = begin.Unix() + 1200
		}
		if diff := cmp.Diff(verdicts(t, cfg, "cut", after), replayed(t, cfg, "cut", after)); diff != "" {
			t.Errorf("%s: -recorded +replayed:\n%s", name, diff)
		}
	}
	if a, b := len(storedRows(t, plain, "cut")), len(storedRows(t, filled, "cut")); a >= b {
		t.Errorf("%d rows are stored without backfills, %d with them", a, b)
	}
}
