package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestWatchSaysWhatWasTouched watches a folder through a link, as a mount may be one.
func TestWatchSaysWhatWasTouched(t *testing.T) {
	real := t.TempDir()
	dir := filepath.Join(t.TempDir(), "checks")
	if err := os.Symlink(real, dir); err != nil {
		t.Fatal(err)
	}
	w := newWatch(dir+"/./", slog.New(slog.DiscardHandler))
	defer w.close()
	// until waits for the news of a path; the test's own deadline ends it.
	until := func(path string) {
		t.Helper()
		for {
			select {
			case <-w.changed:
				if slices.Contains(w.take(), path) {
					return
				}
			case <-t.Context().Done():
				t.Fatalf("nothing was said of %s", path)
			}
		}
	}
	write := func(path string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	until(write(filepath.Join(dir, "a.dwmon")))
	team := filepath.Join(dir, "team")
	if err := os.Mkdir(team, 0o700); err != nil {
		t.Fatal(err)
	}
	until(team) // it is watched by now
	until(write(filepath.Join(team, "b.dwmon")))
	if err := os.Remove(filepath.Join(team, "b.dwmon")); err != nil {
		t.Fatal(err)
	}
	until(filepath.Join(team, "b.dwmon"))
}

func TestACrowdOfPathsIsTheFolder(t *testing.T) {
	w := &watch{dir: "checks", changed: make(chan struct{}, 1)}
	for i := range mostTouched {
		w.touch(fmt.Sprint("checks/", i))
	}
	if got := w.take(); len(got) != mostTouched {
		t.Errorf("%d paths, want %d", len(got), mostTouched)
	}
	for i := range mostTouched + 2 {
		w.touch(fmt.Sprint("checks/", i))
	}
	if got := w.take(); !slices.Contains(got, "checks") {
		t.Errorf("%d paths, and not the folder", len(got))
	}
	if got := w.take(); len(got) != 0 {
		t.Errorf("%q is told again", got)
	}
}
