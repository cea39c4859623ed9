package sim

import (
	"context"
	"errors"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Errors that the store gives when it is made to fail.
var (
	errStore   = errors.New("the disk is full")
	errUnclear = errors.New("the commit's answer was lost")
	errDead    = errors.New("the process is gone")
)

// commit is what one transaction has written.
type commit struct {
	checker     int64
	sight       *dwmon.Sighting
	progress    *dwmon.Progress // after the sighting
	fetch       *dwmon.Fetch
	ingested    bool
	baseline    bool
	made        dwmon.Ingested
	missed      []dwmon.Span
	record      *dwmon.Record
	tellings    []dwmon.Telling
	opens       []dwmon.Incident
	closes      []dwmon.Closing
	corrections []dwmon.Correction
	settled     *int64
	gaps        []dwmon.Gap
}

// watch is the store as the engine has it: it fails when it is told to, and shows the
// oracle what was committed.
type watch struct {
	home
	life *life
	// dead: the process is gone, and nothing that it would do is done.
	dead bool
	// failed: some call was made to fail since it was last looked at.
	failed bool
}

// mishap is what goes wrong with one call of the store.
type mishap uint8

const (
	fine mishap = iota
	failsBefore
	failsWithin
	failsAfter
	diesBefore
	diesAfter
)

// draw says what goes wrong with a call.
func (w *watch) draw() mishap {
	if w.dead {
		return diesBefore
	}
	t := fine
	if n := w.life.rng.IntN(5000); n < 10 && w.life.troubled {
		t = []mishap{failsBefore, failsBefore, failsWithin, failsWithin, failsAfter, failsAfter, diesBefore, diesBefore, diesAfter, diesAfter}[n]
		w.failed = true
		w.life.note("the store: %s", t)
	}
	return t
}

func (t mishap) String() string {
	return [...]string{"is fine", "fails before a call", "fails within a transaction", "commits, and the answer is lost", "the process dies before a call", "the process dies after a call"}[t]
}

// before gives the error of a call that is not made.
func (w *watch) before(t mishap) error {
	switch t {
	case failsBefore:
		return errStore
	case diesBefore:
		w.dead, w.failed = true, true
		return errDead
	}
	return nil
}

// after gives the error of a call that was made.
func (w *watch) after(t mishap, err error) error {
	switch t {
	case failsAfter:
		return errUnclear
	case diesAfter:
		w.dead = true
		return errDead
	}
	return err
}

func (w *watch) Progress(ctx context.Context, name string) (*dwmon.Progress, error) {
	t := w.draw()
	if err := w.before(t); err != nil {
		return nil, err
	}
	p, err := w.home.Progress(ctx, name)
	return p, w.after(t, err)
}

func (w *watch) InTx(ctx context.Context, fn func(dwmon.Tx) error) error {
	t := w.draw()
	if err := w.before(t); err != nil {
		return err
	}
	var k commit
	err := w.home.InTx(ctx, func(tx dwmon.Tx) error {
		err := fn(&watchedTx{Tx: tx, k: &k})
		if err == nil && t == failsWithin {
			err = errStore
		}
		return err
	})
	if err == nil {
		w.life.oracle.commit(&k)
	}
	return w.after(t, err)
}

func (w *watch) Purge(ctx context.Context, checkerID, cutoff int64) (int64, error) {
	t := w.draw()
	if err := w.before(t); err != nil {
		return 0, err
	}
	n, err := w.home.Purge(ctx, checkerID, cutoff)
	if err == nil {
		w.life.oracle.purged(checkerID, cutoff, n)
	}
	return n, w.after(t, err)
}

func (w *watch) Extent(ctx context.Context, checkerID int64) (oldest, newest int64, ok bool, err error) {
	t := w.draw()
	if err := w.before(t); err != nil {
		return 0, 0, false, err
	}
	oldest, newest, ok, err = w.home.Extent(ctx, checkerID)
	return oldest, newest, ok, w.after(t, err)
}

// watchedTx notes what is written.
type watchedTx struct {
	dwmon.Tx
	k *commit
}

func (t *watchedTx) Sight(s dwmon.Sighting) (*dwmon.Progress, error) {
	p, err := t.Tx.Sight(s)
	if err == nil {
		t.k.checker, t.k.sight, t.k.progress = p.ID, &s, p
	}
	return p, err
}

func (t *watchedTx) SaveFetch(f dwmon.Fetch) (int64, error) {
	t.k.checker, t.k.fetch = f.Progress.ID, &f
	return t.Tx.SaveFetch(f)
}

func (t *watchedTx) Ingest(p *dwmon.Progress, in dwmon.Intake, baseline bool) (dwmon.Ingested, error) {
	made, err := t.Tx.Ingest(p, in, baseline)
	t.k.checker, t.k.ingested, t.k.baseline, t.k.made = p.ID, true, baseline, made
	return made, err
}

func (t *watchedTx) AddMissed(checkerID int64, s dwmon.Span) error {
	t.k.missed = append(t.k.missed, s)
	return t.Tx.AddMissed(checkerID, s)
}

func (t *watchedTx) Record(r dwmon.Record) error {
	t.k.record = &r
	return t.Tx.Record(r)
}

func (t *watchedTx) Enqueue(checkerID int64, tellings []dwmon.Telling) error {
	t.k.tellings = append(t.k.tellings, slices.Clone(tellings)...)
	return t.Tx.Enqueue(checkerID, tellings)
}

func (t *watchedTx) OpenIncident(i dwmon.Incident) (int64, error) {
	id, err := t.Tx.OpenIncident(i)
	i.ID = id
	t.k.opens = append(t.k.opens, i)
	return id, err
}

func (t *watchedTx) CloseIncident(id, closed, closedAt int64, end dwmon.IncidentEnd) error {
	t.k.closes = append(t.k.closes, dwmon.Closing{ID: id, Closed: closed, At: closedAt, End: end})
	return t.Tx.CloseIncident(id, closed, closedAt, end)
}

func (t *watchedTx) Correct(checkerID int64, corrections []dwmon.Correction) error {
	t.k.corrections = append(t.k.corrections, slices.Clone(corrections)...)
	return t.Tx.Correct(checkerID, corrections)
}

func (t *watchedTx) Settle(p *dwmon.Progress, settled int64, gaps []dwmon.Gap) error {
	t.k.checker, t.k.settled, t.k.gaps = p.ID, &settled, slices.Clone(gaps)
	return t.Tx.Settle(p, settled, gaps)
}
