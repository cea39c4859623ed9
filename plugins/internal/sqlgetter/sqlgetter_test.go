package sqlgetter

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/pluginsdk"
)

// fake is a database whose connections cannot be made.
type fake struct {
	err    error
	closed bool
}

func (f *fake) Connector() driver.Connector { return fakeConnector{f} }
func (f *fake) MaxIdle() int                { return 1 }
func (f *fake) ZonelessTypes() []string     { return nil }
func (f *fake) Close()                      { f.closed = true }
func (f *fake) Diagnose(error, string) Fault {
	return Fault{}
}

func (f *fake) Begin(context.Context, *sql.Conn, time.Duration) (Session, error) {
	return nil, errors.New("a fake has no sessions")
}

type fakeConnector struct{ *fake }

func (c fakeConnector) Connect(context.Context) (driver.Conn, error) { return nil, c.err }
func (c fakeConnector) Driver() driver.Driver                        { return nil }

func testGetter(open func(DSN) (Database, error)) *getter {
	return &getter{
		product: Product{
			Name: "postgres", Schemes: []string{"postgres", "pg"},
			Example: "postgres://user:password@host/database", Open: open,
		},
		settings: settings{MaxOpen: 2},
		location: time.UTC,
	}
}

// TestNoErrorShowsThePassword: whatever a driver quotes of a DSN, in any form.
func TestNoErrorShowsThePassword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		password := "S3" + rapid.StringMatching(`[ -~äß€]{4,20}`).Draw(t, "password") + "cret"
		userinfo := url.UserPassword("me", password).String()
		raw := fmt.Sprintf("postgres://%s@h:5432/d?sslpassword=%s", userinfo, url.QueryEscape(password))
		forms := []string{password, userinfo, raw, url.QueryEscape(password), url.PathEscape(password)}
		said := "a driver says " + strings.Join(forms, " and ")
		check := func(err error) {
			for e := err; e != nil; e = errors.Unwrap(e) {
				for _, form := range append(forms, strings.TrimPrefix(userinfo, "me:")) {
					if strings.Contains(e.Error(), form) {
						t.Fatalf("the password %q is in the error: %v", password, e)
					}
				}
			}
		}
		g := testGetter(func(DSN) (Database, error) { return nil, errors.New(said) })
		g.settings.DSN = raw
		check(g.setup(t.Context()))
		g = testGetter(func(DSN) (Database, error) { return &fake{err: errors.New(said)}, nil })
		g.settings.DSN = raw
		err := g.GetRows(t.Context(), pluginsdk.Query{Text: "SELECT 1"}, nil)
		if err == nil {
			t.Fatal("no error")
		}
		check(err)
		if text := err.Error(); strings.Contains(text, password) || !strings.Contains(text, "postgres me@h:5432/d") {
			t.Fatalf("got %v", err)
		}
		// A URL that cannot be read is not quoted at all.
		for _, broken := range []string{
			"postgres://me:" + password + "@h:port/d", "postgres://me:" + password + "%zz@h/d",
			"password=" + password + " host=h", password, "pg:" + password,
		} {
			if _, err := testGetter(func(DSN) (Database, error) { return &fake{}, nil }).open(broken); err != nil &&
				strings.Contains(err.Error(), password) {
				t.Fatalf("the password %q is in the error: %v", password, err)
			}
		}
	})
}

// TestPoolsAreBounded: however many SOURCEs come and go, and in use or not, a pool
// is closed once and never while it is used.
func TestPoolsAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ps pools
		open := make(map[string]*fake) // the fake behind each DSN's latest pool
		var all []*fake
		type user struct {
			f       *fake
			release func()
		}
		var users []user
		steps := rapid.SliceOfN(rapid.IntRange(-1, 3*maxPools), 0, 6*maxPools).Draw(t, "steps")
		for _, step := range steps {
			if step < 0 {
				if len(users) > 0 {
					users[0].release()
					users = users[1:]
				}
				continue
			}
			dsn := fmt.Sprint(step)
			p, release, err := ps.get(dsn, func() (*pool, error) {
				f := &fake{}
				open[dsn], all = f, append(all, f)
				return newPool(opened{Database: f}, 2, true), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			f := p.Database.(*fake)
			if f != open[dsn] {
				t.Fatalf("%s was given an old pool", dsn)
			}
			if users = append(users, user{f, release}); len(users) > 8 {
				users[0].release()
				users = users[1:]
			}
			for _, u := range users {
				if u.f.closed {
					t.Fatal("a pool in use was closed")
				}
			}
		}
		if len(ps.byDSN) > maxPools {
			t.Fatalf("%d pools, at most %d are wanted", len(ps.byDSN), maxPools)
		}
		if err := ps.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if !f.closed {
				t.Fatal("a pool was not closed")
			}
		}
	})
}

func TestAFailedOpenLeavesNoPool(t *testing.T) {
	var ps pools
	for range 2 {
		if _, _, err := ps.get("x", func() (*pool, error) { return nil, errors.New("no") }); err == nil {
			t.Fatal("no error")
		}
	}
	if len(ps.byDSN) != 0 {
		t.Fatalf("%d pools", len(ps.byDSN))
	}
}

func TestPlace(t *testing.T) {
	query := "SELECT ä,\n  b\nFROM t"
	for char, want := range map[int]string{
		0: "", 1: "line 1, column 1 of the query", 8: "line 1, column 8 of the query", 10: "line 1, column 10 of the query",
		11: "line 2, column 1 of the query", 13: "line 2, column 3 of the query", 15: "line 3, column 1 of the query", 20: "line 3, column 6 of the query", 21: "",
	} {
		if got := Place(query, char); got != want {
			t.Errorf("Place(%d) = %q, want %q", char, got, want)
		}
	}
}

func TestRemaining(t *testing.T) {
	if got := remaining(t.Context()); got != 0 {
		t.Errorf("without a deadline: %v", got)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel()
	if got := remaining(ctx); got != time.Millisecond {
		t.Errorf("after the deadline: %v, want 1ms: 0 would be no limit", got)
	}
}
