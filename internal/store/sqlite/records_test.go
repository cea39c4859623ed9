package sqlite

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// What is asked of all checkers at once finds each row of the tables that grow by a key:
// with statistics of an empty database the planner has only our word for it.
func TestStatusReadsNoHistory(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(5))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Good}})
	reads := regexp.MustCompile(`^(SCAN [fgv]\b|SEARCH [fgv] USING AUTOMATIC)`)
	for what, query := range map[string]string{
		"progress": selectProgresses, "last results": selectLastResults, "last fetches": selectLastFetches, "fetches for zones": selectZoneFetches,
	} {
		w.must(w.read(w.ctx(), func(c *conn) error {
			var plan []string
			for r, err := range c.query("EXPLAIN QUERY PLAN " + strings.Replace(query, "?", "5", 1)) {
				if err != nil {
					return err
				}
				plan = append(plan, r.text(3))
			}
			for _, step := range plan {
				if reads.MatchString(step) {
					t.Errorf("%s: %q reads a table that grows, in\n%s", what, step, strings.Join(plan, "\n"))
				}
			}
			if len(plan) == 0 {
				t.Errorf("%s has no plan", what)
			}
			return nil
		}))
	}
}

// The zones of all checkers are what dwmon.ZoneShift says of the last fetches of each.
func TestZoneShiftsAreThoseOfTheLastFetches(t *testing.T) {
	w := newWorld(t)
	hour := time.Hour.Microseconds()
	want := map[string]time.Duration{}
	for name, ages := range map[string][]int64{ // of the newest row, oldest fetch first; -1: a failed fetch
		"berlin":  {0, 2*hour + 1e6, 2*hour + 2e6, 2*hour + 1e6, -1, 2*hour + 3e6},
		"london":  {1e6, 2e6, 1e6, 2e6, 1e6},
		"once":    {2*hour + 1e6},
		"mended":  {2*hour + 1e6, 2*hour + 1e6, 2*hour + 1e6, 2*hour + 1e6, 1e6},
		"nothing": nil,
	} {
		p := w.checker(name, epoch0, "UTC", line(5))
		for i, age := range ages {
			slot := epoch0 + 60*int64(i+1)
			f := dwmon.Fetch{Progress: p, Slot: slot, Started: slot * 1e6, Ended: slot*1e6 + 1}
			if age < 0 {
				f.Err, f.Failing = errors.New("down"), &dwmon.Failing{Since: slot * 1e6, Next: slot * 1e6, Count: 1, Cause: "down"}
			} else {
				newest := slot*1e6 - age
				f.Tally = dwmon.Tally{Rows: 3, Oldest: newest, Newest: newest}
				f.Ingested.Fresh = 1
			}
			w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error { _, err := tx.SaveFetch(f); return err }))
		}
		fetches, err := w.Fetches(w.ctx(), name, zoneShiftFetches)
		w.must(err)
		if shift := dwmon.ZoneShift(fetches); shift != 0 {
			want[name] = shift
		}
	}
	got, err := w.ZoneShifts(w.ctx())
	w.must(err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-one by one +at once):\n%s", diff)
	}
	if _, ok := want["berlin"]; !ok || len(want) != 1 {
		t.Errorf("one by one the zones are %v: the test has lost its sense", want)
	}
}
