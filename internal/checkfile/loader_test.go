package checkfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
)

// epoch is when the tests' first look happens. It lies before the files' own
// times, so that their stamps prove nothing and every look reads.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// later is a time at which files written by a test have long rested.
func later(n int) time.Time { return time.Now().Add(time.Hour + time.Duration(n)*time.Second) }

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func good(n int) string {
	return file(fmt.Sprintf("CHECKHOURS0 CHECKMINUTES0 WEEKDAYS MINNUM%d LOOKBACKSECONDS60", n), "")
}

func mustLoad(t *testing.T, l *Loader, now time.Time) *Set {
	t.Helper()
	set, err := l.Load(now)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// summary gives one line for each file: its name, how it is, its minimum.
func summary(set *Set) []string {
	var out []string
	for _, f := range set.Files {
		line := f.Name
		if f.Checker != nil {
			line += fmt.Sprint(" ", f.Checker.Lines[0].Min.N)
		}
		if dwmon.AnyError(f.Faults) {
			line += " bad"
		}
		if !f.Settled {
			line += " unsettled"
		}
		out = append(out, line)
	}
	return out
}

func wantSummary(t *testing.T, set *Set, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, summary(set)); diff != "" {
		t.Fatalf("files (-want +got):\n%s\nfaults: %v", diff, set.AllFaults())
	}
}

func TestLoadFindsCheckers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"b.dwmon", "billing/new invoices.dwmon", "billing/deep/x.dwmon", "old.dwmonsample", "x.dwmon~", "backup~/x.dwmon",
		".hidden.dwmon", ".git/x.dwmon", "README.md", "odd.DWMON", ".dwmon",
	} {
		write(t, dir, name, good(1))
	}
	set, err := (&Loader{Dir: dir}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "b 1", "billing/deep/x 1", "billing/new invoices 1")
	if got, want := set.Files[1].Checker.File, filepath.Join(dir, "billing", "deep", "x.dwmon"); got != want || set.Files[1].Path != want {
		t.Errorf("file %q, want %q", got, want)
	}
}

// A text is taken over when two reads 250 ms apart agree; until then the file
// stays as it was.
func TestLoadWaitsForTwoReads(t *testing.T) {
	dir := t.TempDir()
	l := &Loader{Dir: dir}
	path := write(t, dir, "a.dwmon", good(1)[:20])

	set := mustLoad(t, l, epoch)
	wantSummary(t, set, "a unsettled")
	if set.Again != Settle || set.Unsettled != 1 {
		t.Errorf("again in %v, %d unsettled", set.Again, set.Unsettled)
	}
	write(t, dir, "a.dwmon", good(1))
	wantSummary(t, mustLoad(t, l, epoch.Add(300*time.Millisecond)), "a unsettled")
	set = mustLoad(t, l, epoch.Add(549*time.Millisecond))
	wantSummary(t, set, "a unsettled")
	if set.Again != time.Millisecond {
		t.Errorf("again in %v", set.Again)
	}
	set = mustLoad(t, l, epoch.Add(550*time.Millisecond))
	wantSummary(t, set, "a 1")
	if set.Again != 0 || set.Parsed != 1 {
		t.Errorf("again in %v, %d parsed", set.Again, set.Parsed)
	}

	write(t, dir, "a.dwmon", good(2))
	wantSummary(t, mustLoad(t, l, epoch.Add(time.Second)), "a 1 unsettled")
	write(t, dir, "a.dwmon", good(1)) // as it was: nothing to wait for
	wantSummary(t, mustLoad(t, l, epoch.Add(1100*time.Millisecond)), "a 1")

	write(t, dir, "a.dwmon", "nonsense")
	wantSummary(t, mustLoad(t, l, epoch.Add(2*time.Second)), "a 1 unsettled")
	wantSummary(t, mustLoad(t, l, epoch.Add(3*time.Second)), "a bad")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	set = mustLoad(t, l, epoch.Add(4*time.Second))
	if len(set.Files) != 0 || set.Hides("a") {
		t.Errorf("a removed file is still there: %v", summary(set))
	}
	write(t, dir, "a.dwmon", good(1))
	wantSummary(t, mustLoad(t, l, epoch.Add(5*time.Second)), "a unsettled")
}

func TestLoadNowSettlesAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.dwmon", good(1))
	write(t, dir, "b.dwmon", "")
	set, err := (&Loader{Dir: dir}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "a 1", "b bad")
}

func TestLoadReadsOnlyWhatChanged(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		write(t, dir, fmt.Sprintf("c%02d.dwmon", i), good(i+1))
	}
	l := &Loader{Dir: dir}
	for i, want := range []struct{ read, parsed int }{{20, 0}, {20, 20}, {0, 0}} {
		set := mustLoad(t, l, later(i))
		if set.Read != want.read || set.Parsed != want.parsed {
			t.Errorf("look %d: %d read, %d parsed, want %+v", i, set.Read, set.Parsed, want)
		}
	}
	// Replaced by a file of the same size and time: another inode.
	path := filepath.Join(dir, "c03.dwmon")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "new", good(9))
	if err := os.Chtimes(filepath.Join(dir, "new"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "new"), path); err != nil {
		t.Fatal(err)
	}
	if set := mustLoad(t, l, later(10)); set.Read != 1 || set.Unsettled != 1 {
		t.Errorf("%d read, %d unsettled", set.Read, set.Unsettled)
	}
	if set := mustLoad(t, l, later(11)); set.Parsed != 1 || set.Files[3].Checker.Lines[0].Min.N != 9 {
		t.Errorf("%d parsed: %v", set.Parsed, summary(set))
	}
	// Touched only: read, not parsed.
	if err := os.Chtimes(path, epoch, epoch); err != nil {
		t.Fatal(err)
	}
	if set := mustLoad(t, l, later(12)); set.Read != 1 || set.Parsed != 0 || set.Unsettled != 0 {
		t.Errorf("%d read, %d parsed, %d unsettled", set.Read, set.Parsed, set.Unsettled)
	}
}

