package sqlite

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Whatever the chunks, the past gives every row in range once, in order.
func TestPastGivesEveryRowOnce(t *testing.T) {
	w := newWorld(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		p := w.checker(fmt.Sprintf("r%d", round), epoch0, "UTC", line(1))
		n := rapid.SampledFrom([]int{0, 1, 7, pastRows - 1, pastRows, pastRows + 1, 2*pastRows + 5}).Draw(rt, "rows")
		sameFrom, same := rapid.IntRange(0, n).Draw(rt, "same from"), rapid.SampledFrom([]int{0, 2, pastRows / 2}).Draw(rt, "same")
		var want []dwmon.PastRow
		for i := range n {
			r := dwmon.PastRow{Micros: epoch0*1e6 + int64(i), FirstSeen: epoch0*1e6 + int64(i%7)}
			if sameFrom <= i && i < sameFrom+same {
				r.Micros = epoch0*1e6 + int64(sameFrom)
			}
			want = append(want, r)
		}
		w.must(w.write(w.ctx(), func(tx *Tx) error {
			for i, r := range want {
				if _, err := tx.exec("INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (?, ?, ?, ?, 1)", p.ID, fmt.Append(nil, i), r.Micros, r.FirstSeen); err != nil {
					return err
				}
			}
			return nil
		}))
		from := epoch0*1e6 + rapid.Int64Range(-1, int64(n)).Draw(rt, "from")
		until := epoch0*1e6 + rapid.Int64Range(-1, int64(n)+1).Draw(rt, "until")
		want = slices.DeleteFunc(want, func(r dwmon.PastRow) bool { return r.Micros < from || r.Micros >= until })
		slices.SortFunc(want, func(a, b dwmon.PastRow) int { return int(2*(a.Micros-b.Micros)) + sign(a.FirstSeen-b.FirstSeen) })
		var got []dwmon.PastRow
		w.must(w.PastRows(w.ctx(), p.ID, from, until, func(rows []dwmon.PastRow) error { got = append(got, rows...); return nil }))
		var times, wantTimes []int64
		w.must(w.Timestamps(w.ctx(), p.ID, from, until, func(micros []int64) error { times = append(times, micros...); return nil }))
		for _, r := range want {
			wantTimes = append(wantTimes, r.Micros)
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%d rows, want %d, or in another order", len(got), len(want))
		}
		if !slices.Equal(times, wantTimes) {
			rt.Fatalf("%d timestamps, want %d, or in another order", len(times), len(wantTimes))
		}
	})
}

func sign(n int64) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

// An error of yield ends the reading and comes back.
func TestPastEndsWithYield(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	w.sql("INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (?, 'k', ?, ?, 1)", p.ID, int64(epoch0*1e6), int64(epoch0*1e6))
	enough := errors.New("enough")
	if err := w.PastRows(w.ctx(), p.ID, 0, math.MaxInt64, func([]dwmon.PastRow) error { return enough }); err != enough {
		t.Errorf("PastRows: %v", err)
	}
	if err := w.Timestamps(w.ctx(), p.ID, 0, math.MaxInt64, func([]int64) error { return enough }); err != enough {
		t.Errorf("Timestamps: %v", err)
	}
}

// What a pass recorded of its fetch comes back as it was, and what older records lack
// is what their other columns say.
func TestPastFetches(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(1))
	asOf := int64(epoch0-90) * 1e6
	good := dwmon.Fetch{
		Progress: p, Slot: epoch0, Pass: epoch0*1e6 + 1, Started: epoch0*1e6 + 2, Ended: epoch0*1e6 + 3, Cut: true, SkippedNull: 4, Skew: -3e6,
		DataAsOf: &asOf, Reach: asOf - 1, Tally: dwmon.Tally{Rows: 9, Skipped: 2, Oldest: 5, Newest: 8, Unordered: true},
		Ingested: dwmon.Ingested{Fresh: 3, Ignored: 1, OldestFresh: 6},
	}
	bad := dwmon.Fetch{
		Progress: p, Slot: epoch0 + 60, Pass: (epoch0 + 61) * 1e6, Started: (epoch0 + 61) * 1e6, Ended: (epoch0 + 62) * 1e6, Reach: (epoch0 + 61) * 1e6,
		Err: &dwmon.FetchError{Fault: dwmon.FaultChecker, Err: errors.New("no such table")}, Failing: &dwmon.Failing{},
	}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		if _, err := tx.SaveFetch(good); err != nil {
			return err
		}
		_, err := tx.SaveFetch(bad)
		return err
	}))
	read := func() (got []dwmon.PastFetch) {
		w.must(w.PastFetches(w.ctx(), p.ID, math.MinInt64, 0, func(f []dwmon.PastFetch) error { got = append(got, f...); return nil }))
		return got
	}
	got := read()
	if len(got) != 2 {
		t.Fatalf("%d fetches, want 2", len(got))
	}
	good.Progress = nil
	if diff := cmp.Diff(good, got[0].Fetch); diff != "" || got[0].QueryID != p.QueryID {
		t.Errorf("query %d, want %d; the fetch (-want +got):\n%s", got[0].QueryID, p.QueryID, diff)
	}
	if dwmon.FaultOf(got[1].Err) != dwmon.FaultChecker || got[1].Err.Error() != "no such table" || got[1].Slot != epoch0+60 {
		t.Errorf("the failed fetch is %+v", got[1])
	}
	w.sql("UPDATE fetches SET pass = NULL, reach = NULL, oldest_fresh = NULL")
	if f := read()[0]; f.Pass != f.Started || f.Reach != asOf || f.Ingested.OldestFresh != 0 {
		t.Errorf("of an older record: pass %d, reach %d, oldest new row %d", f.Pass, f.Reach, f.Ingested.OldestFresh)
	}
	w.sql("UPDATE fetches SET data_as_of = NULL")
	if f := read()[0]; f.Reach != f.Started-3e6 {
		t.Errorf("of an older record of a slow clock: reach %d, want %d", f.Reach, f.Started-3e6)
	}
}

