package endtoend

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rebuild puts another build of a fixture in a plugin's place, by rename: the same
// program, with something behind its end.
func (w *world) rebuild(name string, build int) {
	if err := w.putBuild(name, build); err != nil {
		w.Errorf("build %d: %v", build, err)
	}
}

func (w *world) putBuild(name string, build int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	path := w.path("plugins/dwmon-plugin-" + name)
	out, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.MultiReader(in, strings.NewReader(fmt.Sprint("build ", build))))
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// ends counts the lines that calls of the fixture steady wrote, by their first
// word, and the processes that wrote them.
func (w *world) ends(file string) (words map[string]int, pids int) {
	w.Helper()
	words, seen := map[string]int{}, map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSpace(w.read(file)), "\n") {
		f := strings.Fields(line)
		words[f[0]]++
		seen[f[1]] = true
	}
	return words, len(seen)
}

// reached says whether there are so many checkers and each has settled a minute.
func (w *world) reached(checkers int, minute int64) bool {
	w.Helper()
	all := w.status()
	for _, c := range all {
		if c.Settled == nil || *c.Settled < minute {
			return false
		}
	}
	return len(all) == checkers
}

// TestReplacedUnderLoad: a plugin is replaced again and again while passes are on
// their way at every moment. The daemon takes each new file over; no call is cut,
// no pass fails, no minute is lost, and none is recorded twice.
func TestReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steady")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 10s\nhandlers: []\nsources:\n  S: {getter: steady, concurrency: 3}\n")
	const checkers = 9 // three at a time, 15 seconds each: 45 seconds of each minute
	for i := range checkers {
		w.checker(fmt.Sprintf("c%d", i), w.path("calls")+" 15s", every, "S")
	}
	began := time.Now().Unix() / 60 * 60
	s := w.start()
	s.up()
	slots := int64(2)
	if everything() {
		slots = 4
	}
	last := began + 60*slots
	builds := 0
	settled := func() bool {
		return w.reached(checkers, last)
	}
	for end := time.Now().Add(time.Duration(slots)*time.Minute + patience); !settled(); builds++ {
		if time.Now().After(end) {
			t.Fatalf("the checkers do not reach %d: %+v", last, w.status())
		}
		w.rebuild("steady", builds)
		eventually(4*time.Second, func() bool { return false }) // let it work
	}
	taken := w.instances("steady")
	if took := s.stop(); took > 20*time.Second {
		t.Errorf("the daemon took %s to stop", took)
	}
	w.gone(5 * time.Second)
	words, pids := w.ends("calls")
	t.Logf("%d builds, %+v, %d processes, calls %v", builds, taken, pids, words)
	if len(taken) != 1 || taken[0].Generation < 3 || pids < 3 {
		t.Errorf("%d builds, but the instance is %+v and %d processes served", builds, taken, pids)
	}
	// Those that the stop has cut are none of the changes' doing.
	if words["begin"] != words["end"]+words["cancelled"] || words["cancelled"] > 3 {
		t.Errorf("calls that were cut: %v", words)
	}
	for i := range checkers {
		w.everyMinute(fmt.Sprintf("c%d", i), began, last, 120)
	}
	for _, line := range s.lines() {
		if strings.Contains(line, "its fetch failed") || strings.Contains(line, "a pass failed") || strings.Contains(line, `"level":"ERROR"`) {
			t.Errorf("a pass failed: %s", line)
		}
	}
}

// TestReplacedBesideOnce: whenever the file changes, each `once` has the one or the
// other, and its passes succeed.
func TestReplacedBesideOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steady")
	w.write("dwmon.yaml", "timezone: UTC\nhandlers: []\nsources:\n  S: {getter: steady}\n")
	for _, name := range []string{"a", "b"} {
		w.checker(name, w.path("calls")+" 100ms", every, "S")
	}
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		builds := 0
		defer func() { stopped <- builds }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(150 * time.Millisecond):
				w.rebuild("steady", builds)
				builds++
			}
		}
	}()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	first, runs := now.Unix(), kills(8, 60)
	for range runs {
		w.once(0, now)
		now = now.Add(time.Minute)
	}
	close(stop)
	builds := <-stopped
	words, _ := w.ends("calls")
	t.Logf("%d runs, %d builds, calls %v", runs, builds, words)
	if words["begin"] != words["end"] || words["end"] != 2*runs || builds < runs {
		t.Errorf("%d runs, %d builds: calls %v", runs, builds, words)
	}
	for _, name := range []string{"a", "b"} {
		w.everyMinute(name, first, now.Unix()-60, 30)
	}
	w.gone(5 * time.Second)
}

// TestReloadUnderLoad: SIGHUP gives up passes on their way and does them again:
// nothing is lost, nothing recorded twice, and no pass counts as failed.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "steady")
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nhandlers: []\nsources:\n  S: {getter: steady}\n")
	const checkers = 4
	for i := range checkers {
		w.checker(fmt.Sprintf("c%d", i), w.path("calls")+" 1s", every, "S")
	}
	began := time.Now().Unix() / 60 * 60
	s := w.start()
	s.up()
	last := began + 60
	settled := func() bool {
		return w.reached(checkers, last)
	}
	for builds := 0; !settled(); builds++ {
		w.rebuild("steady", builds)
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(2500*time.Millisecond, settled)
		if time.Now().Unix() > last+60+int64(patience/time.Second) {
			t.Fatalf("the checkers do not reach %d: %+v", last, w.status())
		}
	}
	s.stop()
	w.gone(5 * time.Second)
	for i := range checkers {
		w.everyMinute(fmt.Sprintf("c%d", i), began, last, 60)
	}
	if line, ok := s.logged("its fetch failed"); ok {
		t.Errorf("a pass failed: %s", line)
	}
}
