package daemon_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xo/dburl"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/pluginsdk"
)

// fakeName is the plugin that this test binary is, where it is called so: a row getter
// that does what its QUERY says.
const fakeName = "fake"

func serveFake() {
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: fakeName, Version: "1.2.3", Summary: "does what it is told", Sources: []string{fakeName},
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			what, file, _ := strings.Cut(q.Text, " ")
			for i := range 1500 { // more than a batch
				if err := out.Append(fmt.Sprint("k", i), time.Now()); err != nil {
					return err
				}
			}
			switch what {
			case "wait": // until it is broken off
				<-ctx.Done()
				if err := os.WriteFile(file, []byte("ended"), 0o600); err != nil {
					return err
				}
				return ctx.Err()
			case "crash":
				go panic("the disk is on fire") // outside of what the SDK catches
				<-ctx.Done()
			case "fail":
				return pluginsdk.CheckerError(errors.New("there is no table nowhere: look at the FROM of the query"))
			}
			return nil
		}),
	})
	panic("Serve came back")
}

// fakeFolder is a plugins folder with the fake in it.
func fakeFolder(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Link(self, filepath.Join(dir, "dwmon-plugin-"+fakeName)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tryText writes a checker file and tries it.
func tryText(t *testing.T, ctx context.Context, cfg *config.Config, source, query string, opts daemon.TryOptions) (*daemon.Tried, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "orders.dwmon", "__QUERY__\n"+query+"\n__SOURCE__\n"+source+"\n__REQUIREMENTS__\n"+
		"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS WEEKENDS MINNUM2 LOOKBACKSECONDS600\n")
	o := daemon.Options{Config: cfg, Guard: []string{os.Args[0], "guard"}}
	tried, err := daemon.TryFile(ctx, o, filepath.Join(dir, "orders.dwmon"), opts)
	if _, gone := os.Stat(cfg.DB); !errors.Is(gone, os.ErrNotExist) {
		t.Errorf("the database %s was made", cfg.DB)
	}
	return tried, err
}

func tryConfig(t *testing.T, plugins string) *config.Config {
	return &config.Config{Plugins: plugins, DB: filepath.Join(t.TempDir(), "dwmon.db"), Timezone: time.UTC}
}

// TestATryThatIsStoppedStopsItsQuery: the source must not go on with what nobody waits
// for.
func TestATryThatIsStoppedStopsItsQuery(t *testing.T) {
	cfg, mark := tryConfig(t, fakeFolder(t)), filepath.Join(t.TempDir(), "mark")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last daemon.TryProgress
	told := false
	tried, err := tryText(t, ctx, cfg, fakeName, "wait "+mark, daemon.TryOptions{Rows: 1, Windows: 1, Progress: func(p daemon.TryProgress) {
		if last = p; p.Fetching == fakeName && p.Rows == 1500 {
			told = true
			cancel()
		}
	}})
	if tried != nil || err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Fatalf("%+v, error %v", tried, err)
	}
	if !told || last.Fetching != "" || last.Waiting != nil {
		t.Errorf("told of the rows: %v; told at last %+v", told, last)
	}
	if text, err := os.ReadFile(mark); err != nil || string(text) != "ended" {
		t.Errorf("the query was not ended: %q, %v", text, err)
	}
}