// Wholeness tells of a checker's holes, its outages, and since when its rows are whole.
func TestWholeness(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Wholeness(w.ctx(), "a"); !errors.Is(err, dwmon.ErrNoChecker) {
		t.Errorf("of a checker never seen: %v", err)
	}
	p := w.checker("a", epoch0, "UTC", line(1))
	if _, err := w.Wholeness(w.ctx(), "a"); !errors.Is(err, dwmon.ErrNothingRecorded) {
		t.Errorf("before the first fetch: %v", err)
	}
	const oldest = (epoch0 - 7200) * 1e6
	fetch := func(second int64, err error) {
		f := dwmon.Fetch{Progress: p, Slot: dwmon.FloorMinute(second), Started: second * 1e6, Ended: second * 1e6, Reach: second * 1e6, Err: err}
		f.Tally = dwmon.Tally{Rows: 5, Oldest: oldest, Newest: second * 1e6}
		if err != nil {
			f.Failing = &dwmon.Failing{}
		}
		w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error { _, err := tx.SaveFetch(f); return err }))
	}
	for i := range int64(5) {
		fetch(epoch0+60*i, nil)
	}
	fetch(epoch0+400, errors.New("down"))
	fetch(epoch0+1500, nil)
	hole := dwmon.Span{From: (epoch0 + 100) * 1e6, Until: (epoch0 + 200) * 1e6}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error { return tx.AddHole(p.ID, hole) }))
	w.must(w.SwitchOff(w.ctx(), "a", epoch0+1560, dwmon.OffAway))
	got, err := w.Wholeness(w.ctx(), "a")
	w.must(err)
	want := dwmon.Wholeness{
		CheckerID: p.ID, From: oldest, Until: (epoch0 + 1500) * 1e6, Holes: []dwmon.Span{hole},
		Outages: []dwmon.Span{{From: (epoch0 + 240) * 1e6, Until: (epoch0 + 1500) * 1e6}},
		Off:     []dwmon.Span{{From: (epoch0 + 1560) * 1e6, Until: math.MaxInt64}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	w.sql("INSERT INTO backfills (checker_id, query_id, started, rows, fresh, complete_from, complete_until) VALUES (?, 1, ?, 5, 5, ?, ?)",
		p.ID, int64(epoch0+900)*1e6, int64(oldest-86400e6), int64(epoch0+150)*1e6)
	got, err = w.Wholeness(w.ctx(), "a")
	w.must(err)
	if hole.From = (epoch0 + 150) * 1e6; got.From != oldest-86400e6 || len(got.Holes) != 1 || got.Holes[0] != hole {
		t.Errorf("after a backfill it is whole from %d with the holes %v", got.From, got.Holes)
	}

	if _, err := w.Purge(w.ctx(), p.ID, epoch0); err != nil {
		t.Fatal(err)
	}
	got, err = w.Wholeness(w.ctx(), "a")
	w.must(err)
	if got.From != epoch0*1e6 || *got.PurgeMark != epoch0 {
		t.Errorf("after a purge it is whole from %d", got.From)
	}

	w.sweep(dwmon.Retention{Fetches: time.Hour}, time.Unix(epoch0+3600+600, 0))
	past, err := w.Past(w.ctx(), "a")
	w.must(err)
	if !past.FetchesLost() || *past.FetchesFrom != (epoch0+600)*1e6 {
		t.Errorf("after a sweep the fetches are on record from %v", past.FetchesFrom)
	}
}
