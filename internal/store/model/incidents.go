package model

import (
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func (t *tx) OpenIncident(i dwmon.Incident) (_ int64, err error) {
	defer t.note(&err)
	c, err := t.checker(i.CheckerID)
	if err != nil {
		return 0, err
	}
	t.keep(c)
	t.s.lastID++
	i.ID = t.s.lastID
	c.Incidents = append(c.Incidents, i)
	return i.ID, nil
}

func (t *tx) CloseIncident(id, closed, closedAt int64, end dwmon.IncidentEnd) (err error) {
	defer t.note(&err)
	for _, c := range t.s.byID {
		i := slices.IndexFunc(c.Incidents, func(i dwmon.Incident) bool { return i.ID == id && i.Closed == nil })
		if i < 0 {
			continue
		}
		t.keep(c)
		c.Incidents = slices.Clone(c.Incidents)
		c.Incidents[i].Closed, c.Incidents[i].ClosedAt, c.Incidents[i].End = &closed, closedAt, end
		return nil
	}
	return fmt.Errorf("incident %d is not open, and cannot be closed", id)
}

func (t *tx) Silences() ([]dwmon.Silence, error) { return t.s.Quiet, nil }

func (t *tx) AddCatchUp(u dwmon.CatchUp) (err error) {
	defer t.note(&err)
	c, err := t.checker(u.CheckerID)
	if err != nil {
		return err
	}
	t.keep(c)
	c.CatchUps = append(c.CatchUps, u)
	return nil
}

// closeChanged closes the incidents of lines that are not among those in use.
func (c *Checker) closeChanged(lines []dwmon.Requirement, minute int64) {
	present := map[string]bool{}
	for _, l := range lines {
		present[l.Identity()] = true
	}
	for identity, l := range c.Lines {
		if present[identity] {
			continue
		}
		c.closeLine(l, minute, dwmon.EndLineChanged)
	}
}

// closeOff closes every incident of a checker that owes nothing from a minute on.
func (c *Checker) closeOff(minute int64) {
	for i := range c.Progress.Lines {
		l := &c.Progress.Lines[i]
		c.closeLine(l, minute, dwmon.EndOff)
		c.Lines[l.Identity()].Trouble = dwmon.Trouble{}
	}
}

func (c *Checker) closeLine(l *dwmon.LineProgress, minute int64, end dwmon.IncidentEnd) {
	for i := range c.Incidents {
		if n := &c.Incidents[i]; n.LineID == l.ID && n.Closed == nil {
			closed := max(n.Opened, minute)
			n.Closed, n.End = &closed, end
		}
	}
	l.Trouble = dwmon.Trouble{}
}
