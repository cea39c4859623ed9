package soak

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// everything says that all tests are to run at length.
func everything() bool { return os.Getenv("DWMON_TEST_ALL") == "1" }

// folder is one whose path leaves room for sockets.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the daemon's folder is kept: " + dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Programs with a faster clock are built from Go's runtime up, which takes minutes the
// first time: where not everything is to be tried, the clock is the world's, and what
// would take dwmon minutes to make up for is left out.
func TestASoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what processes hold is read below /proc, which " + runtime.GOOS + " has not")
	}
	o := Options{Rate: 1, Seed: 1, Dir: folder(t), Progress: func(text string) { t.Log(text) }}
	p := plan{warmUp: 2, measured: 2, span: 5 * time.Second, patience: 3 * time.Minute}
	p.acts = slices.DeleteFunc(slices.Clone(acts), func(a act) bool { return a.slow })
	if everything() {
		o.Rate = 24
		p.acts, p.span, p.patience = acts, 20*time.Second, 2*time.Minute
	}
	r, err := run(t.Context(), o, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Faults {
		t.Error(f)
	}
	for _, a := range p.acts {
		if r.Acts[a.name] != p.warmUp+p.measured-1 {
			t.Errorf("%s: %d times", a.name, r.Acts[a.name])
		}
	}
	for _, f := range r.Findings {
		t.Logf("%s: %v", f.Name, f.Values)
		exact := slices.Contains([]string{"goroutines", "descriptors", "plugin processes", "files"}, f.Name)
		if first, last := f.Values[0], f.Values[len(f.Values)-1]; exact && last > first {
			t.Errorf("%s: %v in each round; there must not be more in the end", f.Name, f.Values)
		}
	}
	if len(r.Findings) < len(measures)+10 {
		t.Errorf("%d measures: the tables are not among them", len(r.Findings))
	}
}
