package sqlite

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// filterOf makes a filter of keys.
func filterOf(keys ...string) *filter {
	if len(keys) == 0 {
		return &filter{}
	}
	b := newFilterBuilder(nil, []run{{rows: len(keys)}}, shapeOf(keys...), 0)
	for _, k := range keys {
		b.miss([]byte(k), true)
	}
	return b.next
}

func shapeOf(keys ...string) (s keyShape) {
	for _, k := range keys {
		s.add([]byte(k))
	}
	return s
}

// held gives the keys of a filter.
func (f *filter) held() (keys []string) {
	for i := range f.len() {
		keys = append(keys, string(f.prefix)+string(f.rest(i)))
	}
	return keys
}

// drawKind chooses what keys are like.
func drawKind(rt *rapid.T) *rapid.Generator[string] {
	short, numbers := rapid.StringMatching(`[ab]{0,3}`), rapid.StringMatching(`0000000000000000[0-9]{2}`)
	long := rapid.Map(rapid.StringMatching(`[ab]{2}`), func(tail string) string { return strings.Repeat("x", windowBytes) + tail })
	return rapid.SampledFrom([]*rapid.Generator[string]{
		short, numbers, rapid.OneOf(short, numbers), long,
		rapid.StringMatching(`[ab]{2}`), rapid.StringMatching(`x{16}[ab]{17}`), rapid.StringMatching(`x{3}y?[ab]{17}`),
		rapid.Just(""), rapid.Just("the same key each time"),
	}).Draw(rt, "kind")
}

func drawKeys(rt *rapid.T, kind *rapid.Generator[string], name string) []string {
	return rapid.SliceOfN(kind, 0, 40).Draw(rt, name)
}

// TestFilterHasItsKeysAndNoOthers compares match, scan and find with a list.
func TestFilterHasItsKeysAndNoOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := drawKind(rt)
		has, asked := drawKeys(rt, kind, "has"), drawKeys(rt, kind, "asked")
		if at := rapid.IntRange(0, len(has)).Draw(rt, "at"); rapid.Bool().Draw(rt, "alike") {
			asked = append(append([]string{}, has[at:]...), asked...)
		}
		f := filterOf(has...)
		for _, key := range asked {
			want := -1
			for i := len(has) - 1; i >= 0; i-- {
				if has[i] == key {
					want = i
				}
			}
			if f.len() == 0 {
				continue
			}
			if got := f.find([]byte(key)); (got < 0) != (want < 0) || got >= 0 && has[got] != key {
				rt.Fatalf("find(%q) = %d in %q", key, got, has)
			}
			if got := f.scan(0, f.len(), []byte(key)); got != want {
				rt.Fatalf("scan(%q) = %d, want %d", key, got, want)
			}
		}
		for pos := range has {
			var lengths []uint32
			for _, key := range asked {
				lengths = append(lengths, uint32(len(key)))
			}
			want, size := 0, 0
			for want < len(asked) && pos+want < len(has) && asked[want] == has[pos+want] {
				size += len(asked[want])
				want++
			}
			rows, bytes := f.match(pos, []byte(strings.Join(asked, "")), lengths, f.window())
			if rows != want || bytes != size {
				rt.Fatalf("match(%d, %q) in %q = %d rows, %d bytes; want %d, %d", pos, asked, has, rows, bytes, want, size)
			}
		}
	})
}

func TestCommonPrefix(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 2000)
	for _, at := range []int{0, 1, 7, 8, 9, 255, 256, 257, 300, 1999} {
		other := bytes.Clone(long)
		other[at] = 'y'
		if got := commonPrefix(long, other); got != at {
			t.Errorf("a difference at %d was found at %d", at, got)
		}
	}
	if got := commonPrefix(long, append(bytes.Clone(long), 'z')); got != len(long) {
		t.Errorf("the same bytes differ at %d", got)
	}
}

