package main

import (
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings: map[string]any{"dsn": testdb.Postgres(t)},
		Query:    "SELECT x AS dwmon_unique_key, now() AS dwmon_timestamp FROM generate_series(1, 7) AS x",
		// Long keys: a plugin that gathered them would be seen.
		ManyRows:  `SELECT lpad(x::text, 300, '0') AS dwmon_unique_key, 1700000000 AS dwmon_timestamp FROM generate_series(1, 100000) AS x`,
		SlowQuery: "SELECT 1 AS dwmon_unique_key, 1 AS dwmon_timestamp FROM pg_sleep(600)",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "postgres"), o) })
}
