package main

import (
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	f := newFake(t, nil)
	o := plugintest.Options{Settings: with(f.settings(), "to", "ops@example.com")}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "mail"), o) })
}
