package endtoend

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// kills is how often a process is killed: few by default, hundreds when all is
// tested.
func kills(few, many int) int {
	if everything() {
		return many
	}
	return few
}

// seeded gives the source of chance of a test and prints its seed.
func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("DWMON_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("DWMON_TEST_SEED=%d repeats the choices of this run, though not its timing", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

const crashConfig = `timezone: UTC
listen: 127.0.0.1:0
spread: 0s
handlers:
  - {plugin: recorder, settings: {file: told.jsonl}}
  - {plugin: log, settings: {file: log.jsonl}}
`

// writes counts the writes to a world's database, so that a process can be killed
// between two of them: at a moment of pure chance it hardly ever commits.
type writes struct {
	watcher *fsnotify.Watcher
	count   atomic.Int64
	// at is the number of the write to wait for, hit is told of it.
	at  atomic.Int64
	hit chan struct{}
}

func watchWrites(w *world) *writes {
	w.Helper()
	watcher, err := fsnotify.NewBufferedWatcher(10_000)
	if err != nil {
		w.Fatal(err)
	}
	if err := watcher.Add(w.dir); err != nil {
		w.Fatal(err)
	}
	n := &writes{watcher: watcher, hit: make(chan struct{}, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range watcher.Events {
			if strings.HasSuffix(e.Name, "dwmon.db-wal") && e.Has(fsnotify.Write) && n.count.Add(1) == n.at.Load() {
				select {
				case n.hit <- struct{}{}:
				default:
				}
			}
		}
	}()
	w.Cleanup(func() { watcher.Close(); <-done })
	return n
}

// expect begins to count anew and gives what is told of the nth write.
func (n *writes) expect(nth int64) <-chan struct{} {
	n.at.Store(0)
	select {
	case <-n.hit:
	default:
	}
	n.count.Store(0)
	n.at.Store(nth)
	return n.hit
}

// memory is what was seen after earlier kills: nothing of it may change.
type memory struct {
	stored   map[string]*stored
	verdicts map[verdictKey]entry
}

// look compares what is recorded now with what was.
func (m *memory) look(w *world) {
	w.Helper()
	stored := w.stored()
	unchanged(w, m.stored, stored)
	m.stored = stored
	if len(stored) == 0 {
		return // not even a schema: there is no history to ask for
	}
	all := verdicts(w, w.history())
	kept(w, m.verdicts, all)
	m.verdicts = all
}

// TestKillOnce kills `dwmon once` at random moments of simulated days, rows
// arriving before and during each run, a purger at work.
func TestKillOnce(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	w := newWorld(t, "sqlite", "log", "retention", "recorder")
	w.write("dwmon.yaml", crashConfig+"purger: {plugin: retention, settings: {keep: 3h}}\n")
	src := newSource(w, rng)
	names := []string{"orders", "billing/invoices"}
	for _, name := range names {
		w.checker(name, eventsQuery, requirements(), "sqlite:source.db")
	}
	now := time.Date(2026, 3, 27, 9, 0, 0, 0, time.UTC)
	usual := 2 * time.Second // how long a run takes
	var past memory
	killed, outages, runs := 0, 0, 0
	database := watchWrites(w)
	whole := int64(40) // writes of a whole run
	for want := kills(40, 160); killed < want; runs++ {
		step := time.Duration(1+rng.IntN(25)) * time.Minute
		if rng.IntN(60) == 0 || killed == want/2 && outages == 0 {
			step = 26 * time.Hour // longer than catch_up: a gap
			outages++
		}
		before := now
		now = now.Add(step + time.Duration(rng.IntN(60))*time.Second)
		clock := func() int64 { return now.Truncate(time.Second).UnixMicro() }
		now = now.Truncate(time.Second)
		src.arrive(rng.IntN(60), before.Add(-15*time.Minute), now, clock)
		src.mutate(rng.IntN(5), clock())
		cmd := w.command("once", "--now", now.Format(time.RFC3339))
		deadline := time.After(time.Duration(rng.Int64N(int64(usual) * 5 / 4)))
		written := database.expect(1 + rng.Int64N(whole))
		if rng.IntN(4) == 0 {
			written = nil // at any moment
		} else {
			deadline = nil // between two writes
		}
		began := time.Now()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() { defer close(exited); _ = cmd.Wait() }()
		// Whether this run sees these rows is open; the next one must.
		src.arrive(rng.IntN(20), before, now, func() int64 { return clock() + 1 })
		select {
		case <-exited:
			if code := cmd.ProcessState.ExitCode(); code != 0 {
				t.Fatalf("once: exit code %d", code)
			}
			usual = (3*usual + time.Since(began)) / 4
			whole = max(database.count.Load(), 10)
		case <-deadline:
		case <-written:
		}
		_ = cmd.Process.Kill() // an error says that it has ended by itself
		<-exited
		if cmd.ProcessState.ExitCode() == -1 {
			killed++
		}
		w.gone(10 * time.Second)
		if rng.IntN(3) == 0 {
			past.look(w)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	now = now.Add(2 * time.Minute)
	w.once(0, now, "--deliver-for", "5m")
	past.look(w)
	history := w.history()
	for _, name := range names {
		judged, gaps := src.settled(name, past.stored[name], history, now.Unix()/60*60)
		t.Logf("%s: %d verdicts, %d minutes in gaps, %d rows", name, judged, gaps, len(past.stored[name].seen))
		if judged == 0 || outages > 0 && gaps == 0 {
			t.Errorf("%s: %d verdicts and %d minutes in gaps after %d long outages prove nothing", name, judged, gaps, outages)
		}
	}
	list := untorn[told](w, "told.jsonl")
	repeats := delivered(t, past.verdicts, list)
	logged := verdictsOfLog(w)
	for k := range past.verdicts {
		if logged[k] == 0 {
			t.Errorf("the handler log was never told of %+v", k)
		}
	}
	t.Logf("%d kills in %d runs, %d events, %d deliveries, %d of them repeated", killed, runs, len(src.events), len(list), repeats)
}

// verdictsOfLog counts the lines of the handler log by verdict.
func verdictsOfLog(w *world) map[verdictKey]int {
	w.Helper()
	all := map[verdictKey]int{}
	for _, e := range untorn[entry](w, "log.jsonl") {
		all[verdictKey{e.CheckerName, e.Line, e.Minute}]++
	}
	return all
}

// TestKillDaemon kills the real daemon at random moments while rows arrive. The
// real clock moves a minute at a time; what makes many minutes matter in each life
// is the checkers' grace, which is shortened while the daemon is dead.
func TestKillDaemon(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	w := newWorld(t, "sqlite", "log", "recorder")
	w.write("dwmon.yaml", crashConfig)
	src := newSource(w, rng)
	names := []string{"orders", "billing/invoices"}
	grace := 600 // minutes
	want := kills(25, 100)
	var past memory
	killed := 0
	database := watchWrites(w)
	place := func() {
		for _, name := range names {
			w.checker(name, eventsQuery, requirements(), "sqlite:source.db", "__OPTIONS__", fmt.Sprintf("grace: %dm", grace))
		}
	}
	clock := func() int64 { return time.Now().UnixMicro() }
	place()
	for killed < want {
		judgeable := func() time.Time { return time.Now().Add(-time.Duration(grace) * time.Minute) }
		src.mutate(rng.IntN(5), clock())
		src.arrive(rng.IntN(60), judgeable().Add(-20*time.Minute), judgeable().Add(10*time.Minute), clock)
		// Some lives end at any moment while the daemon starts or works, others
		// between two of its writes.
		works := rng.IntN(2) == 0
		deadline := time.After(time.Duration(rng.IntN(1000)) * time.Millisecond)
		written := database.expect(1 + rng.Int64N(60))
		if rng.IntN(2) == 0 {
			written = nil
		} else {
			works, deadline = false, time.After(5*time.Second)
		}
		s := w.start()
	life:
		for {
			select {
			case <-deadline:
				break life
			case <-written:
				break life
			case <-s.done:
				t.Fatal("the daemon has ended by itself")
			default:
			}
			src.arrive(1+rng.IntN(5), judgeable().Add(-10*time.Minute), judgeable(), clock)
			if _, up := s.logged(`"dwmon is up"`); up && works {
				works = false
				deadline = time.After(time.Duration(rng.IntN(800)) * time.Millisecond)
			} else if works {
				deadline = time.After(patience)
			}
		}
		if s.kill() {
			killed++
		}
		w.gone(10 * time.Second)
		if rng.IntN(3) == 0 {
			past.look(w)
		}
		if t.Failed() {
			t.FailNow()
		}
		grace -= rng.IntN(min(2*600/want, grace) + 1)
		place()
	}
	// A clean life settles everything.
	var last int64
	w.want(0, "once", "--deliver-for", "5m")
	past.look(w)
	history := w.history()
	for _, name := range names {
		last = *w.status()[name].Settled
		judged, gaps := src.settled(name, past.stored[name], history, last)
		t.Logf("%s: %d verdicts, %d rows", name, judged, len(past.stored[name].seen))
		if gaps != 0 || judged < 100 {
			t.Errorf("%s: %d verdicts and %d minutes in gaps", name, judged, gaps)
		}
		if now := time.Now().Unix() - int64(grace)*60; now-last > 600 {
			t.Errorf("%s: settled through %d only, it is %d", name, last, now)
		}
	}
	list := untorn[told](w, "told.jsonl")
	repeats := delivered(t, past.verdicts, list)
	t.Logf("%d kills, %d events, %d deliveries, %d of them repeated", killed, len(src.events), len(list), repeats)
}
