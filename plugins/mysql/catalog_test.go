package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/draft/drafttest"
	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestCatalog(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE TABLE orders (id int PRIMARY KEY, number varchar(20) UNIQUE, created_at datetime(6) NOT NULL, note text)",
		"CREATE TABLE `Odd name` (`a b` int, c timestamp, PRIMARY KEY (`a b`, c))",
		"CREATE VIEW late AS SELECT id, created_at FROM orders",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	var got []string
	for _, row := range g.MustGet(t, plugin().CatalogQuery).Rows {
		got = append(got, row.Key)
	}
	want := []string{
		"\tlate\tid\tint(11)\t", "\tlate\tcreated_at\tdatetime(6)\t",
		"\tOdd name\ta b\tint(11)\tkey", "\tOdd name\tc\ttimestamp\tkey",
		"\torders\tid\tint(11)\tkey", "\torders\tnumber\tvarchar(20)\tunique", "\torders\tcreated_at\tdatetime(6)\t", "\torders\tnote\ttext\t",
	}
	slices.Sort(got) // whether capitals come first hangs on the server
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the catalog is\n%q, not\n%q", got, want)
	}
	drafttest.Ask(t, "mysql", got, 2, func(query string) { g.MustGet(t, query) })
}
