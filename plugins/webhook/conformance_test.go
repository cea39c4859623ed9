package main

import (
	"net/http"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	s := providertest.Serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	o := plugintest.Options{Settings: map[string]any{"url": s.URL, "secret": "whsec_c2lnbmVkIGFuZCBzZWFsZWQ="}}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, newPlugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "webhook"), o) })
}
