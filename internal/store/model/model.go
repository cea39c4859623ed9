// Package model is a store in maps: the plainest thing that keeps dwmon.Store's
// promises. Unit tests of checkers and simulations run on it, and the conformance suite of real stores runs
// on it too, so that the suite itself is tried. It keeps everything that it was
// told, for tests to look at.
package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Store is a dwmon.Store in memory. Its zero value is not usable: see New.
type Store struct {
	mu       sync.Mutex
	checkers map[string]*Checker
	byID     map[int64]*Checker
	lastID   int64
	undo     []func() // of the transaction under way

	// Quiet are the silences.
	Quiet []dwmon.Silence

	// Clock gives the time at which purged keys were last returned; microseconds
	// since the epoch.
	Clock func() int64
}

// Checker is everything that is known of one checker.
type Checker struct {
	Progress dwmon.Progress
	// Keys are the keys seen; a key that counts in no window has Counts false.
	Keys map[string]Key
	// times are the timestamps of the keys that count, in order.
	times []int64
	// Lines are all lines ever seen, by identity, with their streaks.
	Lines    map[string]*dwmon.LineProgress
	Verdicts map[dwmon.RecordedKey]dwmon.Verdict
	// revisions are the ids of texts and the zones they were judged in.
	revisions map[[2]string]int64
	// queries are the ids of QUERY and SOURCE by their digest, fetchedQuery the one
	// that the last successful fetch has asked, and revisionOf the text that each
	// verdict was judged by.
	queries      map[string]int64
	fetchedQuery int64
	queryBegan   *int64
	queryChanged bool
	revisionOf   map[dwmon.RecordedKey]int64
	// Order lists the verdicts as they were recorded, Evaluated the start of the
	// fetch of each.
	Order     []dwmon.RecordedKey
	Evaluated []int64
	Gaps      []Gap
	Spans     []OffSpan
	Missed    []dwmon.Span
	// Holes are in order and do not overlap.
	Holes       []dwmon.Span
	Corrections []dwmon.Correction
	Fetches     []dwmon.Fetch
	Tellings    []dwmon.Telling
	Incidents   []dwmon.Incident
	CatchUps    []dwmon.CatchUp
}

// Key is a key that was seen.
type Key struct {
	Micros    int64
	FirstSeen int64
	QueryID   int64
	Counts    bool
}

// Gap is a gap with the identity of its line.
type Gap struct {
	dwmon.Gap
	Identity string
}

// OffSpan is a span in which a checker owed nothing.
type OffSpan struct {
	From, Until int64
	Reason      dwmon.OffReason
}

// New gives an empty store.
func New() *Store {
	return &Store{checkers: map[string]*Checker{}, byID: map[int64]*Checker{}, Clock: func() int64 { return 0 }}
}

// Look gives what is known of a checker; nil for one never seen. The caller does
// not change it, nor look while passes run.
func (s *Store) Look(name string) *Checker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkers[name]
}

// SwitchOff makes a checker owe nothing from a minute on.
func (s *Store) SwitchOff(name string, minute int64, reason dwmon.OffReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.checkers[name]; c != nil && c.Progress.Off == nil {
		c.Progress.Off = &dwmon.Off{Since: minute, Reason: reason}
		c.closeOff(minute)
	}
}

// Progress implements dwmon.Store.
func (s *Store) Progress(ctx context.Context, name string) (*dwmon.Progress, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.checkers[name]
	if c == nil {
		return &dwmon.Progress{Name: name}, nil
	}
	return c.snapshot(), nil
}

func (c *Checker) snapshot() *dwmon.Progress {
	p := c.Progress
	p.Lines = slices.Clone(p.Lines)
	if p.ComesBy() {
		for i := range p.Lines {
			p.Lines[i].Judged = c.judged(p.Lines[i].ID, p.Settled)
		}
	}
	return &p
}

// judged are the minutes after one (all of them where it is nil) at which a line
// has a verdict, ascending.
func (c *Checker) judged(lineID int64, after *int64) (minutes []int64) {
	for key := range c.Verdicts {
		if key.LineID == lineID && (after == nil || key.Minute > *after) {
			minutes = append(minutes, key.Minute)
		}
	}
	slices.Sort(minutes)
	return minutes
}

