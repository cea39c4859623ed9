package daemon_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/testdb"
)

// The modules as the original's README describes them, its own text where it gives
// some. Only the port is not the usual one.
var yourOrg = map[string]string{
	"your_orgs_row_getter.py": `import os

import db_client

# Could do fancy stuff using query_details["source"] if you want multiple sources
db_user = os.environ["DWMON_DB_USER"]
db_name = os.environ["DWMON_DB_NAME"]
db_host = os.environ["DWMON_DB_HOST"]

def get_rows_from_query(query_details):
    data_obj = db_client.Postgres(db=db_name, host=db_host, port=os.environ["DWMON_DB_PORT"], user=db_user)
    results = data_obj.query(query_details["query"], ())
    return results
`,
	"db_client.py": `import os
import psycopg2

class Postgres(object):
    def __init__(self, db, host, port, user):
        self.conn = psycopg2.connect(dbname=db, host=host, port=port, user=user, password=os.environ["DWMON_DB_PASSWORD"])
    def query(self, query, data):
        cursor = self.conn.cursor()
        cursor.execute(query, data)
        rows = cursor.fetchall()
        self.conn.close()
        return rows
`,
	"your_orgs_check_handler.py": `import json

def handle_check(details, extra):
    print("%(checker_name)s was %(check_status)s at %(minute_local_time)s" % details)
    if details["check_status"] == "BAD":
        with open("alerts", "a") as f:
            f.write(json.dumps({"to": extra["alert"], "details": details}) + "\n")
`,
	"your_orgs_row_purger.py": `import random
import time

def identify_old(checker_name, extra):
    # just occasionally delete everything older than 5 days
    if random.random() < 0.3:
        return {"delete_older_than_epoch": time.time() - 5 * 24 * 60 * 60}
    return {}
`,
}

// pythonWith finds a Python that has a module.
func pythonWith(t *testing.T, module string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.Command(name, "-c", "import sys, "+module+"; sys.stdout.write(sys.executable)").Output()
		if err == nil {
			return string(path)
		}
	}
	if os.Getenv("DWMON_TEST_ALL") != "" {
		t.Fatalf("no python3 has the module %s; install python3-%[1]s", module)
	}
	t.Skipf("SKIPPED, NOT TESTED: no python3 has the module %s; install python3-%[1]s", module)
	return ""
}

// pluginsWith is a folder with shipped plugins and one that is built for it.
func pluginsWith(t *testing.T, built string, shipped ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range shipped {
		file := "dwmon-plugin-" + name
		if err := os.Link(filepath.Join(pluginsDir, file), filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "dwmon-plugin-"+built), "github.com/dwmon/dwmon/plugins/"+built)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build plugin %s: %v\n%s", built, err, out)
	}
	return dir
}

// TestADayOfYourOrg lives a day with the modules of the original program on a real
// PostgreSQL, beside the plugin postgres on the same rows. Nothing is configured for
// the modules: they lie beside dwmon.yaml. Whatever both record must be the same,
// and every BAD must have been alerted of.
func TestADayOfYourOrg(t *testing.T) {
	python := pythonWith(t, "psycopg2")
	dsn := testdb.Postgres(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE model_executions (execution_id INTEGER PRIMARY KEY, ts NUMERIC(20,6), uid UUID, at TIMESTAMPTZ)"); err != nil {
		t.Fatal(err)
	}
	dir, cfg := yourOrgHouse(t, python, dsn)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	// The purger of the README reads the real clock.
	end := time.Now().Truncate(time.Minute)
	old := 0
	for serial, before := 0, end.Add(-24*time.Hour); before.Before(end); {
		now := before.Add(time.Duration(20+rng.IntN(40)) * time.Minute)
		if now.After(end) {
			now = end
		}
		for at := before; at.Before(now); at = at.Add(time.Duration(rng.IntN(35_000_000)) * time.Microsecond) {
			r := arrival(rng, serial, at)
			if rng.IntN(100) == 0 {
				r.micros, r.null = at.Add(-144*time.Hour).UnixMicro(), false
				old++
			}
			insert(t, db, rng, r)
			serial++
		}
		report, err := daemon.Once(t.Context(), daemon.Options{
			Config: cfg, Now: func() time.Time { return now }, Guard: []string{os.Args[0], "guard"},
		}, daemon.OnceOptions{Stands: true, DeliverFor: time.Minute})
		if err != nil || report.Failed() || report.Undelivered > 0 {
			t.Fatalf("at %s: %v, %v, %d undelivered", now, err, failures(report), report.Undelivered)
		}
		before = now
	}

	var bad []string
	for _, kind := range []string{"exact", "native"} {
		ours, theirs := results(t, cfg, "postgres/"+kind), results(t, cfg, "python/"+kind)
		if len(ours) < 23*60 {
			t.Fatalf("only %d minutes were lived", len(ours))
		}
		if diff := cmp.Diff(ours, theirs); diff != "" {
			t.Errorf("%s (-plugin postgres +your_org):\n%s", kind, diff)
		}
		if diff := cmp.Diff(youngRows(t, cfg, "postgres/"+kind, end), youngRows(t, cfg, "python/"+kind, end)); diff != "" {
			t.Errorf("rows of %s (-plugin postgres +your_org):\n%s", kind, diff)
		}
		for _, r := range ours {
			if r.Status == dwmon.Bad {
				bad = append(bad, fmt.Sprint("postgres/", kind, " ", r.Minute), fmt.Sprint("python/", kind, " ", r.Minute))
			}
		}
		if n := oldRows(t, cfg, "python/"+kind, end); n >= old {
			t.Errorf("the purger has purged nothing: %d of %d old rows are stored", n, old)
		}
	}
	slices.Sort(bad)
	if diff := cmp.Diff(bad, alerts(t, filepath.Join(dir, "alerts"))); diff != "" {
		t.Errorf("-BAD +alerted of:\n%s", diff)
	}
}

