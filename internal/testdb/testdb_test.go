package testdb

import (
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
)

func TestMain(m *testing.M) { Main(m) }

func openMaria(t *testing.T, raw string) *sql.DB {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(c)
}

func openPostgres(t *testing.T, raw string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", raw)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestEachCallMakesADatabaseOfItsOwn(t *testing.T) {
	for _, s := range []struct {
		name string
		url  func(testing.TB) string
		open func(*testing.T, string) *sql.DB
	}{
		{"PostgreSQL", Postgres, openPostgres},
		{"MariaDB", MariaDB, openMaria},
	} {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			first := s.url(t)
			t.Logf("the first database after %v", time.Since(began))
			began = time.Now()
			second := s.url(t)
			t.Logf("the second one after %v", time.Since(began))
			if first == second {
				t.Fatalf("two calls gave the same database %s", first)
			}
			for _, u := range []string{first, second} {
				db := s.open(t, u)
				defer db.Close()
				if _, err := db.ExecContext(t.Context(), "CREATE TABLE mine (a int)"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestKilledProcess kills a test process that has both servers and expects them
// to end with it, and their folders to go with the next start.
func TestKilledProcess(t *testing.T) {
	if os.Getenv("TESTDB_HANG") == "1" {
		Postgres(t)
		MariaDB(t)
		os.Stdout.WriteString("ready\n")
		select {} // until it is killed
	}
	Postgres(t)
	MariaDB(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestKilledProcess$")
	temp := t.TempDir()
	for dir := temp; dir != filepath.Dir(dir) && strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the servers run as other users
			t.Fatal(err)
		}
	}
	cmd.Env = append(os.Environ(), "TESTDB_HANG=1", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if b := make([]byte, 6); true {
		if _, err := out.Read(b); err != nil || string(b) != "ready\n" {
			t.Fatalf("the child wrote %q, %v", b, err)
		}
	}
	if n := serversBelow(t, temp); n < 2 {
		t.Fatalf("%d servers run below %s before the kill; want 2 at least", n, temp)
	}
	cmd.Process.Kill()
	deadline := time.Now().Add(10 * time.Second)
	for serversBelow(t, temp) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d server processes are left after their test was killed", serversBelow(t, temp))
		}
		<-time.After(20 * time.Millisecond)
	}
	cmd.Wait()
	t.Setenv("TMPDIR", temp)
	sweep()
	if left, _ := filepath.Glob(filepath.Join(temp, dirPrefix+"*")); len(left) > 0 {
		t.Fatalf("sweep left %v", left)
	}
}

// serversBelow counts the processes whose command line names dir.
func serversBelow(t *testing.T, dir string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		line, _ := os.ReadFile(f)
		if strings.Contains(string(line), dir) {
			n++
		}
	}
	return n
}
