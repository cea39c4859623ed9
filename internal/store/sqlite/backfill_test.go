package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/storetest"
)

// pastRow is a row of a result.
type pastRow struct {
	key string
	at  int64 // microseconds
}

func batchOf(rows []pastRow) *dwmon.Batch {
	b := &dwmon.Batch{}
	for _, r := range rows {
		b.Keys = append(b.Keys, r.key...)
		b.Lengths = append(b.Lengths, uint32(len(r.key)))
		b.Micros = append(b.Micros, r.at)
	}
	return b
}

// sighted makes a checker known.
func sighted(t testing.TB, db *DB, name string) *dwmon.Progress {
	t.Helper()
	c := &dwmon.Checker{Name: name, Revision: "r", Query: "q", Source: "s", Lines: []dwmon.Requirement{{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(1), Lookback: 60,
	}}}
	var p *dwmon.Progress
	err := db.InTx(t.Context(), func(tx dwmon.Tx) (err error) {
		p, err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", Minute: storetest.T0, New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fetchInto is an ordinary fetch. Its error is that of the commit.
func fetchInto(ctx context.Context, db *DB, p *dwmon.Progress, started int64, rows []pastRow) (ingested dwmon.Ingested, err error) {
	in := db.NewIntake(p, started)
	defer in.Close()
	if err := in.Add(batchOf(rows)); err != nil {
		return ingested, err
	}
	err = db.InTx(ctx, func(tx dwmon.Tx) (err error) {
		ingested, err = tx.Ingest(p, in, false)
		return err
	})
	return ingested, err
}

func backfill(t interface{ Fatal(...any) }, db *DB, o BackfillOptions, rows []pastRow) dwmon.Backfill {
	b, err := db.NewBackfill(o)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for chunk := range slices.Chunk(rows, dwmon.MaxBatchRows) {
		if err := b.Add(batchOf(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	done, err := b.Store(context.Background(), false, &dwmon.Span{From: 5, Until: math.MaxInt64}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// storedOf gives (ts, first_seen) of a checker's rows that count, by key.
func storedOf(t interface{ Fatal(...any) }, db *DB, checkerID int64) map[string][2]int64 {
	all := map[string][2]int64{}
	err := db.read(context.Background(), func(c *conn) error {
		for r, err := range c.query("SELECT key, ts, first_seen FROM seen WHERE checker_id = ? AND ts IS NOT NULL", checkerID) {
			if err != nil {
				return err
			}
			all[r.text(0)] = [2]int64{r.int(1), r.int(2)}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestBackfillsAsANaiveStoreDoes lets ordinary fetches, purges and backfills of random
// rows follow each other, and holds what is stored against a map.
func TestBackfillsAsANaiveStoreDoes(t *testing.T) {
	db := newDB(t, Options{})
	checkers := 0
	rapid.Check(t, func(rt *rapid.T) {
		checkers++
		p := sighted(t, db, fmt.Sprintf("checker %d", checkers))
		want, dead := map[string][2]int64{}, map[string]bool{}
		mark := int64(math.MinInt64)
		drawRows := func(name string) (rows []pastRow) {
			for range rapid.IntRange(0, 30).Draw(rt, name) {
				rows = append(rows, pastRow{rapid.StringMatching(`[ab]{0,3}`).Draw(rt, "key"), rapid.Int64Range(0, 50).Draw(rt, "second") * 1e6})
			}
			return rows
		}
		for step := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			started := int64(1000+step) * 1e6
			p, err := db.Progress(t.Context(), p.Name)
			if err != nil {
				rt.Fatal(err)
			}
			switch rapid.SampledFrom([]string{"fetch", "backfill", "dry", "purge"}).Draw(rt, "what") {
			case "fetch":
				rows := drawRows("rows")
				first := map[string]int64{}
				for _, r := range rows {
					if _, again := first[r.key]; !again {
						first[r.key] = r.at
					}
				}
				fresh := int64(0)
				for key, at := range first {
					if _, known := want[key]; !known && !dead[key] && at >= mark {
						want[key] = [2]int64{at, started}
						fresh++
					}
				}
				got, err := fetchInto(t.Context(), db, p, started, rows)
				if err != nil || got.Fresh != fresh {
					rt.Fatalf("a fetch gave %+v, %v; want %d new rows", got, err, fresh)
				}
			case "purge":
				cutoff := rapid.Int64Range(0, 50).Draw(rt, "cutoff")
				mark = max(mark, cutoff*1e6)
				maps.DeleteFunc(want, func(key string, v [2]int64) bool {
					dead[key] = dead[key] || v[0] < cutoff*1e6
					return v[0] < cutoff*1e6
				})
				if _, err := db.Purge(t.Context(), p.ID, cutoff); err != nil {
					rt.Fatal(err)
				}
			case "dry":
				before := storedOf(rt, db, p.ID)
				o := BackfillOptions{CheckerID: p.ID, Started: started, Before: 40e6, DryRun: true}
				rows := drawRows("rows")
				dry := backfill(rt, db, o, rows)
				if !maps.Equal(before, storedOf(rt, db, p.ID)) {
					rt.Fatalf("a dry run has changed what is stored")
				}
				o.DryRun, o.Query = false, "q"
				if wet := backfill(rt, db, o, rows); wet.Fresh != dry.Fresh || wet.Known != dry.Known || wet.Recent != dry.Recent || wet.Purged != dry.Purged {
					rt.Fatalf("a dry run promised %+v, and then it was %+v", dry, wet)
				}
				naiveBackfill(want, dead, rows, mark, math.MinInt64, 40e6, started)
			case "backfill":
				rows := drawRows("rows")
				since, before := rapid.Int64Range(0, 50).Draw(rt, "since")*1e6, rapid.Int64Range(0, 50).Draw(rt, "before")*1e6
				fresh := naiveBackfill(want, dead, rows, mark, since, before, started)
				got := backfill(rt, db, BackfillOptions{CheckerID: p.ID, Query: "q", Started: started, Since: &since, Before: before}, rows)
				if got.Fresh != fresh || got.Fresh+got.Known+got.Recent+got.Early+got.Purged != int64(len(rows)) {
					rt.Fatalf("a backfill of %d rows gave %+v; want %d new ones", len(rows), got, fresh)
				}
			}
			if got := storedOf(rt, db, p.ID); !maps.Equal(got, want) {
				rt.Fatalf("stored are %v; want %v", got, want)
			}
		}
	})
}

// naiveBackfill does to a map what a backfill does. Of a key the first row counts.
func naiveBackfill(want map[string][2]int64, dead map[string]bool, rows []pastRow, mark, since, before, started int64) (fresh int64) {
	met := map[string]bool{}
	for _, r := range rows {
		_, known := want[r.key]
		if !met[r.key] && !known && !dead[r.key] && r.at >= mark && r.at >= since && r.at < before {
			want[r.key] = [2]int64{r.at, started}
			fresh++
		}
		met[r.key] = true
	}
	return fresh
}

// TestBackfillKeepsTheFirstRowOfAKeyAcrossBlocks: a key whose first row is left to
// ordinary fetches must not come in by a later row that is millions of bytes behind.
func TestBackfillKeepsTheFirstRowOfAKeyAcrossBlocks(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	var rows []pastRow
	long := strings.Repeat("x", 600<<10)
	for i := range 40 { // 24 MB: six blocks, some of them in the file
		rows = append(rows, pastRow{fmt.Sprintf("%s%02d", long, i), int64(i)})
	}
	rows[0] = pastRow{"late", 100}
	rows[39] = pastRow{"late", 1}
	rows[38] = pastRow{rows[1].key, 2}
	got := backfill(t, db, BackfillOptions{CheckerID: p.ID, Query: "q", Started: 1e6, Before: 100}, rows)
	if got.Fresh != 37 || got.Recent != 1 || got.Known != 2 {
		t.Errorf("got %+v; want 37 new, 1 recent, 2 known", got)
	}
	stored := storedOf(t, db, p.ID)
	if _, there := stored["late"]; there || stored[rows[1].key] != [2]int64{1, 1e6} {
		t.Errorf("late: %v; the other: %v", there, stored[rows[1].key])
	}
}

// TestBackfillLeavesWhatPassesGoBy: progress, lateness and the filter of known keys are
// as they were, and what the backfill did stands in its table.
func TestBackfillLeavesWhatPassesGoBy(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	const started = storetest.T0 * 1e6
	recent := []pastRow{{"new", started - 1e6}, {"newer", started - 2e6}}
	fetch := func(started int64) {
		t.Helper()
		if _, err := fetchInto(t.Context(), db, p, started, recent); err != nil {
			t.Fatal(err)
		}
		err := db.InTx(t.Context(), func(tx dwmon.Tx) error {
			_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: started / 1e6, Started: started, Ended: started, Tally: dwmon.Tally{Rows: 2, Oldest: started - 2e6, Newest: started - 1e6}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	fetch(started - 60e6)
	fetch(started)
	p, err := db.Progress(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	late, err := db.Lateness(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	known, _ := db.filters.get(p.ID, started)
	got := backfill(t, db, BackfillOptions{CheckerID: p.ID, Query: "another", Started: started + 1e6, Before: started - 600e6},
		[]pastRow{{"new", 1e6}, {"old", 2e6}, {"older", 1e6}, {"recent", started}})
	if got.Fresh != 2 || got.Known != 1 || got.Recent != 1 || *got.Oldest != 1e6 || *got.Newest != 2e6 {
		t.Errorf("got %+v", got)
	}
	after, err := db.Progress(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", *p), fmt.Sprintf("%+v", *after); a != b || after.QueryChanged {
		t.Errorf("the progress was\n%s\nand is\n%s", a, b)
	}
	if l, err := db.Lateness(t.Context(), "orders"); err != nil || l != late {
		t.Errorf("the lateness was %+v and is %+v, %v", late, l, err)
	}
	if f, _ := db.filters.get(p.ID, started+2e6); f != known || f.find([]byte("new")) < 0 {
		t.Error("the filter of known keys is another")
	}
	in := db.NewIntake(p, started+2e6)
	defer in.Close()
	if err := in.Add(batchOf(recent)); err != nil || !in.(*intake).hits() {
		t.Errorf("the next fetch does not find its rows in the filter: %v", err)
	}
	err = db.read(t.Context(), func(c *conn) error {
		r, err := c.one("SELECT b.rows, b.fresh, b.oldest, b.newest, b.complete_from, b.complete_until, q.sha256 FROM backfills b JOIN queries q ON q.id = b.query_id WHERE b.started = ?", int64(started+1e6))
		if err == nil && (r == nil || fmt.Sprint(r) != fmt.Sprint(row{int64(3), int64(2), int64(1e6), int64(2e6), int64(5), int64(started - 600e6), "another"})) {
			err = fmt.Errorf("the backfill is recorded as %v", r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBackfillThatIsBrokenOffGoesOn: small commits stay, and the next one brings the
// rest.
func TestBackfillThatIsBrokenOffGoesOn(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	rows := make([]pastRow, 3*backfillStep)
	for i := range rows {
		rows[i] = pastRow{string(binary.BigEndian.AppendUint32(nil, uint32(i))), int64(i)}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b, err := db.NewBackfill(BackfillOptions{CheckerID: p.ID, Query: "q", Started: 1e6, Before: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for chunk := range slices.Chunk(rows, dwmon.MaxBatchRows) {
		if err := b.Add(batchOf(chunk)); err != nil {
			t.Fatal(err)
		}
	}
	var steps []int64
	done, err := b.Store(ctx, false, nil, func(done, total int64) {
		steps = append(steps, done)
		if total != int64(len(rows)) {
			t.Errorf("progress of %d rows, want %d", total, len(rows))
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) || done.Fresh != backfillStep || len(steps) != 1 || done.CompleteFrom != nil {
		t.Fatalf("got %+v after %v, %v", done, steps, err)
	}
	again := backfill(t, db, BackfillOptions{CheckerID: p.ID, Query: "q", Started: 2e6, Before: 1e6}, rows)
	if again.Fresh != 2*backfillStep || again.Known != backfillStep || len(storedOf(t, db, p.ID)) != len(rows) {
		t.Errorf("the second one gave %+v", again)
	}
}

// TestBackfillIsOneAtATime: two would take each other's keys for their own.
func TestBackfillIsOneAtATime(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	o := BackfillOptions{CheckerID: p.ID, Query: "q", Started: 1e6, Before: 1e6}
	one, err := db.NewBackfill(o)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if _, err := db.NewBackfill(o); !errors.Is(err, ErrBackfilling) {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(one.Close(), one.Close()); err != nil {
		t.Fatal(err)
	}
	two, err := db.NewBackfill(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := two.Close(); err != nil {
		t.Error(err)
	}
}

// TestBackfillOfOtherKeysIsRefused: rows under other keys would all count twice.
func TestBackfillOfOtherKeysIsRefused(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	id, err := db.Progress(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	var own, other, some []pastRow
	for i := range int64(100) {
		own = append(own, pastRow{fmt.Sprint(i), i * 1e6})
		other = append(other, pastRow{fmt.Sprint("k-", i), i * 1e6})
	}
	some = append(append(some, other...), own[70])
	if _, err := fetchInto(t.Context(), db, id, 100e6, own[50:]); err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		rows    []pastRow
		foreign bool
		refused bool
	}{
		"other keys": {other, true, true}, "one of the same": {some, true, false}, "of another time": {other[:50], true, false}, "QUERY itself": {other, false, false},
	} {
		b, err := db.NewBackfill(BackfillOptions{
			CheckerID: p.ID, Query: (&dwmon.Checker{Query: "q", Source: "s"}).QueryRevision(), Started: 100e6, Before: 40e6, DryRun: true, Foreign: tt.foreign,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(batchOf(tt.rows)); err != nil {
			t.Fatal(err)
		}
		_, err = b.Store(t.Context(), false, nil, nil)
		var foreign *ErrForeignKeys
		if errors.As(err, &foreign) != tt.refused || !tt.refused && err != nil {
			t.Errorf("%s: got %v", what, err)
		}
		if tt.refused && (foreign.Stored != "99" || foreign.Given != "k-0") {
			t.Errorf("%s: it names %+v", what, foreign)
		}
		b.Close()
	}
}

// TestBackfillOfNothingIsNoPast: what brought no row, and knows of none, changes nothing.
func TestBackfillOfNothingIsNoPast(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	b, err := db.NewBackfill(BackfillOptions{CheckerID: p.ID, Query: "q", Started: 9e6, Before: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Add(batchOf([]pastRow{{"recent", 5e6}})); err != nil {
		t.Fatal(err)
	}
	if done, err := b.Store(t.Context(), false, &dwmon.Span{From: 5e6, Until: 9e6}, nil); err != nil || done.Recent != 1 {
		t.Fatalf("got %+v, %v", done, err)
	}
	if past, err := db.Past(t.Context(), "orders"); err != nil || len(past.Loaded) != 0 {
		t.Errorf("the past has %+v, %v", past.Loaded, err)
	}
}

// TestBackfillOfAForgottenCheckerStoresNothing: its rows would be nobody's.
func TestBackfillOfAForgottenCheckerStoresNothing(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	b, err := db.NewBackfill(BackfillOptions{CheckerID: p.ID, Query: "q", Started: 1e6, Before: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Add(batchOf([]pastRow{{"a", 1}})); err != nil {
		t.Fatal(err)
	}
	if err := db.Forget(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store(t.Context(), false, nil, nil); err == nil || len(storedOf(t, db, p.ID)) != 0 {
		t.Errorf("got %v", err)
	}
}

// TestBackfillStaysBeforeLowVerdicts: those that late rows may correct are not
// corrected by the past.
func TestBackfillStaysBeforeLowVerdicts(t *testing.T) {
	db := newDB(t, Options{})
	p := sighted(t, db, "orders")
	minute, started := int64(storetest.T0), int64(storetest.T0+5)*1e6
	settled := minute + 3600
	err := db.InTx(t.Context(), func(tx dwmon.Tx) error {
		id, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: minute, Started: started, Ended: started})
		if err != nil {
			return err
		}
		err = tx.Record(dwmon.Record{Progress: p, FetchID: id, EvaluatedAt: started, Streaks: make([]dwmon.Streak, 1), Verdicts: []dwmon.Verdict{
			{Minute: minute, LineID: p.Lines[0].ID, Status: dwmon.Bad, Reason: dwmon.Low},
		}})
		if err != nil {
			return err
		}
		return tx.Settle(p, settled, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = db.Progress(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		now  int64 // seconds
		want int64
	}{
		{"while it may be corrected", settled, minute - 60},
		{"when it may be no more", minute + 24*3600 + 60, settled - 60},
	} {
		got, err := db.BackfillBefore(t.Context(), p, p.Walk(nil, 0), 60, c.now*1e6)
		if err != nil || got != c.want*1e6 {
			t.Errorf("%s: the border is %d, %v; want %d", c.name, got/1e6, err, c.want)
		}
	}
}
