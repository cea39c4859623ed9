package sqlite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// The benchmarks are those of the table in docs: a batch is the 10,000 newest
// rows of a source, newest first. Each checks its answer, and each compares
// with the sqlite3 command line tool doing the same work, side by side: the
// metric "xcli" is the tool's time over ours.

const (
	benchBatch   = 10_000
	benchStarted = 1_800_000_000 * 1e6
)

// Kinds of keys, as SQL over i: 24 bytes in ascending order; 36 random ones.
var benchKeys = map[string]string{
	"seq":  "printf('execution-%014d', i)",
	"uuid": "lower(hex(randomblob(18)))",
}

// benchSource is a database with one checker of many rows, one row a second.
type benchSource struct {
	db   *DB
	p    *dwmon.Progress
	rows []benchRow // the newest, newest first
	next int
}

type benchRow struct {
	key string
	ts  int64
}

func newBenchSource(b *testing.B, key string, rows int) *benchSource {
	b.Helper()
	h := &benchSource{db: newDB(b, Options{})}
	c := &dwmon.Checker{Name: "bench", Revision: "r", Lines: []dwmon.Requirement{{Lookback: 60}}}
	err := h.db.InTx(b.Context(), func(tx dwmon.Tx) (err error) {
		h.p, err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	const chunk = 100_000
	for at := 0; at < rows; at += chunk {
		err := h.db.write(b.Context(), func(tx *Tx) error {
			_, err := tx.exec(`WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
				INSERT INTO seen (checker_id, key, ts, first_seen, query_id) SELECT ?3, CAST(`+key+` AS BLOB), ?4 + i * 1000000, 1, 1 FROM n`,
				at, min(rows, at+chunk)-1, h.p.ID, benchStarted-int64(rows)*1e6)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	h.next = rows
	err = h.db.read(b.Context(), func(c *conn) error {
		for r, err := range c.query("SELECT key, ts FROM seen WHERE checker_id = ? ORDER BY ts DESC LIMIT ?", h.p.ID, benchBatch) {
			if err != nil {
				return err
			}
			h.rows = append(h.rows, benchRow{r.text(0), r.int(1)})
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// arrive puts new rows at the head of the source; the oldest leave.
func (h *benchSource) arrive(n int, uuid bool) {
	fresh := make([]benchRow, n, n+len(h.rows))
	for i := range fresh {
		h.next++
		key := fmt.Sprintf("execution-%014d", h.next)
		if uuid {
			key = fmt.Sprintf("%036x", uint64(h.next)*0x9e3779b97f4a7c15)
		}
		fresh[n-1-i] = benchRow{key, benchStarted + int64(h.next)}
	}
	h.rows = append(fresh, h.rows...)[:len(h.rows)]
}

// batches puts the source's rows into the form in which they arrive.
func (h *benchSource) batches() (all []*dwmon.Batch) {
	for at := 0; at < len(h.rows); at += dwmon.MaxBatchRows {
		batch := &dwmon.Batch{}
		for _, r := range h.rows[at:min(len(h.rows), at+dwmon.MaxBatchRows)] {
			batch.Keys = append(batch.Keys, r.key...)
			batch.Lengths = append(batch.Lengths, uint32(len(r.key)))
			batch.Micros = append(batch.Micros, r.ts)
		}
		all = append(all, batch)
	}
	return all
}

// ingest takes and commits a batch.
func (h *benchSource) ingest(tb testing.TB, batches []*dwmon.Batch) (got dwmon.Ingested) {
	in := h.db.NewIntake(h.p, benchStarted)
	defer in.Close()
	for _, b := range batches {
		if err := in.Add(b); err != nil {
			tb.Fatal(err)
		}
	}
	err := h.db.InTx(context.Background(), func(tx dwmon.Tx) (err error) {
		got, err = tx.Ingest(h.p, in, false)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// BenchmarkDedupe is one batch into a history of a million rows, of which a part
// is new (rows 3 and 4 of the table).
func BenchmarkDedupe(b *testing.B) {
	for _, kind := range []string{"seq", "uuid"} {
		h := newBenchSource(b, benchKeys[kind], 1_000_000)
		for _, percent := range []int{0, 1, 100} {
			b.Run(fmt.Sprintf("%s/new=%d%%", kind, percent), func(b *testing.B) {
				h.ingest(b, h.batches())
				fresh := percent * benchBatch / 100
				if percent == 0 {
					cli := h.cliDedupe(b, 0, false)
					defer func() { b.ReportMetric(cli/(b.Elapsed().Seconds()/float64(b.N)), "xcli") }()
				} else if percent == 1 {
					cli := h.cliDedupe(b, fresh, true)
					defer func() { b.ReportMetric(cli/(b.Elapsed().Seconds()/float64(b.N)), "xcli") }()
				}
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					h.arrive(fresh, kind == "uuid")
					batches := h.batches()
					b.StartTimer()
					if got := h.ingest(b, batches); got.Fresh != int64(fresh) {
						b.Fatalf("%d rows were new, want %d", got.Fresh, fresh)
					}
				}
			})
		}
	}
}

// BenchmarkFirstBatch is the first batch after a start: nothing is new and there
// is no filter yet (row 5).
func BenchmarkFirstBatch(b *testing.B) {
	for _, kind := range []string{"seq", "uuid"} {
		h := newBenchSource(b, benchKeys[kind], 1_000_000)
		b.Run(kind, func(b *testing.B) {
			cli := h.cliDedupe(b, 0, false)
			batches := h.batches()
			for b.Loop() {
				h.db.filters.drop(h.p.ID)
				if got := h.ingest(b, batches); got.Fresh != 0 {
					b.Fatalf("%d rows were new, want none", got.Fresh)
				}
			}
			b.ReportMetric(cli/(b.Elapsed().Seconds()/float64(b.N)), "xcli")
		})
	}
}

// BenchmarkGrowth is a batch with nothing new, on histories of different length
// (row 6).
func BenchmarkGrowth(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(strconv.Itoa(rows), func(b *testing.B) {
			h := newBenchSource(b, benchKeys["seq"], rows)
			h.ingest(b, h.batches())
			batches := h.batches()
			window := []dwmon.Window{{From: benchStarted - 180e6, Until: benchStarted}}
			for b.Loop() {
				h.ingest(b, batches)
				err := h.db.InTx(b.Context(), func(tx dwmon.Tx) error {
					n, err := tx.Counts(h.p.ID, window)
					if err == nil && n[0] != 180 {
						b.Fatalf("%d rows in the window, want 180", n[0])
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWalk counts the windows of 14,400 minutes, a day each, over a million
// rows (rows 7 and 8).
func BenchmarkWalk(b *testing.B) {
	h := newBenchSource(b, benchKeys["seq"], 1_000_000)
	var windows []dwmon.Window
	for i := range int64(14_400) {
		minute := (benchStarted/1e6 - i*60) / 60 * 60
		windows = append(windows, dwmon.Requirement{Lookback: 86_400}.Window(minute))
	}
	first, last := windows[len(windows)-1].From, windows[0].Until
	walk := func(b *testing.B) (got []int64) {
		err := h.db.InTx(b.Context(), func(tx dwmon.Tx) (err error) {
			got, err = tx.Counts(h.p.ID, windows)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		return got
	}
	b.Run("scan", func(b *testing.B) {
		cli := h.cli(b, fmt.Sprintf(`.timer on
			SELECT total(ts), count(*) FROM seen INDEXED BY seen_ts WHERE checker_id = %d AND ts >= %d AND ts < %d;`, h.p.ID, first, last))
		for b.Loop() {
			for i, n := range walk(b) {
				if n != 86_399 {
					b.Fatalf("window %d has %d rows, want 86,399", i, n)
				}
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/cli, "×cli")
	})
	b.Run("count_a_minute", func(b *testing.B) {
		n := 0
		for b.Loop() {
			w := windows[n%len(windows)]
			err := h.db.write(b.Context(), func(tx *Tx) error {
				r, err := tx.one(countRange, h.p.ID, w.From, w.Until)
				if err == nil && r.int(0) != 86_399 {
					b.Fatalf("%d rows", r.int(0))
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*float64(len(windows)), "s/walk")
	})
}

// BenchmarkGroupCommit is fifty checkers of which each stores ten new rows, all
// at once and one after the other.
func BenchmarkGroupCommit(b *testing.B) {
	const checkers = 50
	for _, together := range []bool{true, false} {
		b.Run(fmt.Sprintf("together=%v", together), func(b *testing.B) {
			db := newDB(b, Options{})
			hs := make([]*benchSource, checkers)
			for i := range hs {
				hs[i] = &benchSource{db: db, rows: make([]benchRow, 10)}
				c := &dwmon.Checker{Name: fmt.Sprint(i), Lines: []dwmon.Requirement{{Lookback: 60}}}
				err := db.InTx(b.Context(), func(tx dwmon.Tx) (err error) {
					hs[i].p, err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", New: true, Owes: []int64{dwmon.OwesAll}})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				var wg sync.WaitGroup
				for _, h := range hs {
					h.arrive(10, false)
					batches := h.batches()
					one := func() {
						if got := h.ingest(b, batches); got.Fresh != 10 {
							b.Errorf("%d rows were new, want 10", got.Fresh)
						}
					}
					if together {
						wg.Go(one)
					} else {
						one()
					}
				}
				wg.Wait()
			}
		})
	}
}

// BenchmarkCatchUp is what the store does when a thousand checkers come back
// after a day (row 14): 1,440 verdicts each, every one to be told.
func BenchmarkCatchUp(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		db := newDB(b, Options{})
		const checkers, minutes = 1000, 1440
		ps := make([]*dwmon.Progress, checkers)
		for i := range ps {
			c := &dwmon.Checker{Name: fmt.Sprint(i), Lines: []dwmon.Requirement{{Lookback: 60}}}
			err := db.InTx(b.Context(), func(tx dwmon.Tx) (err error) {
				ps[i], err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", New: true, Owes: []int64{dwmon.OwesAll}})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := worker; i < checkers; i += 8 {
					if err := catchUp(db, ps[i], minutes); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.StopTimer()
		err := db.read(b.Context(), func(c *conn) error {
			r, err := c.one("SELECT (SELECT count(*) FROM verdicts), (SELECT count(*) FROM deliveries)")
			if err == nil && (r.int(0) != checkers*minutes || r.int(1) != checkers*minutes) {
				b.Fatalf("%d verdicts and %d deliveries", r.int(0), r.int(1))
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func catchUp(db *DB, p *dwmon.Progress, minutes int) error {
	const start = benchStarted / 1e6 / 60 * 60
	r := dwmon.Record{Progress: p, EvaluatedAt: benchStarted}
	var streak dwmon.Streak
	var tellings []dwmon.Telling
	var windows []dwmon.Window
	for i := range minutes {
		minute := int64(start + 60*i)
		streak = streak.Then(dwmon.Bad, minute)
		windows = append(windows, p.Lines[0].Window(minute))
		r.Verdicts = append(r.Verdicts, dwmon.Verdict{Minute: minute, LineID: p.Lines[0].ID, Status: dwmon.Bad, Reason: dwmon.Low, ConsecutiveBad: streak.ConsecutiveBad})
		tellings = append(tellings, dwmon.Telling{Handler: "log", Minute: minute, LineID: p.Lines[0].ID})
	}
	r.Streaks = []dwmon.Streak{streak}
	return db.InTx(context.Background(), func(tx dwmon.Tx) (err error) {
		if r.FetchID, err = tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: start, Started: benchStarted, Ended: benchStarted}); err != nil {
			return err
		}
		if _, err := tx.Counts(p.ID, windows); err != nil {
			return err
		}
		if err := tx.Record(r); err != nil {
			return err
		}
		if err := tx.Enqueue(p.ID, tellings); err != nil {
			return err
		}
		return tx.Settle(p, start+int64(minutes)*60, nil)
	})
}

// cliDedupe times the tool on the source's batch. single: one INSERT a row in a
// transaction; else INSERT … SELECT from a table that holds the batch, which is
// the engine alone.
func (h *benchSource) cliDedupe(b *testing.B, fresh int, single bool) float64 {
	b.Helper()
	saved := *h
	defer func() { *h = saved }()
	h.arrive(fresh, false)
	script := ".timer off\nCREATE TEMP TABLE batch (key BLOB, ts INTEGER);\nBEGIN;\n"
	inserts := ""
	for _, r := range h.rows {
		script += fmt.Sprintf("INSERT INTO batch VALUES (CAST('%s' AS BLOB), %d);\n", r.key, r.ts)
		inserts += fmt.Sprintf("INSERT OR IGNORE INTO seen (checker_id, first_seen, query_id, key, ts) VALUES (%d, 1, 1, CAST('%s' AS BLOB), %d);\n", h.p.ID, r.key, r.ts)
	}
	const all = "INSERT OR IGNORE INTO seen (checker_id, first_seen, query_id, key, ts) SELECT %d, 1, 1, key, ts FROM batch;\n"
	if single {
		return h.cli(b, ".timer on\nBEGIN;\n"+inserts+"COMMIT;\n")
	}
	return h.cli(b, script+"COMMIT;\n"+fmt.Sprintf(all, h.p.ID)+".timer on\n"+fmt.Sprintf(all, h.p.ID))
}

var cliTime = regexp.MustCompile(`Run Time: real ([0-9.]+)`)

// cli runs a script on a copy of the database and adds up the times that the tool
// reports. Without the tool the comparison is left out, and said so.
func (h *benchSource) cli(b *testing.B, script string) (seconds float64) {
	b.Helper()
	tool, err := exec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("DWMON_TEST_ALL") == "1" {
			b.Fatal("the sqlite3 command line tool is missing")
		}
		b.Log("the sqlite3 command line tool is missing: nothing to compare with")
		return 0
	}
	dir := b.TempDir()
	copied := filepath.Join(dir, "copy.db")
	c, err := connect(b.Context(), copyDSN(h.db.path))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := c.exec("VACUUM INTO ?", copied); err != nil {
		b.Fatal(err)
	}
	c.close()
	file := filepath.Join(dir, "script.sql")
	const setup = "PRAGMA journal_mode = WAL;\nPRAGMA synchronous = FULL;\nPRAGMA cache_size = -16384;\n"
	if err := os.WriteFile(file, []byte(setup+script), 0o600); err != nil {
		b.Fatal(err)
	}
	out, err := exec.Command(tool, copied, ".read "+file).CombinedOutput()
	if err != nil {
		b.Fatalf("sqlite3: %v\n%s", err, out)
	}
	for _, m := range cliTime.FindAllSubmatch(out, -1) {
		s, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		seconds += s
	}
	if seconds == 0 {
		b.Fatalf("sqlite3 reported no time:\n%s", out)
	}
	return seconds
}
