// Package testdb starts private database servers for tests: a PostgreSQL, a
// MariaDB and a ClickHouse of the system's packages, each at most once in a test
// process, in a temporary folder, reachable on the loopback address only.
//
// A package that uses it hands its test run over, so that the servers end and
// their folders go whatever the tests do:
//
//	func TestMain(m *testing.M) { testdb.Main(m) }
//
// Each call of [Postgres], [MariaDB] or [ClickHouse] makes a new, empty database, dropped when
// the test ends. A machine without the server's programs skips the test; with
// DWMON_TEST_ALL=1 in the environment it fails instead.
//
// A test process that is killed takes its servers with it (Linux); the folders it
// leaves are removed by the next process that starts a server.
package testdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// startLimit is how long a server may take until it answers. It takes about a
// second on an idle machine.
const startLimit = 60 * time.Second

// Postgres returns the URL of a new, empty database on this process's
// PostgreSQL, as its superuser. The URL carries a password.
func Postgres(t testing.TB) string {
	t.Helper()
	return postgres.database(t)
}

// MariaDB returns the URL (mysql://…) of a new, empty utf8mb4 database on this
// process's MariaDB, as a user with all privileges. The URL carries a password.
func MariaDB(t testing.TB) string {
	t.Helper()
	return mariadb.database(t)
}

// Main runs the tests, ends the servers and exits. It is the body of TestMain.
func Main(m *testing.M) { os.Exit(Wrap(m).Run()) }

// Wrap is [Main] for a package whose TestMain belongs to somebody else, such as
// testscript: what it returns runs m's tests and ends the servers.
func Wrap(m interface{ Run() int }) Runner {
	wrapped.Store(true)
	return Runner{m}
}

// Runner runs tests and ends the servers after them.
type Runner struct{ m interface{ Run() int } }

// Run returns the exit code of the tests.
func (r Runner) Run() int {
	defer clickhouseServer.stop()
	defer mariadb.stop()
	defer postgres.stop()
	defer replicated.stop()
	return r.m.Run()
}

// wrapped says that Wrap is in charge of ending the servers.
var wrapped atomic.Bool

// server is one kind of database server, started when it is first asked for.
type server struct {
	name     string
	packages string // what to install where programs are missing
	programs func() (map[string]string, error)
	boot     func(programs map[string]string, dir string) (*instance, error)

	mu      sync.Mutex
	started bool
	inst    *instance
	err     error
	missing error
	count   int
}

// instance is a running server.
type instance struct {
	proc *process
	port int
	dir  string
	// standby follows it; nil for none.
	standby *instance
	// create makes a database and returns its URL; drop removes it.
	create func(name string) (url string, err error)
	drop   func(name string) error
}

// database starts the server where that has not happened yet and makes a
// database on it.
func (s *server) database(t testing.TB) string {
	t.Helper()
	_, _, url := s.make(t)
	return url
}

// make is database, with the server and the database's name.
func (s *server) make(t testing.TB) (inst *instance, name, url string) {
	t.Helper()
	if !wrapped.Load() {
		t.Fatal("testdb: the package needs func TestMain(m *testing.M) { testdb.Main(m) }, else its servers would stay behind")
	}
	inst, name = s.use(t)
	var err error
	url, err = inst.create(name)
	if err != nil {
		t.Fatalf("testdb: create database %s on %s: %v", name, s.name, err)
	}
	t.Cleanup(func() {
		if err := inst.drop(name); err != nil {
			t.Logf("testdb: drop database %s on %s: %v", name, s.name, err)
		}
	})
	return inst, name, url
}

// use returns the running server and a name that no database has yet.
func (s *server) use(t testing.TB) (*instance, string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		s.started = true
		s.inst, s.missing, s.err = s.start()
	}
	switch {
	case s.missing != nil && os.Getenv("DWMON_TEST_ALL") == "1":
		t.Fatalf("testdb: DWMON_TEST_ALL=1, but %s cannot run: %v; install the packages %s", s.name, s.missing, s.packages)
	case s.missing != nil:
		t.Skipf("SKIPPED, NOT TESTED: %s cannot run: %v; install the packages %s", s.name, s.missing, s.packages)
	case s.err != nil:
		t.Fatalf("testdb: start %s: %v", s.name, s.err)
	}
	s.count++
	return s.inst, fmt.Sprintf("test_%d", s.count)
}

// start boots the server in a folder of its own. missing says what the machine
// lacks for it.
func (s *server) start() (inst *instance, missing, err error) {
	programs, missing := s.programs()
	if missing != nil {
		return nil, missing, nil
	}
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, nil, err
	}
	inst, err = s.boot(programs, dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	inst.dir = dir
	return inst, nil, nil
}

// stop ends the server and removes its folder.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inst == nil {
		return
	}
	if s.inst.standby != nil {
		s.inst.standby.proc.stop()
	}
	s.inst.proc.stop()
	if err := os.RemoveAll(s.inst.dir); err != nil {
		fmt.Fprintln(os.Stderr, "testdb:", err)
	}
	s.inst = nil
}

// dirPrefix begins the names of servers' folders; the process id of their test
// follows.
const dirPrefix = "dwmon-testdb-"

// sweep removes the folders of test processes that are gone.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		if !running(pid) {
			os.RemoveAll(dir)
		}
	}
}
