package pluginsdk_test

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// A whole plugin: a row getter that brings one row a fetch.
func Example() {
	main := func() {
		pluginsdk.Serve(pluginsdk.Plugin{
			Name: "pulse", Version: "0.1.0", Summary: "one row a fetch, now",
			RowGetter: pluginsdk.RowGetterFunc(func(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
				now := time.Now()
				return out.Append(q.Text+now.Format(time.RFC3339), now)
			}),
		})
	}
	_ = main // Serve never returns
}

func ExampleParseDuration() {
	d, err := pluginsdk.ParseDuration("400d")
	fmt.Println(d.Std(), err)
	_, err = pluginsdk.ParseDuration("1h30m")
	fmt.Println(err)
	// Output:
	// 9600h0m0s <nil>
	// "1h30m" is no duration: want a whole number and s, m, h or d, such as 90s or 400d
}
