package soak

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// recorded is a site whose steady checkers have a verdict for each minute of an hour
// that is due, but for what statements change.
func recorded(t *testing.T, statements ...string) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	db, err := sqlite.Open(t.Context(), s.path("dwmon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+s.path("dwmon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	const begin, end = 1_800_000_000, 1_800_003_600
	for i, c := range steady {
		statements = append([]string{
			fmt.Sprintf("INSERT INTO checkers (id, name, origin, settled, recorded) VALUES (%d, '%s', %d, %d, %d)", i+1, c.name, begin, end, end),
			fmt.Sprintf(`INSERT INTO lines (id, checker_id, identity, hours, minutes, days, lookback, half_open) VALUES (%d, %d, 'line', 0, 0, 0, 60, 0)`, i+1, i+1),
			fmt.Sprintf(`WITH RECURSIVE m (m) AS (SELECT %d UNION ALL SELECT m + 60 FROM m WHERE m < %d)
				INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
				SELECT %d, m, %d, 0, 1, 1, 0, 1, 0, m, 1, 1 FROM m WHERE (m / 60) %% 60 %% %d = 0`, begin, end, i+1, i+1, c.every),
		}, statements...)
	}
	for _, statement := range statements {
		if _, err := raw.ExecContext(context.Background(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return s
}

func TestFaultsOfRecordsAreFound(t *testing.T) {
	gap := func(from, to int64) string {
		return fmt.Sprintf("INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) VALUES (1, 1, 0, %d, %d, 1, 'test')", from, to)
	}
	for _, c := range []struct {
		says       string
		statements []string
		want       []string // parts of the faults, in order
	}{
		{"all is well", nil, nil},
		{"a minute of steady/one has no verdict", []string{"DELETE FROM verdicts WHERE checker_id = 1 AND minute = 1800003000"}, []string{"steady/one at 2027-01-15 08:50:00: 0 verdicts, 0 gaps"}},
		{"it lies in a gap", []string{"DELETE FROM verdicts WHERE checker_id = 1 AND minute = 1800003000", gap(1800003000, 1800003000)}, nil},
		{"a minute lies in a gap and has a verdict", []string{gap(1800003000, 1800003000)}, []string{"steady/one at 2027-01-15 08:50:00: 1 verdicts, 1 gaps", "lies in a gap: steady/one at 2027-01-15 08:50:00"}},
		{"a due minute of steady/five has no verdict", []string{"DELETE FROM verdicts WHERE checker_id = 3 AND minute = 1800003000"}, []string{"steady/five at 2027-01-15 08:50:00"}},
		{"the newest minute has none, and is not settled", []string{"DELETE FROM verdicts WHERE checker_id = 1 AND minute = 1800003600", "UPDATE checkers SET settled = 1800003540 WHERE id = 1"}, nil},
		{"a verdict lies beyond the newest that is known", []string{"UPDATE checkers SET recorded = 1800003540 WHERE id = 1"}, []string{"beyond what is settled: steady/one"}},
		{"a result was never swept", []string{"UPDATE verdicts SET minute = 1799900040 WHERE checker_id = 2 AND minute = 1800000000"}, []string{"older than what is kept: steady/two: 1"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := recorded(t, c.statements...)
			faults := s.steadyFaults(t.Context())
			more, err := s.recordFaults(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			faults = append(faults, more...)
			if len(faults) != len(c.want) || !slices.EqualFunc(faults, c.want, strings.Contains) {
				t.Errorf("%q, want %q", faults, c.want)
			}
		})
	}
}

func TestRowsLeftOverAreCounted(t *testing.T) {
	const now = 1_800_003_600
	s := recorded(t,
		"DELETE FROM verdicts",
		fmt.Sprintf("UPDATE checkers SET settled = %d", now),
	)
	fill := func(age int64) map[string]string {
		at := now - age
		return map[string]string{
			"corrections": fmt.Sprintf(`INSERT INTO corrections (checker_id, minute, line_id, line_position, count_before, count_after, status_after, corrected_at, revision_id)
				VALUES (1, %d, 1, 0, 1, 2, 1, 1, 1)`, at),
			"deliveries": fmt.Sprintf("INSERT INTO deliveries (handler_id, state, created, finished) VALUES (1, 1, %d000000, %d000000)", at, at),
			"fetches": fmt.Sprintf(`INSERT INTO fetches (checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline, rows, fresh, skipped_null, skipped, ignored, cut)
				VALUES (1, 1, %d, %d000000, %d000000, 'p', 1, 1, 0, 1, 1, 0, 0, 0, 0)`, at, at, at),
			"gaps": fmt.Sprintf("INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) VALUES (1, 1, 0, %d, %d, 1, 'test')", at, at),
			"incidents": fmt.Sprintf(`INSERT INTO incidents (subject, source, opened, opened_at, catch_up, cause, checkers, closed_at, finished)
				VALUES ('dwmon', '', %d, %d000000, 0, '', 1, %d000000, 1)`, at, at, at),
			"spans": fmt.Sprintf("INSERT INTO spans (checker_id, kind, from_time, until_time, reason) VALUES (1, 'off', %d, %d, 'away')", at, at),
			"verdicts": fmt.Sprintf(`INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
				VALUES (1, %d, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1)`, at),
		}
	}
	write := func(statements map[string]string) {
		t.Helper()
		db, err := sql.Open("sqlite", "file:"+s.path("dwmon.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for table, statement := range statements {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", table, err)
			}
		}
	}
	expect := func(want int64) {
		t.Helper()
		for table := range ageOf {
			if n, err := s.leftOver(t.Context(), table, time.Unix(now, 0)); n != want || err != nil {
				t.Errorf("%s: %d rows are left over (%v), want %d", table, n, err, want)
			}
		}
	}
	write(fill(int64(longest.Seconds()) - 60))
	expect(0)
	write(fill(int64(longest.Seconds()) + 60))
	expect(1)
}
