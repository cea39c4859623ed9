// Command dwmon-plugin-acme connects dwmon to the event service of Acme, a company
// that does not exist. It is one binary with all three kinds of work, and is made to
// be copied: take the kinds that you need and put your own service in place of
// Acme's.
package main

import (
	"context"
	"net/http"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(newPlugin()) }

// settings are what an operator writes under `settings` in dwmon.yaml.
type settings struct {
	URL     string        `json:"url" env:"ACME_URL" required:"true" doc:"where the event service is, such as https://events.acme.example"`
	Token   string        `json:"token" env:"ACME_TOKEN" required:"true" secret:"true" doc:"its bearer token"`
	Timeout time.Duration `json:"timeout" doc:"the most that one request may take"`
	Keep    string        `json:"keep" doc:"how long rows are kept, such as 90d, for checkers whose EXTRA does not say; empty: for ever"`
}

// newPlugin makes a plugin of its own for each test.
func newPlugin() pluginsdk.Plugin {
	cfg := &settings{Timeout: 10 * time.Second}
	api := &client{http: &http.Client{}}
	return pluginsdk.Plugin{
		Name:     "acme",
		Version:  "0.1.0",
		Summary:  "events, alerts and retention of Acme's event service",
		Homepage: "https://github.com/dwmon/dwmon/tree/main/examples/acme-plugin",
		Settings: cfg,

		// Setup checks what the settings' types cannot, and asks nobody: a service
		// that is down for a moment must not keep the plugin from starting.
		Setup: func(context.Context) error { return api.configure(cfg) },
		// Health is asked by people: `dwmon plugin test`.
		Health: api.ping,
		Shutdown: func(context.Context) error {
			api.http.CloseIdleConnections()
			return nil
		},

		RowGetter:    &getter{api},
		CheckHandler: &handler{api},
		Purger:       &purger{cfg},

		Sources:      []string{"ACME"}, // a checker whose SOURCE says ACME needs no configuration
		HonoursSince: true,
		DefaultOn:    pluginsdk.OnChange,
		Limits:       pluginsdk.Limits{GetRows: 4},
	}
}
