package checkfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// seen is all of a set that those who follow a folder go by.
func seen(set *Set) any {
	return []any{summary(set), set.AllFaults(), set.Unsettled, set.Again, set.hidden}
}

// TestLookSeesWhatLoadSees changes a folder in whatever ways there are, tells one loader
// which paths were touched and has another look at everything.
func TestLookSeesWhatLoadSees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "look")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		outside, err := os.MkdirTemp("", "outside")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(outside)
		told, whole := Loader{Dir: dir}, Loader{Dir: dir}
		must := func(err error) {
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
				var link *os.LinkError
				var path *fs.PathError
				if errors.As(err, &link) || errors.As(err, &path) { // a folder where a file was to be, and the like
					return
				}
				t.Fatal(err)
			}
		}
		place := rapid.SampledFrom([]string{
			"a.dwmon", "A.dwmon", "b.dwmon", "team/a.dwmon", "team/b.dwmon", "team/deep/c.dwmon", "team.dwmon/d.dwmon", "team.dwmon",
			".hidden.dwmon", "a.dwmon~", "README.md", "..data", "team", "other", ".git/x.dwmon", "bad name?.dwmon",
		})
		now := time.Now()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			at := filepath.Join(dir, place.Draw(t, "path"))
			touched := []string{at}
			switch rapid.SampledFrom([]string{"write", "write", "write", "break", "remove", "rename", "link", "loose link", "private", "nothing"}).Draw(t, "change") {
			case "write":
				must(os.MkdirAll(filepath.Dir(at), 0o755))
				must(os.WriteFile(at, []byte(good(rapid.IntRange(0, 5).Draw(t, "minimum"))), 0o644))
				for parent := filepath.Dir(at); parent != dir; parent = filepath.Dir(parent) {
					touched = append(touched, parent) // it may be new
				}
			case "break":
				must(os.WriteFile(at, []byte("nonsense"), 0o644))
			case "remove":
				must(os.RemoveAll(at))
			case "rename":
				to := filepath.Join(dir, place.Draw(t, "to"))
				must(os.Rename(at, to))
				touched = append(touched, to)
			case "link":
				target, err := os.CreateTemp(outside, "")
				must(err)
				must(os.WriteFile(target.Name(), []byte(good(7)), 0o644))
				must(target.Close())
				must(os.Symlink(target.Name(), at))
			case "loose link":
				must(os.Symlink(filepath.Join(outside, "nowhere"), at))
			case "private":
				must(os.Chmod(at, 0o644))
			}
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Millisecond, Settle, time.Minute}).Draw(t, "later"))
			got, err := told.Look(now, touched...)
			if err != nil {
				t.Fatal(err)
			}
			want, err := whole.Load(now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(seen(want), seen(got)); diff != "" {
				t.Fatalf("-all looked at +only %q:\n%s", touched, diff)
			}
		}
	})
}

func TestLookLooksAtNothingElse(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, dir, fmt.Sprintf("team/c%02d.dwmon", i), good(1))
	}
	l := Loader{Dir: dir}
	if _, err := l.LoadNow(later(0)); err != nil {
		t.Fatal(err)
	}
	look := func(n int, paths ...string) *Set {
		t.Helper()
		set, err := l.Look(later(n), paths...)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	untold := write(t, dir, "team/c00.dwmon", good(2))
	told := write(t, dir, "team/c01.dwmon", good(3))
	if set := look(1, told, filepath.Join(dir, "team/.c01.swp"), write(t, dir, "README.md", "")); set.Read != 1 || set.Unsettled != 1 {
		t.Errorf("%d were read, %d wait, want 1, 1", set.Read, set.Unsettled)
	}
	set := look(2)
	if set.Read != 1 || set.Parsed != 1 || set.Unsettled != 0 {
		t.Errorf("then %d read, %d parsed, %d wait: want 1, 1, 0", set.Read, set.Parsed, set.Unsettled)
	}
	if got := summary(set)[:3]; !cmp.Equal(got, []string{"team/c00 1", "team/c01 3", "team/c02 1"}) {
		t.Errorf("%q", got)
	}
	if set := look(3); set.Read != 0 {
		t.Errorf("%d were read of which nobody spoke", set.Read)
	}
	mustLoad(t, &l, later(4))
	if got := summary(mustLoad(t, &l, later(5)))[:2]; !cmp.Equal(got, []string{"team/c00 2", "team/c01 3"}) {
		t.Errorf("a whole look finds %s too: %q", untold, got)
	}
}

func TestLookIsWholeWhereItMustBe(t *testing.T) {
	for _, c := range []struct {
		says   string
		change func(t *testing.T, dir string) (told string)
		want   []string
	}{
		{"a folder was moved in", func(t *testing.T, dir string) string {
			from := t.TempDir()
			write(t, from, "x.dwmon", good(5))
			if err := os.Rename(from, filepath.Join(dir, "new")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "new")
		}, []string{"a 1", "new/x unsettled", "team/b 1"}},
		{"a folder went away", func(t *testing.T, dir string) string {
			if err := os.RemoveAll(filepath.Join(dir, "team")); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "team")
		}, []string{"a 1"}},
		{"the folder itself was touched", func(t *testing.T, dir string) string {
			write(t, dir, "c.dwmon", good(5))
			return dir
		}, []string{"a 1", "c unsettled", "team/b 1"}},
		{"a path lies elsewhere", func(t *testing.T, dir string) string {
			write(t, dir, "c.dwmon", good(5))
			return filepath.Join(filepath.Dir(dir), "c.dwmon")
		}, []string{"a 1", "c unsettled", "team/b 1"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "checks")
			write(t, dir, "a.dwmon", good(1))
			write(t, dir, "team/b.dwmon", good(1))
			l := Loader{Dir: dir}
			if _, err := l.LoadNow(later(0)); err != nil {
				t.Fatal(err)
			}
			set, err := l.Look(later(1), c.change(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			wantSummary(t, set, c.want...)
		})
	}
}

func TestLookBeforeAnyLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.dwmon", good(1))
	l := Loader{Dir: dir}
	set, err := l.Look(epoch)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "a unsettled")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir + "-away") })
	if _, err := l.Load(epoch); err == nil {
		t.Fatal("a folder that is not there was read")
	}
	if _, err := l.Look(epoch); err == nil {
		t.Error("after that, a look finds nothing wrong")
	}
}
