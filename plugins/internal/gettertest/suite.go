package gettertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Suite is what every SQL row getter must do.
type Suite struct {
	Plugin func() pluginsdk.Plugin
	// DSN of an empty database, and its password where it has one.
	DSN, Secret string
	// Open opens the same database for writing.
	Open func(testing.TB) *sql.DB
	// Table makes the table t(a int) with the rows 1, 2 and 3; nil: in the words of
	// standard SQL.
	Table []string
	// Series is a query that makes n rows: key 1 to n, time the same in seconds.
	Series func(n int) string
	// Late is a query that gives a first row at once and then searches for minutes;
	// Never one that searches for minutes before its first row.
	Late, Never string
	// Running counts the queries that the server is at; nil where there is no server.
	Running func(testing.TB) int
	// Writes are statements that would change a table t(a int), or something
	// beside it.
	Writes []string
}

// soon bounds what must not take long, on a busy machine.
const soon = 10 * time.Second

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	w := s.Open(t)
	if s.Table == nil {
		s.Table = []string{"CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2), (3)"}
	}
	for _, statement := range s.Table {
		mustExec(t, w, statement)
	}
	t.Run("RowsArriveInOrder", s.rowsArriveInOrder)
	t.Run("SourceMayBeTheURL", s.sourceMayBeTheURL)
	t.Run("QueriesOnlyRead", s.queriesOnlyRead)
	t.Run("WrongQueriesAreTheCheckersFault", s.wrongQueries)
	t.Run("WrongSettingsAreSaid", s.wrongSettings)
	t.Run("CancelStopsTheQuery", s.cancelStops)
	t.Run("DeadlineStopsTheQuery", s.deadlineStops)
	t.Run("EarlyStopIsQuick", s.earlyStop)
	t.Run("MillionRowsInLittleMemory", s.millionRows)
	t.Run("ParallelCallsShareThePool", s.parallel)
}

func (s Suite) start(t testing.TB) *Getter {
	t.Helper()
	return MustStart(t, s.Plugin(), map[string]any{"dsn": s.DSN})
}

func (s Suite) rowsArriveInOrder(t *testing.T) {
	g := s.start(t)
	for range 3 { // on a connection that has been used, too
		sink := g.MustGet(t, s.Series(2500))
		if len(sink.Rows) != 2500 {
			t.Fatalf("%d rows, want 2500", len(sink.Rows))
		}
		for i, r := range sink.Rows {
			if want := (Row{fmt.Sprint(i + 1), int64(i+1) * 1e6}); r != want {
				t.Fatalf("row %d is %v, want %v", i, r, want)
			}
		}
	}
	if sink := g.MustGet(t, "SELECT a AS DWMON_Unique_Key, 7 AS other, a AS dwmon_TIMESTAMP FROM t WHERE a < 0"); len(sink.Rows) != 0 {
		t.Fatalf("%d rows of an empty result", len(sink.Rows))
	}
	if err := g.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s Suite) sourceMayBeTheURL(t *testing.T) {
	g := MustStart(t, s.Plugin(), nil)
	if n := len(g.From(s.DSN).MustGet(t, s.Series(5)).Rows); n != 5 {
		t.Fatalf("%d rows, want 5", n)
	}
	_, err := g.From("AWS").Get(t.Context(), s.Series(5))
	WantFault(t, err, codes.InvalidArgument, s.Secret, "SOURCE", "URL such as")
	if err := g.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := g.RowGetter.(pluginsdk.Validator)
	if d := v.ValidateChecker(t.Context(), pluginsdk.CheckerText{Text: "SELECT 1", Source: "AWS"}); len(d) != 1 {
		t.Errorf("a SOURCE that is no URL: %v", d)
	}
	if d := v.ValidateChecker(t.Context(), pluginsdk.CheckerText{Text: "SELECT 1", Source: s.DSN}); len(d) != 0 {
		t.Errorf("a SOURCE that is a URL: %v", d)
	}
	// A setting dsn wins over any SOURCE.
	if n := len(s.start(t).From("AWS").MustGet(t, s.Series(5)).Rows); n != 5 {
		t.Fatalf("%d rows, want 5", n)
	}
}

