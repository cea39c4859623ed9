package main

import (
	"fmt"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/gettertest/engine"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// TestConformance runs against the fake.
func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings:  map[string]any{"dsn": dsnOf(newFake(t))},
		Query:     one,
		ManyRows:  fmt.Sprintf(engine.Series, 200_000),
		SlowQuery: engine.Never,
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "sqlserver"), o) })
}
