package daemon_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/xo/dburl"
	_ "modernc.org/sqlite"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/testdb"
)

// seedExample is the checker of the specification.
const seedExample = `__QUERY__
SELECT execution_id AS dwmon_unique_key, ts AS dwmon_timestamp
FROM model_executions ORDER BY dwmon_timestamp DESC LIMIT 10000
__REQUIREMENTS__
# a comment
CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180
__SOURCE__
%s
__EXTRA__
{"some_extra_config": ["your", "arbitrary", "json"], "alert": "team@example.com"}
`

// execution is a row of model_executions as the test keeps it.
type execution struct {
	id     int
	micros int64
	null   bool
}

// world is one set of rows in three databases.
type world struct {
	t    *testing.T
	dbs  map[string]*sql.DB // by the name of the checker
	rows []execution        // in the order of their arrival
}

func newWorld(t *testing.T, dir string, sources map[string]string) *world {
	w := &world{t: t, dbs: map[string]*sql.DB{}}
	open := func(name, driver, dsn, column string) {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if _, err := db.Exec("CREATE TABLE model_executions (execution_id INTEGER PRIMARY KEY, ts " + column + ")"); err != nil {
			t.Fatal(err)
		}
		w.dbs[name] = db
	}
	open("lite", "sqlite", filepath.Join(dir, "source.db"), "REAL")
	for name, column := range map[string]string{"postgres": "NUMERIC(20,6)", "mysql": "DECIMAL(20,6)"} {
		u, err := dburl.Parse(sources[name])
		if err != nil {
			t.Fatal(err)
		}
		driver := map[string]string{"postgres": "pgx", "mysql": "mysql"}[name]
		open(name, driver, u.DSN, column)
	}
	return w
}

// add makes rows arrive.
func (w *world) add(rows []execution) {
	w.rows = append(w.rows, rows...)
	if len(rows) == 0 {
		return
	}
	var values []string
	for _, r := range rows {
		at := "NULL"
		if !r.null {
			at = fmt.Sprintf("%d.%06d", r.micros/1e6, r.micros%1e6)
		}
		values = append(values, fmt.Sprintf("(%d, %s)", r.id, at))
	}
	for name, db := range w.dbs {
		if _, err := db.Exec("INSERT INTO model_executions VALUES " + strings.Join(values, ", ")); err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
	}
}