func (s Suite) queriesOnlyRead(t *testing.T) {
	g := s.start(t)
	w := s.Open(t)
	for _, statement := range s.Writes {
		_, err := g.Get(t.Context(), statement)
		if code := Code(t, err); code != codes.InvalidArgument {
			t.Errorf("%s: %v (%v), want it refused as the checker's fault", statement, err, code)
		}
		var n, sum int
		if err := w.QueryRow("SELECT count(*), sum(a) FROM t").Scan(&n, &sum); err != nil || n != 3 || sum != 6 {
			t.Fatalf("after %s the table has %d rows with the sum %d, %v; want 3 and 6", statement, n, sum, err)
		}
		// The connection is as it was.
		if n := len(g.MustGet(t, s.Series(3)).Rows); n != 3 {
			t.Fatalf("after %s: %d rows, want 3", statement, n)
		}
	}
}

func (s Suite) wrongQueries(t *testing.T) {
	g := s.start(t)
	for _, c := range []struct{ query, word string }{
		{"SELEC 1", "SELEC"},
		{"SELECT nothing AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t", "nothing"},
		{"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM not_here", "not_here"},
		{"SELECT a AS dwmon_unique_key FROM t", "dwmon_timestamp"},
		{"SELECT 1 AS dwmon_timestamp FROM t", "dwmon_unique_key"},
		{"SELECT NULL AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t", "row 1"},
		{"SELECT a AS dwmon_unique_key, 'soon' AS dwmon_timestamp FROM t", "soon"},
		{"SELECT a AS dwmon_unique_key, 1700000000000 AS dwmon_timestamp FROM t", "milliseconds"},
		{"SELECT a AS dwmon_unique_key, 1 AS dwmon_timestamp FROM t; SELECT 2", ""},
		{"", ""},
	} {
		_, err := g.Get(t.Context(), c.query)
		WantFault(t, err, codes.InvalidArgument, s.Secret, c.word)
	}
	sink := g.MustGet(t, "SELECT a AS dwmon_unique_key, CASE WHEN a > 1 THEN a END AS dwmon_timestamp FROM t -- a comment; it holds a semicolon")
	if len(sink.Rows) != 2 || sink.Skipped != 1 {
		t.Errorf("%d rows and %d skipped, want 2 and 1", len(sink.Rows), sink.Skipped)
	}
	if n := len(g.MustGet(t, s.Series(3)+" ; ").Rows); n != 3 {
		t.Errorf("a semicolon at the end: %d rows, want 3", n)
	}
}

func (s Suite) wrongSettings(t *testing.T) {
	for _, c := range []struct {
		settings map[string]any
		word     string
	}{
		{map[string]any{"dsn": s.DSN, "timezone": "Mars/Olympus"}, "Mars/Olympus"},
		{map[string]any{"dsn": s.DSN, "timezone": "Local"}, "Europe/Berlin"},
		{map[string]any{"dsn": s.DSN, "max_open": 9}, "1 to 8"},
		{map[string]any{"dsn": s.DSN, "max_open": -1}, "1 to 8"},
		{map[string]any{"dsn": "oracle://u:pa55word@h/d"}, "oracle"},
		{map[string]any{"dsn": "user=u password=pa55word host=h"}, "URL such as"},
		{map[string]any{"dsn": s.Plugin().Sources[0] + "://u:pa55word/x y@h:port:1/d?%zz"}, ""},
		{map[string]any{"dsn": s.Plugin().Sources[0] + "://u:pa55word@h/d?timezone=Nowhere"}, "Nowhere"},
	} {
		_, err := Start(t, s.Plugin(), c.settings)
		WantFault(t, err, codes.FailedPrecondition, "pa55word", c.word)
		NoSecret(t, err, s.Secret)
	}
}