// InTx implements dwmon.Store.
func (s *Store) InTx(ctx context.Context, fn func(dwmon.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo = nil
	t := &tx{s: s}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a transaction: %v", r)
		}
		if err != nil {
			for _, u := range slices.Backward(s.undo) {
				u()
			}
		}
		s.undo = nil
	}()
	if err = fn(t); err == nil {
		err = t.err // one that fn has kept to itself
	}
	return err
}

// Purge implements dwmon.Store.
func (s *Store) Purge(_ context.Context, checkerID, cutoff int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[checkerID]
	if c == nil {
		return 0, fmt.Errorf("no checker %d", checkerID)
	}
	cutoff = min(max(cutoff, -dwmon.MaxSeconds), dwmon.MaxSeconds)
	if c.Progress.PurgeMark == nil || *c.Progress.PurgeMark < cutoff {
		c.Progress.PurgeMark = &cutoff
	}
	var purged int64
	for key, k := range c.Keys {
		if k.Counts && k.Micros < cutoff*1e6 {
			k.Counts = false
			c.Keys[key] = k
			purged++
		}
	}
	first, _ := slices.BinarySearch(c.times, cutoff*1e6)
	c.times = slices.Clone(c.times[first:])
	return purged, nil
}

// Extent implements dwmon.Store.
func (s *Store) Extent(_ context.Context, checkerID int64) (oldest, newest int64, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[checkerID]
	if c == nil || len(c.times) == 0 {
		return 0, 0, false, nil
	}
	return c.times[0], c.times[len(c.times)-1], true, nil
}

// NewIntake implements dwmon.Store.
func (s *Store) NewIntake(p *dwmon.Progress, started int64) dwmon.Intake {
	return &intake{checkerID: p.ID, started: started}
}

type intake struct {
	checkerID int64
	started   int64
	closed    bool
	err       error // sticky: a result with a hole is no result
	tally     dwmon.Tally
	last      int64
	keys      []string
	micros    []int64
}

func (in *intake) Add(b *dwmon.Batch) error {
	if in.closed {
		return errors.New("rows were added after they had been dropped")
	}
	if in.err == nil {
		in.err = b.Check()
	}
	if in.err != nil {
		return in.err
	}
	at := 0
	for i, n := range b.Lengths {
		key := string(b.Keys[at : at+int(n)])
		at += int(n)
		us := b.Micros[i]
		in.tally.Rows++
		in.tally.Bytes += int64(n) + 8
		if us > in.started+dwmon.FarFuture.Microseconds() {
			in.tally.Skipped++
			continue
		}
		if in.tally.Rows-in.tally.Skipped == 1 {
			in.tally.Oldest, in.tally.Newest = us, us
		}
		in.tally.Unordered = in.tally.Unordered || in.tally.Rows-in.tally.Skipped > 1 && us > in.last
		in.last = us
		in.tally.Oldest, in.tally.Newest = min(in.tally.Oldest, us), max(in.tally.Newest, us)
		in.keys = append(in.keys, key)
		in.micros = append(in.micros, us)
	}
	return nil
}

func (in *intake) Tally() dwmon.Tally { return in.tally }
func (in *intake) Close() error       { in.closed = true; return nil }

type tx struct {
	s   *Store
	err error // the first of a method: nothing of the transaction is kept
}

// note remembers a method's error.
func (t *tx) note(err *error) {
	if t.err == nil {
		t.err = *err
	}
}

func (t *tx) onUndo(f func()) { t.s.undo = append(t.s.undo, f) }

// keep remembers the checker's plain fields and lines for an undo.
func (t *tx) keep(c *Checker) {
	t.keepPlain(c)
	lines, progressLines := map[string]dwmon.LineProgress{}, slices.Clone(c.Progress.Lines)
	for id, l := range c.Lines {
		lines[id] = *l
	}
	incidents := slices.Clone(c.Incidents)
	t.onUndo(func() {
		c.Progress.Lines, c.Lines, c.Incidents = progressLines, map[string]*dwmon.LineProgress{}, incidents
		for id, l := range lines {
			c.Lines[id] = &l
		}
	})
}

