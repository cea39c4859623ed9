package sqlite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// filterOf makes a filter of keys.
func filterOf(keys ...string) *filter {
	var size int64
	for _, k := range keys {
		size += int64(len(k))
	}
	if len(keys) == 0 {
		return &filter{}
	}
	b := newFilterBuilder(nil, []run{{rows: len(keys)}}, int64(len(keys)), size, 0)
	for _, k := range keys {
		b.miss([]byte(k), true)
	}
	return b.next
}

func drawKeys(rt *rapid.T, name string) []string {
	return rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[ab]{0,3}`), rapid.StringMatching(`0000000000000000[0-9]{2}`)), 0, 40).Draw(rt, name)
}

// TestFilterHasItsKeysAndNoOthers compares match, scan and find with a list.
func TestFilterHasItsKeysAndNoOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		has, asked := drawKeys(rt, "has"), drawKeys(rt, "asked")
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
			rows, bytes := f.match(pos, []byte(strings.Join(asked, "")), lengths)
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

// TestFilterIsSmall: 10,000 keys of 24 bytes take at most 0.35 MiB.
func TestFilterIsSmall(t *testing.T) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("execution-%014d", i)
	}
	f := filterOf(keys...)
	f.find([]byte("nothing"))
	held := cap(f.keys) + 4*cap(f.ends) + 4*cap(f.table)
	if most := 35 << 20 / 100; held > most || int64(held) != f.size() {
		t.Errorf("the filter holds %d bytes, accounts for %d, and should at most %d", held, f.size(), most)
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
