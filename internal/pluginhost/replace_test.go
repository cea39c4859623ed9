package pluginhost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestReplacedAgainAndAgain: a file that is replaced over and over while calls of
// all lengths run costs none of them, and leaves one process.
func TestReplacedAgainAndAgain(t *testing.T) {
	leakCheck(t)
	builds := 6
	if everything() {
		builds = 40
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	timings := quick
	timings.DrainCalls = 20 * time.Millisecond
	r := newRig(t, Options{Timings: timings}, "good")
	spec := InstanceSpec{Plugin: "good"}
	g, in := r.RowGetter(spec), r.instance(spec)
	if _, err := fetchKeys(t.Context(), g, "rows 1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls atomic.Int64
	var load sync.WaitGroup
	for _, query := range []string{"rows 1", "rows 3000", "sleep 30", "sleep 700"} {
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := fetchKeys(context.Background(), g, query); err != nil {
					t.Errorf("%s, after %d calls: %v", query, calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	var pids []int
	for i := range builds {
		pids = append(pids, in.info().Pid)
		copyFile(t, exe, filepath.Join(r.dir, "dwmon-plugin-good"), fmt.Sprint("build ", i))
		if err := r.Rescan(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the next generation", func() bool { return in.info().Generation == i+2 })
	}
	cancel()
	load.Wait()
	for i, pid := range pids {
		eventually(t, fmt.Sprintf("process %d of generation %d is gone", pid, i+1), func() bool { return !runs(pid) })
	}
	if info := in.info(); info.Failed != 0 || info.Generation != builds+1 {
		t.Errorf("the instance is %+v", info)
	}
	t.Logf("%d calls over %d replacements", calls.Load(), builds)
}
