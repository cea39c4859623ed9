package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/draft"
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
	} // What `dwmon new` makes of it must run here.
	drafted := 0
	for _, table := range draft.Catalog(got) {
		if key, times := table.ProposeKey(), table.ProposeTimes(); len(key) > 0 && len(times) > 0 {
			g.MustGet(t, draft.Query("clickhouse", table, key, times[0]))
			drafted++
		}
	}
	if drafted < 2 {
		t.Errorf("%d queries were drafted", drafted)
	}
}
