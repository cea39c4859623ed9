package main

import (
	"testing"

	"github.com/dwmon/dwmon/internal/testdb"
	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestWriteIsRefused(t *testing.T) {
	dsn := testdb.ClickHouse(t)
	admin := openAdmin(t, dsn)
	g := gettertest.MustStart(t, plugin(), map[string]any{"dsn": dsn})
	if _, err := g.Get(t.Context(), plugin().WriteProbe); err == nil {
		t.Error("the probe is not refused")
	} else {
		t.Log(err)
	}
	if _, err := admin.Exec(writeProbe); err != nil {
		t.Errorf("where writing is allowed the probe is no statement that works: %v", err)
	}
}
