package main

import (
	"database/sql"
	"fmt"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

// TestQueryKilledByAnAdministrator is no fault of the checker: it is tried again.
func TestQueryKilledByAnAdministrator(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	for kill, want := range map[string]codes.Code{
		"KILL QUERY": codes.DeadlineExceeded,
		"KILL":       codes.Unavailable,
	} {
		done := make(chan error, 1)
		go func() {
			// SLEEP alone would return 1 when it is killed, and the query a row.
			_, err := g.Get(t.Context(), "SELECT SLEEP(600) AS dwmon_unique_key, seq AS dwmon_timestamp FROM seq_1_to_10")
			done <- err
		}()
		signal(t, admin, kill, "command = 'Query' AND info LIKE '%SLEEP(600)%'")
		gettertest.WantFault(t, <-done, want, passwordOf(t, dsn))
		g.MustGet(t, one)
	}
}

// signal kills our connections, once there are any.
func signal(t *testing.T, admin *sql.DB, kill, where string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var id int64
		err := admin.QueryRow(`SELECT coalesce(max(id), 0) FROM information_schema.processlist
			WHERE db = database() AND id <> connection_id() AND ` + where).Scan(&id)
		if err != nil {
			t.Fatal(err)
		}
		if id > 0 {
			if _, err := admin.Exec(fmt.Sprintf("%s %d", kill, id)); err != nil {
				t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("there is no such connection")
		}
	}
}

// TestConnectionsThatDied: at worst a fetch is told to try again, and the next one
// works.
func TestConnectionsThatDied(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	admin.SetMaxOpenConns(1)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	for range 3 {
		g.MustGet(t, one)
		signal(t, admin, "KILL", "command = 'Sleep'")
		if _, err := g.Get(t.Context(), one); err != nil {
			gettertest.WantFault(t, err, codes.Unavailable, passwordOf(t, dsn))
		}
		g.MustGet(t, one)
	}
}

func TestTooManyConnections(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE OR REPLACE USER crowd IDENTIFIED BY 'cr0wd' WITH MAX_USER_CONNECTIONS 1", "GRANT SELECT ON *.* TO crowd",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { admin.Exec("DROP USER IF EXISTS crowd") })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("crowd", "cr0wd")
	first := gettertest.MustStart(t, plugin(), map[string]any{"dsn": u.String()})
	first.MustGet(t, one) // and keeps its connection
	_, err = gettertest.MustStart(t, plugin(), map[string]any{"dsn": u.String()}).Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.Unavailable, "cr0wd", "max_user_connections")
}

// TestAWrongQueryKeepsItsConnection: only a query that was cut short costs one.
func TestAWrongQueryKeepsItsConnection(t *testing.T) {
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": testdb.MariaDB(t), "max_open": 1})
	id := "SELECT connection_id() AS dwmon_unique_key, 1 AS dwmon_timestamp"
	before := g.MustGet(t, id).Rows[0].Key
	if _, err := g.Get(t.Context(), "SELEC"); err == nil {
		t.Fatal("no error")
	}
	if after := g.MustGet(t, id).Rows[0].Key; after != before {
		t.Errorf("the connection was %s, and is %s after a wrong query", before, after)
	}
}

func TestUnixSocket(t *testing.T) {
	dsn := testdb.MariaDB(t)
	var socket string
	if err := openAdmin(t, dsn).QueryRow("SELECT @@socket").Scan(&socket); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		fmt.Sprintf("mysql://%s@%s%s", u.User, socket, u.Path),
		fmt.Sprintf("mysql+unix://%s@%s%s", u.User, socket, u.Path),
	} {
		sink, err := gettertest.MustStart(t, plugin(), map[string]any{"dsn": raw}).Get(t.Context(),
			"SELECT host AS dwmon_unique_key, 1 AS dwmon_timestamp FROM information_schema.processlist WHERE id = connection_id()")
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := sink.Rows[0].Key; got != "localhost" {
			t.Errorf("%s: connected from %s", raw, got)
		}
	}
}

// TestSQLModeIsTheServers: dburl would set sql_mode=ansi, in which a text in double quotes
// is a name.
func TestSQLModeIsTheServers(t *testing.T) {
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": testdb.MariaDB(t)})
	if got := g.MustGet(t, `SELECT "a" AS dwmon_unique_key, 1 || 0 AS dwmon_timestamp`).Rows[0]; got.Key != "a" || got.Micros != 1e6 {
		t.Errorf("got %v", got)
	}
}
