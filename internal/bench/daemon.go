package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/pluginhost/hostbench"
	"github.com/dwmon/dwmon/internal/procfs"
	"github.com/dwmon/dwmon/pluginsdk"
)

// program builds dwmon itself, once.
func (b *bench) program(ctx context.Context) (string, error) {
	path := filepath.Join(b.dir, "dwmon")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	b.say("building dwmon")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/dwmon/dwmon/cmd/dwmon")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: dwmon cannot be built here: %w\n%s", errMissing, err, out)
	}
	return path, nil
}

// site is a folder in which dwmon runs as its users run it, the fake plugin with
// it.
type site struct {
	dir     string
	program string
	daemon  *exec.Cmd
	log     bytes.Buffer
}

func (b *bench) newSite(ctx context.Context) (*site, error) {
	program, err := b.program(ctx)
	if err != nil {
		return nil, err
	}
	s := &site{program: program}
	if s.dir, err = os.MkdirTemp(b.dir, "s"); err != nil {
		return nil, err
	}
	if err := hostbench.Install(filepath.Join(s.dir, "plugins")); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "checks"), 0o700); err != nil {
		return nil, err
	}
	config := "checks: checks\nplugins: plugins\ndb: dwmon.db\ntimezone: UTC\nlisten: off\nhandlers: []\nsources:\n  BENCH: {getter: " + hostbench.PluginName + "}\n"
	return s, os.WriteFile(filepath.Join(s.dir, "dwmon.yaml"), []byte(config), 0o600)
}

// add writes a checker of a feed.
func (s *site) add(name string, f hostbench.Feed) error {
	text := fmt.Sprintf("__QUERY__\n%s\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM0 LOOKBACKSECONDS%d\n__SOURCE__\nBENCH\n", f.Query(), lookback)
	// A file is taken over as a whole.
	hidden := filepath.Join(s.dir, "checks", "."+name)
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(hidden, filepath.Join(s.dir, "checks", name+".dwmon"))
}

// recent is a feed whose newest row is a second old.
func recent(rows int) hostbench.Feed {
	const every = 10_000
	return hostbench.Feed{Rows: rows, Every: every, First: time.Now().UnixMicro() - 1e6 - int64(rows)*every}
}

// command is a command of dwmon in the site.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program, append(args, "--config", filepath.Join(s.dir, "dwmon.yaml"))...)
	cmd.Dir = s.dir
	return cmd
}

// start starts the daemon.
func (s *site) start(ctx context.Context) error {
	s.daemon = s.command(ctx, "daemon")
	s.daemon.Stderr = &s.log
	s.daemon.Stdout = &s.log
	s.daemon.Cancel = func() error { return s.daemon.Process.Signal(os.Interrupt) }
	s.daemon.WaitDelay = 30 * time.Second
	return s.daemon.Start()
}

func (s *site) stop() {
	if s.daemon != nil && s.daemon.Process != nil {
		_ = s.daemon.Process.Signal(os.Interrupt)
		_ = s.daemon.Wait()
	}
}

// settled waits until so many checkers have been checked.
func (s *site) settled(ctx context.Context, checkers int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		done, cause, err := s.look(ctx)
		if err == nil && done == checkers {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("of %d checkers %d were checked: %w\n%s\n%s", checkers, done, ctx.Err(), cause, s.log.String())
		case <-tick.C:
		}
	}
}

// look counts the checkers that are GOOD.
func (s *site) look(ctx context.Context) (done int, cause string, err error) {
	out, err := s.command(ctx, "status", "--json").Output()
	if err != nil {
		return 0, "", err
	}
	for line := range bytes.Lines(out) {
		var st struct {
			State string `json:"state"`
			Cause string `json:"cause"`
		}
		if err := json.Unmarshal(line, &st); err != nil {
			return 0, "", fmt.Errorf("status --json: %w", err)
		}
		if st.State == "GOOD" {
			done++
		} else {
			cause = st.State + " " + st.Cause
		}
	}
	return done, cause, nil
}

// plugins are the process ids of the fake plugin below the daemon.
func (s *site) plugins() (pids []int) {
	for _, pid := range procfs.Descendants(s.daemon.Process.Pid) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // its name, not the file that it is a link to
		program, _, _ := strings.Cut(string(line), "\x00")
		if strings.HasPrefix(filepath.Base(program), pluginsdk.FilePrefix) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// running makes a site of so many checkers, starts the daemon and waits for the first
// pass of each.
func (b *bench) running(ctx context.Context, checkers, rows int) (*site, error) {
	s, err := b.newSite(ctx)
	if err != nil {
		return nil, err
	}
	for i := range checkers {
		if err := s.add(fmt.Sprintf("checker-%03d", i), recent(rows)); err != nil {
			return nil, err
		}
	}
	b.onClose(s.stop)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, s.settled(ctx, checkers)
}

// memoryOfMany is row 10.
func memoryOfMany(ctx context.Context, b *bench) ([]figure, error) {
	n := b.size(100)
	b.say("row 10: a daemon with %d checkers", n)
	s, err := b.running(ctx, n, batchRows)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := b.nextMinute(ctx, s, n); err != nil {
		return nil, err
	}
	held, err := memory(s.daemon.Process.Pid, "VmRSS")
	if err != nil {
		return nil, err
	}
	peak, err := memory(s.daemon.Process.Pid, "VmHWM")
	if err != nil {
		return nil, err
	}
	// Of the rest the system holds the program's file, which it may drop and read again.
	own, err := memory(s.daemon.Process.Pid, "RssAnon")
	if err != nil {
		return nil, err
	}
	bound := atMost(25+0.35*float64(n), " MiB")
	return []figure{{
		value: float64(held) / (1 << 20), bound: &bound,
		detail: fmt.Sprintf("resident after two passes of %d checkers, %s of it its own; peak %s", n, mib(own), mib(peak)),
	}}, nil
}

// nextMinute waits until the passes of the next slot are over.
func (b *bench) nextMinute(ctx context.Context, s *site, checkers int) error {
	b.say("waiting for the next minute")
	// Passes of a slot start within the spread of ten seconds after its first one.
	next := time.Now().Truncate(time.Minute).Add(time.Minute + 13*time.Second)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(next)):
	}
	return s.settled(ctx, checkers)
}

