package daemon_test

import (
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// TestLivesAsTheModelDoesOnSQLite lives random scenarios, restarts included, on
// the real store.
func TestLivesAsTheModelDoesOnSQLite(t *testing.T) {
	onSQLite(t, func(rt *rapid.T, store dwmon.Store, reopen func() dwmon.Store) {
		enginetest.Live(rt, enginetest.Options{Store: store, Passes: 40, Reopen: reopen})
	})
}

// TestNoLowVerdictIsWrongOnSQLite holds verdicts against full knowledge of the
// source, on the real store.
func TestNoLowVerdictIsWrongOnSQLite(t *testing.T) {
	onSQLite(t, func(rt *rapid.T, store dwmon.Store, reopen func() dwmon.Store) {
		enginetest.LiveTruth(rt, enginetest.Options{Store: store, Passes: 30, Reopen: reopen})
	})
}

// onSQLite lives scenarios, each on a store of its own.
func onSQLite(t *testing.T, live func(rt *rapid.T, store dwmon.Store, reopen func() dwmon.Store)) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var db *sqlite.DB
		open := func() dwmon.Store {
			if db, err = sqlite.Open(t.Context(), filepath.Join(dir, "dwmon.db"), sqlite.Options{}); err != nil {
				rt.Fatal(err)
			}
			return db
		}
		store := open()
		defer func() { db.Close() }()
		live(rt, store, func() dwmon.Store {
			if err := db.Close(); err != nil {
				rt.Fatal(err)
			}
			return open()
		})
	})
}