// yourOrgHouse is a folder with dwmon.yaml, checks, and your_org beside them.
func yourOrgHouse(t *testing.T, python, dsn string) (dir string, cfg *config.Config) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range yourOrg {
		write(t, dir, "your_org/"+name, text)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".venv", "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(python, filepath.Join(dir, ".venv", "bin", "python")); err != nil {
		t.Fatal(err)
	}
	for folder, source := range map[string]string{"postgres": "PG", "python": "AWS"} {
		exact := fmt.Sprintf(seedExample, source)
		write(t, dir, "checks/"+folder+"/exact.dwmon", exact)
		write(t, dir, "checks/"+folder+"/native.dwmon", strings.Replace(strings.Replace(exact, "execution_id", "uid", 1), "ts AS", "at AS", 1))
	}
	write(t, dir, "dwmon.yaml", "timezone: UTC\nchecks: checks\ndb: dwmon.db\nsources:\n  PG: {getter: postgres, settings: {dsn: \"${PG_DSN}\"}}\n")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for name, value := range map[string]string{
		"USER": u.User.Username(), "PASSWORD": password, "HOST": u.Hostname(), "PORT": u.Port(), "NAME": strings.TrimPrefix(u.Path, "/"),
	} {
		t.Setenv("DWMON_DB_"+name, value)
	}
	cfg, err = config.Load(config.LoadOptions{
		Path: filepath.Join(dir, "dwmon.yaml"), Flags: map[string]string{"plugins": pluginsWith(t, "python", "postgres", "log")},
		Env: func(name string) (string, bool) { return dsn, name == "PG_DSN" },
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, cfg
}

func insert(t *testing.T, db *sql.DB, rng *rand.Rand, r execution) {
	t.Helper()
	at := "NULL"
	if !r.null {
		at = fmt.Sprintf("%d.%06d", r.micros/1e6, r.micros%1e6)
	}
	_, err := db.Exec(fmt.Sprintf("INSERT INTO model_executions VALUES (%d, %s, '%08x-0000-4000-8000-%012X', to_timestamp(%s::numeric))",
		r.id, at, r.id, rng.Uint64N(1<<48), at))
	if err != nil {
		t.Fatal(err)
	}
}

// results are all results of a checker, but for its name and its source.
func results(t *testing.T, cfg *config.Config, name string) (all []dwmon.Result) {
	t.Helper()
	r, err := daemon.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	err = r.History(t.Context(), dwmon.HistoryQuery{Name: name}, func(e dwmon.Entry) error {
		if e.Result == nil {
			return fmt.Errorf("an entry that is no result: %+v", e)
		}
		result := *e.Result
		result.CheckerName, result.Source = "", ""
		if k := result.Corrected; k != nil {
			k.ID, k.CheckerName, k.LineID, k.RevisionID = 0, "", 0, 0
		}
		all = append(all, result)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// purgeMark is before what the purger may have purged.
func purgeMark(end time.Time) int64 { return end.Add(-120*time.Hour + time.Minute).Unix() }

// youngRows are the rows that the purger never touches.
func youngRows(t *testing.T, cfg *config.Config, name string, end time.Time) (rows []string) {
	t.Helper()
	query(t, cfg, func(key string, at int64) { rows = append(rows, fmt.Sprint(key, " ", at)) },
		"SELECT unique_id, timestamp FROM results WHERE checker = ? AND timestamp > ? ORDER BY unique_id", name, purgeMark(end.Add(24*time.Hour)))
	if len(rows) == 0 {
		t.Errorf("%s has no rows", name)
	}
	return rows
}

func oldRows(t *testing.T, cfg *config.Config, name string, end time.Time) (n int) {
	t.Helper()
	query(t, cfg, func(string, int64) { n++ },
		"SELECT unique_id, timestamp FROM results WHERE checker = ? AND timestamp < ?", name, purgeMark(end))
	return n
}

func query(t *testing.T, cfg *config.Config, each func(key string, at int64), text string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", cfg.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var at int64
		if err := rows.Scan(&key, &at); err != nil {
			t.Fatal(err)
		}
		each(key, at)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// alerts are what handle_check has written, each once: it may be told twice.
func alerts(t *testing.T, path string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	for dec.More() {
		var alert struct {
			To      string
			Details struct {
				Checker  string `json:"checker_name"`
				Minute   int64  `json:"minute_epoch"`
				Count    int64  `json:"event_count"`
				Min, Max int64
				Status   string `json:"check_status"`
			}
		}
		if err := dec.Decode(&alert); err != nil {
			t.Fatal(err)
		}
		if alert.To != "team@example.com" || alert.Details.Status != "BAD" {
			t.Errorf("an alert like this: %+v", alert)
		}
		all = append(all, fmt.Sprint(alert.Details.Checker, " ", alert.Details.Minute))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestYourOrgIsFound looks at who serves what, by what lies where and what is
// configured.
func TestYourOrgIsFound(t *testing.T) {
	plugins := pluginsWith(t, "python", "log", "sqlite")
	getter := map[string]string{"your_orgs_row_getter.py": `import time
def get_rows_from_query(query_details):
    return [("a", time.time() - 90)]
`}
	all := map[string]string{
		"your_orgs_row_getter.py":    getter["your_orgs_row_getter.py"],
		"your_orgs_check_handler.py": "def handle_check(details, extra):\n    open('told', 'a').close()\n",
		"your_orgs_row_purger.py":    "def identify_old(checker_name, extra):\n    open('asked', 'a').close()\n",
	}
	for name, c := range map[string]struct {
		modules map[string]string
		folder  string // of your_org
		yaml    string
		line    string // in the log
		fault   string // of the checker
		files   []string
	}{
		"beside dwmon.yaml": {
			modules: all, folder: "", line: "plugin python serves SOURCEs that nothing else serves, results, purging", files: []string{"told", "asked"},
		},
		"beside the checks, elsewhere": {
			modules: all, folder: "elsewhere", line: filepath.Join("elsewhere", "your_org") + " lies beside the checks",
			files: []string{"elsewhere/told", "elsewhere/asked"},
		},
		"the row getter only": {
			modules: getter, line: "plugin python serves SOURCEs that nothing else serves",
		},
		"handlers are configured": {
			modules: all, yaml: "handlers: []\n", line: "serves SOURCEs that nothing else serves, purging", files: []string{"asked"},
		},
		"the source is configured": {
			modules: all, yaml: "sources: {AWS: {getter: sqlite}}\n", line: "serves SOURCEs that nothing else serves, results, purging", fault: "plugin sqlite",
		},
		"below the checks it is nobody's": {
			modules: all, folder: "checks", fault: "no row getter serves SOURCE AWS",
		},
		"no modules in it": {
			modules: map[string]string{"readme.txt": ""}, fault: "no row getter serves SOURCE AWS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.modules {
				write(t, dir, filepath.Join(c.folder, "your_org", file), text)
			}
			checks := "checks"
			if c.folder == "elsewhere" {
				checks = "elsewhere/checks"
			}
			write(t, dir, filepath.Join(checks, "a.dwmon"), "__QUERY__\nq\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MAXNUM5 LOOKBACKSECONDS180\n__SOURCE__\nAWS\n")
			write(t, dir, "dwmon.yaml", c.yaml+"timezone: UTC\ndb: dwmon.db\nchecks: "+checks+"\n")
			cfg, err := config.Load(config.LoadOptions{Path: filepath.Join(dir, "dwmon.yaml"), Flags: map[string]string{"plugins": plugins}})
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			report, err := daemon.Once(t.Context(), daemon.Options{
				Config: cfg, Guard: []string{os.Args[0], "guard"}, Log: slog.New(slog.NewTextHandler(&log, nil)),
			}, daemon.OnceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(failures(report), "; "); c.fault == "" && got != "" || !strings.Contains(got, c.fault) {
				t.Errorf("faults: %q, want %q\n%s", got, c.fault, log.String())
			}
			if c.line != "" && strings.Count(log.String(), c.line) != 1 {
				t.Errorf("the log does not say %q once:\n%s", c.line, log.String())
			}
			if c.line == "" && strings.Contains(log.String(), "lies beside the checks") {
				t.Errorf("the log says that your_org is used:\n%s", log.String())
			}
			for _, file := range []string{"told", "asked", "elsewhere/told", "elsewhere/asked"} {
				_, err := os.Stat(filepath.Join(dir, file))
				if there := err == nil; there != slices.Contains(c.files, file) {
					t.Errorf("%s was written: %t\n%s", file, there, log.String())
				}
			}
		})
	}
}
