package model

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Past gives what is kept of a checker's past beside its rows and fetches.
func (s *Store) Past(_ context.Context, name string) (*dwmon.Past, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.checkers[name]
	if c == nil {
		return nil, fmt.Errorf("checker %s: %w", name, dwmon.ErrNoChecker)
	}
	p := &c.Progress
	past := &dwmon.Past{
		CheckerID: p.ID, Name: name, Origin: p.Origin, Settled: p.Settled, PurgeMark: p.PurgeMark, Baseline: p.Baseline, Reach: p.Reach,
		Holes: slices.Clone(c.Holes), Missed: slices.Clone(c.Missed), Queries: int64(len(c.queries)),
	}
	for _, o := range c.Spans {
		past.Off = append(past.Off, dwmon.OffEntry{CheckerName: name, From: o.From, To: &o.Until, Reason: o.Reason})
	}
	if p.Off != nil {
		past.Off = append(past.Off, dwmon.OffEntry{CheckerName: name, From: p.Off.Since, Reason: p.Off.Reason})
	}
	for _, f := range c.pastFetches() {
		if f.Err == nil {
			past.First = &f
			break
		}
	}
	return past, nil
}

func (c *Checker) pastFetches() []dwmon.PastFetch {
	all := make([]dwmon.PastFetch, len(c.Fetches))
	for i, f := range c.Fetches {
		all[i] = dwmon.PastFetch{Fetch: f, ID: int64(i + 1), QueryID: f.Progress.QueryID}
		all[i].Progress, all[i].Failing = nil, nil
	}
	slices.SortStableFunc(all, func(a, b dwmon.PastFetch) int { return cmp.Compare(a.Slot, b.Slot) })
	return all
}

// PastFetches gives the fetches of a checker that come after a place (slot, id), by
// slot, three at a time.
func (s *Store) PastFetches(_ context.Context, checkerID, afterSlot, afterID int64, yield func([]dwmon.PastFetch) error) error {
	s.mu.Lock()
	left := slices.DeleteFunc(s.byID[checkerID].pastFetches(), func(f dwmon.PastFetch) bool {
		return f.Slot < afterSlot || f.Slot == afterSlot && f.ID <= afterID
	})
	s.mu.Unlock()
	for chunk := range slices.Chunk(left, 3) {
		if err := yield(chunk); err != nil {
			return err
		}
	}
	return nil
}

// PastRows gives the rows that count in from ≤ ts < until, by ts, three at a time.
func (s *Store) PastRows(_ context.Context, checkerID, from, until int64, yield func([]dwmon.PastRow) error) error {
	s.mu.Lock()
	var rows []dwmon.PastRow
	for _, k := range s.byID[checkerID].Keys {
		if k.Counts && from <= k.Micros && k.Micros < until {
			rows = append(rows, dwmon.PastRow{Micros: k.Micros, FirstSeen: k.FirstSeen})
		}
	}
	s.mu.Unlock()
	slices.SortFunc(rows, func(a, b dwmon.PastRow) int {
		return cmp.Or(cmp.Compare(a.Micros, b.Micros), cmp.Compare(a.FirstSeen, b.FirstSeen))
	})
	for chunk := range slices.Chunk(rows, 3) {
		if err := yield(chunk); err != nil {
			return err
		}
	}
	return nil
}

// PastCountsOf counts rows that fetches of one QUERY and SOURCE brought first, up to
// and including the fetch that started at a time.
func (s *Store) PastCountsOf(_ context.Context, checkerID, queryID, known int64, windows []dwmon.Window) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make([]int64, len(windows))
	for _, k := range s.byID[checkerID].Keys {
		for i, w := range windows {
			if k.Counts && k.QueryID == queryID && k.FirstSeen <= known && w.From <= k.Micros && k.Micros < w.Until {
				counts[i]++
			}
		}
	}
	return counts, nil
}