// expectQuiet waits until the server is at no query.
func (s Suite) expectQuiet(t *testing.T) {
	t.Helper()
	if s.Running == nil {
		return
	}
	for deadline := time.Now().Add(soon); ; {
		n := s.Running(t)
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d queries still run on the server", n)
		}
		runtime.Gosched()
	}
}

func (s Suite) cancelStops(t *testing.T) {
	g := s.start(t)
	for name, query := range map[string]string{"before the first row": s.Never, "between rows": s.Late} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		first := make(chan struct{})
		go func() {
			done <- g.Fetch(ctx, query, &Sink{CountOnly: true, Refuse: func(n int) error {
				if n == 1 {
					close(first)
				}
				return nil
			}})
		}()
		switch {
		case s.Running != nil: // a server may keep a first row in its buffer
			s.expectRunning(t)
		case query == s.Late:
			<-first
		}
		began := time.Now()
		cancel()
		err := <-done
		if Code(t, err) != codes.Canceled {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: the getter returned %v after the cancel", name, took)
		}
		s.expectQuiet(t)
	}
	if n := len(g.MustGet(t, s.Series(5)).Rows); n != 5 {
		t.Errorf("afterwards: %d rows, want 5", n)
	}
}

// expectRunning waits until the server is at a query.
func (s Suite) expectRunning(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(soon); s.Running(t) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the query does not run")
		}
	}
}

func (s Suite) deadlineStops(t *testing.T) {
	g := s.start(t)
	for name, query := range map[string]string{"before the first row": s.Never, "between rows": s.Late} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		_, err := g.Get(ctx, query)
		took := time.Since(began)
		cancel()
		WantFault(t, err, codes.DeadlineExceeded, s.Secret, "timeout")
		if took > 3*time.Second {
			t.Errorf("%s: the getter returned after %v with a limit of 300ms", name, took)
		}
		s.expectQuiet(t)
	}
}

func (s Suite) earlyStop(t *testing.T) {
	g := s.start(t)
	enough := errors.New("enough rows")
	began := time.Now()
	err := g.Fetch(t.Context(), s.Series(50_000_000), &Sink{Refuse: func(n int) error {
		if n == 10 {
			return enough
		}
		return nil
	}})
	if !errors.Is(err, enough) {
		t.Errorf("got %v, want the sink's own error", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping after 10 rows of 50 million took %v", took)
	}
	s.expectQuiet(t)
	if n := len(g.MustGet(t, s.Series(5)).Rows); n != 5 {
		t.Errorf("afterwards: %d rows, want 5", n)
	}
}

func (s Suite) millionRows(t *testing.T) {
	g := s.start(t)
	g.MustGet(t, s.Series(10))
	const most = 16 << 20
	var base, peak uint64
	sink := &Sink{CountOnly: true, Refuse: func(n int) error {
		if n%100_000 == 1 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if base == 0 {
				base = m.HeapAlloc
			}
			peak = max(peak, m.HeapAlloc)
		}
		return nil
	}}
	if err := g.Fetch(t.Context(), s.Series(1_000_000), sink); err != nil {
		t.Fatal(err)
	}
	if sink.Count != 1_000_000 {
		t.Errorf("%d rows, want 1000000", sink.Count)
	}
	if peak > base+most {
		t.Errorf("the heap grew from %d to %d bytes", base, peak)
	}
}

func (s Suite) parallel(t *testing.T) {
	g := s.start(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 3 {
				sink, err := g.Get(t.Context(), s.Series(1000+i))
				if err != nil || len(sink.Rows) != 1000+i {
					t.Errorf("%d rows and %v, want %d", len(sink.Rows), err, 1000+i)
				}
			}
		})
	}
	wg.Wait()
}

// Bench measures fetches of n rows.
func (s Suite) Bench(b *testing.B, n int) {
	g := s.start(b)
	query := s.Series(n)
	b.ReportAllocs()
	for b.Loop() {
		sink := &Sink{CountOnly: true}
		if err := g.Fetch(b.Context(), query, sink); err != nil {
			b.Fatal(err)
		}
		if sink.Count != n {
			b.Fatalf("%d rows, want %d", sink.Count, n)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func mustExec(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
