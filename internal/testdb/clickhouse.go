package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	clickUser     = "dwmon"
	clickPassword = "ch-s3cret"
)

// ClickHouse returns the URL (clickhouse://…) of a new, empty database on this
// process's ClickHouse, for the native protocol, as a user who may do everything.
// The URL carries a password. The users reader (who may only read, and set no
// setting) and fringe (whose results are cut short in silence) have the same one.
func ClickHouse(t testing.TB) string {
	t.Helper()
	return clickhouseServer.database(t)
}

var clickhouseServer = &server{
	name:     "ClickHouse",
	packages: "clickhouse-server",
	programs: func() (map[string]string, error) {
		return find([]string{"/usr/sbin", "/usr/bin", "/usr/local/bin"}, "clickhouse-server")
	},
	boot: bootClickHouse,
}

// clickConfig is the server's configuration: its folder, its port. No other port is
// opened, and the caches are small.
const clickConfig = `<?xml version="1.0"?>
<yandex>
	<logger><level>warning</level><console>1</console></logger>
	<tcp_port>%[2]d</tcp_port>
	<listen_host>127.0.0.1</listen_host>
	<interserver_http_host>localhost</interserver_http_host>
	<path>%[1]s/data/</path>
	<tmp_path>%[1]s/data/tmp/</tmp_path>
	<user_files_path>%[1]s/data/files/</user_files_path>
	<users_config>users.xml</users_config>
	<default_profile>default</default_profile>
	<default_database>default</default_database>
	<timezone>UTC</timezone>
	<mark_cache_size>5242880</mark_cache_size>
	<uncompressed_cache_size>1048576</uncompressed_cache_size>
</yandex>
`

// clickUsers are the users: name, profile.
var clickUsers = [][2]string{{clickUser, "default"}, {"reader", "reader"}, {"fringe", "fringe"}, {"stuck", "stuck"}}

const clickProfiles = `
	<profiles>
		<default/>
		<reader><readonly>1</readonly></reader>
		<fringe><timeout_overflow_mode>break</timeout_overflow_mode><max_execution_time>1</max_execution_time><extremes>1</extremes></fringe>
		<stuck><readonly>1</readonly><read_overflow_mode>break</read_overflow_mode></stuck>
	</profiles>
	<quotas><default/></quotas>
`

func clickUsersConfig() string {
	users := ""
	for _, u := range clickUsers {
		users += fmt.Sprintf("\t\t<%[1]s><password>%[2]s</password><networks><ip>127.0.0.1</ip></networks><profile>%[3]s</profile><quota>default</quota></%[1]s>\n",
			u[0], clickPassword, u[1])
	}
	return "<?xml version=\"1.0\"?>\n<yandex>" + clickProfiles + "\t<users>\n" + users + "\t</users>\n</yandex>\n"
}

func bootClickHouse(programs map[string]string, dir string) (*instance, error) {
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "users.xml"), []byte(clickUsersConfig()), 0o600); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "config.xml")
	return onFreePort(func(port int) (*instance, error) {
		if err := os.WriteFile(config, fmt.Appendf(nil, clickConfig, dir, port), 0o600); err != nil {
			return nil, err
		}
		proc, err := launch(nil, dir, syscall.SIGTERM, programs["clickhouse-server"], "--config-file="+config)
		if err != nil {
			return nil, err
		}
		if err := proc.ready(func(ctx context.Context) error { return clickExec(ctx, port, "SELECT 1") }); err != nil {
			return nil, err
		}
		return &instance{
			proc: proc,
			create: func(name string) (string, error) {
				url := fmt.Sprintf("clickhouse://%s:%s@127.0.0.1:%d/%s", clickUser, clickPassword, port, name)
				return url, clickExec(context.Background(), port, "CREATE DATABASE "+name)
			},
			drop: func(name string) error {
				return clickExec(context.Background(), port, "DROP DATABASE "+name)
			},
		}, nil
	})
}

// clickExec runs one statement on a connection of its own.
func clickExec(ctx context.Context, port int, statement string) error {
	db := sql.OpenDB(clickhouse.Connector(&clickhouse.Options{
		Addr: []string{fmt.Sprintf("127.0.0.1:%d", port)},
		Auth: clickhouse.Auth{Username: clickUser, Password: clickPassword},
	}))
	defer db.Close()
	_, err := db.ExecContext(ctx, statement)
	return err
}
