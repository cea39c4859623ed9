// Command dwmon-plugin-slack is a check handler that posts to Slack: through an incoming
// webhook, or as a bot, which may post to a channel that the checker names:
//
//	{"slack_channel": "#orders"}
package main

import "github.com/dwmon/dwmon/pluginsdk"

// version of the plugin.
const version = "0.1.0"

func main() { pluginsdk.Serve(newPlugin()) }

func newPlugin() pluginsdk.Plugin {
	h := &handler{settings: settings{API: "https://slack.com/api"}}
	return pluginsdk.Plugin{
		Name:         "slack",
		Version:      version,
		Summary:      "posts to Slack, through an incoming webhook or as a bot",
		Settings:     &h.settings,
		Setup:        h.setup,
		Shutdown:     h.shutdown,
		Health:       h.health,
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnChange,
		// Slack takes about one message a second for each webhook or channel.
		Limits:      pluginsdk.Limits{HandleCheck: 2},
		ExtraSchema: []byte(`{"type": "object", "properties": {"slack_channel": {"type": "string", "description": "the bot posts here instead of the setting channel"}}}`),
	}
}
