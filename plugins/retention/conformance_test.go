package main

import (
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings: map[string]any{"keep": "400d"},
		Extra:    []byte(`{"retention": {"keep": "30d"}}`),
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "retention"), o) })
}
