//go:build linux

package torture

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
)

// everything says that all tests are to run at length, and that none may be skipped.
func everything() bool { return os.Getenv("DWMON_TEST_ALL") == "1" }

// built are the programs, built once.
var built Programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dwmon-torture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if built, err = Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Most of the time they wait for processes: more of them than there are cores may do
	// so side by side.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestFaults does each fault a few times; in several worlds where everything is tested.
// `make torture` does more.
func TestFaults(t *testing.T) {
	seeds := uint64(1)
	if everything() {
		seeds = 3
	}
	for _, f := range Faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				try(t, f, seed+1)
			}
		})
	}
}

func try(t *testing.T, f Fault, seed uint64) {
	out, err := f.Try(t.Context(), built, Options{Seed: seed, Dir: t.TempDir()})
	switch {
	case err != nil:
		t.Fatal(err)
	case out.Skipped != "" && everything():
		t.Fatalf("nothing may be skipped here: %s", out.Skipped)
	case out.Skipped != "":
		t.Skip(out.Skipped)
	case out.Failed():
		t.Fatal(out.Report())
	case out.Checked.Verdicts == 0 || out.Checked.Told == 0:
		t.Errorf("nothing was there to be wrong: %+v", out.Checked)
	}
	t.Logf("seed %d: %+v", seed, out.Checked)
}