// TestFiltersFollowEachOther: a filter that is made of parts of the one before and of
// new keys has them all, however differently the two hold them.
func TestFiltersFollowEachOther(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := drawKind(rt)
		has := drawKeys(rt, kind, "has")
		if rapid.IntRange(0, 3).Draw(rt, "change") == 0 {
			kind = drawKind(rt) // the source's keys become others
		}
		known := filterOf(has...)
		var runs []run
		var want, misses []string
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			if start := rapid.IntRange(0, len(has)).Draw(rt, "start"); start < len(has) {
				rows := rapid.IntRange(1, len(has)-start).Draw(rt, "rows")
				runs = append(runs, run{known: true, start: start, rows: rows})
				want = append(want, has[start:start+rows]...)
			}
			if fresh := drawKeys(rt, kind, "fresh"); len(fresh) > 0 {
				runs = append(runs, run{rows: len(fresh)})
				want, misses = append(want, fresh...), append(misses, fresh...)
			}
		}
		b := newFilterBuilder(known, runs, shapeOf(misses...), 7)
		for _, key := range misses {
			b.miss([]byte(key), true)
		}
		if got := b.next.held(); !slices.Equal(got, want) {
			rt.Fatalf("the filter has %q, want %q", got, want)
		}
		if b.next.born != 7 || b.full {
			rt.Fatalf("born %d, full: %v", b.next.born, b.full)
		}
	})
}

// TestFilterIsSmall: what 10,000 keys take, by what they are like.
func TestFilterIsSmall(t *testing.T) {
	for _, c := range []struct {
		what string
		key  func(i int) string
		most int // KiB
	}{
		{"a sequence of 24 bytes", func(i int) string { return fmt.Sprintf("execution-%014d", 1e9+i) }, 132},
		{"numbers in text, of different lengths", func(i int) string { return fmt.Sprint(5000 + i) }, 140},
		{"36 random characters", func(i int) string { return fmt.Sprintf("%036x", sha256.Sum256([]byte(fmt.Sprint(i))))[:36] }, 404},
	} {
		keys := make([]string, 10_000)
		for i := range keys {
			keys[i] = c.key(i)
		}
		f := filterOf(keys...)
		f.find([]byte(keys[1]))
		held := cap(f.keys) + 4*cap(f.ends) + 4*cap(f.table) + cap(f.prefix)
		if held > c.most<<10 || int64(held) != f.size() {
			t.Errorf("%s: the filter holds %d bytes, accounts for %d, and should at most %d", c.what, held, f.size(), c.most<<10)
		}
	}
}

func TestFilterIsBounded(t *testing.T) {
	keys := make([]string, 12)
	for i := range keys {
		keys[i] = fmt.Sprint(i) + strings.Repeat("k", 1<<20-2)
	}
	f := filterOf(keys...)
	if f.size() > maxFilter {
		t.Errorf("the filter holds %d bytes", f.size())
	}
	if f.find([]byte(keys[0])) != 0 || f.find([]byte(keys[11])) >= 0 {
		t.Error("a filter that is full should have the first keys and not the last")
	}
}

func TestFiltersShareABudget(t *testing.T) {
	f := filterOf("some", "keys")
	fs := newFilters(3 * f.size())
	put := func(id, started int64) bool {
		_, ticket := fs.get(id, started)
		fs.put(id, started, ticket, filterOf("some", "keys"))
		got, _ := fs.get(id, started)
		return got != nil
	}
	for id := range int64(3) {
		if !put(id, id) {
			t.Errorf("filter %d has no place", id)
		}
	}
	if put(3, 3) {
		t.Error("a fourth one was kept, though the others are in use")
	}
	if !put(1, 4) {
		t.Error("a filter cannot be renewed")
	}
	if !put(3, 2*idleFilter) {
		t.Error("filters that nobody uses did not make room")
	}
	if fs.used > fs.budget {
		t.Errorf("%d bytes of %d are used", fs.used, fs.budget)
	}
	fs.drop(3)
	fs.dropAll()
	if fs.used != 0 {
		t.Errorf("%d bytes are used after everything was dropped", fs.used)
	}
}

func TestFilterIsNotPutInPlaceAfterADrop(t *testing.T) {
	fs := newFilters(1 << 20)
	_, ticket := fs.get(1, 1)
	fs.drop(1)
	fs.put(1, 1, ticket, filterOf("erased"))
	if f, _ := fs.get(1, 1); f != nil {
		t.Error("a filter from before a drop has taken its place")
	}
	_, ticket = fs.get(1, 1)
	fs.dropAll()
	fs.put(1, 1, ticket, filterOf("erased"))
	if f, _ := fs.get(1, 1); f != nil {
		t.Error("a filter from before a foreign commit has taken its place")
	}
}

