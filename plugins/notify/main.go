// Command dwmon-plugin-notify is a check handler for services that have no plugin of
// their own: Discord, Telegram, ntfy, Gotify, Pushover, Matrix and more, each given as
// a URL of the library shoutrrr.
package main

import "github.com/dwmon/dwmon/pluginsdk"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin {
	h := &handler{settings: settings{Timeout: defaultTimeout}}
	return pluginsdk.Plugin{
		Name:         "notify",
		Version:      "0.1.0",
		Summary:      "tells Discord, Telegram, ntfy, Gotify, Pushover, Matrix and other services, by shoutrrr",
		Settings:     &h.settings,
		Setup:        h.setup,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnChange,
		Limits:       pluginsdk.Limits{HandleCheck: 4},
	}
}
