package main

import (
	"fmt"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings: map[string]any{"dsn": "sqlite:" + newFile(t,
			"CREATE TABLE orders (id INTEGER PRIMARY KEY, at REAL)",
			"INSERT INTO orders (at) SELECT 1700000000.5 + value FROM json_each('[1,2,3,4,5,6,7]')")},
		Query:     "SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM orders",
		ManyRows:  numbers(100_000),
		SlowQuery: endless + "x < 0",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "sqlite"), o) })
}

// numbers is a query for so many rows. Their keys are long enough that a plugin
// that gathered them would be seen.
func numbers(n int) string {
	return fmt.Sprintf(`WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < %d)
		SELECT printf('%%0300d', x) AS dwmon_unique_key, 1700000000 AS dwmon_timestamp FROM n`, n)
}
