package sqlite

import (
	"log/slog"
	"path/filepath"
	"testing"
)

// TestSituation: whether a result in time has confirmed what was caught up depends on
// what the incident is about; and what a source does not have is no lag of ours.
func TestSituation(t *testing.T) {
	db := mustOpen(t, filepath.Join(t.TempDir(), "dwmon.db"), Options{Log: slog.New(slog.DiscardHandler)})
	defer db.Close()
	const verdict = "INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id) VALUES "
	const incident = "INSERT INTO incidents (id, subject, checker_id, line_id, source, opened, opened_at, catch_up, cause, checkers) VALUES "
	err := db.write(t.Context(), func(tx *Tx) error {
		for _, s := range []string{
			"INSERT INTO checkers (id, name, origin, fetched, fetched_reach) VALUES (1, 'a', 0, 900000000, 300000000), (2, 'b', 0, 900000000, 900000001), (3, 'c', 0, NULL, NULL)",
			"INSERT INTO lines (id, checker_id, identity, hours, minutes, days, lookback, half_open) VALUES (1, 1, 'l', 1, 1, 1, 60, 0), (2, 2, 'l', 1, 1, 1, 60, 0)",
			verdict + "(1, 60, 1, 0, 0, 3, 1, 0, 0, 0, 0, 0), (1, 120, 1, 0, 0, 3, 0, 0, 0, 0, 0, 0)", // UNKNOWN, caught up and in time
			verdict + "(2, 60, 2, 0, 0, 2, 1, 0, 0, 0, 0, 0), (2, 120, 2, 0, 0, 2, 0, 0, 0, 0, 0, 0)", // BAD
			incident + "(1, 'checker', 1, 1, '', 60, 1, 1, '', 0), (2, 'count', 1, 1, '', 60, 1, 1, '', 0), (3, 'checker', 2, 2, '', 60, 1, 1, '', 0), (4, 'count', 2, 2, '', 60, 1, 1, '', 0)",
			incident + "(5, 'checker', 3, NULL, '', 60, 1, 0, '', 0)",
			"INSERT INTO catch_ups (checker_id, from_minute, to_minute, checks, bad, unknown, last_bad, down) VALUES (1, 60, 120, 2, 0, 2, 0, 'dwmon')",
		} {
			if _, err := tx.exec(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := db.Situation(t.Context())
	if err != nil || len(s.Incidents) != 5 || len(s.CatchUps) != 1 {
		t.Fatalf("%v, %+v", err, s)
	}
	for i, want := range []struct {
		inTime bool
		lag    int64
	}{{true, 600e6}, {false, 600e6}, {false, 0}, {true, 0}, {true, 0}} {
		if got := s.Incidents[i]; got.InTime != want.inTime || got.Lag != want.lag {
			t.Errorf("incident %d: in time %v, lag %d; want %+v", got.ID, got.InTime, got.Lag, want)
		}
	}
	if s.CatchUps[0].Lag != 600e6 {
		t.Errorf("what was made up for has the lag %d", s.CatchUps[0].Lag)
	}
	states, err := db.FetchStates(t.Context())
	if err != nil || len(states) != 3 || states[0].Lag != 600e6 || states[1].Lag != 0 || states[2].Lag != 0 {
		t.Errorf("%v, %+v", err, states)
	}
}
