// Command dwmon-plugin-teams is a check handler that posts to Microsoft Teams: an
// Adaptive Card to the URL of a workflow that begins "when a Teams webhook request is
// received".
package main

import "github.com/dwmon/dwmon/pluginsdk"

// version of the plugin.
const version = "0.1.0"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin {
	h := &handler{}
	return pluginsdk.Plugin{
		Name:         "teams",
		Version:      version,
		Summary:      "posts to Microsoft Teams, as Adaptive Cards to a workflow",
		Settings:     &h.settings,
		Setup:        h.setup,
		Shutdown:     h.shutdown,
		Health:       h.health,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnChange,
		// Teams takes four requests a second.
		Limits: pluginsdk.Limits{HandleCheck: 2},
	}
}
