package main

import (
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// BenchmarkDeclaredTimes reads 10,000 text keys with times from a column declared
// DATETIME, which the driver parses, and from one without a type.
func BenchmarkDeclaredTimes(b *testing.B) {
	path := newFile(b, "CREATE TABLE e (k TEXT PRIMARY KEY, at DATETIME, plain)",
		`INSERT INTO e WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c LIMIT 10000)
			SELECT printf('key-%020d', x), datetime(1700000000 + x, 'unixepoch'), datetime(1700000000 + x, 'unixepoch') FROM c`)
	for _, column := range []string{"at", "plain", "unixepoch(at)"} {
		b.Run(column, func(b *testing.B) {
			g := gettertest.MustStart(b, plugin(), map[string]any{"dsn": "sqlite:" + path})
			b.ReportAllocs()
			for b.Loop() {
				sink := &gettertest.Sink{CountOnly: true}
				if err := g.Fetch(b.Context(), "SELECT k AS dwmon_unique_key, "+column+" AS dwmon_timestamp FROM e", sink); err != nil {
					b.Fatal(err)
				}
				if sink.Count != 10_000 {
					b.Fatalf("%d rows", sink.Count)
				}
			}
			b.ReportMetric(10_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
