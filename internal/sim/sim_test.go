package sim_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/dwmon/dwmon/internal/sim"
)

// lives is how many are lived in a test, of so many steps: a few seconds' worth, and
// minutes' where everything is to be tried.
func lives(few, many int) int {
	if os.Getenv("DWMON_TEST_ALL") != "" {
		return many
	}
	return few
}

func TestLivesOnTheModelStore(t *testing.T) {
	testLives(t, "model", lives(30, 600), 0)
}

func TestLivesOnSQLite(t *testing.T) {
	testLives(t, "sqlite", lives(3, 30), 1500)
}

func testLives(t *testing.T, store string, n, steps int) {
	var all sim.Stats
	for seed := range uint64(n) {
		lived, err := sim.Live(t.Context(), sim.Options{Seed: seed + 1, Store: store, Steps: steps})
		if err != nil {
			t.Fatal(err)
		}
		all.Add(lived)
	}
	t.Logf("%+v", all)
	for what, n := range map[string]int64{
		"verdicts": all.Verdicts, "UNKNOWN verdicts": all.Unknown, "failed fetches": all.FailedFetches, "gaps": all.GapMinutes, "restarts": all.Restarts,
		"edits": all.Edits, "incidents": all.Incidents, "failures of the store": all.StoreFailures,
	} {
		if n == 0 {
			t.Errorf("these lives had no %s: they were too quiet to show anything", what)
		}
	}
	if store == "sqlite" && (all.Notices == 0 || all.Again == 0) {
		t.Errorf("%d notices were delivered, and %d deliveries came again", all.Notices, all.Again)
	}
}

// A seed is worth nothing if it does not give the same life again.
func TestASeedRepeats(t *testing.T) {
	for _, store := range sim.Stores {
		var traces [2]bytes.Buffer
		for i := range traces {
			if _, err := sim.Live(t.Context(), sim.Options{Seed: 7, Store: store, Steps: 600, Trace: &traces[i]}); err != nil {
				t.Fatal(err)
			}
		}
		if traces[0].Len() == 0 || !bytes.Equal(traces[0].Bytes(), traces[1].Bytes()) {
			t.Errorf("store %s: a seed gave two lives, told in %d and %d bytes", store, traces[0].Len(), traces[1].Len())
		}
	}
}
