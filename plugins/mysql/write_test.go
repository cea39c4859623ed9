package main

import (
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

func TestWriteIsRefusedAndRightsAreListed(t *testing.T) {
	dsn := testdb.MariaDB(t)
	admin := openAdmin(t, dsn)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	var keys []string
	for _, row := range g.MustGet(t, plugin().WritableQuery).Rows {
		keys = append(keys, row.Key)
	}
	if !slices.Contains(keys, "every database") {
		t.Errorf("the administrator may write %q", keys)
	}
	if _, err := g.Get(t.Context(), plugin().WriteProbe); pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
		t.Errorf("the probe: %v", err)
	} else {
		t.Log(err)
	}
	if _, err := admin.Exec(writeProbe); err != nil {
		t.Errorf("outside of a read-only transaction the probe is no statement that works: %v", err)
	}
}
