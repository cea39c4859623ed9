// Command plain is a check handler that takes results only, as they were before
// there were notices.
package main

import (
	"context"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() {
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: "plain", Version: "0.1.0", Summary: "takes results", Statuses: []pluginsdk.Status{pluginsdk.Good, pluginsdk.Unknown},
		CheckHandler: pluginsdk.CheckHandlerFunc(func(ctx context.Context, ev pluginsdk.CheckEvent) error {
			pluginsdk.Receipt(ctx, "message 17 about "+ev.CheckerName+", "+string(ev.CheckStatus))
			return nil
		}),
	})
}
