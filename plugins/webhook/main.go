// Command dwmon-plugin-webhook is a check handler: it posts each result, or notice, as
// JSON to a URL, signed as https://www.standardwebhooks.com says.
package main

import "github.com/dwmon/dwmon/pluginsdk"

// version of the plugin.
const version = "0.1.0"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin {
	h := &handler{}
	return pluginsdk.Plugin{
		Name:         "webhook",
		Version:      version,
		Summary:      "posts each result as JSON to a URL, with Standard Webhooks headers",
		Settings:     &h.settings,
		Setup:        h.setup,
		Shutdown:     h.shutdown,
		Health:       h.health,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnEvery,
		Limits:       pluginsdk.Limits{HandleCheck: 8},
	}
}