// keepPlain remembers what is replaced or added to, never changed in its place: all but
// lines and incidents.
func (t *tx) keepPlain(c *Checker) {
	p := c.Progress
	gaps, spans, missed, fetches, tellings, order, evaluated := c.Gaps, c.Spans, c.Missed, c.Fetches, c.Tellings, c.Order, c.Evaluated
	catchUps, holes, corrections, fetchedQuery, began, changed := c.CatchUps, c.Holes, c.Corrections, c.fetchedQuery, c.queryBegan, c.queryChanged
	t.onUndo(func() {
		p.Lines = c.Progress.Lines
		c.Progress = p
		c.Gaps, c.Spans, c.Missed, c.Fetches, c.Tellings, c.Order, c.Evaluated = gaps, spans, missed, fetches, tellings, order, evaluated
		c.CatchUps, c.Holes, c.Corrections, c.fetchedQuery, c.queryBegan, c.queryChanged = catchUps, holes, corrections, fetchedQuery, began, changed
	})
}

func (t *tx) checker(id int64) (*Checker, error) {
	c := t.s.byID[id]
	if c == nil {
		return nil, fmt.Errorf("no checker %d", id)
	}
	return c, nil
}

func (t *tx) Sight(s dwmon.Sighting) (_ *dwmon.Progress, err error) {
	defer t.note(&err)
	name := s.Checker.Name
	c := t.s.checkers[name]
	if s.New {
		if c != nil {
			return nil, fmt.Errorf("checker %s is not new", name)
		}
		t.s.lastID++
		c = &Checker{
			Keys: map[string]Key{}, Lines: map[string]*dwmon.LineProgress{}, Verdicts: map[dwmon.RecordedKey]dwmon.Verdict{}, revisions: map[[2]string]int64{},
			queries: map[string]int64{}, revisionOf: map[dwmon.RecordedKey]int64{},
		}
		c.Progress = dwmon.Progress{ID: t.s.lastID, Name: name, Origin: s.Minute}
		t.s.checkers[name], t.s.byID[c.Progress.ID] = c, c
		t.onUndo(func() { delete(t.s.checkers, name); delete(t.s.byID, c.Progress.ID) })
	}
	t.keep(c)
	if err := t.addGaps(c, s.Gaps); err != nil {
		return nil, err
	}
	p := &c.Progress
	if s.Settled != nil {
		settled := *s.Settled
		p.Settled = &settled
	}
	if s.Returned && p.Off != nil {
		c.Spans = append(c.Spans, OffSpan{p.Off.Since, s.Minute, p.Off.Reason})
		p.Off = nil
	}
	p.Revision, p.Zone = s.Checker.Revision, s.Zone
	text := [2]string{p.Revision, p.Zone}
	if c.revisions[text] == 0 {
		t.s.lastID++
		c.revisions[text] = t.s.lastID
	}
	p.RevisionID = c.revisions[text]
	c.sightQuery(t.s, s.Checker.QueryRevision())
	p.Lines = nil
	for i, r := range s.Checker.Lines {
		l := c.Lines[r.Identity()]
		if l == nil {
			t.s.lastID++
			l = &dwmon.LineProgress{Line: dwmon.Line{ID: t.s.lastID}}
			c.Lines[r.Identity()] = l
		}
		l.Requirement, l.OwesAfter, l.Index = r, s.Owes[i], i
		p.Lines = append(p.Lines, *l)
	}
	c.closeChanged(s.Checker.Lines, s.Minute)
	return c.snapshot(), nil
}

func (t *tx) SaveFetch(f dwmon.Fetch) (_ int64, err error) {
	defer t.note(&err)
	c, err := t.checker(f.Progress.ID)
	if err != nil {
		return 0, err
	}
	t.keepPlain(c)
	c.Fetches = append(c.Fetches, f)
	p := &c.Progress
	p.Failing = f.Failing
	if f.Err == nil {
		started, ended := f.Started, f.Ended
		p.Fetched, p.FetchedEnd, p.Reach, p.Skew = &started, &ended, &f.Reach, f.Skew
		c.fetchedNow(f.Progress.QueryID, started)
		if f.Baseline && p.Baseline == nil {
			p.Baseline = &started
		}
	}
	t.s.lastID++
	return t.s.lastID, nil
}

