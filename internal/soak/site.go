package soak

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the source, and a look at the daemon's database

	"github.com/dwmon/dwmon/internal/soak/held"
	"github.com/dwmon/dwmon/internal/soak/timelapse"
)

// programs of a soak, by where they are put.
var programs = map[string]string{
	"bin/daemon":                     "internal/soak/daemon",
	"bin/dwmon":                      "cmd/dwmon",
	"bin/moody":                      "internal/soak/plugin",
	"plugins/dwmon-plugin-sqlite":    "plugins/sqlite",
	"plugins/dwmon-plugin-log":       "plugins/log",
	"plugins/dwmon-plugin-retention": "plugins/retention",
	"plugins/dwmon-plugin-webhook":   "plugins/webhook",
	"plugins/dwmon-plugin-exec":      "plugins/exec",
}

const moodyPlugin = "plugins/dwmon-plugin-moody"

// site is a folder with a daemon, all that it watches, and all whom it tells.
type site struct {
	dir   string
	lapse timelapse.Lapse
	say   func(string)

	daemon  *exec.Cmd
	asks    io.WriteCloser
	answers *bufio.Reader
	exited  chan struct{}
	exit    error

	// receiver takes webhooks and heartbeats.
	receiver *http.Server
	url      string
	refusing atomic.Bool
	source   *sql.DB
	events   int
	// health is where the daemon serves health and metrics.
	health string
	client http.Client
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// put writes a file in one step, as careful editors do.
func (s *site) put(name, text string) error {
	path := s.path(name)
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"~")
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(hidden, path)
}

// newSite makes the folder and builds the programs into it.
func newSite(ctx context.Context, o Options, say func(string)) (*site, error) {
	s := &site{dir: o.Dir, say: say, lapse: timelapse.Lapse{Rate: o.Rate, Anchor: time.Now().Truncate(time.Second)}}
	s.client = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, dir := range []string{"bin", "plugins", "plugins/pager", "checks", "moods", "tmp", "build", "work"} {
		if err := os.MkdirAll(s.path(dir), 0o700); err != nil {
			return nil, fmt.Errorf("make the soak's folder: %w", err)
		}
	}
	builder, err := timelapse.New(ctx, s.path("build"), s.lapse)
	if err != nil {
		return nil, err
	}
	for file, pkg := range programs {
		say("building " + pkg)
		if err := builder.Build(ctx, "github.com/dwmon/dwmon/"+pkg, s.path(file)); err != nil {
			return nil, err
		}
	}
	return s, errors.Join(s.replaceMoody(0), s.listen(), s.openSource(ctx), s.writePager())
}

// replaceMoody puts the plugin there in another version: what stands behind a
// program's end is never read, but its digest is another.
func (s *site) replaceMoody(version int) error {
	program, err := os.ReadFile(s.path("bin/moody"))
	if err != nil {
		return err
	}
	hidden := s.path("plugins/.moody~")
	if err := os.WriteFile(hidden, fmt.Appendf(program, "version %d", version), 0o700); err != nil {
		return err
	}
	return os.Rename(hidden, s.path(moodyPlugin))
}

// writePager is a handler that starts a process for each call.
func (s *site) writePager() error {
	manifest := `{"schema": 1, "name": "pager", "version": "0.1.0", "summary": "a process for each call", "bridge": "exec",
 "kinds": {"check_handler": {"command": ["./page.sh"], "timeout": "60s"}}}`
	return errors.Join(
		os.WriteFile(s.path("plugins/pager/dwmon-plugin.json"), []byte(manifest), 0o600),
		os.WriteFile(s.path("plugins/pager/page.sh"), []byte("#!/bin/sh\nexit 0\n"), 0o700))
}

// listen takes webhooks and heartbeats, or refuses them.
func (s *site) listen() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.url = "http://" + l.Addr().String()
	s.receiver = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if s.refusing.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	go func() { _ = s.receiver.Serve(l) }()
	return nil
}

// openSource makes the database that checkers of `sqlite:` ask.
func (s *site) openSource(ctx context.Context) (err error) {
	if s.source, err = sql.Open("sqlite", "file:"+s.path("work/source.db")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"); err != nil {
		return err
	}
	_, err = s.source.ExecContext(ctx, "CREATE TABLE events (id TEXT PRIMARY KEY, at INTEGER)")
	return errors.Join(err, s.arrive(ctx))
}

// arrive adds events of now to the source and takes those away that are older than
// what dwmon keeps.
func (s *site) arrive(ctx context.Context) error {
	now := s.lapse.Now().Unix()
	for range 5 {
		s.events++
		if _, err := s.source.ExecContext(ctx, "INSERT INTO events VALUES (?, ?)", fmt.Sprintf("event-%d", s.events), now-int64(s.events%5)); err != nil {
			return err
		}
	}
	_, err := s.source.ExecContext(ctx, "DELETE FROM events WHERE at < ?", now-int64(keep.Seconds()))
	return err
}

