package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func testFirstRow(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	if got := store(t, st, p, row{"a", 10}, row{"a", 20}, row{"b", 30}, row{"a", 5}); got.Fresh != 2 {
		t.Errorf("Fresh = %d, want 2", got.Fresh)
	}
	if got := store(t, st, p, row{"a", 99}, row{"", 7}, row{"ab", 8}, row{"b", 99}); got.Fresh != 2 {
		t.Errorf("Fresh = %d, want 2: the empty key and ab", got.Fresh)
	}
	got := counts(t, st, p.ID, dwmon.Window{From: 10, Until: 11}, dwmon.Window{From: 7, Until: 9}, dwmon.Window{From: 99, Until: 100}, all)
	if want := []int64{1, 2, 0, 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("Counts = %v, want %v", got, want)
	}
}

func testFarFuture(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	const start = T0 * 1e6
	far := start + dwmon.FarFuture.Microseconds() + 1
	rows := []row{{"later", far}, {"edge", far - 1}, {"now", start}, {"later too", far + 5}, {"now", 1}}
	for _, size := range []int{1, 2, 5} {
		in := intake(t, st, p, start, size, rows)
		want := dwmon.Tally{Rows: 5, Skipped: 2, Bytes: 24 + 5*8, Oldest: 1, Newest: far - 1}
		if got := in.Tally(); got != want {
			t.Errorf("Tally = %+v, want %+v", got, want)
		}
		in.Close()
	}
	if got := store(t, st, p, rows...); got.Fresh != 2 {
		t.Errorf("Fresh = %d, want 2", got.Fresh)
	}
	// The skipped keys were not used up.
	if got := store(t, st, p, row{"later", start}, row{"edge", start}, row{"now", start}); got.Fresh != 1 {
		t.Errorf("Fresh = %d, want 1", got.Fresh)
	}
	if n := counts(t, st, p.ID, dwmon.Window{From: start, Until: start + 1})[0]; n != 2 {
		t.Errorf("%d rows at the start, want 2", n)
	}
	in := intake(t, st, p, start, 1, []row{{"only", far}})
	defer in.Close()
	if got := in.Tally(); got.Rows != 1 || got.Skipped != 1 {
		t.Errorf("Tally = %+v", got)
	}
}

func testMisshapen(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	for _, b := range []*dwmon.Batch{
		{Keys: []byte("ab"), Lengths: []uint32{1}, Micros: []int64{1}},
		{Keys: []byte("a"), Lengths: []uint32{1}, Micros: nil},
		{Keys: nil, Lengths: []uint32{dwmon.MaxKeyBytes + 1}, Micros: []int64{1}},
	} {
		in := st.NewIntake(p, T0*1e6)
		if err := in.Add(batch(row{"good", 1})); err != nil {
			t.Fatal(err)
		}
		if err := in.Add(b); err == nil {
			t.Errorf("batch %+v was taken", b)
		}
		if err := st.InTx(t.Context(), func(tx dwmon.Tx) error { _, err := tx.Ingest(p, in, false); return err }); err == nil {
			t.Error("a result with a hole was committed")
		}
		in.Close()
		in.Close()
		if err := st.InTx(t.Context(), func(tx dwmon.Tx) error { _, err := tx.Ingest(p, in, false); return err }); err == nil {
			t.Error("rows were committed after they had been dropped")
		}
	}
}

func testApart(t *testing.T, st dwmon.Store) {
	a, b := seen(t, st), seen(t, st)
	store(t, st, a, row{"k", 10})
	store(t, st, b, row{"k", 20}, row{"l", 20})
	at := []dwmon.Window{{From: 10, Until: 11}, {From: 20, Until: 21}}
	if got := counts(t, st, a.ID, at...); !reflect.DeepEqual(got, []int64{1, 0}) {
		t.Errorf("first checker: %v", got)
	}
	if got := counts(t, st, b.ID, at...); !reflect.DeepEqual(got, []int64{0, 2}) {
		t.Errorf("second checker: %v", got)
	}
	in := intake(t, st, a, T0*1e6, 1, []row{{"m", 1}})
	defer in.Close()
	if err := st.InTx(t.Context(), func(tx dwmon.Tx) error { _, err := tx.Ingest(b, in, false); return err }); err == nil {
		t.Error("one checker's rows were stored for another")
	}
}

