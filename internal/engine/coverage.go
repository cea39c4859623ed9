package engine

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// hear notes what the source said of its clock and of its data.
func (p *pass) hear(f *fetched) {
	said := &f.summary
	if p.stands {
		said.SourceNow = nil
	}
	f.record.Skew = dwmon.Skew(said.SourceNow, f.record.Started, f.record.Ended)
	f.record.DataAsOf = said.DataAsOf
	f.record.Reach = dwmon.Reach(f.record.Started, said.SourceNow, said.DataAsOf)
}

// recent is how long after a fetch its source may still be why minutes are lost.
const recent = 10 * time.Minute

// stale says that fetches are made and succeed, but that the source's data end long
// before them.
func (p *pass) stale() bool {
	fetched, reach := p.progress.Fetched, p.progress.Reach
	if fetched == nil || p.now.Sub(time.UnixMicro(*fetched)) > recent {
		return false
	}
	return *reach < *fetched+min(p.progress.Skew, 0)-recent.Microseconds()
}

// coverage is what the fetch can vouch for.
func (p *pass) coverage(f *fetched) dwmon.Coverage {
	checker := p.job.Checker
	c := dwmon.Coverage{Cut: f.record.Cut, Tally: f.record.Tally, Ended: f.record.Ended, Grace: checker.Options.Grace}
	if c.Cut && c.Tally.Oldest == c.Tally.Newest { // else the rows tell
		c.NewestFirst = dwmon.NewestFirst(checker.Query)
	}
	if p.progress.QueryFetched != nil { // else nothing before has asked for these rows
		c.Since = p.progress.Reach
	}
	return c
}

// cover fills the holes that the fetch covers and stores the one that it leaves.
// Assumed timestamps have their own account of what was missed.
func (j *judge) cover(tx dwmon.Tx) error {
	if j.job.Checker.Options.Assumed {
		return nil
	}
	p := j.progress
	if from, ok := j.coverage.CompleteFrom(); ok && p.HoleUntil != nil && from <= *p.HoleUntil {
		if err := tx.FillHoles(p.ID, from); err != nil {
			return fmt.Errorf("fill the holes: %w", err)
		}
	}
	if hole, ok := j.coverage.Hole(); ok {
		if err := tx.AddHole(p.ID, hole); err != nil {
			return fmt.Errorf("store the hole: %w", err)
		}
	}
	return nil
}

// mayTouchHoles says whether windows from a time on can touch a hole, without asking
// the store.
func (j *judge) mayTouchHoles(earliest int64) bool {
	if until := j.progress.HoleUntil; until != nil && earliest <= *until {
		return true
	}
	hole, ok := j.coverage.Hole()
	return ok && earliest <= hole.Until
}

// weighed is what becomes of a count.
type weighed struct {
	status dwmon.Status
	reason dwmon.Reason
}

// weighAll judges counts over windows, each by its requirement.
func (j *judge) weighAll(tx dwmon.Tx, requirements []dwmon.Requirement, windows []dwmon.Window, counts []int64) ([]weighed, error) {
	evidence, err := j.evidence(tx, windows)
	if err != nil {
		return nil, err
	}
	all := make([]weighed, len(windows))
	var mixed []int
	for i, w := range windows {
		all[i].status, all[i].reason = evidence.Weigh(requirements[i], w, counts[i])
		if all[i].reason == dwmon.High && evidence.Mixed(w) {
			mixed = append(mixed, i)
		}
	}
	if len(mixed) == 0 {
		return all, nil
	}
	doubted := make([]dwmon.Window, len(mixed))
	for k, i := range mixed {
		doubted[k] = windows[i]
	}
	own, err := tx.CountsOf(j.progress.ID, j.progress.QueryID, doubted)
	if err != nil {
		return nil, fmt.Errorf("count %d windows by the present query: %w", len(doubted), err)
	}
	for k, i := range mixed {
		all[i].status, all[i].reason = evidence.WeighOwn(requirements[i], own[k])
	}
	return all, nil
}

func (j *judge) requirements(due []dwmon.Due) []dwmon.Requirement {
	all := make([]dwmon.Requirement, len(due))
	for i, d := range due {
		all[i] = j.progress.Lines[d.Line].Requirement
	}
	return all
}

// evidence gathers what limits the claims of counts over the windows.
func (j *judge) evidence(tx dwmon.Tx, windows []dwmon.Window) (dwmon.Evidence, error) {
	e := dwmon.Evidence{PurgeMark: j.progress.PurgeMark, QueryFrom: j.queryFrom()}
	earliest := windows[0].From
	for _, w := range windows {
		earliest = min(earliest, w.From)
	}
	var err error
	switch {
	case j.job.Checker.Options.Assumed:
		e.KnownFrom = j.progress.Baseline
		if e.Missed, err = tx.Missed(j.progress.ID, earliest); err != nil {
			return e, fmt.Errorf("read the missed spans: %w", err)
		}
	case j.mayTouchHoles(earliest):
		if e.Holes, err = tx.Holes(j.progress.ID, earliest); err != nil {
			return e, fmt.Errorf("read the holes: %w", err)
		}
	}
	return e, nil
}

// queryFrom is the start of the first fetch of the present QUERY and SOURCE, where
// there were others before.
func (j *judge) queryFrom() *int64 {
	switch {
	case !j.progress.QueryChanged:
		return nil
	case j.progress.QueryFetched != nil:
		return j.progress.QueryFetched
	default:
		return &j.fetched.record.Started
	}
}
