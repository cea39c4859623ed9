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
		enginetest.Live(rt, enginetest.Options{Store: store, Passes: 40, Reopen: func() dwmon.Store {
			if err := db.Close(); err != nil {
				rt.Fatal(err)
			}
			return open()
		}})
	})
}
