package engine

import (
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// correct counts again the windows of low verdicts that the new rows may lie in, and
// records those that are not low any more. Where the new rows are newer than all
// verdicts, which is usual, it asks nothing.
func (j *judge) correct(tx dwmon.Tx, ingested dwmon.Ingested) error {
	p, at := j.progress, j.fetched.record.Started
	if ingested.Fresh == 0 || j.baseline || p.Recorded == nil || p.QueryFetched == nil {
		return nil // the first fetch of another query corrects nothing: its rows are others
	}
	after := max(floorSecond(ingested.OldestFresh), floorSecond(at)-dwmon.CorrectFor(j.job.Checker.LongestLookback())-1)
	if after >= *p.Recorded {
		return nil
	}
	lows, err := tx.Lows(p.ID, after, *p.QueryFetched)
	if err != nil {
		return fmt.Errorf("read the low verdicts: %w", err)
	}
	for len(lows) > 0 {
		n := min(len(lows), dwmon.PieceLimit)
		if err := j.recount(tx, lows[:n]); err != nil {
			return err
		}
		lows = lows[n:]
	}
	return nil
}

func (j *judge) recount(tx dwmon.Tx, lows []dwmon.LowVerdict) error {
	windows := make([]dwmon.Window, len(lows))
	requirements := make([]dwmon.Requirement, len(lows))
	for i, l := range lows {
		windows[i], requirements[i] = l.Requirement.Window(l.Minute), l.Requirement
	}
	counts, err := tx.Counts(j.progress.ID, windows)
	if err != nil {
		return fmt.Errorf("count %d windows again: %w", len(windows), err)
	}
	weighed, err := j.weighAll(tx, requirements, windows, counts)
	if err != nil {
		return err
	}
	var corrections []dwmon.Correction
	for i, l := range lows {
		if c, ok := l.Correct(counts[i], weighed[i].status, weighed[i].reason, j.fetched.record.Started); ok {
			corrections = append(corrections, c)
		}
	}
	if len(corrections) == 0 {
		return nil
	}
	if err := tx.Correct(j.progress.ID, corrections); err != nil {
		return fmt.Errorf("record %d corrections: %w", len(corrections), err)
	}
	return nil
}

// floorSecond is the whole second of a time in microseconds since the epoch.
func floorSecond(micros int64) int64 {
	if micros < 0 && micros%1e6 != 0 {
		return micros/1e6 - 1
	}
	return micros / 1e6
}
