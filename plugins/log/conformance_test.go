package main

import (
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	o := plugintest.Options{Settings: map[string]any{"file": filepath.Join(t.TempDir(), "checks.log")}}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "log"), o) })
}
