package engine_test

import (
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/model"
)

// TestLivesAsTheModelDoes lives a hundred scenarios, and thousands where
// everything is tested.
func TestLivesAsTheModelDoes(t *testing.T) {
	rounds := 1
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		rounds = 20
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			enginetest.Live(t, enginetest.Options{Store: model.New()})
		})
	}
}

// TestNoLowVerdictIsWrong holds verdicts against full knowledge of the source.
func TestNoLowVerdictIsWrong(t *testing.T) {
	rounds := 3
	if os.Getenv("DWMON_TEST_ALL") == "1" {
		rounds = 30
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			enginetest.LiveTruth(t, enginetest.Options{Store: model.New(), Passes: 60})
		})
	}
}
