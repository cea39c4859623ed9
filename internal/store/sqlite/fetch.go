package sqlite

import (
	"github.com/dwmon/dwmon/internal/dwmon"
)

const insertFetch = `INSERT INTO fetches (checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline,
	rows, fresh, skipped_null, skipped, ignored, oldest, newest, cut, fault, error, unordered, skew, data_as_of, pass, reach, oldest_fresh)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// SaveFetch is dwmon.Tx's.
func (tx *Tx) SaveFetch(f dwmon.Fetch) (int64, error) {
	var oldest, newest *int64
	if f.Tally.Rows > f.Tally.Skipped {
		oldest, newest = &f.Tally.Oldest, &f.Tally.Newest
	}
	var fresh *int64
	if f.Ingested.Fresh > 0 {
		fresh = &f.Ingested.OldestFresh
	}
	var fault, cause *string
	if f.Err != nil {
		name, text := dwmon.FaultOf(f.Err).String(), f.Err.Error()
		fault, cause = &name, &text
	}
	id, err := tx.insert(insertFetch, f.Progress.ID, f.Progress.RevisionID, f.Slot, f.Started, f.Ended, f.Plugin, f.SourceTime,
		f.Err == nil, f.Baseline, f.Tally.Rows, f.Ingested.Fresh, f.SkippedNull, f.Tally.Skipped, f.Ingested.Ignored,
		oldest, newest, f.Cut, fault, cause, f.Tally.Unordered, f.Skew, f.DataAsOf, f.Pass, f.Reach, fresh)
	if err != nil {
		return 0, err
	}
	if f.Err != nil {
		return id, tx.fetchFailed(f.Progress.ID, f.Failing)
	}
	return id, tx.fetchSucceeded(f)
}

func (tx *Tx) fetchSucceeded(f dwmon.Fetch) error {
	var baseline *int64
	if f.Baseline {
		baseline = &f.Started
	}
	started, ended, reach := f.Started, f.Ended, f.Reach
	err := tx.updateChecker(f.Progress.ID, `UPDATE checkers SET fetched = ?, fetched_end = ?, fetched_reach = ?, skew = ?, baseline = coalesce(baseline, ?),
		fail_since = NULL, fail_next = NULL, fail_count = 0, fail_fault = NULL, fail_cause = NULL, fail_tried = NULL WHERE id = ?`,
		started, ended, reach, f.Skew, baseline, f.Progress.ID)
	if err != nil {
		return err
	}
	if f.Progress.QueryFetched == nil {
		if err := tx.queryBegins(f); err != nil {
			return err
		}
	}
	tx.amend(f.Progress.ID, func(p *dwmon.Progress) {
		p.Fetched, p.FetchedEnd, p.Reach, p.Skew, p.Failing = &started, &ended, &reach, f.Skew, nil
		if p.Baseline == nil {
			p.Baseline = baseline
		}
	})
	return nil
}

// queryBegins notes the first successful fetch since QUERY and SOURCE came into use.
func (tx *Tx) queryBegins(f dwmon.Fetch) error {
	tx.dirty(f.Progress.Name)
	return tx.updateChecker(f.Progress.ID, `UPDATE checkers SET fetched_query = ?1,
		query_began = CASE WHEN fetched_query IS ?1 THEN query_began ELSE ?2 END,
		query_changed = CASE WHEN fetched_query IS ?1 THEN query_changed ELSE fetched_query IS NOT NULL END
		WHERE id = ?3`, f.Progress.QueryID, f.Started, f.Progress.ID)
}

func (tx *Tx) fetchFailed(checkerID int64, f *dwmon.Failing) error {
	var since, next, tried *int64
	var count int64
	var fault, cause *string
	if f != nil {
		own, name := *f, f.Fault.String()
		f = &own
		since, next, count, fault, cause, tried = &own.Since, &own.Next, own.Count, &name, &own.Cause, &own.Tried
	}
	err := tx.updateChecker(checkerID, "UPDATE checkers SET fail_since = ?, fail_next = ?, fail_count = ?, fail_fault = ?, fail_cause = ?, fail_tried = ? WHERE id = ?",
		since, next, count, fault, cause, tried, checkerID)
	if err != nil {
		return err
	}
	tx.amend(checkerID, func(p *dwmon.Progress) { p.Failing = f })
	return nil
}
