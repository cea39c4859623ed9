package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/storetest"
)

// mustOpen opens a database for a test, which closes it.
func mustOpen(t testing.TB, path string, opts Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// newDB opens a new database in a folder of the test's own.
func newDB(t testing.TB, opts Options) *DB {
	return mustOpen(t, filepath.Join(t.TempDir(), "dwmon.db"), opts)
}

// reopening is a store that storetest may close and open again.
type reopening struct {
	*DB
	opts Options
}

func (r reopening) Reopen(t testing.TB) dwmon.Store {
	if err := r.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	return reopening{healthy(t, mustOpen(t, r.Path(), r.opts)), r.opts}
}

// healthy looks for damage once the test is over: whatever a store was asked to do, its
// records agree with each other afterwards.
func healthy(t testing.TB, db *DB) *DB {
	t.Cleanup(func() {
		found, err := db.CheckUp(context.WithoutCancel(t.Context()), true, nil)
		if len(found) > 0 || err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("after the test: %v, %v", found, err)
		}
	})
	return db
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]Options{
		"WithFilters":    {},
		"WithoutFilters": {FilterMemory: -1},
		"Redone":         {redoAll: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for the disk
			storetest.Run(t, func(t *testing.T) dwmon.Store { return reopening{healthy(t, newDB(t, opts)), opts} })
		})
	}
}
