package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// world is a store with a few shortcuts: it makes checkers, verdicts and
// deliveries as passes do.
type world struct {
	*testing.T
	*DB
	// clock is the store's time.
	clock time.Time
}

// epoch0 is a Monday, midnight UTC.
const epoch0 = int64(1_750_032_000)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: time.Unix(epoch0, 0)}
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "dwmon.db"), w.options())
	if err != nil {
		t.Fatal(err)
	}
	w.DB = db
	t.Cleanup(func() { w.DB.Close() })
	return w
}

func (w *world) options() Options {
	return Options{Now: func() time.Time { return w.clock }, Log: slog.New(slog.DiscardHandler)}
}

// reopen closes the store and opens it again.
func (w *world) reopenDB() {
	w.Helper()
	w.must(w.DB.Close())
	db, err := Open(w.ctx(), w.DB.Path(), w.options())
	w.must(err)
	w.DB = db
}

func (w *world) ctx() context.Context { return context.WithoutCancel(w.T.Context()) }

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// line is a requirement that is due at every minute, told from others by its bound.
func line(atLeast int64) dwmon.Requirement {
	return dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(atLeast), Lookback: 180,
	}
}

// checker makes a checker known whose text is made of its parts.
func (w *world) checker(name string, minute int64, zone string, lines ...dwmon.Requirement) *dwmon.Progress {
	w.Helper()
	text := fmt.Sprint(name, zone, lines)
	sum := sha256.Sum256([]byte(text))
	c := &dwmon.Checker{
		Name: name, File: "checks/" + name + ".dwmon", Text: []byte(text), Revision: hex.EncodeToString(sum[:]),
		Query: "SELECT " + name, Source: "AWS", Extra: []byte(`{"n": 1.0}`), Lines: lines,
		Options: dwmon.Options{Owner: "owner of " + name, Labels: map[string]string{"team": name}},
	}
	p, err := w.Progress(w.ctx(), name)
	w.must(err)
	s := dwmon.Sighting{Checker: c, Zone: zone, Minute: minute, New: p.ID == 0, Returned: p.Off != nil}
	for range lines {
		s.Owes = append(s.Owes, dwmon.OwesAll)
	}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) (err error) {
		p, err = tx.Sight(s)
		return err
	}))
	return p
}

// mark is a verdict to be recorded.
type mark struct {
	minute int64
	line   int
	status dwmon.Status
}

// judge records verdicts in one commit and tells handlers of each.
func (w *world) judge(p *dwmon.Progress, marks []mark, handlers ...string) {
	w.Helper()
	p, err := w.Progress(w.ctx(), p.Name)
	w.must(err)
	streaks := make([]dwmon.Streak, len(p.Lines))
	for i := range streaks {
		streaks[i] = p.Lines[i].Streak
	}
	var verdicts []dwmon.Verdict
	var told []dwmon.Telling
	last := p.Origin
	for _, m := range marks {
		v := dwmon.Verdict{
			Minute: m.minute, LineID: p.Lines[m.line].ID, LineIndex: m.line, Count: m.minute % 97, Status: m.status,
			Previous: streaks[m.line].Last,
		}
		if m.status == dwmon.Bad {
			v.Reason = dwmon.Low
		}
		streaks[m.line] = streaks[m.line].Then(m.status, m.minute)
		v.ConsecutiveBad = streaks[m.line].ConsecutiveBad
		verdicts = append(verdicts, v)
		for _, h := range handlers {
			told = append(told, dwmon.Telling{Handler: h, Minute: m.minute, LineID: v.LineID, LineIndex: m.line})
		}
		last = max(last, m.minute)
	}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		id, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: last, Started: last*1e6 + 1, Ended: last*1e6 + 2e6, Plugin: "postgres"})
		if err != nil {
			return err
		}
		if err := tx.Record(dwmon.Record{Progress: p, FetchID: id, EvaluatedAt: last*1e6 + 1, Verdicts: verdicts, Streaks: streaks}); err != nil {
			return err
		}
		if err := tx.Enqueue(p.ID, told); err != nil {
			return err
		}
		return tx.Settle(p, last, nil)
	}))
}

// minutes gives marks of one status for line 0.
func minutes(from int64, n int, status dwmon.Status) []mark {
	var marks []mark
	for i := range n {
		marks = append(marks, mark{from + 60*int64(i), 0, status})
	}
	return marks
}

// count runs a query that gives one number.
func (w *world) count(query string, args ...any) (n int64) {
	w.Helper()
	w.must(w.read(w.ctx(), func(c *conn) error {
		r, err := c.one(query, args...)
		if err == nil {
			n = r.int(0)
		}
		return err
	}))
	return n
}

// sql runs a statement behind everybody's back.
func (w *world) sql(query string, args ...any) {
	w.Helper()
	w.must(w.write(w.ctx(), func(tx *Tx) error {
		_, err := tx.exec(query, args...)
		return err
	}))
}