// configure writes dwmon.yaml. variant 0 is how it is when samples are taken; others
// have another instance, handler and limits. Plugins start when they are first needed,
// which each of these is in the first minute.
func (s *site) configure(variant int) error {
	extra, concurrency := "", 4
	if variant > 0 {
		extra = fmt.Sprintf("  - {name: visitor-%d, plugin: moody, on: bad, settings: {dir: moods, name: visitor, round: %d}}\n", variant%3, variant)
		concurrency = 1 + variant%4
	}
	return s.put("dwmon.yaml", fmt.Sprintf(`version: 1
checks: checks
plugins: plugins
db: dwmon.db
timezone: UTC
catch_up: 30m
listen: 127.0.0.1:0
history: {keep: %s, keep_good: %s}
alert: {after: 1, repeat: 20m}
sources:
  STEADY: {getter: moody, concurrency: 8, timeout: 10m, settings: {dir: moods, name: steady}}
  SHAKY: {getter: moody, concurrency: %d, settings: {dir: moods, name: shaky}}
  EVENTS: {getter: sqlite, timeout: 10m, settings: {dsn: "sqlite:work/source.db"}}
handlers:
  - {plugin: log, on: every}
  - {name: moody, plugin: moody, on: every, settings: {dir: moods, name: handler}}
  - {name: hook, plugin: webhook, on: every, settings: {url: "%s/hook"}}
  - {name: changes, plugin: webhook, on: change, settings: {url: "%s/hook"}}
  - {name: pager, plugin: pager, on: every, match: [name=steady/one]}
%spurger: {plugin: retention, settings: {keep: 30m}}
calendars: {closed: work/closed.ics}
heartbeat: {url: "%s/beat"}
`, minutes(keep), minutes(keep), concurrency, s.url, s.url, extra, s.url))
}

// minutes writes a time as dwmon.yaml has them.
func minutes(d time.Duration) string { return fmt.Sprintf("%dm", int(d.Minutes())) }

// start starts the daemon.
func (s *site) start(ctx context.Context) error {
	if err := errors.Join(s.configure(0), s.closedDays(0), s.writeCheckers()); err != nil {
		return err
	}
	log, err := os.OpenFile(s.path("daemon.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.daemon = exec.CommandContext(ctx, s.path("bin/daemon"), s.path("dwmon.yaml"), keep.String(), fmt.Sprint(s.lapse.Rate))
	s.daemon.Dir, s.daemon.Env, s.daemon.Stderr = s.dir, s.environ(), log
	s.daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.daemon.Cancel = func() error { return s.daemon.Process.Signal(syscall.SIGTERM) }
	s.daemon.WaitDelay = time.Minute
	if s.asks, err = s.daemon.StdinPipe(); err != nil {
		return err
	}
	out, err := s.daemon.StdoutPipe()
	if err != nil {
		return err
	}
	s.answers = bufio.NewReader(out)
	if err := s.daemon.Start(); err != nil {
		return err
	}
	address, err := s.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("the daemon did not come up: %w\n%s", errors.Join(err, s.daemon.Wait()), s.logTail())
	}
	s.exited = make(chan struct{})
	go func() {
		s.exit = s.daemon.Wait()
		close(s.exited)
	}()
	s.health = "http://" + strings.TrimSpace(address)
	return nil
}

// logTail is the end of the daemon's log.
func (s *site) logTail() string {
	text, _ := os.ReadFile(s.path("daemon.log"))
	return string(text[max(0, len(text)-2000):])
}

// alive says whether the daemon runs.
func (s *site) alive() error {
	select {
	case <-s.exited:
		return fmt.Errorf("the daemon has ended: %w\n%s", errors.Join(s.exit, errors.New("see the end of its log")), s.logTail())
	default:
		return nil
	}
}

// leave is how long the daemon may take to end once it is told to, of the world's time.
const leave = 2 * time.Minute

// stop stops the daemon and whatever stands around it, once. One that does not end is
// ended by a signal at which it writes the stacks of its goroutines into its log.
func (s *site) stop() error {
	if s.exited == nil {
		return nil
	}
	_ = s.daemon.Process.Signal(syscall.SIGTERM)
	var err error
	select {
	case <-s.exited:
	case <-time.After(leave):
		err = fmt.Errorf("it did not end within %s; its log says where its goroutines were", leave)
		_ = s.daemon.Process.Signal(syscall.SIGQUIT)
		<-s.exited
	}
	s.exited = nil
	return errors.Join(err, s.exit, s.source.Close(), s.receiver.Close())
}

func (s *site) environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.path("tmp"), "NO_COLOR=1"}
}

// dwmon runs a command, and gives what it printed. The error is that of its exit.
func (s *site) dwmon(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.path("bin/dwmon"), append(args, "--config", s.path("dwmon.yaml"))...)
	cmd.Dir, cmd.Env = s.dir, s.environ()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// hold asks the daemon what it holds; path is where it writes profiles to, empty for
// none.
func (s *site) hold(path string) (n held.Now, err error) {
	if _, err := fmt.Fprintln(s.asks, path); err != nil {
		return n, errors.Join(err, s.alive())
	}
	line, err := s.answers.ReadBytes('\n')
	if err != nil {
		return n, errors.Join(err, s.alive())
	}
	return n, json.Unmarshal(line, &n)
}