// rowsOf makes a batch of keys, a second apart.
func rowsOf(keys ...string) *dwmon.Batch {
	b := &dwmon.Batch{}
	for i, k := range keys {
		b.Keys = append(b.Keys, k...)
		b.Lengths = append(b.Lengths, uint32(len(k)))
		b.Micros = append(b.Micros, int64(i)*1e6)
	}
	return b
}

// fetchKeys takes keys in and commits them; misses is how many the database was
// asked for.
func fetchKeys(t *testing.T, db *DB, p *dwmon.Progress, started int64, keys ...string) (got dwmon.Ingested, misses int64) {
	t.Helper()
	in := db.NewIntake(p, started).(*intake)
	defer in.Close()
	for len(keys) > 0 {
		n := min(len(keys), dwmon.MaxBatchRows)
		if err := in.Add(rowsOf(keys[:n]...)); err != nil {
			t.Fatal(err)
		}
		keys = keys[n:]
	}
	err := db.InTx(t.Context(), func(tx dwmon.Tx) (err error) {
		if got, err = tx.Ingest(p, in, false); err != nil {
			return err
		}
		_, err = tx.SaveFetch(dwmon.Fetch{Progress: p, Started: started, Ended: started})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, in.misses.rows
}

func numbered(from, until int) (keys []string) {
	for i := from; i < until; i++ {
		keys = append(keys, fmt.Sprintf("key-%06d", i))
	}
	return keys
}

// TestFilterFollowsTheSource: how many rows of a fetch the database is asked for,
// the filter's table left aside.
func TestFilterFollowsTheSource(t *testing.T) {
	const n = 5000
	old := numbered(0, n)
	shuffled := append([]string{}, old...)
	rand.New(rand.NewPCG(1, 1)).Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	holes := append(append(append([]string{}, old[:1000]...), old[1003:3000]...), old[3500:]...)
	for _, c := range []struct {
		name   string
		next   []string
		fresh  int64
		misses int64
		table  bool
	}{
		{"the same again", old, 0, 0, false},
		{"shorter", old[:n/2], 0, 0, false},
		{"new at the head, the rest moves down", append(numbered(n, n+50), old[:n-50]...), 50, 50, false},
		{"new at the tail, the first leave", numbered(50, n+50), 50, 50, false},
		{"some leave at the head", old[leaving-1:], 0, 0, false},
		{"many leave at the head", old[leaving:], 0, maxStrays, true},
		{"many new at the head", append(numbered(n, n+500), old[:n-500]...), 500, 500, true},
		{"a few have left here and there", holes, 0, maxStrays, true},
		{"another order", shuffled, 0, maxStrays, true},
		{"nothing", nil, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := newDB(t, Options{})
			p := sightIn(t, db, "a")
			if got, _ := fetchKeys(t, db, p, 1, old...); got.Fresh != n {
				t.Fatalf("%d rows were new", got.Fresh)
			}
			known, _ := db.filters.get(p.ID, 1)
			got, misses := fetchKeys(t, db, p, 2, c.next...)
			if got.Fresh != c.fresh || misses > c.misses {
				t.Errorf("%d rows were new, want %d; the database was asked for %d, want at most %d", got.Fresh, c.fresh, misses, c.misses)
			}
			if known.indexed.Load() != c.table {
				t.Errorf("the filter has a table: %v, want %v", !c.table, c.table)
			}
			if got, misses := fetchKeys(t, db, p, 3, c.next...); got.Fresh != 0 || misses > 0 {
				t.Errorf("the same again: %d rows were new, the database was asked for %d", got.Fresh, misses)
			}
		})
	}
}

func TestFilterForgetsWhatAForeignerDeletes(t *testing.T) {
	db := newDB(t, Options{})
	p := sightIn(t, db, "a")
	fetchKeys(t, db, p, 1, "a", "b", "c")
	other := foreign(t, db)
	if _, err := other.exec("DELETE FROM seen WHERE key = x'62'"); err != nil {
		t.Fatal(err)
	}
	if got, _ := fetchKeys(t, db, p, 2, "a", "b", "c"); got.Fresh != 1 {
		t.Errorf("%d rows were new, want the deleted one", got.Fresh)
	}
	// In the middle of a fetch: what the filter has let through cannot be trusted.
	in := db.NewIntake(p, 3)
	defer in.Close()
	if err := in.Add(rowsOf("a", "b", "c", "d")); err != nil {
		t.Fatal(err)
	}
	if _, err := other.exec("DELETE FROM seen WHERE key = x'61'"); err != nil {
		t.Fatal(err)
	}
	err := db.InTx(t.Context(), func(tx dwmon.Tx) error { _, err := tx.Ingest(p, in, false); return err })
	if err == nil || !strings.Contains(err.Error(), ErrStale.Error()) {
		t.Errorf("Ingest = %v, want ErrStale", err)
	}
	if got, _ := fetchKeys(t, db, p, 4, "a", "b", "c", "d"); got.Fresh != 2 {
		t.Errorf("%d rows were new, want 2", got.Fresh)
	}
}

func TestFilterHasNoKeyOfAFailedTransaction(t *testing.T) {
	db := newDB(t, Options{})
	p := sightIn(t, db, "a")
	in := db.NewIntake(p, 1)
	defer in.Close()
	if err := in.Add(rowsOf("a")); err != nil {
		t.Fatal(err)
	}
	db.InTx(t.Context(), func(tx dwmon.Tx) error {
		tx.Ingest(p, in, false)
		return dwmon.ErrRecorded
	})
	if f, _ := db.filters.get(p.ID, 1); f != nil {
		t.Error("the filter holds what was undone")
	}
}

// TestPurgedKeysAreRefreshed: the database learns at least once a day which
// purged keys fetches still return, though the filter knows them.
func TestPurgedKeysAreRefreshed(t *testing.T) {
	db := newDB(t, Options{})
	p := sightIn(t, db, "a")
	const hour = int64(3600 * 1e6)
	fetchKeys(t, db, p, hour, "a", "b", "c") // 0 s, 1 s, 2 s
	if n, err := db.Purge(t.Context(), p.ID, 2); n != 2 || err != nil {
		t.Fatalf("Purge = %d, %v", n, err)
	}
	purged := func() (at []int64) {
		err := db.read(t.Context(), func(c *conn) error {
			for r, err := range c.query("SELECT purged FROM seen WHERE purged IS NOT NULL ORDER BY key") {
				if err != nil {
					return err
				}
				at = append(at, r.int(0)/hour)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if got := fmt.Sprint(purged()); got != "[1 1]" {
		t.Errorf("purged at %s, want the last fetch", got)
	}
	for h := int64(2); h < 100; h++ {
		p, err := db.Progress(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		keys := []string{"a", "c"} // b is not returned any more
		if got, _ := fetchKeys(t, db, p, h*hour, keys...); got.Fresh != 0 {
			t.Fatalf("%d rows were new", got.Fresh)
		}
		if at := purged(); at[0] < h-31 || at[1] != 1 {
			t.Fatalf("at hour %d: purged at %v", h, at)
		}
	}
}

// TestFiltersOfManyCheckersAreCapped: 10,000 checkers that are fetched in turn. Those that
// have a place keep it, so that what fits is of use; who has none costs the database
// a look at each key, and no memory.
func TestFiltersOfManyCheckersAreCapped(t *testing.T) {
	const checkers, minute = 10_000, int64(60e6)
	f := filterOf(numbered(0, 100)...)
	fs := newFilters(1000*f.size() + f.size()/2)
	for turn := range int64(3) {
		hits := 0
		for id := range int64(checkers) {
			known, ticket := fs.get(id, turn*minute)
			if known != nil {
				hits++
			}
			fs.put(id, turn*minute, ticket, f)
			if fs.used > fs.budget {
				t.Fatalf("turn %d, checker %d: %d bytes of %d are used", turn, id, fs.used, fs.budget)
			}
		}
		if want := int(min(turn, 1)) * 1000; hits != want {
			t.Errorf("turn %d: %d checkers had a filter, want %d", turn, hits, want)
		}
	}
	// The first thousand are gone for good: others take their places within a turn.
	later := 20 * minute
	for id := range int64(checkers) {
		if id >= 1000 {
			_, ticket := fs.get(id, later)
			fs.put(id, later, ticket, f)
		}
	}
	if known, _ := fs.get(1500, later); known == nil {
		t.Error("checkers that are gone did not make room")
	}
	if fs.used > fs.budget || fs.used < fs.budget-f.size() {
		t.Errorf("%d bytes of %d are used", fs.used, fs.budget)
	}
}
