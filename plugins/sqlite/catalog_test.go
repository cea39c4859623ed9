package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/draft/drafttest"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestCatalog(t *testing.T) {
	path := newFile(t,
		"CREATE TABLE orders (id INTEGER PRIMARY KEY, number TEXT UNIQUE, created_at TEXT NOT NULL, note, UNIQUE (note, created_at))",
		`CREATE TABLE "Odd name" ("a b" INTEGER, c REAL, "Created At" TIMESTAMP, PRIMARY KEY ("a b", c)) WITHOUT ROWID`,
		"CREATE VIEW late AS SELECT id, created_at FROM orders",
		"CREATE INDEX by_note ON orders (note)",
		"CREATE UNIQUE INDEX partial ON orders (created_at) WHERE note IS NULL",
	)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	var got []string
	for _, row := range g.MustGet(t, plugin().CatalogQuery).Rows {
		got = append(got, row.Key)
	}
	want := []string{
		"\tOdd name\ta b\tINTEGER\tkey", "\tOdd name\tc\tREAL\tkey", "\tOdd name\tCreated At\tTIMESTAMP\t",
		"\tlate\tid\tINTEGER\t", "\tlate\tcreated_at\tTEXT\t",
		"\torders\tid\tINTEGER\tkey", "\torders\tnumber\tTEXT\tunique", "\torders\tcreated_at\tTEXT\t", "\torders\tnote\t\t",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the catalog is %q, not %q", got, want)
	}
	drafttest.Ask(t, "sqlite", got, 2, func(query string) { g.MustGet(t, query) })
}
