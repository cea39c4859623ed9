// Plugin http is a row getter for HTTP APIs: a checker's QUERY is a request and
// says how rows are read from the answer. Prometheus, Elasticsearch and OpenSearch
// have forms of their own.
package main

import (
	"context"

	"github.com/dwmon/dwmon/pluginsdk"
)

// version of the plugin.
const version = "0.1.0"

func main() {
	p := plugin()
	setup := p.Setup
	p.Setup = func(ctx context.Context) error {
		if err := setup(ctx); err != nil {
			return err
		}
		return limitAddressSpace(p.Settings.(*settings).MaxMemory)
	}
	pluginsdk.Serve(p)
}

// maxFetches bounds the fetches at the same time: each may hold a page in memory.
const maxFetches = 8

func plugin() pluginsdk.Plugin {
	g := &getter{settings: defaults}
	return pluginsdk.Plugin{
		Name:      "http",
		Version:   version,
		Summary:   "rows from HTTP APIs: JSON, JSON Lines, CSV, Prometheus, Elasticsearch, OpenSearch",
		Settings:  &g.settings,
		Setup:     g.setup,
		Shutdown:  g.shutdown,
		Health:    g.health,
		RowGetter: g,
		Sources:   []string{"http", "https"},
		Limits:    pluginsdk.Limits{GetRows: maxFetches},
	}
}
