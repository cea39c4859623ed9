package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/draft/drafttest"
	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestCatalog(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE TABLE orders (id UInt64, created_at DateTime, note Nullable(String)) ENGINE = MergeTree ORDER BY id",
		"CREATE VIEW late AS SELECT id, created_at FROM orders",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	var got []string
	for _, row := range g.MustGet(t, plugin().CatalogQuery).Rows {
		if row.Key[0] == '\t' { // the database in use; other tests have theirs
			got = append(got, row.Key)
		}
	}
	want := []string{
		"\tlate\tid\tUInt64\t", "\tlate\tcreated_at\tDateTime\t",
		"\torders\tid\tUInt64\t", "\torders\tcreated_at\tDateTime\t", "\torders\tnote\tNullable(String)\t",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the catalog is\n%q, not\n%q", got, want)
	}
	drafttest.Ask(t, "clickhouse", got, 2, func(query string) { g.MustGet(t, query) })
}
