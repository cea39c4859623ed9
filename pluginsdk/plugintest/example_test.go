package plugintest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// Check tries the cases without a testing.T. In a test, Run and Binary make a
// subtest of each.
func ExampleCheck() {
	plugin := pluginsdk.Plugin{
		Name: "ninety", Version: "0.1.0", Summary: "keeps rows for 90 days",
		Purger: pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			return pluginsdk.DeleteOlderThan(in.Now.AddDate(0, 0, -90)), nil
		}),
	}
	o := plugintest.Options{Only: []int{3, 6, 11}}
	err := plugintest.Check(context.Background(), plugintest.InProcess(plugin), o, func(r plugintest.Result) {
		fmt.Println(r.ID, r.Name, r.Status, r.Detail)
	})
	fmt.Println(err)
	// Output:
	// 3 identity pass ninety 0.1.0: purger
	// 6 batches skip the plugin serves no row getter
	// 11 panic pass purger
	// <nil>
}

// A Sink keeps the rows of a getter that is called directly.
func ExampleSink() {
	var out plugintest.Sink
	_ = out.Append("order-7", time.Unix(1_700_000_000, 0))
	out.SkipNull()
	fmt.Println(out.Keys(), out.Skipped, out.Rows[0].At.Format(time.RFC3339))
	// Output: [order-7] 1 2023-11-14T22:13:20Z
}
