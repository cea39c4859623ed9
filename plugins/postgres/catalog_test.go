package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/draft/drafttest"
	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestCatalog(t *testing.T) {
	dsn := testdb.Postgres(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE TABLE orders (id bigserial PRIMARY KEY, number text UNIQUE, gone int, created_at timestamptz NOT NULL, amount numeric(10,2), UNIQUE (amount, created_at))",
		"ALTER TABLE orders DROP COLUMN gone",
		`CREATE TABLE "Odd name" ("a b" int, c timestamp, PRIMARY KEY ("a b", c))`,
		"CREATE UNIQUE INDEX partial ON orders (created_at) WHERE amount IS NULL",
		"CREATE VIEW late AS SELECT id, created_at FROM orders",
		"CREATE SCHEMA billing",
		"CREATE TABLE billing.invoices (no uuid PRIMARY KEY, day date) PARTITION BY HASH (no)",
		"CREATE TABLE billing.invoices_0 PARTITION OF billing.invoices FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
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
		"\tOdd name\ta b\tinteger\tkey", "\tOdd name\tc\ttimestamp without time zone\tkey",
		"\tlate\tid\tbigint\t", "\tlate\tcreated_at\ttimestamp with time zone\t",
		"\torders\tid\tbigint\tkey", "\torders\tnumber\ttext\tunique", "\torders\tcreated_at\ttimestamp with time zone\t", "\torders\tamount\tnumeric(10,2)\t",
		"billing\tinvoices\tno\tuuid\tkey", "billing\tinvoices\tday\tdate\t",
	}
	slices.Sort(got) // the order of names is the database's own
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the catalog is\n%q, not\n%q", got, want)
	}
	drafttest.Ask(t, "postgres", got, 2, func(query string) { g.MustGet(t, query) })
}