func testPurge(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	if _, _, ok, err := st.Extent(t.Context(), p.ID); ok || err != nil {
		t.Errorf("Extent of nothing: %v, %v", ok, err)
	}
	sec := int64(1e6)
	store(t, st, p, row{"new", 300 * sec}, row{"old", 100 * sec}, row{"edge", 200 * sec})
	n, err := st.Purge(t.Context(), p.ID, 200)
	if n != 1 || err != nil {
		t.Errorf("Purge = %d, %v; want 1", n, err)
	}
	if q := progress(t, st, p.Name); deref(q.PurgeMark) != 200 {
		t.Errorf("the purge mark is %d", deref(q.PurgeMark))
	}
	oldest, newest, ok, err := st.Extent(t.Context(), p.ID)
	if oldest != 200*sec || newest != 300*sec || !ok || err != nil {
		t.Errorf("Extent = %d, %d, %v, %v", oldest, newest, ok, err)
	}
	got := store(t, st, p, row{"old", 100 * sec}, row{"older", 50 * sec}, row{"old", 300 * sec}, row{"fresh", 200 * sec}, row{"older", 400 * sec})
	if got != (dwmon.Ingested{Fresh: 1, Ignored: 1, OldestFresh: 200 * sec}) {
		t.Errorf("Ingest = %+v, want one fresh and one ignored", got)
	}
	// The key that was ignored was not used up.
	if got := store(t, st, p, row{"older", 400 * sec}, row{"old", 400 * sec}); got != (dwmon.Ingested{Fresh: 1, OldestFresh: 400 * sec}) {
		t.Errorf("Ingest = %+v, want one fresh", got)
	}
	if n, err := st.Purge(t.Context(), p.ID, 100); n != 0 || err != nil {
		t.Errorf("a second purge with an older cut-off: %d, %v", n, err)
	}
	if q := progress(t, st, p.Name); deref(q.PurgeMark) != 200 {
		t.Errorf("the purge mark went back to %d", deref(q.PurgeMark))
	}
	if got := counts(t, st, p.ID, all)[0]; got != 4 {
		t.Errorf("%d rows, want 4", got)
	}
	if n, err := st.Purge(t.Context(), p.ID, 1<<62); n != 4 || err != nil {
		t.Errorf("a purge of everything: %d, %v", n, err)
	}
}

func testBaseline(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	in := intake(t, st, p, T0*1e6, 2, []row{{"a", 1}, {"b", 2}, {"a", 3}})
	defer in.Close()
	inTx(t, st, func(tx dwmon.Tx) error {
		got, err := tx.Ingest(p, in, true)
		if got.Fresh != 2 {
			t.Errorf("Fresh = %d, want 2", got.Fresh)
		}
		return err
	})
	if got := store(t, st, p, row{"a", 5}, row{"c", 6}); got.Fresh != 1 {
		t.Errorf("Fresh after the baseline = %d, want 1", got.Fresh)
	}
	if n := counts(t, st, p.ID, all)[0]; n != 1 {
		t.Errorf("%d rows count, want 1", n)
	}
	if n, err := st.Purge(t.Context(), p.ID, 1000); n != 1 || err != nil {
		t.Errorf("Purge = %d, %v", n, err)
	}
	if got := store(t, st, p, row{"a", 2000 * 1e6}, row{"c", 2000 * 1e6}); got.Fresh != 0 {
		t.Errorf("keys of the baseline came back as new: %+v", got)
	}
}

