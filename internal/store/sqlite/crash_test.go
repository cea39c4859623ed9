package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// crashEnv makes the test binary a process that passes until it is killed.
const crashEnv = "DWMON_CRASH_DB"

// crashStart is the first minute of that process's passes; pass i judges minute
// crashStart + 60 i, its rows are the keys 0 … 10 i + 9, newest first.
const crashStart = 1_700_000_040

// TestCrashingProcess is no test of its own: TestSurvivesKill runs it in another
// process.
func TestCrashingProcess(t *testing.T) {
	path := os.Getenv(crashEnv)
	if path == "" {
		return
	}
	db, err := Open(context.Background(), path, Options{})
	if err != nil {
		fmt.Println("fault:", err)
		os.Exit(1)
	}
	for {
		i, err := crashPass(db)
		if err == nil && i%7 == 6 {
			// Rows of the last 30 passes stay.
			_, err = db.Purge(context.Background(), 1, crashStart+60*(i-30))
		}
		if err != nil {
			fmt.Println("fault:", err)
			os.Exit(1)
		}
		fmt.Println("committed", i)
	}
}

// crashPass makes the next pass and gives its number.
func crashPass(db *DB) (i int64, err error) {
	ctx := context.Background()
	p, err := db.Progress(ctx, "a")
	if err != nil {
		return 0, err
	}
	if p.Settled != nil {
		i = (*p.Settled-crashStart)/60 + 1
	}
	minute := crashStart + 60*i
	started := minute * 1e6
	in := db.NewIntake(p, started)
	defer in.Close()
	b := &dwmon.Batch{}
	for key := 10*i + 9; key >= max(0, 10*i-500); key-- {
		text := fmt.Sprintf("key-%08d", key)
		b.Keys = append(b.Keys, text...)
		b.Lengths = append(b.Lengths, uint32(len(text)))
		b.Micros = append(b.Micros, (crashStart+60*(key/10))*1e6)
	}
	if err := in.Add(b); err != nil {
		return 0, err
	}
	return i, db.InTx(ctx, func(tx dwmon.Tx) error {
		if p.ID == 0 {
			c := &dwmon.Checker{Name: "a", Lines: []dwmon.Requirement{{Lookback: 60}}}
			if p, err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", Minute: crashStart, New: true, Owes: []int64{dwmon.OwesAll}}); err != nil {
				return err
			}
			in = db.NewIntake(p, started)
			if err := in.Add(b); err != nil {
				return err
			}
		}
		got, err := tx.Ingest(p, in, false)
		if err != nil {
			return err
		}
		id, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: minute, Started: started, Ended: started, Tally: in.Tally(), Ingested: got})
		if err != nil {
			return err
		}
		line := p.Lines[0]
		r := dwmon.Record{Progress: p, FetchID: id, EvaluatedAt: started, Streaks: []dwmon.Streak{line.Then(dwmon.Good, minute)}}
		r.Verdicts = []dwmon.Verdict{{Minute: minute, LineID: line.ID, Status: dwmon.Good, Count: got.Fresh}}
		if err := tx.Record(r); err != nil {
			return err
		}
		if err := tx.Enqueue(p.ID, []dwmon.Telling{{Handler: "log", Minute: minute, LineID: line.ID}}); err != nil {
			return err
		}
		return tx.Settle(p, minute, nil)
	})
}

// TestSurvivesKill kills a process in the middle of its commits and purges, again
// and again, and looks at what is left each time.
func TestSurvivesKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dwmon.db")
	rnd := rand.New(rand.NewPCG(3, 5))
	for range 6 {
		last := killInTheMiddle(t, path, time.Duration(100+rnd.IntN(400))*time.Millisecond)
		checkCrashed(t, path, last)
	}
}

// killInTheMiddle lets the process pass for a while after its first commit, and
// gives the last pass that it has reported.
func killInTheMiddle(t *testing.T, path string, after time.Duration) (last int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashingProcess$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "fault") {
			t.Errorf("the process reports a %s", lines.Text())
		}
		n, ok := strings.CutPrefix(lines.Text(), "committed ")
		if !ok {
			continue
		}
		if last < 0 {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		if i, err := strconv.ParseInt(n, 10, 64); err == nil {
			last = i
		}
	}
	cmd.Wait()
	if last < 0 {
		t.Fatal("the process has committed nothing")
	}
	return last
}

// checkCrashed looks for passes that were kept by half, and for commits that were
// reported and are gone.
func checkCrashed(t *testing.T, path string, last int64) {
	t.Helper()
	db := mustOpen(t, path, Options{})
	defer db.Close()
	p, err := db.Progress(t.Context(), "a")
	if err != nil || p.Settled == nil {
		t.Fatalf("Progress = %+v, %v", p, err)
	}
	i := (*p.Settled - crashStart) / 60
	if i < last {
		t.Errorf("pass %d was reported as committed, %d is the last that is there", last, i)
	}
	if p.Recorded == nil || *p.Recorded != *p.Settled || p.Lines[0].LastMinute != *p.Settled {
		t.Errorf("settled through %d, recorded %v, the streak ends at %d", *p.Settled, p.Recorded, p.Lines[0].LastMinute)
	}
	err = db.read(t.Context(), func(c *conn) error {
		for query, want := range map[string]string{
			"SELECT count(*) FROM verdicts":   decimal(i + 1),
			"SELECT count(*) FROM deliveries": decimal(i + 1),
			"SELECT count(*) FROM fetches":    decimal(i + 1),
			"SELECT count(*) FROM seen":       decimal(10 * (i + 1)),
			// Each key was brought by its own pass, and never again.
			"SELECT count(*) FROM seen WHERE first_seen <> (1700000040 + 60 * (CAST(substr(key, 5) AS INTEGER) / 10)) * 1000000":                                   "0",
			"SELECT count(*) FROM seen WHERE ts IS NOT NULL AND ts <> first_seen":                                                                                  "0",
			"SELECT count(*) FROM verdicts v WHERE NOT EXISTS (SELECT 1 FROM fetches f WHERE f.id = v.fetch_id AND f.slot = v.minute AND f.fresh = v.event_count)": "0",
			// What was purged lies below the mark.
			"SELECT count(*) FROM seen s JOIN checkers c ON c.id = s.checker_id WHERE s.ts IS NULL AND s.first_seen >= coalesce(c.purge_mark, 0) * 1000000": "0",
			"PRAGMA integrity_check": "ok",
		} {
			r, err := c.one(query)
			if err != nil {
				return err
			}
			if got := fmt.Sprint(r[0]); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
