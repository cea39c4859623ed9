package timelapse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The program takes three spans of five seconds of its own, by a pause, a timer and the
// deadline of a read.
func TestAProgramLivesFaster(t *testing.T) {
	l := Lapse{Rate: 24, Anchor: time.Now().Truncate(time.Second)}
	b, err := New(t.Context(), t.TempDir(), l)
	if errors.Is(err, ErrUnsupported) && !known() {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "watch")
	if err := b.Build(t.Context(), "./testdata/watch", program); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	out, err := exec.Command(program).Output()
	after := time.Now()
	if err != nil {
		t.Fatal(err)
	}
	var begin, end int64
	var spans [3]int64
	if _, err := fmt.Sscan(string(out), &begin, &spans[0], &spans[1], &spans[2], &end); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	// Both see the time in microseconds.
	from, to := l.At(before).Truncate(time.Microsecond), l.At(after)
	if first, last := time.UnixMicro(begin), time.UnixMicro(end); first.Before(from) || last.After(to) {
		t.Errorf("it saw the time from %s to %s; it ran from %s to %s", first, last, from, to)
	}
	shortest := spans[0]
	for _, s := range spans {
		if s < 5e6 {
			t.Errorf("a span of 5 s ended after %d µs", s)
		}
		shortest = min(shortest, s)
	}
	// Where the system is asked to wait for 5 s, they take 120 s.
	if shortest > 60e6 {
		t.Errorf("spans of 5 s took %d µs: the system waits by its own clock", spans)
	}
}

// known says that this is a system on which New must do its work.
func known() bool {
	out, err := exec.Command("go", "env", "GOHOSTOS", "GOHOSTARCH").Output()
	return err != nil || strings.Join(strings.Fields(string(out)), "/") == "linux/amd64"
}

func TestARuntimeThatIsNotKnownIsSaidToBe(t *testing.T) {
	from := t.TempDir()
	b := &Builder{overlay: filepath.Join(t.TempDir(), "overlay.json")}
	if err := b.write(from, t.TempDir()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("a runtime without files: %v", err)
	}
	for _, e := range edits {
		if err := os.WriteFile(filepath.Join(from, e.file), []byte(e.old), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.write(from, t.TempDir()); err != nil {
		t.Errorf("a runtime with all that is changed: %v", err)
	}
	if err := os.WriteFile(filepath.Join(from, "proc.go"), []byte("func schedinit(early bool) {\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.write(from, t.TempDir()); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "proc.go") {
		t.Errorf("a runtime that has changed: %v", err)
	}
}

func TestWhatIsNoLapse(t *testing.T) {
	for _, l := range []Lapse{{}, {Rate: 24, Anchor: time.Unix(100, 5)}, {Rate: 0, Anchor: time.Unix(100, 0)}, {Rate: 24, Anchor: time.Unix(-1, 0)}} {
		if _, err := New(t.Context(), t.TempDir(), l); err == nil || errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestTimeOfALapse(t *testing.T) {
	l := Lapse{Rate: 24, Anchor: time.Unix(1000, 0)}
	if got := l.At(time.Unix(1010, 500)); !got.Equal(time.Unix(1240, 12000)) {
		t.Errorf("10.0000005 s after the anchor it is %s", got)
	}
	if got := l.InWorld(time.Minute); got != 2500*time.Millisecond {
		t.Errorf("a minute takes %s", got)
	}
}
