package testdb

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

const (
	pgUser     = "dwmon"
	pgPassword = "pg-s3cret"
)

var postgres = &server{
	name:     "PostgreSQL",
	packages: "postgresql",
	programs: func() (map[string]string, error) {
		return find([]string{"/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"}, "initdb", "postgres")
	},
	boot: bootPostgres,
}

// pgSettings favour a quick start over everything that a lost test database
// does not need.
var pgSettings = []string{
	"fsync=off", "full_page_writes=off", "synchronous_commit=off",
	"shared_buffers=16MB", "max_connections=50", "autovacuum=off",
	"wal_level=minimal", "max_wal_senders=0", "listen_addresses=127.0.0.1",
	"max_parallel_workers=0", "logging_collector=off",
}

func bootPostgres(programs map[string]string, dir string) (*instance, error) {
	as, err := accountFor("postgres")
	if err != nil {
		return nil, err
	}
	data, err := initPostgres(as, programs, dir)
	if err != nil {
		return nil, err
	}
	return startPostgres(as, programs, dir, data, pgSettings)
}

// initPostgres makes the data folder of a server in dir, which it gives to as.
func initPostgres(as *account, programs map[string]string, dir string) (data string, err error) {
	data, passwords := filepath.Join(dir, "data"), filepath.Join(dir, "password")
	if err := os.WriteFile(passwords, []byte(pgPassword+"\n"), 0o600); err != nil {
		return "", err
	}
	for _, path := range []string{dir, passwords} {
		if err := as.own(path); err != nil {
			return "", err
		}
	}
	return data, run(as, dir, programs["initdb"], "--pgdata="+data, "--username="+pgUser, "--pwfile="+passwords,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions")
}

func startPostgres(as *account, programs map[string]string, dir, data string, settings []string) (*instance, error) {
	return onFreePort(func(port int) (*instance, error) {
		args := []string{"-D", data, "-k", dir, "-p", strconv.Itoa(port)}
		for _, s := range settings {
			args = append(args, "-c", s)
		}
		proc, err := launch(as, dir, syscall.SIGQUIT, programs["postgres"], args...)
		if err != nil {
			return nil, err
		}
		admin := pgURL(port, "postgres")
		if err := proc.ready(func(ctx context.Context) error { return pgExec(ctx, admin, "SELECT 1") }); err != nil {
			return nil, err
		}
		return &instance{
			proc: proc, port: port,
			create: func(name string) (string, error) {
				return pgURL(port, name), pgExec(context.Background(), admin, "CREATE DATABASE "+name)
			},
			drop: func(name string) error {
				return pgExec(context.Background(), admin, "DROP DATABASE "+name+" WITH (FORCE)")
			},
		}, nil
	})
}

func pgURL(port int, database string) string {
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/%s?sslmode=disable", pgUser, pgPassword, port, database)
}

// pgExec runs one statement on a connection of its own.
func pgExec(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
