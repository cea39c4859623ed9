package endtoend

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// noon is when simulated tests begin.
var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// minutesOf are the minutes of a checker's verdicts, relative to noon.
func minutesOf(history []entry, name string) (minutes []int64) {
	for _, e := range history {
		if e.CheckerName == name && !e.Gap && !e.Off {
			minutes = append(minutes, (e.Minute-noon.Unix())/60)
		}
	}
	return minutes
}

// TestFilesGoAndReturn: a file is away after two slots without it, and owes nothing
// for the time in between.
func TestFilesGoAndReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	w.simple("stays")
	w.simple("goes")
	w.simple("disabled")
	at := func(minute int) time.Time { return noon.Add(time.Duration(minute) * time.Minute) }
	w.once(0, at(0))
	w.remove("checks/goes.dwmon")
	w.simple("disabled", "__OPTIONS__", "enabled: false")
	w.once(0, at(1))
	if c := w.status()["goes"]; strings.Contains(c.Cause, "off since") {
		t.Errorf("away after one slot without the file: %s", c.Cause)
	}
	w.once(0, at(2))
	w.once(0, at(10))
	if c := w.status()["goes"]; !strings.HasPrefix(c.Cause, "off since 2026-06-01 12:02:00: its file is not there") || c.Pending != 0 {
		t.Errorf("after two slots without the file: %+v", c)
	}
	if c := w.status()["disabled"]; !strings.HasPrefix(c.Cause, "off since 2026-06-01 12:01:00: `enabled: false`") || c.Pending != 0 {
		t.Errorf("with enabled: false: %+v", c)
	}
	w.simple("goes")
	w.simple("disabled")
	w.once(0, at(30))
	w.once(0, at(31))
	history := w.history("--since", at(1).Format(time.RFC3339))
	want := map[string][]int64{"stays": nil, "goes": {1, 30, 31}, "disabled": {30, 31}}
	for m := range int64(31) {
		want["stays"] = append(want["stays"], m+1)
	}
	for name, minutes := range want {
		if got := minutesOf(history, name); !slices.Equal(got, minutes) {
			t.Errorf("%s was judged at %v, want %v", name, got, minutes)
		}
	}
	var off []string
	for _, e := range history {
		switch {
		case e.Gap:
			t.Errorf("a gap was recorded: %+v", e)
		case e.Off:
			off = append(off, e.CheckerName+" "+time.Unix(e.From, 0).UTC().Format("15:04")+" "+time.Unix(*e.To, 0).UTC().Format("15:04"))
		}
	}
	slices.Sort(off)
	if want := []string{"disabled 12:01 12:30", "goes 12:02 12:30"}; !slices.Equal(off, want) {
		t.Errorf("off spans %q, want %q", off, want)
	}
}

// TestAllFilesGone: a folder that is empty at once, or no folder, is a fault of the
// machine and not the wish of its user.
func TestAllFilesGone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]struct {
		do   func(w *world)
		says []string
	}{
		"all gone": {
			func(w *world) { w.remove("checks/a.dwmon"); w.remove("checks/b.dwmon") },
			[]string{"checks: all checker files are gone at once", "their last good versions go on", "dwmon forget NAME"},
		},
		"no folder": {
			func(w *world) { w.remove("checks") },
			[]string{"checks: ", "no such", "last good versions go on"},
		},
		"a file": {
			func(w *world) { w.remove("checks"); w.write("checks", "") },
			[]string{"checks: ", "cannot be read: not a directory", "last good versions go on"},
		},
		"both bad": {
			func(w *world) { w.write("checks/a.dwmon", "nothing"); w.write("checks/b.dwmon", "\xff") },
			[]string{"checks/a.dwmon:1:1: ", "checks/b.dwmon:1:1: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite", "log")
			w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
			w.simple("a")
			w.simple("b")
			w.once(0, noon)
			spoil.do(w)
			for m := 1; m <= 5; m++ {
				o := w.once(1, noon.Add(time.Duration(m)*time.Minute))
				if !inOrder(o.err, spoil.says...) {
					t.Fatalf("once says %q, want %q", o.err, spoil.says)
				}
			}
			history := w.history("--since", noon.Format(time.RFC3339))
			for _, checker := range []string{"a", "b"} {
				if got, want := minutesOf(history, checker), []int64{0, 1, 2, 3, 4, 5}; !slices.Equal(got, want) {
					t.Errorf("%s was judged at %v, want %v", checker, got, want)
				}
			}
		})
	}
}

// TestConfigMap: Kubernetes mounts each file as a link through ..data, which it
// swaps as a whole.
func TestConfigMap(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "log")
	w.sql("source.db", "CREATE TABLE events (id TEXT, at INTEGER)")
	text := func(owner string) string {
		return checkText("SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events", every, "sqlite:source.db", "__OPTIONS__", "owner: "+owner)
	}
	link := func(target, name string) {
		if err := os.Symlink(target, w.path("checks/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	w.write("checks/..2026_06_01/orders.dwmon", text("before"))
	link("..2026_06_01", "..data")
	link(filepath.Join("..data", "orders.dwmon"), "orders.dwmon")
	s := w.start()
	s.up()
	owner := func() string {
		all := lines[struct {
			CheckerName string `json:"checker_name"`
			Owner       string
		}](t, w.want(0, "status", "--json").out)
		if len(all) > 1 || len(all) == 1 && all[0].CheckerName != "orders" {
			t.Fatalf("there is one checker, status shows %+v", all)
		}
		if len(all) == 0 {
			return ""
		}
		return all[0].Owner
	}
	w.await("the checker is taken over", func() bool { return owner() == "before" })
	w.write("checks/..2026_06_02/orders.dwmon", text("after"))
	link("..2026_06_02", "..data_tmp")
	if err := os.Rename(w.path("checks/..data_tmp"), w.path("checks/..data")); err != nil {
		t.Fatal(err)
	}
	w.remove("checks/..2026_06_01")
	w.await("the swapped text is taken over", func() bool { return owner() == "after" })
	if line, bad := s.logged("a checker is off"); bad {
		t.Error(line)
	}
	s.stop()
}
