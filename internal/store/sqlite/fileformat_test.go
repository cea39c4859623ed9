package sqlite

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// The file-format promise: a database that any version of dwmon has written is opened by
// every later one, and keeps its rows, verdicts and settled minutes. Under testdata lies
// one database for each schema that there ever was, made by that schema's own migrations
// (DWMON_UPDATE=1 makes those that are missing, and changes none): they are never made
// anew, for they stand for files that are out there.

// formats is where they are.
const formats = "testdata/formats"

func formatFile(version int64) string {
	return filepath.Join(formats, fmt.Sprintf("v%04d.db.gz", version))
}

// Of each database in testdata, in numbers: two checkers, `orders` (settled, with rows, a
// purge, verdicts of each kind, a gap, deliveries) and `away` (switched off).
const (
	formatStart   = int64(1_767_225_600) // 2026-01-01 00:00 UTC
	formatMinutes = 30
	formatRows    = 40
)

// formatStatements fill a database of the first schema; each later schema takes them too,
// and adds formatLater of its own.
func formatStatements() []string {
	all := []string{
		fmt.Sprintf(`INSERT INTO checkers (id, name, origin, settled, recorded, revision_id, purge_mark, fetched, fetched_end) VALUES
			(1, 'orders', %d, %d, %d, 1, %d, %d, %d)`, formatStart, formatStart+60*(formatMinutes-1), formatStart+60*(formatMinutes-1), formatStart-86400,
			(formatStart+60*(formatMinutes-1))*1e6, (formatStart+60*(formatMinutes-1))*1e6+5e5),
		fmt.Sprintf(`INSERT INTO checkers (id, name, origin, missing_since, off_since, off_reason) VALUES (2, 'away', %d, %d, %d, 'away')`, formatStart, formatStart+60, formatStart+60),
		"INSERT INTO queries (id, checker_id, sha256) VALUES (1, 1, 'q')",
		fmt.Sprintf(`INSERT INTO revisions (id, checker_id, sha256, time_zone, query_id, file, text, source, owner, labels, extra, first_minute) VALUES
			(1, 1, 'r', 'Europe/Berlin', 1, 'checks/orders.dwmon', CAST(%s AS BLOB), 'SHOP', 'shop', '{"team":"shop"}', CAST('{"alert":"x"}' AS BLOB), %d)`, quoteText(formatText), formatStart),
		`INSERT INTO lines (id, checker_id, identity, position, file_line, hours, minutes, days, min_required, max_allowed, lookback, half_open, last_status, last_minute, since_minute, settled_status, consecutive_bad)
			VALUES (1, 1, 'CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 MAXNUM5 LOOKBACKSECONDS300', 0, 4, 16777215, 1152921504606846975, 127, 1, 5, 300, 0, 2,
			` + decimal(formatStart+60*(formatMinutes-1)) + `, ` + decimal(formatStart+60*(formatMinutes-1)) + `, 2, 1)`,
		"INSERT INTO handlers (id, name) VALUES (1, 'log')",
		fmt.Sprintf("INSERT INTO gaps (checker_id, line_id, line_position, from_minute, to_minute, minutes, reason) VALUES (1, 1, 0, %d, %d, 5, 'outage')", formatStart-600, formatStart-360),
		"INSERT INTO seen (checker_id, key, ts, first_seen, query_id, purged) VALUES (1, x'70', NULL, 1, 1, 2)",
	}
	for i := range int64(formatRows) {
		all = append(all, fmt.Sprintf("INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (1, CAST('order-%d' AS BLOB), %d, %d, 1)", i, (formatStart+45*i)*1e6, (formatStart+60*(i+1))*1e6))
	}
	for i := range int64(formatMinutes) {
		minute := formatStart + 60*i
		status, reason := 1, "NULL"
		switch {
		case i == formatMinutes-1:
			status, reason = 2, "'low'"
		case i == 7:
			status, reason = 3, "'truncated'"
		}
		all = append(all, fmt.Sprintf(`INSERT INTO fetches (id, checker_id, revision_id, slot, started, ended, plugin, source_time, ok, baseline, rows, fresh, skipped_null, skipped, ignored, oldest, newest, cut)
			VALUES (%d, 1, 1, %d, %d, %d, 'sqlite', 1000, 1, 0, %d, 1, 0, 0, 0, %d, %d, 0)`, i+1, minute, minute*1e6, minute*1e6+5e5, formatRows, formatStart*1e6, minute*1e6))
		all = append(all, fmt.Sprintf(`INSERT INTO verdicts (checker_id, minute, line_id, line_position, event_count, status, reason, catch_up, previous_status, consecutive_bad, evaluated_at, revision_id, fetch_id)
			VALUES (1, %d, 1, 0, %d, %d, %s, 0, 1, %d, %d, 1, %d)`, minute, i%6, status, reason, status/2%2, minute*1e6, i+1))
		state, finished := 1, decimal(minute*1e6)
		if i >= formatMinutes-2 {
			state, finished = 0, "NULL"
		}
		all = append(all, fmt.Sprintf("INSERT INTO deliveries (handler_id, checker_id, minute, line_id, line_position, state, created, finished) VALUES (1, 1, %d, 1, 0, %d, %d, %s)", minute, state, minute*1e6, finished))
	}
	return all
}

