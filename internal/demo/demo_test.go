package demo_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"modernc.org/sqlite"

	"github.com/dwmon/dwmon/checks"
	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/demo"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a "demo" of ${HOME}, 100%`)
	if err := demo.Create(dir, "some/plugins"); err != nil {
		t.Fatal(err)
	}
	want, _ := fs.Glob(checks.Files, "*.dwmon")
	entries, err := os.ReadDir(filepath.Join(dir, demo.ChecksFolder))
	if err != nil || len(want) == 0 || len(entries) != len(want) {
		t.Fatalf("checkers %v, error %v; want %v", entries, err, want)
	}
	cfg, err := config.Load(config.LoadOptions{Path: filepath.Join(dir, demo.ConfigFile), Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	plugins, _ := filepath.Abs("some/plugins")
	if cfg.Plugins != plugins || cfg.Checks != filepath.Join(dir, "checks") || cfg.DB != filepath.Join(dir, "dwmon.db") {
		t.Errorf("plugins %s, checks %s, db %s", cfg.Plugins, cfg.Checks, cfg.DB)
	}
	if len(cfg.Sources) > 0 {
		t.Errorf("sources %v; the examples' own URLs are meant to do", cfg.Sources)
	}
}

func TestCreateWithoutPluginsNamesNone(t *testing.T) {
	dir := t.TempDir()
	if err := demo.Create(dir, ""); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Path: filepath.Join(dir, demo.ConfigFile), Dir: "/srv"})
	if err != nil || cfg.Plugins != "/srv/plugins" {
		t.Errorf("plugins %v, error %v", cfg, err)
	}
}

func TestCreateRefusesWhatIsNotFresh(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := demo.Create(dir, ""); err == nil || !strings.Contains(err.Error(), "precious") {
		t.Errorf("a folder with a file: %v", err)
	}
	if err := demo.Create(file, ""); err == nil {
		t.Error("a file was taken for a folder")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestOpenRefusesADatabaseThatIsThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, demo.Database), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Open(t.Context(), dir, 1, time.Now()); err == nil {
		t.Error("an existing database was opened")
	}
}

