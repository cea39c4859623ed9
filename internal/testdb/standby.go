package testdb

import (
	"os"
	"path/filepath"
	"testing"
)

// replicated is a PostgreSQL with a hot standby that streams from it.
var replicated = &server{
	name:     "PostgreSQL with a standby",
	packages: "postgresql",
	programs: func() (map[string]string, error) {
		return find([]string{"/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin"}, "initdb", "postgres", "pg_basebackup")
	},
	boot: bootReplicated,
}

// PostgresStandby returns the URLs of a new, empty database on a PostgreSQL of
// this process and on its hot standby, as its superuser. The database may reach the
// standby a little later. The two are others than [Postgres].
func PostgresStandby(t testing.TB) (primary, standby string) {
	t.Helper()
	inst, name, primary := replicated.make(t)
	return primary, pgURL(inst.standby.port, name)
}

// streaming are the settings of both; what comes later wins.
var streaming = append(pgSettings[:len(pgSettings):len(pgSettings)],
	"wal_level=replica", "max_wal_senders=4", "hot_standby=on", "wal_receiver_status_interval=1", "wal_retrieve_retry_interval=100ms")

func bootReplicated(programs map[string]string, dir string) (*instance, error) {
	as, err := accountFor("postgres")
	if err != nil {
		return nil, err
	}
	if err := as.own(dir); err != nil {
		return nil, err
	}
	dirs := [2]string{filepath.Join(dir, "primary"), filepath.Join(dir, "standby")}
	for _, d := range dirs {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
		if err := as.own(d); err != nil {
			return nil, err
		}
	}
	data, err := initPostgres(as, programs, dirs[0])
	if err != nil {
		return nil, err
	}
	primary, err := startPostgres(as, programs, dirs[0], data, streaming)
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(dirs[1], "data")
	err = run(as, dirs[1], programs["pg_basebackup"], "--pgdata="+copied, "--dbname="+pgURL(primary.port, "postgres"),
		"--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if err == nil {
		primary.standby, err = startPostgres(as, programs, dirs[1], copied, streaming)
	}
	if err != nil {
		primary.proc.stop()
		return nil, err
	}
	return primary, nil
}