// A file whose last write is younger than the clock of its file system may be
// written again without a trace in its stamp.
func TestLoadReadsYoungFilesAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.dwmon", good(1))
	l := &Loader{Dir: dir}
	now := time.Now()
	mustLoad(t, l, now)
	mustLoad(t, l, now.Add(Settle))
	if set := mustLoad(t, l, now.Add(2*Settle)); set.Read != 1 {
		t.Error("a young file was not read again")
	}
}

// A mounted ConfigMap holds each file three times: in a dated folder, below
// ..data, and as a link through it. An update swaps ..data.
func TestLoadConfigMap(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "..2024_01_01/new.dwmon", good(1))
	write(t, dir, "..2024_01_02/new.dwmon", good(2))
	link := func(target, name string) {
		t.Helper()
		tmp := filepath.Join(dir, "..tmp")
		if err := os.Symlink(target, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..2024_01_01", "..data")
	link("..data/new.dwmon", "new.dwmon")
	link("..2024_01_01", "folder")
	link("..2024_01_01", "folder.dwmon")
	l := &Loader{Dir: dir}
	set, err := l.LoadNow(later(0))
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "new 1")
	link("..2024_01_02", "..data")
	wantSummary(t, mustLoad(t, l, later(1)), "new 1 unsettled")
	wantSummary(t, mustLoad(t, l, later(2)), "new 2")
}

func TestLoadFollowsTheFolderItself(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "real/a.dwmon", good(1))
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	set, err := (&Loader{Dir: filepath.Join(dir, "link")}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "a 1")
}

func TestLoadReportsWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "good.dwmon", good(1))
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.dwmon"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.dwmon")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "a:b.dwmon", good(1))
	write(t, dir, "gro\u0308sse.dwmon", good(1))
	set, err := (&Loader{Dir: dir}).LoadNow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "a:b bad", "dangling bad", "fifo bad", "good 1", "gro\u0308sse bad")
	for _, f := range set.AllFaults() {
		if !strings.HasPrefix(f.Error(), dir) || f.Line != 0 || f.Hint == "" && !strings.Contains(f.Message, "regular") {
			t.Errorf("%q with the hint %q", f.Error(), f.Hint)
		}
	}
}

func TestLoadWithoutFolder(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "missing"):                "cannot be read: no such file or directory",
		write(t, dir, "file", ""):                    "cannot be read: not a directory",
		filepath.Join(dir, strings.Repeat("x", 300)): "cannot be read: file name too long",
	} {
		set, err := (&Loader{Dir: path}).Load(epoch)
		if set != nil || err == nil || err.Error() != path+": "+want {
			t.Errorf("%v, %v, want %s", set, err, want)
		}
	}
}

func TestLoadRefusesNamesThatDifferInCase(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a/New.dwmon", good(1))
	write(t, dir, "A/new.dwmon", good(1))
	write(t, dir, "a/old.dwmon", good(1))
	l := &Loader{Dir: dir}
	set, err := l.LoadNow(later(0))
	if err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "A/new bad", "a/New bad", "a/old 1")
	if err := os.Remove(filepath.Join(dir, "A", "new.dwmon")); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, mustLoad(t, l, later(1)), "a/New 1", "a/old 1")
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	f := ReadFile(write(t, dir, "x.dwmonsample", good(1)), "")
	if f.Name != "x" || f.Checker == nil || f.Checker.Name != "x" {
		t.Errorf("got %+v", f)
	}
	for _, path := range []string{filepath.Join(dir, "none.dwmon"), dir} {
		if f := ReadFile(path, ""); f.Checker != nil || len(f.Faults) == 0 || !strings.HasPrefix(f.Faults[0].Error(), path) {
			t.Errorf("%s: %+v", path, f)
		}
	}
}

func BenchmarkLoadUnchanged(b *testing.B) {
	dir := b.TempDir()
	for i := range 10_000 {
		path := filepath.Join(dir, fmt.Sprintf("d%02d", i%100), fmt.Sprintf("c%d.dwmon", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(good(i)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	l := &Loader{Dir: dir}
	if set, err := l.LoadNow(later(0)); err != nil || len(set.Files) != 10_000 {
		b.Fatal(err)
	}
	for n := 0; b.Loop(); n++ {
		set, err := l.Load(later(n))
		if err != nil || set.Read != 0 || !slices.IsSortedFunc(set.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
			b.Fatalf("%v, %d read", err, set.Read)
		}
	}
}
