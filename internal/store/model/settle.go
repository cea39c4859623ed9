package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// SettleTo moves a checker's walk to a minute, as `dwmon settle` does: forward, what it
// passes becomes a gap; backward, gaps after the minute go. zone is the checker's,
// closed are the days on which it owes nothing.
func (s *Store) SettleTo(name string, to int64, zone *time.Location, closed *dwmon.ClosedDays) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.checkers[name]
	if c == nil {
		return fmt.Errorf("checker %s: %w", name, dwmon.ErrNoChecker)
	}
	if p := &c.Progress; p.Settled != nil && to < *p.Settled {
		c.reopen(to, zone, closed)
	} else {
		c.pass(to, zone, closed)
	}
	c.Progress.Settled = &to
	return nil
}

func (c *Checker) pass(to int64, zone *time.Location, closed *dwmon.ClosedDays) {
	w := c.snapshot().Walk(zone, 0)
	w.Closed, w.Blind = closed, true
	if off := c.Progress.Off; off != nil {
		to = min(to, off.Since-60)
	}
	piece, _ := w.Plan(to, dwmon.GapSettled).Next(dwmon.PieceLimit)
	for _, g := range piece.Gaps {
		c.Gaps = append(c.Gaps, Gap{Gap: g, Identity: c.Progress.Lines[g.Line].Identity()})
	}
}

func (c *Checker) reopen(to int64, zone *time.Location, closed *dwmon.ClosedDays) {
	var left []Gap
	for _, g := range c.Gaps {
		if g.To > to && g.From <= to {
			before := g.From - 60
			l := dwmon.Line{Requirement: c.Lines[g.Identity].Requirement, OwesAfter: dwmon.OwesAll}
			w := dwmon.Walk{Settled: &before, Lines: []dwmon.Line{l}, Zone: zone, Closed: closed, Blind: true}
			piece, _ := w.Plan(to, g.Reason).Next(dwmon.PieceLimit)
			for _, cut := range piece.Gaps {
				g.To, g.Minutes = cut.To, cut.Minutes
				left = append(left, g)
			}
			continue
		}
		if g.To <= to {
			left = append(left, g)
		}
	}
	c.Gaps = slices.Clip(left)
}

// StillAt implements dwmon.Tx.
func (t *tx) StillAt(checkerID int64, settled *int64) (err error) {
	defer t.note(&err)
	c, err := t.checker(checkerID)
	if err != nil {
		return err
	}
	p := &c.Progress
	same := p.Settled == nil && settled == nil || p.Settled != nil && settled != nil && *p.Settled == *settled
	if !same || p.Off != nil {
		return fmt.Errorf("checker %s: %w", p.Name, dwmon.ErrMoved)
	}
	return nil
}