// change gives rows that were there before another timestamp.
func (w *world) change(rng *rand.Rand, micros int64) {
	if len(w.rows) == 0 {
		return
	}
	r := &w.rows[rng.IntN(len(w.rows))]
	r.micros, r.null = micros, false
	for name, db := range w.dbs {
		if _, err := db.Exec(fmt.Sprintf("UPDATE model_executions SET ts = %d.%06d WHERE execution_id = %d", micros/1e6, micros%1e6, r.id)); err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestADayOfTheSeedExample lives a day of minutes of the specification's example
// on a SQLite file, a PostgreSQL and a MariaDB, by runs of Once a few minutes
// apart, and compares every result with a model that shares no code with dwmon.
func TestADayOfTheSeedExample(t *testing.T) {
	dir := t.TempDir()
	sources := map[string]string{"postgres": testdb.Postgres(t), "mysql": testdb.MariaDB(t)}
	w := newWorld(t, dir, sources)
	write(t, dir, "checks/lite.dwmon", fmt.Sprintf(seedExample, "sqlite:"+filepath.Join(dir, "source.db")))
	write(t, dir, "checks/postgres.dwmon", fmt.Sprintf(seedExample, "PG"))
	write(t, dir, "checks/mysql.dwmon", fmt.Sprintf(seedExample, "MY"))
	write(t, dir, "dwmon.yaml", `timezone: UTC
checks: checks
db: dwmon.db
sources:
  PG: {getter: postgres, settings: {dsn: "${PG_DSN}"}}
  MY: {getter: mysql, settings: {dsn: "${MY_DSN}"}}
handlers: []
`)
	cfg, err := config.Load(config.LoadOptions{
		Path: filepath.Join(dir, "dwmon.yaml"), Flags: map[string]string{"plugins": pluginsDir},
		Env: func(name string) (string, bool) {
			dsn, ok := map[string]string{"PG_DSN": sources["postgres"], "MY_DSN": sources["mysql"]}[name]
			return dsn, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	begin := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	model := naive{known: map[int]int64{}}
	now := begin
	for serial := 0; now.Before(begin.Add(24 * time.Hour)); {
		before := now
		now = now.Add(time.Duration(30+rng.IntN(20*60)) * time.Second)
		var rows []execution
		for at := before; at.Before(now); at = at.Add(time.Duration(rng.IntN(35_000_000)) * time.Microsecond) {
			rows = append(rows, arrival(rng, serial, at))
			serial++
		}
		w.add(rows)
		if rng.IntN(3) == 0 {
			w.change(rng, now.UnixMicro()-rng.Int64N(3600e6))
		}
		at := now
		report, err := daemon.Once(t.Context(), daemon.Options{
			Config: cfg, Now: func() time.Time { return at }, Guard: []string{os.Args[0], "guard"},
		}, daemon.OnceOptions{Stands: true})
		if err != nil || report.Failed() {
			t.Fatalf("at %s: %v, %+v", now, err, failures(report))
		}
		model.pass(w.rows, now)
	}

	if len(model.results) < 24*60 {
		t.Fatalf("only %d minutes were lived", len(model.results))
	}
	for name := range w.dbs {
		if diff := cmp.Diff(model.results, recorded(t, cfg, name)); diff != "" {
			t.Errorf("%s (-model +recorded):\n%s", name, diff)
		}
	}
}

// arrival is a row: most are on time, some late, some without a time or with one
// that lies far ahead.
func arrival(rng *rand.Rand, id int, at time.Time) execution {
	r := execution{id: id, micros: at.UnixMicro()}
	switch rng.IntN(20) {
	case 0:
		r.micros -= rng.Int64N(2 * 3600e6)
	case 1:
		r.null = true
	case 2:
		r.micros += 3 * 24 * 3600e6
	case 3:
		r.micros = at.Truncate(time.Minute).UnixMicro()
	}
	return r
}

// minuteResult is what the model and dwmon say of a minute.
type minuteResult struct {
	Minute         int64
	Count          int64
	Status, Reason string
	ConsecutiveBad int64
	CatchUp        bool
}

// naive is the model of the seed example: each minute, 5 to 20 rows in the 180
// seconds before it.
type naive struct {
	known   map[int]int64
	origin  int64
	settled int64
	bad     int64
	results []minuteResult
}

func (n *naive) pass(rows []execution, now time.Time) {
	m := now.Unix() / 60 * 60
	from := n.settled + 60
	if n.settled == 0 {
		n.origin = m
		from = m - 29*60
	}
	if from > m {
		return
	}
	for _, r := range rows {
		_, known := n.known[r.id]
		if !known && !r.null && r.micros <= now.UnixMicro()+24*3600e6 {
			n.known[r.id] = r.micros
		}
	}
	for minute := from; minute <= m; minute += 60 {
		res := minuteResult{Minute: minute, Status: "GOOD", CatchUp: minute < n.origin || m-minute > 300}
		for _, us := range n.known {
			if us > (minute-180)*1e6 && us < minute*1e6 {
				res.Count++
			}
		}
		if res.Count < 5 {
			res.Status, res.Reason = "BAD", "low"
		} else if res.Count > 20 {
			res.Status, res.Reason = "BAD", "high"
		}
		if n.bad++; res.Status == "GOOD" {
			n.bad = 0
		}
		res.ConsecutiveBad = n.bad
		n.results = append(n.results, res)
	}
	n.settled = m
}

// recorded reads a checker's history as `dwmon history` does.
func recorded(t *testing.T, cfg *config.Config, name string) (results []minuteResult) {
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
		results = append(results, minuteResult{e.Result.Minute, e.Result.EventCount, e.Result.Status.String(), string(e.Result.Reason), e.Result.ConsecutiveBad, e.Result.CatchUp})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func failures(r *daemon.OnceReport) (texts []string) {
	if r == nil {
		return nil
	}
	for i := range r.Passes {
		if r.Passes[i].Err != nil {
			texts = append(texts, r.Passes[i].Err.Error())
		}
	}
	for _, f := range r.Faults {
		texts = append(texts, f.Error())
	}
	return slices.Compact(texts)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
