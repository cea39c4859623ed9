package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

const one = "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp"

// within is a context with a limit, and its cancel at the end of the test.
func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestServerKnowsTheLimit(t *testing.T) {
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": testdb.Postgres(t)})
	query := "SELECT setting AS dwmon_unique_key, 1 AS dwmon_timestamp FROM pg_settings WHERE name = 'statement_timeout'"
	if got := g.MustGet(t, query).Rows[0].Key; got != "0" {
		t.Errorf("without a deadline the limit is %s", got)
	}
	sink, err := g.Get(within(t, time.Minute), query)
	if err != nil {
		t.Fatal(err)
	}
	var millis int
	if _, err := fmt.Sscan(sink.Rows[0].Key, &millis); err != nil || millis < 50_000 || millis > 60_000 {
		t.Errorf("within a minute the limit is %s ms", sink.Rows[0].Key)
	}
}

// TestQueryCancelledByAnAdministrator is no fault of the checker: it is tried again.
func TestQueryCancelledByAnAdministrator(t *testing.T) {
	dsn := testdb.Postgres(t)
	admin := openAdmin(t, dsn)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	for function, want := range map[string]codes.Code{
		"pg_cancel_backend":    codes.DeadlineExceeded,
		"pg_terminate_backend": codes.Unavailable,
	} {
		done := make(chan error, 1)
		go func() {
			_, err := g.Get(t.Context(), "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM pg_sleep(600)")
			done <- err
		}()
		signal(t, admin, function, "state = 'active' AND query LIKE '%pg_sleep%'")
		gettertest.WantFault(t, <-done, want, passwordOf(t, dsn))
		g.MustGet(t, one)
	}
}

// signal calls a function with the process ids of our connections, until there was
// one to call it with.
func signal(t *testing.T, admin *sql.DB, function, where string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		var n int
		err := admin.QueryRow(fmt.Sprintf(`SELECT count(%s(pid)) FROM pg_stat_activity
			WHERE application_name = 'dwmon' AND datname = current_database() AND %s`, function, where)).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
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
	dsn := testdb.Postgres(t)
	admin := openAdmin(t, dsn)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	for range 3 {
		g.MustGet(t, one)
		signal(t, admin, "pg_terminate_backend", "true")
		if _, err := g.Get(t.Context(), one); err != nil {
			gettertest.WantFault(t, err, codes.Unavailable, passwordOf(t, dsn))
		}
		g.MustGet(t, one)
	}
}

func TestNoConnectionIsFree(t *testing.T) {
	dsn := testdb.Postgres(t)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "max_open": 1})
	held := make(chan struct{})
	free := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		sink := &gettertest.Sink{Refuse: func(int) error {
			close(held)
			<-free
			return nil
		}}
		done <- g.Fetch(t.Context(), one, sink)
	}()
	<-held
	_, err := g.Get(within(t, 100*time.Millisecond), one)
	gettertest.WantFault(t, err, codes.DeadlineExceeded, passwordOf(t, dsn), "max_open")
	close(free)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestTooManyConnections is the server's trouble.
func TestTooManyConnections(t *testing.T) {
	dsn := testdb.Postgres(t)
	admin := openAdmin(t, dsn)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	for _, statement := range []string{
		"DROP ROLE IF EXISTS crowd", "CREATE ROLE crowd LOGIN PASSWORD 'cr0wd'", "ALTER DATABASE " + database + " CONNECTION LIMIT 0",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { admin.Exec("DROP ROLE IF EXISTS crowd") })
	u.User = url.UserPassword("crowd", "cr0wd")
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": u.String()})
	_, err = g.Get(t.Context(), one)
	gettertest.WantFault(t, err, codes.Unavailable, "cr0wd", "too many connections")
}

func TestUnixSocket(t *testing.T) {
	dsn := testdb.Postgres(t)
	var dir string
	if err := openAdmin(t, dsn).QueryRow("SHOW unix_socket_directories").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{
		fmt.Sprintf("postgres://%s@%s:%s%s", u.User, dir, u.Port(), u.Path),
		fmt.Sprintf("pg+unix://%s@%s:%s%s", u.User, dir, u.Port(), u.Path),
		fmt.Sprintf("postgresql://%s@%s?host=%s&port=%s", u.User, u.Path, dir, u.Port()),
	} {
		sink, err := gettertest.MustStart(t, plugin(), map[string]any{"dsn": raw}).Get(t.Context(),
			"SELECT coalesce(host(inet_client_addr()), 'socket') AS dwmon_unique_key, 1 AS dwmon_timestamp")
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := sink.Rows[0].Key; got != "socket" {
			t.Errorf("%s: connected from %s", raw, got)
		}
	}
}
