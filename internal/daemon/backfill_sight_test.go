package daemon

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// TestFirstSightsMeet: several that see a checker for the first time at once, in
// transactions that share a commit, all go on from what the first has stored.
func TestFirstSightsMeet(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dwmon.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	checker := *suggestion(t).Checker
	for i := range 100 {
		c := checker
		c.Name = fmt.Sprint("orders-", i)
		b := backfilling{assembly: &assembly{db: db}, cfg: &config.Config{Timezone: time.UTC}, job: &engine.Job{Checker: &c}}
		var seen [4]*dwmon.Progress
		var group sync.WaitGroup
		for k := range seen {
			group.Go(func() {
				var err error
				if seen[k], err = b.firstSight(t.Context(), 0); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, p := range seen {
			if p == nil || p.ID == 0 || p.ID != seen[0].ID {
				t.Fatalf("checker %d: one has %+v, another %+v", i, p, seen[0])
			}
		}
	}
}
