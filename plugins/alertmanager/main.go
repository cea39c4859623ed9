// Command dwmon-plugin-alertmanager is a check handler: it tells Alertmanager of
// incidents, by its API v2, so that those who have their routing there keep it.
package main

import (
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// version of the plugin.
const version = "0.1.0"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin { return (&handler{settings: defaults, now: time.Now}).plugin() }

func (h *handler) plugin() pluginsdk.Plugin {
	return pluginsdk.Plugin{
		Name:         "alertmanager",
		Version:      version,
		Summary:      "tells Alertmanager of incidents",
		Settings:     &h.settings,
		Setup:        h.setup,
		Shutdown:     h.shutdown,
		Health:       h.health,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnChange,
		Limits:       pluginsdk.Limits{HandleCheck: 4},
	}
}
