package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

const (
	mariaUser     = "dwmon"
	mariaPassword = "my-s3cret"
)

var mariadb = &server{
	name:     "MariaDB",
	packages: "mariadb-server",
	programs: func() (map[string]string, error) {
		return find([]string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin"}, "mariadb-install-db", "mariadbd")
	},
	boot: bootMariaDB,
}

// mariaSettings favour a quick start over everything that a lost test database
// does not need. Set-up and server must agree on them.
var mariaSettings = []string{
	"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=0",
	"--innodb-doublewrite=0", "--innodb-flush-method=nosync", "--innodb-fast-shutdown=2",
	"--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M", "--performance-schema=OFF",
	"--skip-name-resolve", "--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci",
}

func bootMariaDB(programs map[string]string, dir string) (*instance, error) {
	as, err := accountFor("mysql")
	if err != nil {
		return nil, err
	}
	data, accounts := filepath.Join(dir, "data"), filepath.Join(dir, "accounts.sql")
	grant := fmt.Sprintf("CREATE USER IF NOT EXISTS %[1]s@'%%' IDENTIFIED BY '%[2]s';\nGRANT ALL ON *.* TO %[1]s@'%%' WITH GRANT OPTION;\n", mariaUser, mariaPassword)
	if err := os.WriteFile(accounts, []byte(grant), 0o600); err != nil {
		return nil, err
	}
	for _, path := range []string{dir, accounts} {
		if err := as.own(path); err != nil {
			return nil, err
		}
	}
	setup := []string{"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--skip-test-db", "--auth-root-authentication-method=normal"}
	if err := run(as, dir, programs["mariadb-install-db"], append(setup, mariaSettings...)...); err != nil {
		return nil, err
	}
	return onFreePort(func(port int) (*instance, error) {
		args := []string{
			"--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--socket=" + filepath.Join(dir, "mysql.sock"),
			"--pid-file=" + filepath.Join(dir, "mariadbd.pid"), "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port),
			"--init-file=" + accounts, "--max-connections=50", "--skip-log-bin",
		}
		proc, err := launch(as, dir, syscall.SIGTERM, programs["mariadbd"], append(args, mariaSettings...)...)
		if err != nil {
			return nil, err
		}
		if err := proc.ready(func(ctx context.Context) error { return mariaExec(ctx, port, "SELECT 1") }); err != nil {
			return nil, err
		}
		return &instance{
			proc: proc,
			create: func(name string) (string, error) {
				url := fmt.Sprintf("mysql://%s:%s@127.0.0.1:%d/%s", mariaUser, mariaPassword, port, name)
				return url, mariaExec(context.Background(), port, "CREATE DATABASE "+name)
			},
			drop: func(name string) error {
				return mariaExec(context.Background(), port, "DROP DATABASE "+name)
			},
		}, nil
	})
}

// mariaExec runs one statement on a connection of its own.
func mariaExec(ctx context.Context, port int, statement string) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = mariaUser, mariaPassword
	cfg.Net, cfg.Addr = "tcp", fmt.Sprintf("127.0.0.1:%d", port)
	cfg.Logger = &mysql.NopLogger{} // refused connections are how readiness is found out
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
