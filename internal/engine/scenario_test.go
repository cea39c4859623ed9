package engine_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/engine/enginetest"
	"github.com/dwmon/dwmon/internal/store/model"
)

func TestLivesAsTheModelDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		enginetest.Live(t, enginetest.Options{Store: model.New()})
	})
}