func TestTryThatFails(t *testing.T) {
	plugins := fakeFolder(t)
	for _, c := range []struct {
		name, source, query, says, fault string
		wrong                            string // what is wrong with the question, and not with the answer
	}{
		{name: "the query is wrong", source: fakeName, query: "fail", says: "there is no table nowhere: look at the FROM", fault: "checker"},
		{name: "the plugin crashes", source: fakeName, query: "crash", says: "the disk is on fire", fault: "plugin"},
		{name: "nobody serves it", source: "AWS", query: "x", wrong: "no row getter serves SOURCE AWS; add it to `sources` in dwmon.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tried, err := tryText(t, t.Context(), tryConfig(t, plugins), c.source, c.query, daemon.TryOptions{Rows: 1, Windows: 1})
			var trial *daemon.ErrTrial
			switch {
			case c.wrong != "":
				if !errors.As(err, &trial) || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("error %v", err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			f := tried.Failure
			if !tried.Failed() || tried.Result != nil || f == nil || !strings.Contains(f.Text, c.says) || f.Fault != c.fault {
				t.Errorf("%+v, failure %+v", tried, f)
			}
			if tried.Plugin != fakeName || tried.Version != "1.2.3" {
				t.Errorf("served by %s %s", tried.Plugin, tried.Version)
			}
		})
	}
}

// TestTryOnRealServers: times as the servers have them, and their own complaints.
func TestTryOnRealServers(t *testing.T) {
	for _, c := range []struct {
		plugin, create, stamp, missing string
		dsn                            func(testing.TB) string
	}{
		{
			plugin: "postgres", dsn: testdb.Postgres,
			create: "CREATE TABLE orders (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)", stamp: "to_timestamp(%d)", missing: `relation "nowhere" does not exist`,
		},
		{
			plugin: "mysql", dsn: testdb.MariaDB,
			create: "CREATE TABLE orders (id INTEGER PRIMARY KEY, at DATETIME)", stamp: "'%s'", missing: "nowhere' doesn't exist",
		},
	} {
		t.Run(c.plugin, func(t *testing.T) {
			dsn := c.dsn(t)
			u, err := dburl.Parse(dsn)
			if err != nil {
				t.Fatal(err)
			}
			driver := u.Driver
			if driver == "postgres" {
				driver = "pgx"
			}
			db, err := sql.Open(driver, u.DSN)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(c.create); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			for i := range 30 {
				at := now.Add(-time.Duration(i) * time.Minute)
				value := fmt.Sprintf(c.stamp, at.Unix())
				if c.plugin == "mysql" {
					value = fmt.Sprintf(c.stamp, at.UTC().Format(time.DateTime))
				}
				if _, err := db.Exec(fmt.Sprintf("INSERT INTO orders VALUES (%d, %s)", i, value)); err != nil {
					t.Fatal(err)
				}
			}
			cfg := tryConfig(t, pluginsDir)
			cfg.Sources = map[string]config.Source{"SHOP": {Name: "SHOP", Getter: c.plugin, Settings: config.Settings(fmt.Sprintf(`{"dsn":%q}`, dsn))}}
			opts := daemon.TryOptions{Rows: 3, Windows: 5}
			tried, err := tryText(t, t.Context(), cfg, "SHOP", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM orders ORDER BY at DESC LIMIT 20", opts)
			if err != nil || tried.Failure != nil {
				t.Fatalf("error %v, failure %+v", err, tried.Failure)
			}
			r := tried.Result
			if r.Rows != 20 || !r.Cut || r.WholeFrom == nil || len(r.FirstRows) != 3 || r.FirstRows[0].Key != "0" || len(r.Warnings) != 0 {
				t.Errorf("%+v", r)
			}
			if age := *r.NewestAge; age < 0 || age > 120 {
				t.Errorf("the newest row is %v seconds old", age)
			}
			if n := len(r.Lines[0].Windows); n != 5 {
				t.Fatalf("%d windows", n)
			}
			for _, w := range r.Lines[0].Windows { // one row a minute in ten: 9, 10 or 11 as the second falls
				if w.Status != dwmon.Good || w.Count < 9 || w.Count > 11 {
					t.Errorf("%+v", w)
				}
			}
			tried, err = tryText(t, t.Context(), cfg, "SHOP", "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM nowhere", opts)
			if err != nil || tried.Failure == nil || !strings.Contains(tried.Failure.Text, c.missing) || tried.Failure.Fault != "checker" {
				t.Errorf("no such table: error %v, failure %+v", err, tried.Failure)
			}
		})
	}
}
