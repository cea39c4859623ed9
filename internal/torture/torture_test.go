package torture_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/dwmon/dwmon/internal/torture"
)

// everything says that all tests are to run at length, and that none may be skipped.
func everything() bool { return os.Getenv("DWMON_TEST_ALL") == "1" }

var programs torture.Programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dwmon-torture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if programs, err = torture.Build(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// TestFaults does each fault a few times, often where everything is tested.
func TestFaults(t *testing.T) {
	for _, f := range torture.Faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			out, err := f.Try(t.Context(), programs, torture.Options{Seed: 1, Long: everything(), Dir: t.TempDir()})
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
			t.Logf("%+v", out.Checked)
		})
	}
}