// noon is a Wednesday's.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, seed uint64, now time.Time) *demo.World {
	t.Helper()
	w, err := demo.Open(t.Context(), dir, seed, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// dump gives every record of a world, without those that only one of two worlds
// has because its history begins earlier.
func dump(t *testing.T, dir string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, demo.Database)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all []string
	for _, query := range []string{
		"SELECT 'execution', execution_id, ts, model FROM model_executions WHERE ts > %d",
		"SELECT application_id, created_at, product, amount FROM applications WHERE unixepoch(created_at) > %d",
		"SELECT 'reading', sensor, measured_at, celsius FROM sensor_readings WHERE measured_at > %d",
		"SELECT 'file', file_name, received_at, bytes FROM partner_files WHERE received_at > %d",
		"SELECT 'report', reported_at, report, 0 FROM error_reports WHERE reported_at > %d",
	} {
		rows, err := db.QueryContext(t.Context(), fmt.Sprintf(query, noon.Unix()-3600))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var a, b, c, d any
			if err := rows.Scan(&a, &b, &c, &d); err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(a, " ", b, " ", c, " ", d))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func TestTheWorldIsAFunctionOfSeedAndTime(t *testing.T) {
	end := noon.Add(7 * time.Minute)
	atOnce, inSteps, other := t.TempDir(), t.TempDir(), t.TempDir()
	open(t, atOnce, 1, end)
	w := open(t, inSteps, 1, noon)
	for i := 1; i <= 60; i++ {
		if err := w.Advance(t.Context(), noon.Add(time.Duration(i)*7*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Advance(t.Context(), noon); err != nil {
		t.Errorf("a clock set back: %v", err)
	}
	open(t, other, 2, end)
	want := dump(t, atOnce)
	if got := dump(t, inSteps); got != want {
		t.Errorf("in steps there are %d bytes of records, at once %d", len(got), len(want))
	}
	if want == dump(t, other) || strings.Count(want, "\n") < 500 {
		t.Errorf("another seed makes no difference, or there are too few records: %d", strings.Count(want, "\n"))
	}
}

func TestRunWritesUntilItsContextEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, err := demo.Open(t.Context(), dir, 1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		before := count(t, dir, "devices")
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if after := count(t, dir, "devices"); after-before < 13 || after-before > 16 {
			t.Errorf("%d devices came in five minutes, one each 20 seconds is meant", after-before)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func count(t *testing.T, dir, table string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, demo.Database)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("sha256", 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		sum := sha256.Sum256([]byte(args[0].(string)))
		return hex.EncodeToString(sum[:]), nil
	})
}

// getter runs a checker's query on the demo's database, in place of the plugin.
type getter struct {
	db  *sql.DB
	now *time.Time
}

func (g getter) GetRows(ctx context.Context, req dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	query := strings.ReplaceAll(req.Checker.Query, "strftime('%s', 'now')", fmt.Sprint(g.now.Unix()))
	rows, err := g.db.QueryContext(ctx, query)
	if err != nil {
		return dwmon.FetchSummary{}, err
	}
	out := &collector{}
	if err := sqlrows.Send(rows, out, sqlrows.Options{}); err != nil {
		return dwmon.FetchSummary{}, err
	}
	for i := range out.batches {
		if err := sink(&out.batches[i]); err != nil {
			return dwmon.FetchSummary{}, err
		}
	}
	return dwmon.FetchSummary{Rows: out.rows}, nil
}

type collector struct {
	pluginsdk.RowSink
	batches []dwmon.Batch
	rows    int64
}

func (c *collector) AppendBytes(key []byte, us int64) error {
	if c.rows%dwmon.MaxBatchRows == 0 {
		c.batches = append(c.batches, dwmon.Batch{})
	}
	b := &c.batches[len(c.batches)-1]
	b.Keys = append(b.Keys, key...)
	b.Lengths = append(b.Lengths, uint32(len(key)))
	b.Micros = append(b.Micros, us)
	c.rows++
	return nil
}

// TestWhatTheExamplesSayOfTheWorld lives through 25 minutes of the demo, each
// minute's pass eleven seconds late, and holds the verdicts against the comments
// in the examples.
func TestWhatTheExamplesSayOfTheWorld(t *testing.T) {
	for name, begin := range map[string]time.Time{
		"a Wednesday at noon":                         noon,
		"a Monday just before nine in Berlin":         time.Date(2026, 11, 23, 7, 50, 0, 0, time.UTC),
		"a Saturday at noon in Berlin":                time.Date(2026, 7, 4, 9, 45, 0, 0, time.UTC),
		"the morning after Berlin's clocks went on":   time.Date(2026, 3, 29, 4, 0, 0, 0, time.UTC),
		"the morning after Berlin's clocks went back": time.Date(2026, 10, 25, 4, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) { judge(t, begin) })
	}
}

func judge(t *testing.T, begin time.Time) {
	dir := t.TempDir()
	w := open(t, dir, 1, begin)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, demo.Database)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := model.New()
	now := begin
	e, err := engine.New(engine.Options{Store: store, Zone: time.UTC, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var jobs []*engine.Job
	files, _ := fs.Glob(checks.Files, "*.dwmon")
	for _, file := range files {
		text, err := checks.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c, faults := checkfile.Parse(file, strings.TrimSuffix(file, ".dwmon"), text)
		if c == nil {
			t.Fatal(faults)
		}
		jobs = append(jobs, &engine.Job{Checker: c, Getter: getter{db, &now}, Source: engine.Source{Key: c.Source}})
	}
	e.SetJobs(jobs)
	for minute := range 26 {
		now = begin.Add(time.Duration(minute)*time.Minute + 11*time.Second)
		if err := w.Advance(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Tick(t.Context(), now) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}

	// new: verdicts on the minutes since the demo began; all: with those before.
	type tally struct{ new, all map[dwmon.Status]int }
	seen := map[string]tally{}
	for _, j := range jobs {
		name := j.Checker.Name
		seen[name] = tally{map[dwmon.Status]int{}, map[dwmon.Status]int{}}
		c := store.Look(name)
		for key, v := range c.Verdicts {
			seen[name].all[v.Status]++
			if key.Minute > begin.Unix() {
				seen[name].new[v.Status]++
			}
		}
		t.Logf("%-17s since the begin %v, in all %v, gaps %d", name, seen[name].new, seen[name].all, len(c.Gaps))
	}
	for _, name := range []string{"new_executions", "new_applications"} {
		for when, n := range map[string]map[dwmon.Status]int{"since the begin": seen[name].new, "in all": seen[name].all} {
			if n[dwmon.Bad] < 3 || n[dwmon.Good] < 2*n[dwmon.Bad] || n[dwmon.Unknown] > 0 {
				t.Errorf("%s: %s %v; want mostly GOOD, sometimes BAD", name, when, n)
			}
		}
	}
	for _, name := range []string{"no_unique_key", "sparse_hours", "long_text_key"} {
		if n := seen[name].all; n[dwmon.Good] < 3 || n[dwmon.Bad]+n[dwmon.Unknown] > 0 {
			t.Errorf("%s: %v; want GOOD only", name, n)
		}
	}
	if n := seen["no_timestamp"].all; n[dwmon.Bad] > 0 || n[dwmon.Unknown] < 1 || n[dwmon.Unknown] > 5 || n[dwmon.Good] < 20 {
		t.Errorf("no_timestamp: %v; want GOOD, after a few UNKNOWN", n)
	}
	if len(seen) != 6 {
		t.Errorf("there are %d examples; the table above knows six", len(seen))
	}
}
