package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/dwmon/dwmon/internal/backtest"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// year is a store with a year of one checker: a fetch each minute, all of them on
// record, of the newest 10,000 rows, 10,000 of which come a day; every hundredth is ten
// minutes late.
type year struct {
	db      *sqlite.DB
	checker *dwmon.Checker
	minutes int64
	rows    int64
}

const (
	rowEvery  = 86_400_000_000 / 10_000 // microseconds
	lateEvery = 100
	lateBy    = 600_000_000 // microseconds
	// fetchAfter is how long after its minute a fetch starts, microseconds.
	fetchAfter = 3_000_000
)

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

func newYearOf(ctx context.Context, b *bench) (_ *year, err error) {
	if b.year != nil {
		return b.year, nil
	}
	b.say("filling a database with a year of fetches")
	y := &year{minutes: int64(b.size(525_600))}
	y.rows = y.minutes * 60e6 / rowEvery
	y.checker = &dwmon.Checker{
		Name: checker, Revision: "r", Query: "SELECT id, ts FROM t ORDER BY ts DESC LIMIT 10000", Source: "s", Extra: []byte("{}"),
		Lines: []dwmon.Requirement{{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Lookback: 3600, Min: dwmon.At(400), Max: dwmon.At(450)}},
	}
	path := filepath.Join(b.dir, "year.db")
	if y.db, err = sqlite.Open(ctx, path, sqlite.Options{}); err != nil {
		return nil, err
	}
	err = y.db.InTx(ctx, func(tx dwmon.Tx) error {
		_, err := tx.Sight(dwmon.Sighting{Checker: y.checker, Zone: "UTC", Minute: newYear, New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	})
	if err = errors.Join(err, y.db.Close()); err != nil {
		return nil, err
	}
	if err := y.fill(ctx, path); err != nil {
		return nil, err
	}
	if y.db, err = sqlite.Open(ctx, path, sqlite.Options{}); err != nil {
		return nil, err
	}
	b.onClose(func() { y.db.Close() })
	b.year = y
	return y, nil
}

// micros and arrives are when a row happened, and from when on it can be fetched.
func (y *year) micros(i int64) int64 { return newYear*1e6 + i*rowEvery }

func (y *year) arrives(i int64) int64 {
	if i%lateEvery == 0 {
		return y.micros(i) + lateBy
	}
	return y.micros(i)
}

// fill writes what a year of passes would have, past the store.
func (y *year) fill(ctx context.Context, path string) error {
	const count = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	arrives := fmt.Sprintf("(%d + i * %d + (i %% %d = 0) * %d)", newYear*1e6, rowEvery, lateEvery, lateBy)
	script := fmt.Sprintf(count+`INSERT INTO seen (checker_id, query_id, first_seen, key, ts)
			SELECT (SELECT id FROM checkers), (SELECT max(id) FROM queries), (%[2]s - %[3]d + 59999999) / 60000000 * 60000000 + %[3]d, CAST(printf('key-%%020d', i) AS BLOB), %[4]d + i * %[5]d FROM n;`,
		y.rows-1, arrives, fetchAfter, newYear*1e6, rowEvery) + "\n" +
		fmt.Sprintf(count+`INSERT INTO fetches (checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline, rows, fresh, skipped_null, skipped, ignored, oldest, newest, cut, pass, reach, oldest_fresh)
			SELECT (SELECT id FROM checkers), (SELECT max(id) FROM revisions), m, m * 1000000 + %[2]d, m * 1000000 + %[2]d + 200000, 'p', 0, 1, 0, 10000, 7, 0, 0, 0, (m - 86400) * 1000000, m * 1000000, 1,
			m * 1000000 + %[2]d, m * 1000000 + %[2]d, (m - 60) * 1000000 FROM (SELECT %[3]d + i * 60 AS m FROM n);`, y.minutes-1, fetchAfter, newYear) + "\n" +
		fmt.Sprintf("UPDATE checkers SET settled = %d, fetched = %[2]d, fetched_end = %[2]d, fetched_reach = %[2]d;\n", newYear+60*(y.minutes-1), (newYear+60*(y.minutes-1))*1e6+fetchAfter)
	return fillBySQL(ctx, path, script)
}

// want is the count of the hour before a minute, as its fetch knew it.
func (y *year) want(minute int64) (n int64) {
	w := y.checker.Lines[0].Window(minute)
	first := max(0, (w.From-newYear*1e6)/rowEvery-1)
	for i := first; i < y.rows && y.micros(i) < w.Until; i++ {
		if y.micros(i) >= w.From && y.arrives(i) <= minute*1e6+fetchAfter {
			n++
		}
	}
	return n
}

// backtestOfAYear is row 16. It is a time: nothing else does this.
func backtestOfAYear(ctx context.Context, b *bench) ([]figure, error) {
	y, err := newYearOf(ctx, b)
	if err != nil {
		return nil, err
	}
	b.say("row 16: replaying a year")
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the command does
	var took []time.Duration
	for range b.turns(3) {
		n, wrong := int64(0), error(nil)
		start := time.Now()
		_, err := backtest.Run(ctx, y.db, backtest.Options{Checker: y.checker, Zone: time.UTC}, func(r dwmon.Result) error {
			if n++; r.Minute >= newYear && n%997 == 0 {
				if want := y.want(r.Minute); r.EventCount != want {
					wrong = fmt.Errorf("%s: %d rows counted, there were %d", r.LocalTime, r.EventCount, want)
				}
			}
			return wrong
		})
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
		if most := y.minutes + 600; n < y.minutes || n > most {
			return nil, fmt.Errorf("%d results, want %d to %d", n, y.minutes, most)
		}
	}
	t := median(took)
	return []figure{{value: t.Seconds(), detail: fmt.Sprintf("%d minutes, %d rows; %.3g µs a minute", y.minutes, y.rows, float64(t.Microseconds())/float64(y.minutes))}}, nil
}