func testMissed(t *testing.T, st dwmon.Store) {
	p, other := seen(t, st), seen(t, st)
	inTx(t, st, func(tx dwmon.Tx) error {
		for _, s := range []dwmon.Span{{From: 50, Until: 60}, {From: 10, Until: 20}, {From: 30, Until: 40}} {
			if err := tx.AddMissed(p.ID, s); err != nil {
				return err
			}
		}
		return tx.AddMissed(other.ID, dwmon.Span{From: 1, Until: 99})
	})
	inTx(t, st, func(tx dwmon.Tx) error {
		got, err := tx.Missed(p.ID, 40)
		if want := []dwmon.Span{{From: 30, Until: 40}, {From: 50, Until: 60}}; !reflect.DeepEqual(got, want) {
			t.Errorf("Missed = %v, want %v", got, want)
		}
		return err
	})
}

// testLarge takes a result of more than 16 MiB of new rows, with keys of up to
// 1 MiB, repeats far apart, and unknown rows on both sides of the purge mark.
func testLarge(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	if _, err := st.Purge(t.Context(), p.ID, 1000); err != nil {
		t.Fatal(err)
	}
	const old, young = 999 * 1e6, 2000 * 1e6
	big := strings.Repeat("\xff", dwmon.MaxKeyBytes)
	rows := []row{{"ignored", old}, {"first", young}, {big, young}, {big[1:], young + 1}}
	for i := range 30 {
		rows = append(rows, row{fmt.Sprintf("%02d", i) + big[2:], young + 2})
	}
	rows = append(rows, row{"ignored", young}, row{"first", old}, row{big, old}, row{"ignored too", old}, row{"last", young + 3})
	if got := store(t, st, p, rows...); got != (dwmon.Ingested{Fresh: 34, Ignored: 2, OldestFresh: young}) {
		t.Errorf("Ingest = %+v, want 34 fresh and 2 ignored", got)
	}
	if got := store(t, st, p, rows...); got != (dwmon.Ingested{Ignored: 2}) {
		t.Errorf("the same result again: %+v, want 2 ignored", got)
	}
	if n := counts(t, st, p.ID, all)[0]; n != 34 {
		t.Errorf("%d rows, want 34", n)
	}
}

func testCounts(t *testing.T, st dwmon.Store) {
	p := seen(t, st)
	rnd := rand.New(rand.NewPCG(1, 2))
	var rows []row
	for i := range 3000 {
		rows = append(rows, row{fmt.Sprint(i), rnd.Int64N(2000) - 1000})
	}
	store(t, st, p, rows...)
	rapid.Check(t, func(rt *rapid.T) {
		edge := rapid.Int64Range(-1100, 1100)
		windows := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) dwmon.Window {
			from := edge.Draw(rt, "from")
			return dwmon.Window{From: from, Until: from + rapid.Int64Range(-5, 60).Draw(rt, "length")}
		}), 0, rapid.SampledFrom([]int{1, 3, 40}).Draw(rt, "windows")).Draw(rt, "windows")
		want := make([]int64, len(windows))
		for i, w := range windows {
			for _, r := range rows {
				if w.From <= r.ts && r.ts < w.Until {
					want[i]++
				}
			}
		}
		if got := counts(t, st, p.ID, windows...); !reflect.DeepEqual(got, want) {
			rt.Errorf("Counts(%v) = %v, want %v", windows, got, want)
		}
	})
	// A walk: windows that overlap many times, and others far from them.
	var walk []dwmon.Window
	for m := int64(-900); m < 900; m += 3 {
		walk = append(walk, dwmon.Window{From: m - 100, Until: m}, dwmon.Window{From: m - 1, Until: m + 1})
	}
	walk = append(walk, dwmon.Window{From: 1 << 40, Until: 1 << 41}, dwmon.Window{From: 5, Until: 5})
	for i, n := range counts(t, st, p.ID, walk...) {
		var want int64
		for _, r := range rows {
			if walk[i].From <= r.ts && r.ts < walk[i].Until {
				want++
			}
		}
		if n != want {
			t.Fatalf("walk, window %d: %d, want %d", i, n, want)
		}
	}
	if _, err := st.Progress(context.Background(), p.Name); err != nil {
		t.Fatal(err)
	}
}
