package endtoend

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/dwmon/dwmon/internal/procfs"
	"github.com/dwmon/dwmon/pluginsdk"
)

// patience is how long anything may take that should take moments: the machine
// may be busy.
const patience = 90 * time.Second

// world is a folder with its own dwmon, plugins, checkers and source.
type world struct {
	testing.TB
	dir string
	// extra is added to the environment of whatever is started.
	extra []string
	// through is a program that starts dwmon; empty: it is started itself.
	through string
}

// newWorld makes a world with the plugins named: shipped ones, or fixtures.
func newWorld(t testing.TB, plugins ...string) *world {
	w := &world{TB: t, dir: t.TempDir()}
	install(t, filepath.Join(programs, "dwmon"), w.path("bin/dwmon"))
	for _, name := range plugins {
		w.plugin(name)
	}
	for _, dir := range []string{"checks", "plugins", "tmp"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("dwmon.yaml", "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\n")
	t.Cleanup(func() {
		for _, pid := range w.processes() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return w
}

// plugin installs one more plugin.
func (w *world) plugin(name string) {
	w.Helper()
	from, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	if slices.Contains(shipped, name) {
		from = filepath.Join(programs, pluginsdk.FilePrefix+name)
	}
	install(w, from, w.path("plugins/"+pluginsdk.FilePrefix+name))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// write puts a file there in one step, as careful editors do.
func (w *world) write(name, text string) {
	w.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		w.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

func (w *world) remove(name string) {
	w.Helper()
	if err := os.RemoveAll(w.path(name)); err != nil {
		w.Fatal(err)
	}
}

// every is a requirement line that is due each minute and always GOOD.
const every = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MAXNUM1000 LOOKBACKSECONDS60"

// checkText is the text of a checker file; sections are those beyond the three
// that must be there, marker lines included.
func checkText(query, requirements, source string, sections ...string) string {
	return fmt.Sprintf("__QUERY__\n%s\n__REQUIREMENTS__\n%s\n__SOURCE__\n%s\n%s\n", query, requirements, source, strings.Join(sections, "\n"))
}

// checker writes a checker file.
func (w *world) checker(name, query, requirements, source string, sections ...string) {
	w.Helper()
	w.write("checks/"+name+".dwmon", checkText(query, requirements, source, sections...))
}

// sql runs statements on a SQLite file of the world.
func (w *world) sql(file string, statements ...string) {
	w.Helper()
	db := w.open(file)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			w.Fatalf("%s: %v", s, err)
		}
	}
}

// open opens a SQLite file of the world; settings are those of SQLite's URIs.
func (w *world) open(file string, settings ...string) *sql.DB {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+w.path(file)+"?"+strings.Join(append(settings, "_pragma=busy_timeout(10000)"), "&"))
	if err != nil {
		w.Fatal(err)
	}
	return db
}

// environ is what dwmon is started with: nothing of the tester's own.
func (w *world) environ() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=" + w.path("tmp"), "NO_COLOR=1"}, w.extra...)
}

// command is dwmon with arguments, in the world's folder and a session of its own.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(w.path(cmp.Or(w.through, "bin/dwmon")), args...)
	cmd.Dir, cmd.Env = w.dir, w.environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// outcome is how a command ended.
type outcome struct {
	out, err string
	code     int
}

func (o outcome) String() string { return fmt.Sprintf("exit %d\n%s%s", o.code, o.out, o.err) }

// run runs dwmon to its end.
func (w *world) run(args ...string) outcome {
	w.Helper()
	cmd := w.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		w.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// want runs dwmon and insists on its exit code.
func (w *world) want(code int, args ...string) outcome {
	w.Helper()
	o := w.run(args...)
	if o.code != code {
		w.Fatalf("dwmon %s: exit %d is wanted, got %s", strings.Join(args, " "), code, o)
	}
	return o
}

// once does a pass of everything at a time.
func (w *world) once(code int, at time.Time, args ...string) outcome {
	w.Helper()
	return w.want(code, append([]string{"once", "--now", at.UTC().Format(time.RFC3339)}, args...)...)
}

// lines decodes JSON Lines.
func lines[T any](t testing.TB, text string) []T {
	t.Helper()
	var all []T
	dec := json.NewDecoder(strings.NewReader(text))
	for {
		var v T
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("JSON Lines: %v in\n%s", err, text)
		}
		all = append(all, v)
	}
}

// entry is one object of `history --json`: a result, a gap or an off span.
type entry struct {
	CheckerName string      `json:"checker_name"`
	Line        int         `json:"requirement_index"`
	Minute      int64       `json:"minute_epoch"`
	Count       int64       `json:"event_count"`
	Status      string      `json:"check_status"`
	Reason      *string     `json:"reason"`
	Evaluated   json.Number `json:"evaluated_at"`
	CatchUp     bool        `json:"catch_up"`

	Gap     bool   `json:"gap"`
	Off     bool   `json:"off"`
	From    int64  `json:"from_minute_epoch"`
	To      *int64 `json:"to_minute_epoch"`
	Minutes int64  `json:"minutes"`
}

func (w *world) history(args ...string) []entry {
	w.Helper()
	return lines[entry](w, w.want(0, append([]string{"history", "--json"}, args...)...).out)
}

// state is one object of `status --json`.
type state struct {
	CheckerName string `json:"checker_name"`
	State       string `json:"state"`
	Cause       string `json:"cause"`
	Settled     *int64 `json:"settled_minute_epoch"`
	Pending     int64  `json:"pending_minutes"`
}

func (w *world) status() map[string]state {
	w.Helper()
	byName := map[string]state{}
	for _, s := range lines[state](w, w.want(0, "status", "--json").out) {
		byName[s.CheckerName] = s
	}
	return byName
}

// processes are the living processes of the world: dwmon, guards and plugins.
func (w *world) processes() []int { return procfs.Below(w.dir) }

// gone insists that no process of the world is left soon.
func (w *world) gone(within time.Duration) {
	w.Helper()
	if !eventually(within, func() bool { return len(w.processes()) == 0 }) {
		for _, pid := range w.processes() {
			cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			w.Errorf("process %d is left over: %q", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '}))
		}
		w.FailNow()
	}
}

// eventually asks until it is so, or the time is over.
func eventually(within time.Duration, ok func() bool) bool {
	end := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-end:
			return ok()
		case <-tick.C:
		}
	}
}

