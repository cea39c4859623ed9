package main

import (
	"testing"
	"time"

	"github.com/xo/dburl"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
)

// TestTheServersClock reads it in any zone, on a new connection and on an old one.
func TestTheServersClock(t *testing.T) {
	dsn := testdb.MariaDB(t)
	for _, zone := range []string{"UTC", "Asia/Kolkata"} {
		g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn, "timezone": zone})
		for range 2 {
			before := time.Now()
			now := g.MustGet(t, one).Now
			// The server runs on this machine. Times of it are cut off to the microsecond.
			if now.Before(before.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) {
				t.Errorf("in %s the server's clock says %s, between %s and now", zone, now, before)
			}
		}
	}
}

// TestAClockThatIsOff asks a session whose clock was set, and asks again only when
// what is known of it is old.
func TestAClockThatIsOff(t *testing.T) {
	u, err := dburl.Parse(testdb.MariaDB(t))
	if err != nil {
		t.Fatal(err)
	}
	db, err := open(sqlgetter.DSN{URL: u, Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	made, err := db.Connector().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { made.Close() })
	c := made.(*conn)
	if _, err := c.driverConn.ExecContext(t.Context(), "SET timestamp = 1000000000.25", nil); err != nil {
		t.Fatal(err)
	}
	look := func() time.Time {
		t.Helper()
		at, err := c.clock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := look(); time.Since(at).Abs() > time.Minute {
		t.Errorf("a clock that was read just now was read again: %s", at)
	}
	c.measured = c.measured.Add(-clockAge - time.Second)
	want := time.Unix(1000000000, 250e6)
	if at := look(); at.Sub(want).Abs() > time.Minute {
		t.Errorf("the clock says %s, want about %s", at.UTC(), want.UTC())
	}
}
