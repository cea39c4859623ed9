// Command dwmon-plugin-pagerduty is a check handler: it opens and resolves alerts of
// PagerDuty by its Events API v2. The alert's dedup_key is the incident's id, so
// that whatever is told twice is one alert.
package main

import "github.com/dwmon/dwmon/pluginsdk"

// version of the plugin.
const version = "0.1.0"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin {
	h := &handler{settings: settings{URL: "https://events.pagerduty.com", Severity: severityError}}
	return pluginsdk.Plugin{
		Name:         "pagerduty",
		Version:      version,
		Summary:      "opens and resolves alerts of PagerDuty",
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