// formatLater is what a schema brings that the ones before did not have, by the first
// version that takes it.
var formatLater = map[int64]string{
	2: "INSERT INTO imports (checker_id, imported, file, results, checks) VALUES (2, 1, 'old.db', 3, 2); INSERT INTO imported_checks VALUES (2, 1000), (2, 2000)",
	3: "UPDATE checkers SET fetched_reach = fetched, fetched_query = 1 WHERE id = 1",
	4: "UPDATE deliveries SET revived = 5 WHERE id = 1",
	5: "INSERT INTO incidents (id, subject, checker_id, line_id, source, opened, opened_at, catch_up, cause, checkers) VALUES (1, 'count', 1, 1, 'SHOP', 1767227340, 1767227340000000, 0, 'low', 1); UPDATE lines SET incident_id = 1, recent = 1 WHERE id = 1",
	6: `INSERT INTO silences (matchers, starts, ends, comment, by, created) VALUES ('["name=orders"]', 0, 0, 'known', 'me', 1)`,
	7: `UPDATE handlers SET wants = '{}'`,
	8: "UPDATE fetches SET pass = started, reach = started WHERE id = 1",
}

const formatText = `__QUERY__
SELECT 1
__REQUIREMENTS__
CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 MAXNUM5 LOOKBACKSECONDS300
__SOURCE__
SHOP
`

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// makeFormat writes a database of a version with that version's own migrations.
func makeFormat(t *testing.T, version int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dwmon.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	handle, err := sql.Open("sqlite", writerDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	handle.SetMaxOpenConns(1)
	builtIn, err := fs.Sub(migrations, "migration")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := newProvider(handle, Options{migrations: builtIn})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	statements := formatStatements()
	for v := int64(2); v <= version; v++ {
		if formatLater[v] == "" {
			t.Fatalf("schema %d brings nothing that a database could hold: add it to formatLater", v)
		}
		statements = append(statements, formatLater[v])
	}
	for _, s := range append(statements, "PRAGMA wal_checkpoint(TRUNCATE)") {
		if _, err := handle.Exec(s); err != nil {
			t.Fatalf("version %d: %s: %v", version, s, err)
		}
	}
	if err := handle.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(formats, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(formatFile(version), packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func unpackFormat(t *testing.T, version int64) string {
	t.Helper()
	f, err := os.Open(formatFile(version))
	if err != nil {
		t.Fatalf("there is no database of schema %d: make it with DWMON_UPDATE=1, and commit it: %v", version, err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dwmon.db")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryFormatIsOpened: of each schema there is a database, which is migrated and keeps
// what it holds; and the daemon can go on where it was.
func TestEveryFormatIsOpened(t *testing.T) {
	newest, err := newestMigration(Options{migrations: mustSub(t)})
	if err != nil {
		t.Fatal(err)
	}
	for version := int64(1); version <= newest; version++ {
		t.Run(fmt.Sprint("Schema", version), func(t *testing.T) {
			if _, err := os.Stat(formatFile(version)); err != nil && os.Getenv("DWMON_UPDATE") != "" {
				makeFormat(t, version)
			}
			path := unpackFormat(t, version)
			db := mustOpen(t, path, Options{})
			if _, err := os.Stat(fmt.Sprintf("%s.before-v%d", path, newest)); (err == nil) != (version < newest) {
				t.Errorf("a copy from before the migration: %v", err)
			}
			checkFormat(t, db, version)
			if found, err := db.CheckUp(t.Context(), true, nil); err != nil || len(found) > 0 {
				t.Errorf("damage: %v, %v", found, err)
			}
			goOn(t, db)
		})
	}
}

func mustSub(t *testing.T) fs.FS {
	t.Helper()
	builtIn, err := fs.Sub(migrations, "migration")
	if err != nil {
		t.Fatal(err)
	}
	return builtIn
}

// checkFormat looks for what the database held.
func checkFormat(t *testing.T, db *DB, version int64) {
	t.Helper()
	w := &world{T: t, DB: db}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM seen WHERE ts IS NOT NULL":                          formatRows,
		"SELECT count(*) FROM results WHERE checker = 'orders'":                   formatRows,
		"SELECT sum(timestamp) FROM results":                                      formatRows*formatStart + 45*formatRows*(formatRows-1)/2,
		"SELECT count(*) FROM seen WHERE ts IS NULL AND purged = 2":               1,
		"SELECT count(*) FROM verdicts WHERE status = 1":                          formatMinutes - 2,
		"SELECT count(*) FROM verdicts WHERE status = 2 AND reason = 'low'":       1,
		"SELECT count(*) FROM verdicts WHERE status = 3 AND reason = 'truncated'": 1,
		"SELECT sum(event_count) FROM verdicts":                                   formatMinutes / 6 * 15,
		"SELECT count(*) FROM fetches WHERE ok = 1":                               formatMinutes,
		"SELECT count(*) FROM deliveries WHERE state = 0":                         2,
		"SELECT sum(minutes) FROM gaps":                                           5,
	} {
		if got := w.count(query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if version >= 2 && w.count("SELECT count(*) FROM checks WHERE checker = 'away'") != 2 {
		t.Error("the imported checks are gone")
	}
	if version >= 6 {
		if s, err := db.Silences(t.Context(), false); err != nil || len(s) != 1 {
			t.Errorf("silences %v, %v", s, err)
		}
	}
	p, err := db.Progress(t.Context(), "orders")
	if err != nil || p.Settled == nil || *p.Settled != formatStart+60*(formatMinutes-1) || p.Origin != formatStart {
		t.Fatalf("progress %+v, %v", p, err)
	}
	entries := 0
	err = db.History(t.Context(), dwmon.HistoryQuery{Name: "orders"}, func(e dwmon.Entry) error {
		entries++
		if r := e.Result; r != nil && (r.TimeZone != "Europe/Berlin" || r.Source != "SHOP" || r.Owner != "shop" || r.LookbackSeconds != 300) {
			t.Errorf("a result %+v", r)
		}
		return nil
	})
	if err != nil || entries != formatMinutes+1 {
		t.Errorf("the history has %d entries, %v", entries, err)
	}
}

// goOn records one more minute.
func goOn(t *testing.T, db *DB) {
	t.Helper()
	w := &world{T: t, DB: db}
	p, err := db.Progress(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	next := formatStart + 60*formatMinutes
	w.judge(p, minutes(next, 1, dwmon.Good), "log")
	if w.count("SELECT count(*) FROM verdicts WHERE minute = "+decimal(next)) != 1 {
		t.Error("the next minute cannot be recorded")
	}
}
