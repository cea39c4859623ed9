package sqlite

import (
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
	return reopening{mustOpen(t, r.Path(), r.opts), r.opts}
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]Options{
		"WithFilters":    {},
		"WithoutFilters": {FilterMemory: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for the disk
			storetest.Run(t, func(t *testing.T) dwmon.Store { return reopening{newDB(t, opts), opts} })
		})
	}
}