// await insists that it is so within the patience.
func (w *world) await(what string, ok func() bool) {
	w.Helper()
	if !eventually(patience, ok) {
		w.Fatalf("waited %s in vain: %s", patience, what)
	}
}

// server is a running daemon.
type server struct {
	w    *world
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  []string
	done chan struct{} // closed when the process has ended
}

// start starts a daemon and does not wait for it.
func (w *world) start(args ...string) *server {
	w.Helper()
	s := &server{w: w, cmd: w.command(append([]string{"daemon"}, args...)...), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	go func() {
		defer close(s.done)
		in := bufio.NewReaderSize(stderr, 1<<20)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				s.mu.Lock()
				s.log = append(s.log, strings.TrimSuffix(line, "\n"))
				s.mu.Unlock()
			}
			if err != nil {
				break
			}
		}
		_ = s.cmd.Wait()
	}()
	w.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
		if w.Failed() {
			w.Logf("the log of a daemon:\n%s", strings.Join(s.lines(), "\n"))
		}
	})
	return s
}

func (s *server) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

// logged gives the first log line that holds all of the texts, from a line on.
func (s *server) logged(texts ...string) (string, bool) {
	for _, l := range s.lines() {
		if !slices.ContainsFunc(texts, func(t string) bool { return !strings.Contains(l, t) }) {
			return l, true
		}
	}
	return "", false
}

// up waits until the daemon is up and gives the address of its listener.
func (s *server) up() string {
	s.w.Helper()
	var line string
	s.w.await("the daemon is up", func() (ok bool) {
		select {
		case <-s.done:
			s.w.Fatal("the daemon has ended")
		default:
		}
		line, ok = s.logged(`"dwmon is up"`)
		return ok
	})
	var object struct{ Listen string }
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		s.w.Fatal(err)
	}
	return object.Listen
}

// kill kills the daemon at once. It says whether it was still alive.
func (s *server) kill() bool {
	err := s.cmd.Process.Kill()
	<-s.done
	return err == nil && s.cmd.ProcessState.ExitCode() == -1
}

// stop asks the daemon to stop and gives how long it took.
func (s *server) stop() time.Duration {
	s.w.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.w.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(patience):
		s.w.Fatal("the daemon does not stop")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.w.Fatalf("the daemon stopped with exit code %d", code)
	}
	return time.Since(began)
}

// get fetches a page of the daemon.
func get(ctx context.Context, t testing.TB, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
