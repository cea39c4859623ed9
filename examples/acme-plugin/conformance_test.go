package main

import (
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// TestConformance is what dwmon asks of every plugin.
func TestConformance(t *testing.T) {
	o := plugintest.Options{
		Settings:  map[string]any{"url": newService(t).URL, "token": token, "keep": "90d"},
		Query:     "pages/1",
		ManyRows:  "pages/100",
		SlowQuery: "slow",
		Extra:     []byte(`{"acme": {"team": "test"}}`),
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "acme"), o) })
}
