package main

import (
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings:  map[string]any{"dsn": testdb.ClickHouse(t)},
		Query:     one,
		ManyRows:  "SELECT number AS dwmon_unique_key, number AS dwmon_timestamp FROM system.numbers LIMIT 200000",
		SlowQuery: "SELECT count() AS dwmon_unique_key, 1 AS dwmon_timestamp FROM system.numbers",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "clickhouse"), o) })
}
