package main

import (
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// TestStandby asks a real standby: while it keeps up, while its replay stands still,
// while its stream is broken off, and after.
func TestStandby(t *testing.T) {
	primaryDSN, standbyDSN := testdb.PostgresStandby(t)
	primary, standby := openAdmin(t, primaryDSN), openAdmin(t, standbyDSN)
	do(t, primary, "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
	caughtUp(t, primary, standby)

	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": standbyDSN})
	const query = "SELECT a AS dwmon_unique_key, now() AS dwmon_timestamp FROM t"
	ask := func(when string, rows int, behind bool) *gettertest.Sink {
		t.Helper()
		sink := g.MustGet(t, query)
		if len(sink.Rows) != rows || sink.Now.IsZero() || sink.AsOf.IsZero() == behind {
			t.Fatalf("%s: %d rows, clock %v, data as of %v; want %d rows, behind: %v", when, len(sink.Rows), sink.Now, sink.AsOf, rows, behind)
		}
		return sink
	}
	ask("a standby that keeps up, however idle the primary", 1, false)

	do(t, standby, "SELECT pg_wal_replay_pause()")
	eventually(t, "replay does not pause", func() bool {
		return text(t, standby, "SELECT pg_get_wal_replay_pause_state()") == "paused"
	})
	replayed := ask("paused, but nothing has come since", 1, false)
	do(t, primary, "INSERT INTO t VALUES (2)")
	eventually(t, "the standby receives nothing", func() bool {
		return text(t, standby, "SELECT (pg_last_wal_replay_lsn() < pg_last_wal_receive_lsn())::text") == "true"
	})
	sink := ask("a row has been received, but not replayed", 1, true)
	if sink.AsOf.After(replayed.Now) || time.Since(sink.AsOf) > time.Minute {
		t.Errorf("data as of %s; the last row that is there was asked for at %s", sink.AsOf, replayed.Now)
	}
	do(t, standby, "SELECT pg_wal_replay_resume()")
	caughtUp(t, primary, standby)
	ask("replayed", 2, false)

	// Nothing is received any more: what is missing, nobody knows.
	stream := strings.ReplaceAll(text(t, standby, "SHOW primary_conninfo"), "'", "''")
	reconnect := []string{"ALTER SYSTEM SET primary_conninfo = '" + stream + "'", "SELECT pg_reload_conf()"}
	t.Cleanup(func() {
		for _, s := range reconnect {
			standby.Exec(s)
		}
	})
	do(t, standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	eventually(t, "the stream does not end", func() bool {
		return text(t, standby, "SELECT count(*)::text FROM pg_stat_wal_receiver") == "0"
	})
	ask("without a stream", 2, true)
	do(t, standby, reconnect...)
	do(t, primary, "INSERT INTO t VALUES (3)")
	caughtUp(t, primary, standby)
	ask("with a stream again", 3, false)

	if sink := gettertest.MustStart(t, plugin(), map[string]any{"dsn": primaryDSN}).MustGet(t, query); !sink.AsOf.IsZero() {
		t.Errorf("the primary says that its data reach to %s", sink.AsOf)
	}
}

// TestStandbyForAnybody asks as a user without rights beyond the table.
func TestStandbyForAnybody(t *testing.T) {
	primaryDSN, standbyDSN := testdb.PostgresStandby(t)
	primary, standby := openAdmin(t, primaryDSN), openAdmin(t, standbyDSN)
	do(t, primary, "DROP ROLE IF EXISTS anybody", "CREATE ROLE anybody LOGIN PASSWORD 'any-s3cret'")
	t.Cleanup(func() { primary.Exec("DROP ROLE IF EXISTS anybody") })
	caughtUp(t, primary, standby)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": as(t, standbyDSN, "anybody", "any-s3cret")})
	if sink := g.MustGet(t, one); !sink.AsOf.IsZero() {
		t.Errorf("a standby that keeps up says that its data reach to %s", sink.AsOf)
	}
}

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func text(t *testing.T, db *sql.DB, query string) (answer string) {
	t.Helper()
	if err := db.QueryRow(query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// caughtUp waits until the standby has replayed what the primary has written.
func caughtUp(t *testing.T, primary, standby *sql.DB) {
	t.Helper()
	lsn := text(t, primary, "SELECT pg_current_wal_insert_lsn()::text")
	eventually(t, "the standby does not catch up", func() bool {
		var there sql.NullBool
		err := standby.QueryRow("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AND EXISTS (SELECT FROM pg_stat_wal_receiver)", lsn).Scan(&there)
		return err == nil && there.Bool
	})
}

func eventually(t *testing.T, otherwise string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal(otherwise)
		}
	}
}

// as is a DSN for another user.
func as(t *testing.T, dsn, user, password string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}