func (t *tx) Ingest(p *dwmon.Progress, in dwmon.Intake, baseline bool) (done dwmon.Ingested, err error) {
	defer t.note(&err)
	c, err := t.checker(p.ID)
	if err != nil {
		return done, err
	}
	rows := in.(*intake)
	switch {
	case rows.checkerID != p.ID:
		return done, fmt.Errorf("checker %s: these rows were collected for another checker", p.Name)
	case rows.closed:
		return done, errors.New("rows were committed after they had been dropped")
	case rows.err != nil:
		return done, rows.err
	}
	times := c.times
	t.onUndo(func() { c.times = times })
	ignored := map[string]bool{}
	for i, key := range rows.keys {
		if _, known := c.Keys[key]; known || ignored[key] {
			continue // the first row of a key is the one that counts
		}
		us := rows.micros[i]
		if c.Progress.PurgeMark != nil && us < *c.Progress.PurgeMark*1e6 {
			ignored[key] = true
			continue
		}
		c.Keys[key] = Key{Micros: us, FirstSeen: rows.started, QueryID: p.QueryID, Counts: !baseline}
		t.onUndo(func() { delete(c.Keys, key) })
		done.Fresh++
		if !baseline {
			if done.Fresh == 1 || us < done.OldestFresh {
				done.OldestFresh = us
			}
			c.addTime(us)
		}
	}
	done.Ignored = int64(len(ignored))
	return done, nil
}

// addTime keeps the times in order. What an undo would give back is not written to.
func (c *Checker) addTime(us int64) {
	if n := len(c.times); n == 0 || c.times[n-1] <= us {
		c.times = append(c.times, us)
		return
	}
	at, _ := slices.BinarySearch(c.times, us)
	c.times = slices.Insert(slices.Clone(c.times), at, us)
}

func (t *tx) Counts(checkerID int64, windows []dwmon.Window) (_ []int64, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(windows))
	for i, w := range windows {
		from := sort.Search(len(c.times), func(j int) bool { return c.times[j] >= w.From })
		until := sort.Search(len(c.times), func(j int) bool { return c.times[j] >= w.Until })
		counts[i] = int64(max(0, until-from))
	}
	return counts, nil
}

func (t *tx) Missed(checkerID, after int64) (_ []dwmon.Span, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	var spans []dwmon.Span
	for _, s := range c.Missed {
		if s.Until >= after {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b dwmon.Span) int { return cmp.Compare(a.Until, b.Until) })
	return spans, nil
}

func (t *tx) AddMissed(checkerID int64, s dwmon.Span) (err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return err
	}
	t.keepPlain(c)
	c.Missed = append(c.Missed, s)
	return nil
}

func (t *tx) Recorded(checkerID, from int64) (_ map[dwmon.RecordedKey]bool, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	recorded := map[dwmon.RecordedKey]bool{}
	for key := range c.Verdicts {
		if key.Minute >= from {
			recorded[key] = true
		}
	}
	return recorded, nil
}

func (t *tx) Record(r dwmon.Record) (err error) {
	defer t.note(&err)
	c, err := t.checker(r.Progress.ID)
	if err != nil {
		return err
	}
	t.keep(c)
	for _, v := range r.Verdicts {
		key := dwmon.RecordedKey{Minute: v.Minute, LineID: v.LineID}
		if _, exists := c.Verdicts[key]; exists {
			return dwmon.ErrRecorded
		}
		c.Verdicts[key] = v
		c.revisionOf[key] = r.Progress.RevisionID
		t.onUndo(func() { delete(c.Verdicts, key); delete(c.revisionOf, key) })
		c.Order = append(c.Order, key)
		c.Evaluated = append(c.Evaluated, r.EvaluatedAt)
		if c.Progress.Recorded == nil || *c.Progress.Recorded < v.Minute {
			minute := v.Minute
			c.Progress.Recorded = &minute
		}
	}
	for i := range c.Progress.Lines {
		l := &c.Progress.Lines[i]
		l.Streak = r.Streaks[i]
		c.Lines[l.Identity()].Streak = l.Streak
	}
	return nil
}

func (t *tx) Enqueue(checkerID int64, tellings []dwmon.Telling) (err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return err
	}
	t.keepPlain(c)
	c.Tellings = append(c.Tellings, tellings...)
	return nil
}

func (t *tx) Settle(p *dwmon.Progress, settled int64, gaps []dwmon.Gap) (err error) {
	defer t.note(&err)
	c, err := t.checker(p.ID)
	if err != nil {
		return err
	}
	t.keepPlain(c)
	c.Progress.Settled = &settled
	return t.addGaps(c, gaps)
}

func (t *tx) addGaps(c *Checker, gaps []dwmon.Gap) error {
	for _, g := range gaps {
		if g.Line >= len(c.Progress.Lines) {
			return fmt.Errorf("a gap of line %d, but there are %d", g.Line, len(c.Progress.Lines))
		}
		c.Gaps = append(c.Gaps, Gap{Gap: g, Identity: c.Progress.Lines[g.Line].Identity()})
	}
	return nil
}
