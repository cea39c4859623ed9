package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
	"github.com/dwmon/dwmon/internal/procfs"
)

// fleet is a daemon with ten thousand checkers of ten rows each, told to a handler that
// takes everything. One in twenty is due each minute; the others are due three times an
// hour, all of them at the same minutes, which is what */20 comes to.
type fleet struct {
	*site
	n       int
	busy    int // the minute at which all are due, modulo 20
	address string

	began   map[string]time.Duration // CPU of the daemon until it was up, by part
	resting time.Duration            // CPU in a minute with one in twenty due
	quiet   int64                    // that minute; 0: not measured yet
	edits   int
}

// theFleet is started when it is first needed; where that fails, it is not tried again for
// each row.
func (b *bench) theFleet(ctx context.Context) (*fleet, error) {
	if b.fleet == nil && b.fleetErr == nil {
		b.fleet, b.fleetErr = b.newFleet(ctx)
	}
	return b.fleet, b.fleetErr
}

func (b *bench) newFleet(ctx context.Context) (*fleet, error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return nil, err
	}
	f := &fleet{site: s, n: b.size(10_000), began: map[string]time.Duration{}}
	b.onClose(f.stop)
	// The start, the turns of row 21 and a minute of rest come before the busy minute.
	f.busy = (time.Now().Minute() + 14) % 20
	if err := f.write(b); err != nil {
		return nil, err
	}
	for _, part := range []string{"new", "again"} {
		f.stop()
		b.say("rows 20-25: a daemon with %d checkers, %s", f.n, part)
		if f.began[part], err = f.up(ctx); err != nil {
			return nil, err
		}
		if err := f.checked(ctx, f.n); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// dismissFleet stops the fleet, whose work would count as ours.
func (b *bench) dismissFleet() {
	if b.fleet != nil {
		b.fleet.stop()
		b.fleet = nil
	}
}

// write makes the folder of the fleet.
func (f *fleet) write(b *bench) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f.address = l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	config := fmt.Sprintf("checks: checks\nplugins: plugins\ndb: dwmon.db\ntimezone: UTC\nlisten: %s\n"+
		"handlers:\n  - {name: taker, plugin: %s, on: every}\nsources:\n  BENCH: {getter: %s}\n", f.address, hostbench.PluginName, hostbench.PluginName)
	if err := os.WriteFile(filepath.Join(f.dir, "dwmon.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	for i := range f.n {
		if i%1000 == 0 {
			b.say("rows 20-25: writing checker %d of %d", i, f.n)
		}
		if err := f.writeChecker(i, 300); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) often(i int) bool { return i%20 == 0 }

// writeChecker writes the file of a checker, a hundred to a folder.
func (f *fleet) writeChecker(i, lookback int) error {
	minutes := "0-59"
	if !f.often(i) {
		minutes = fmt.Sprintf("%d,%d,%d", f.busy, f.busy+20, f.busy+40)
	}
	feed := hostbench.Feed{Rows: 10, Step: 1, Every: 1e6, First: time.Now().UnixMicro() - 11e6}
	text := fmt.Sprintf("__QUERY__\n%s\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES%s WEEKENDS WEEKDAYS MINNUM0 LOOKBACKSECONDS%d\n__SOURCE__\nBENCH\n",
		feed.Query(), minutes, lookback)
	dir := filepath.Join(f.dir, "checks", fmt.Sprintf("team-%03d", i/100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	hidden := filepath.Join(dir, ".new")
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(hidden, filepath.Join(dir, fmt.Sprintf("checker-%05d.dwmon", i)))
}

// up starts the daemon and gives the CPU that it took until all checkers were loaded.
func (f *fleet) up(ctx context.Context) (time.Duration, error) {
	f.log.Reset()
	if err := f.start(ctx); err != nil {
		return 0, err
	}
	var took time.Duration
	err := until(ctx, 3*time.Minute, func() (bool, error) {
		var err error
		if took, err = f.cpu(); err != nil {
			return false, err
		}
		page, err := f.get(ctx, "/readyz")
		return err == nil && bytes.Contains(page, []byte(`"ready": true`)), nil
	})
	return took, err
}

// cpu is what the daemon has used so far, its plugin not counted.
func (f *fleet) cpu() (time.Duration, error) {
	pid := f.daemon.Process.Pid
	used, err := cpuOf([]int{pid})
	if err == nil && !procfs.Runs(pid) {
		err = fmt.Errorf("the daemon has ended:\n%s", f.log.String())
	}
	return used, err
}

// get asks the daemon's listener.
func (f *fleet) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.address+path, nil)
	if err != nil {
		return nil, err
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	return io.ReadAll(w.Body)
}

// until asks again and again whether something is so.
func until(ctx context.Context, patience time.Duration, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if done, err := is(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not come about: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// ask reads numbers from the database, beside the daemon.
func (f *fleet) ask(ctx context.Context, query string, args ...any) (numbers [2]int64, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(f.dir, "dwmon.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return numbers, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, query, args...).Scan(&numbers[0], &numbers[1])
	return numbers, err
}

// checked waits until so many checkers were judged at all.
func (f *fleet) checked(ctx context.Context, n int) error {
	return until(ctx, 5*time.Minute, func() (bool, error) {
		got, err := f.ask(ctx, "SELECT count(*), 0 FROM checkers WHERE recorded IS NOT NULL")
		return got[0] == int64(n), err
	})
}

// minute waits for the second before a minute that is a busy one or not, and gives it.
func (f *fleet) minute(ctx context.Context, busy bool) (time.Time, error) {
	m := time.Now().Add(time.Second).Truncate(time.Minute)
	for {
		m = m.Add(time.Minute)
		if (m.Minute()%20 == f.busy) == busy {
			return m, sleep(ctx, time.Until(m.Add(-time.Second)))
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// rest measures a minute in which few are due.
func (f *fleet) rest(ctx context.Context, b *bench) error {
	if f.quiet != 0 {
		return nil
	}
	b.say("rows 22 and 23: a minute in which one in twenty is due")
	err := until(ctx, 5*time.Minute, func() (bool, error) { // what the start has to tell
		got, err := f.ask(ctx, "SELECT count(*), 0 FROM deliveries WHERE state = 0")
		return got[0] == 0, err
	})
	if err != nil {
		return err
	}
	m, err := f.minute(ctx, false)
	if err != nil {
		return err
	}
	before, err := f.cpu()
	if err != nil {
		return err
	}
	if err := sleep(ctx, time.Until(m.Add(59*time.Second))); err != nil {
		return err
	}
	after, err := f.cpu()
	f.resting, f.quiet = after-before, m.Unix()
	return err
}

// startOfFleet is row 20.
func startOfFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err != nil {
		return nil, err
	}
	return []figure{
		{part: "new", value: f.began["new"].Seconds(), detail: fmt.Sprintf("%d files, an empty database", f.n)},
		{part: "again", value: f.began["again"].Seconds(), detail: "with their history"},
	}, nil
}

// reloadOfFleet is row 21: the CPU of half a minute in which a file changes, less that of
// half a minute in which none does. Each of them has one of the rescans, which come every
// 30 seconds, and no passes but those of the change.
func reloadOfFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err != nil {
		return nil, err
	}
	var more []time.Duration
	for range b.turns(3) {
		still, err := f.halfMinute(ctx, b, func() error { return nil })
		if err != nil {
			return nil, err
		}
		changed, err := f.halfMinute(ctx, b, f.change)
		if err != nil {
			return nil, err
		}
		got, err := f.ask(ctx, "SELECT count(*), 0 FROM lines WHERE position IS NOT NULL AND lookback = ?", 300+f.edits)
		if err == nil && got[0] != 1 {
			err = fmt.Errorf("half a minute after the change of a file %d checkers have its new text, want 1", got[0])
		}
		if err != nil {
			return nil, err
		}
		more = append(more, changed-still)
	}
	return []figure{{value: float64(median(more)) / 1e6, detail: fmt.Sprintf("seen, read and tried, among %d", f.n)}}, nil
}

// halfMinute is the CPU of the daemon in the half minute of a quiet one that begins with
// act, when the minute's passes are over.
func (f *fleet) halfMinute(ctx context.Context, b *bench, act func() error) (time.Duration, error) {
	b.say("row 21: half a minute")
	m, err := f.minute(ctx, false)
	if err == nil {
		err = sleep(ctx, time.Until(m.Add(25*time.Second)))
	}
	if err != nil {
		return 0, err
	}
	before, err := f.cpu()
	if err == nil {
		err = act()
	}
	if err == nil {
		err = sleep(ctx, time.Until(m.Add(55*time.Second)))
	}
	if err != nil {
		return 0, err
	}
	after, err := f.cpu()
	return after - before, err
}

// change writes one checker anew.
func (f *fleet) change() error {
	f.edits++
	return f.writeChecker(1, 300+f.edits)
}

// told is how long after the begin of a minute the handler had taken the last result of
// it, and of how many.
func (f *fleet) told(ctx context.Context, minute int64, n int) (time.Duration, error) {
	var at int64
	err := until(ctx, 3*time.Minute, func() (bool, error) {
		got, err := f.ask(ctx, "SELECT count(*), coalesce(max(finished), 0) FROM deliveries WHERE minute = ? AND state = 1", minute)
		at = got[1]
		return got[0] >= int64(n), err
	})
	if err != nil {
		return 0, fmt.Errorf("the results of %s were not all told: %w", time.Unix(minute, 0).UTC().Format(time.RFC3339), err)
	}
	return time.Duration(at-minute*1e6) * time.Microsecond, nil
}

// minuteOfFleet is row 22.
func minuteOfFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err == nil {
		err = f.rest(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	few, err := f.told(ctx, f.quiet, f.n/20)
	if err != nil {
		return nil, err
	}
	b.say("row 22: waiting for the minute in which all are due")
	m, err := f.minute(ctx, true)
	if err != nil {
		return nil, err
	}
	all, err := f.told(ctx, m.Unix(), f.n)
	if err != nil {
		return nil, err
	}
	return []figure{
		{part: "500 due", value: few.Seconds(), detail: fmt.Sprintf("%d results; passes begin within the first 11 s", f.n/20)},
		{part: "all due", value: all.Seconds(), detail: fmt.Sprintf("%d results, each stored and told", f.n)},
	}, nil
}

// loadOfFleet is row 23.
func loadOfFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err == nil {
		err = f.rest(ctx, b)
	}
	if err != nil {
		return nil, err
	}
	return []figure{{value: 100 * f.resting.Seconds() / 60, detail: fmt.Sprintf("%s in a minute, %d walks and %d checks", ms(f.resting), f.n, f.n/20)}}, nil
}

// memoryOfFleet is row 24.
func memoryOfFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err != nil {
		return nil, err
	}
	held, err := memory(f.daemon.Process.Pid, "VmRSS")
	if err != nil {
		return nil, err
	}
	peak, err := memory(f.daemon.Process.Pid, "VmHWM")
	return []figure{{value: float64(held) / (1 << 20), detail: "resident; peak " + mib(peak)}}, err
}

// looksAtFleet is row 25.
func looksAtFleet(ctx context.Context, b *bench) ([]figure, error) {
	f, err := b.theFleet(ctx)
	if err != nil {
		return nil, err
	}
	var status, page []time.Duration
	var size int
	m, err := f.minute(ctx, false)
	if err == nil {
		err = sleep(ctx, time.Until(m.Add(20*time.Second)))
	}
	if err != nil {
		return nil, err
	}
	for range b.turns(5) {
		b.say("row 25: status and /metrics")
		cmd := f.command(ctx, "status", "--json")
		out, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		if n := bytes.Count(out, []byte("\n")); n != f.n {
			return nil, fmt.Errorf("dwmon status shows %d checkers, want %d", n, f.n)
		}
		status = append(status, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		before, err1 := f.cpu()
		text, err2 := f.get(ctx, "/metrics")
		after, err3 := f.cpu()
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		if n := strings.Count(string(text), "\ndwmon_checker_settled_timestamp_seconds{"); n < f.n/20 {
			return nil, fmt.Errorf("/metrics shows %d checkers, want %d at least", n, f.n/20)
		}
		page, size = append(page, after-before), len(text)
	}
	return []figure{
		{part: "status", value: median(status).Seconds(), detail: "dwmon status --json, beside the daemon"},
		{part: "metrics", value: median(page).Seconds(), detail: fmt.Sprintf("/metrics, in the daemon; %s", mib(int64(size)))},
	}, nil
}
