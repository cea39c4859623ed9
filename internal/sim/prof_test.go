package sim

import "testing"
import "os"

func TestProf(t *testing.T) {
	for seed := uint64(3000); seed < 3060; seed++ {
		if _, err := Live(t.Context(), Options{Seed: seed, Store: os.Getenv("SIMSTORE")}); err != nil {
			t.Fatal(err)
		}
	}
}
