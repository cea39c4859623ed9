package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// series serves n rows as lines of JSON or as CSV.
func series(t testing.TB, n int) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		out := bufio.NewWriterSize(w, 64<<10)
		for i := 1; i <= n; i++ {
			if r.URL.Path == "/csv" {
				fmt.Fprintf(out, "order-%d,1700000000,\"some more\"\n", i)
			} else {
				fmt.Fprintf(out, `{"id": "order-%d", "created_at": 1700000000, "note": "some more"}`+"\n", i)
			}
		}
		_ = out.Flush()
	}).URL
}

var streams = map[string]string{
	"NDJSON": "GET /ndjson\nformat: ndjson\nrows: {key: .id, time: .created_at}",
	"CSV":    "GET /csv\nformat: csv\ncolumns: 1, 2",
}

func TestMillionRowsInLittleMemory(t *testing.T) {
	const n, most = 1_000_000, 16 << 20
	url := series(t, n)
	for name, query := range streams {
		var base, peak uint64
		sink := &gettertest.Sink{CountOnly: true, Refuse: func(n int) error {
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
		began := time.Now()
		if err := start(t, url, map[string]any{"timeout": "10m"}).Fetch(t.Context(), query, sink); err != nil || sink.Count != n {
			t.Fatalf("%s: %d rows, %v", name, sink.Count, err)
		}
		t.Logf("%s: %d rows in %v, the heap grew by %d KiB", name, n, time.Since(began).Round(time.Millisecond), (peak-base)>>10)
		if peak > base+most {
			t.Errorf("%s: the heap grew from %d to %d bytes", name, base, peak)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	const n = 100_000
	url := series(b, n)
	for name, query := range streams {
		b.Run(name, func(b *testing.B) {
			g := start(b, url)
			b.ReportAllocs()
			for b.Loop() {
				sink := &gettertest.Sink{CountOnly: true}
				if err := g.Fetch(b.Context(), query, sink); err != nil || sink.Count != n {
					b.Fatal(sink.Count, err)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// TestProgramsThatEatMemory end, and the plugin goes on.
func TestProgramsThatEatMemory(t *testing.T) {
	s := serve(t, says("", `[["a", 1]]`))
	g := start(t, s.URL, map[string]any{"max_memory": leastMemory})
	for _, rows := range []string{"def f: [f]; f", ".[], [repeat(1)]"} { // deeper and deeper; longer and longer
		began := time.Now()
		_, err := g.Get(t.Context(), "GET /\nrows: "+rows)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", "more than 64 MiB", "max_memory")
		t.Logf("%s: ended after %v", rows, time.Since(began).Round(time.Millisecond))
		if got := keys(g.MustGet(t, "GET /\nrows: .[]")); got != "a" {
			t.Errorf("afterwards: %s", got)
		}
	}
	h := g.RowGetter.(*getter).heap
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		h.mu.Lock()
		looping, running := h.looping, len(h.running)
		h.mu.Unlock()
		if !looping && running == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the guard looks on: %d programs run", running)
		}
	}
}

// TestOneStepTooMany: where no guard can come between, the process ends itself
// before it takes the machine's memory.
func TestOneStepTooMany(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "openbsd" {
		t.Skip("a process cannot limit itself there")
	}
	if raceDetector {
		t.Skip("SKIPPED, NOT PASSED: the race detector needs the address space that is limited here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), explode+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "limited\n") || !strings.Contains(string(out), "out of memory") {
		t.Errorf("%v\n%s", err, cut(string(out)))
	}
}

// TestProgramsThatDoNotEnd end with their time.
func TestProgramsThatDoNotEnd(t *testing.T) {
	s := serve(t, says("", `[["a", 1]]`))
	for _, rest := range []string{"rows: def f: f; f", "rows: repeat(empty)", "rows: .[]\nnext: def f: f; f", "rows: repeat([\"a\", null])"} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		began := time.Now()
		_, err := start(t, s.URL).Get(ctx, "GET /\n"+rest)
		cancel()
		gettertest.WantFault(t, err, codes.DeadlineExceeded, "", "the time limit was over")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: ended after %v", rest, took)
		}
		_, err = start(t, s.URL, map[string]any{"timeout": "1s"}).Get(t.Context(), "GET /\n"+rest)
		gettertest.WantFault(t, err, codes.Unavailable, "", "took longer than 1s", "setting timeout")
	}
}

// TestRequestsAreCompiledOnce, and the texts of edits do not pile up.
func TestRequestsAreCompiledOnce(t *testing.T) {
	var rs requests
	first, err := rs.get("GET /\nrows: .[]")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := rs.get("GET /\nrows: .[]"); again != first {
		t.Error("compiled again")
	}
	for i := range 3 * maxRequests {
		if _, err := rs.get(fmt.Sprintf("GET /%d\nrows: .[]", i)); err != nil {
			t.Fatal(err)
		}
		if len(rs.byText) > maxRequests {
			t.Fatalf("%d texts are kept", len(rs.byText))
		}
	}
}
