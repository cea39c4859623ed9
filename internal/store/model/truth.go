package model

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// sightQuery notes QUERY and SOURCE of the text in use.
func (c *Checker) sightQuery(s *Store, digest string) {
	if c.queries[digest] == 0 {
		s.lastID++
		c.queries[digest] = s.lastID
	}
	c.Progress.QueryID = c.queries[digest]
	c.askedNow()
}

// fetchedNow notes that a fetch of a QUERY and SOURCE succeeded.
func (c *Checker) fetchedNow(queryID, started int64) {
	if c.fetchedQuery != queryID {
		c.queryChanged = c.fetchedQuery != 0
		c.fetchedQuery, c.queryBegan = queryID, &started
	}
	c.askedNow()
}

func (c *Checker) askedNow() {
	p := &c.Progress
	p.QueryFetched, p.QueryChanged = nil, c.fetchedQuery != 0
	if c.fetchedQuery == p.QueryID {
		p.QueryFetched, p.QueryChanged = c.queryBegan, c.queryChanged
	}
}

// CountsOf implements dwmon.Tx.
func (t *tx) CountsOf(checkerID, queryID int64, windows []dwmon.Window) (_ []int64, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(windows))
	for _, k := range c.Keys {
		for i, w := range windows {
			if k.Counts && k.QueryID == queryID && w.From <= k.Micros && k.Micros < w.Until {
				counts[i]++
			}
		}
	}
	return counts, nil
}

// Holes implements dwmon.Tx.
func (t *tx) Holes(checkerID, after int64) (_ []dwmon.Span, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(c.Holes), func(s dwmon.Span) bool { return s.Until < after }), nil
}

// AddHole implements dwmon.Tx.
func (t *tx) AddHole(checkerID int64, s dwmon.Span) (err error) {
	return t.changeHoles(checkerID, func(holes []dwmon.Span) []dwmon.Span {
		holes = append(slices.Clone(holes), s)
		slices.SortFunc(holes, func(a, b dwmon.Span) int { return cmp.Compare(a.From, b.From) })
		merged := holes[:1]
		for _, h := range holes[1:] {
			if last := &merged[len(merged)-1]; h.From <= last.Until+1 {
				last.Until = max(last.Until, h.Until)
			} else {
				merged = append(merged, h)
			}
		}
		return merged
	})
}

// FillHoles implements dwmon.Tx.
func (t *tx) FillHoles(checkerID, from int64) (err error) {
	return t.changeHoles(checkerID, func(holes []dwmon.Span) (left []dwmon.Span) {
		for _, h := range holes {
			if h.Until = min(h.Until, from-1); h.From <= h.Until {
				left = append(left, h)
			}
		}
		return left
	})
}

func (t *tx) changeHoles(checkerID int64, change func([]dwmon.Span) []dwmon.Span) (err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return err
	}
	t.keep(c)
	c.Holes, c.Progress.HoleUntil = change(c.Holes), nil
	if n := len(c.Holes); n > 0 {
		until := c.Holes[n-1].Until
		c.Progress.HoleUntil = &until
	}
	return nil
}

// Lows implements dwmon.Tx.
func (t *tx) Lows(checkerID, after, evaluated int64) (_ []dwmon.LowVerdict, err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return nil, err
	}
	corrected := map[dwmon.RecordedKey]bool{}
	for _, k := range c.Corrections {
		corrected[dwmon.RecordedKey{Minute: k.Minute, LineID: k.LineID}] = true
	}
	var lows []dwmon.LowVerdict
	for i, key := range c.Order {
		v := c.Verdicts[key]
		if v.Reason != dwmon.Low || v.Minute <= after || c.Evaluated[i] < evaluated || corrected[key] {
			continue
		}
		for _, l := range c.Lines {
			if l.ID == v.LineID {
				r := l.Requirement
				r.FileLine = 0
				lows = append(lows, dwmon.LowVerdict{
					Minute: v.Minute, LineID: v.LineID, LineIndex: v.LineIndex, RevisionID: c.revisionOf[key], Count: v.Count, Requirement: r,
				})
			}
		}
	}
	slices.SortFunc(lows, func(a, b dwmon.LowVerdict) int {
		return cmp.Or(cmp.Compare(a.Minute, b.Minute), cmp.Compare(a.LineIndex, b.LineIndex), cmp.Compare(a.LineID, b.LineID))
	})
	return lows, nil
}

// Correct implements dwmon.Tx.
func (t *tx) Correct(checkerID int64, corrections []dwmon.Correction) (err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return err
	}
	t.keep(c)
	for _, k := range corrections {
		for _, before := range c.Corrections {
			if before.Minute == k.Minute && before.LineID == k.LineID {
				return fmt.Errorf("checker %s: minute %d of line %d is corrected already", c.Progress.Name, k.Minute, k.LineID)
			}
		}
		t.s.lastID++
		k.ID, k.CheckerName = t.s.lastID, c.Progress.Name
		for _, l := range c.Lines {
			if l.ID == k.LineID {
				k.Requirement = l.Identity()
			}
		}
		c.Corrections = append(c.Corrections[:len(c.Corrections):len(c.Corrections)], k)
	}
	return nil
}

// Corrections implements dwmon.Store.
func (s *Store) Corrections(_ context.Context, after int64, limit int) ([]dwmon.Correction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []dwmon.Correction
	for _, c := range s.checkers {
		for _, k := range c.Corrections {
			if k.ID > after {
				all = append(all, k)
			}
		}
	}
	slices.SortFunc(all, func(a, b dwmon.Correction) int { return cmp.Compare(a.ID, b.ID) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, nil
}
