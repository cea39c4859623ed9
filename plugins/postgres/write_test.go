package main

import (
	"net/url"
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// TestWriteIsRefusedAndRightsAreListed: whoever the account is, the probe is refused, by
// the transaction and not by the account; what the account may do is listed.
func TestWriteIsRefusedAndRightsAreListed(t *testing.T) {
	dsn := testdb.Postgres(t)
	admin := openAdmin(t, dsn)
	for _, statement := range []string{
		"CREATE TABLE orders (id int)", "CREATE TABLE secret (id int)",
		"DO $$ BEGIN CREATE ROLE dwmon_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
		"ALTER ROLE dwmon_reader PASSWORD 'reads-only'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "GRANT SELECT ON orders TO dwmon_reader",
	} {
		if _, err := admin.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	keys := func(g *gettertest.Getter) (all []string) {
		for _, row := range g.MustGet(t, plugin().WritableQuery).Rows {
			all = append(all, row.Key)
		}
		return all
	}
	owner := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	if got := keys(owner); !slices.Contains(got, "public.orders") || !slices.Contains(got, "public.secret") {
		t.Errorf("the owner may write %q", got)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("dwmon_reader", "reads-only")
	reader := gettertest.MustStart(t, plugin(), map[string]any{"dsn": u.String()})
	if got := keys(reader); len(got) != 0 {
		t.Errorf("the reader may write %q", got)
	}
	for _, g := range []*gettertest.Getter{owner, reader} {
		if _, err := g.Get(t.Context(), plugin().WriteProbe); pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
			t.Errorf("the probe: %v", err)
		} else {
			t.Log(err)
		}
	}
	if _, err := admin.Exec(writeProbe); err != nil {
		t.Errorf("outside of a read-only transaction the probe is no statement that works: %v", err)
	}
}