// peakByHistory is row 11: dwmon's own peak in one pass.
func peakByHistory(ctx context.Context, b *bench) ([]figure, error) {
	peak := func(rows int) (side, error) {
		h, err := b.history(ctx, "sequence", rows)
		if err != nil {
			return nil, err
		}
		s, err := b.newSite(ctx)
		if err != nil {
			return nil, err
		}
		head := h.rows
		feed := hostbench.Feed{Rows: batchRows, Start: head, Every: 1e6, First: h.micros(0)}
		if err := s.add(checker, feed); err != nil {
			return nil, err
		}
		if err := h.copyTo(ctx, filepath.Join(s.dir, "dwmon.db")); err != nil {
			return nil, err
		}
		now := int64(started / 1e6)
		return func(ctx context.Context) (time.Duration, error) {
			now += 60
			bytes, err := s.once(ctx, now)
			return time.Duration(bytes), err
		}, nil
	}
	few, err := peak(b.size(100_000))
	if err != nil {
		return nil, err
	}
	many, err := peak(b.size(million))
	if err != nil {
		return nil, err
	}
	b.say("row 11: single passes")
	ratio, x, y, err := compare(ctx, b.turns(9), many, few)
	return []figure{{value: ratio, detail: mib(int64(x)) + " over " + mib(int64(y)) + ", dwmon once"}}, err
}

// once has one pass made, as if at a time, and gives the most memory that dwmon
// held meanwhile. It is asked for until the process ends: what the system tells of
// a process that has ended counts the memory of the one that started it.
func (s *site) once(ctx context.Context, now int64) (peak int64, err error) {
	cmd := s.command(ctx, "once", "--now", fmt.Sprint(now), "--force", "--json")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-ended:
			switch {
			case err != nil:
				return 0, fmt.Errorf("dwmon once: %w\n%s", err, &out)
			case !strings.Contains(out.String(), fmt.Sprintf(`"rows":%d`, batchRows)):
				return 0, fmt.Errorf("dwmon once did not fetch %d rows:\n%s", batchRows, &out)
			case peak == 0:
				return 0, fmt.Errorf("%w: the memory of a process cannot be read on this system", errMissing)
			}
			return peak, nil
		case <-look.C:
			if n, err := memory(cmd.Process.Pid, "VmHWM"); err == nil {
				peak = max(peak, n)
			}
		}
	}
}

// largeResult is row 12.
func largeResult(ctx context.Context, b *bench) ([]figure, error) {
	rows := b.size(million)
	b.say("row 12: a daemon with a small checker")
	s, err := b.running(ctx, 1, 10)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	pids := append([]int{s.daemon.Process.Pid}, s.plugins()...)
	if len(pids) != 2 {
		return nil, fmt.Errorf("%w: the processes below the daemon cannot be told on this system", errMissing)
	}
	idle, err := peaks(pids)
	if err != nil {
		return nil, err
	}
	b.say("row 12: a result of %d rows", rows)
	if err := s.add("large", recent(rows)); err != nil {
		return nil, err
	}
	if err := s.settled(ctx, 2); err != nil {
		return nil, err
	}
	if now := s.plugins(); !slices.Equal(now, pids[1:]) {
		return nil, fmt.Errorf("the plugin's process was %v and is %v", pids[1:], now)
	}
	high, err := peaks(pids)
	if err != nil {
		return nil, err
	}
	var figures []figure
	for i, part := range []string{"daemon", "plugin"} {
		figures = append(figures, figure{
			part: part, value: float64(high[i]-idle[i]) / (1 << 20),
			detail: fmt.Sprintf("peak %s, before it %s; %d rows, all new", mib(high[i]), mib(idle[i]), rows),
		})
	}
	return figures, nil
}

func peaks(pids []int) (all []int64, err error) {
	for _, pid := range pids {
		n, err := memory(pid, "VmHWM")
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// atRest is row 15: a whole minute, the passes of one slot in it.
func atRest(ctx context.Context, b *bench) ([]figure, error) {
	const span = time.Minute
	s, err := b.running(ctx, 100, 10)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := b.nextMinute(ctx, s, 100); err != nil {
		return nil, err
	}
	b.say("row 15: a minute at rest")
	took, err := cpuDuring([]int{s.daemon.Process.Pid}, func() error { return sleep(ctx, span) })
	if err != nil {
		return nil, err
	}
	return []figure{{value: 100 * took.Seconds() / span.Seconds(), detail: ms(took) + " of CPU in a minute"}}, nil
}
