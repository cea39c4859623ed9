package main

import (
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/plugins/internal/sqlgetter"
	"github.com/dwmon/dwmon/pluginsdk"
)

func TestWriteIsRefused(t *testing.T) {
	path := newFile(t, "CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT)")
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": "sqlite:" + path})
	if _, err := g.Get(t.Context(), plugin().WriteProbe); pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
		t.Errorf("the probe: %v", err)
	} else {
		t.Log(err)
	}
}

// TestProbeThatIsNotRefusedGivesARow: a row is how whoever has sent it knows.
func TestProbeThatIsNotRefusedGivesARow(t *testing.T) {
	path := newFile(t, "CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT)")
	p := sqlgetter.Plugin(sqlgetter.Product{Name: "sqlite", Schemes: []string{"sqlite"}, Rewrite: rewrite, Open: open, WriteProbe: "SELECT * FROM orders"})
	g := gettertest.MustStart(t, p, map[string]any{"dsn": "sqlite:" + path})
	if rows := g.MustGet(t, p.WriteProbe).Rows; len(rows) != 1 {
		t.Errorf("rows %v", rows)
	}
}
