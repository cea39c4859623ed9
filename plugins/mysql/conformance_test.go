package main

import (
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings: map[string]any{"dsn": testdb.MariaDB(t)},
		Query:    "SELECT 1 AS dwmon_unique_key, now() AS dwmon_timestamp UNION SELECT 2, now()",
		// Long keys: a plugin that gathered them would be seen.
		ManyRows:  `SELECT lpad(seq, 300, '0') AS dwmon_unique_key, 1700000000 AS dwmon_timestamp FROM seq_1_to_100000`,
		SlowQuery: "SELECT sleep(600) AS dwmon_unique_key, 1 AS dwmon_timestamp",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "mysql"), o) })
}
