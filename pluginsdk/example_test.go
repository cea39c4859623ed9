package pluginsdk_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
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

// All three kinds in one binary. Any of them may be left out.
func Example_allKinds() {
	main := func() {
		pluginsdk.Serve(pluginsdk.Plugin{
			Name: "acme", Version: "0.1.0", Summary: "events, alerts and retention",
			RowGetter: pluginsdk.RowGetterFunc(func(_ context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
				return out.Append("order-7", time.Now())
			}),
			CheckHandler: pluginsdk.CheckHandlerFunc(func(ctx context.Context, ev pluginsdk.CheckEvent) error {
				pluginsdk.Logger(ctx).Info("told of a result", "status", ev.CheckStatus)
				return nil
			}),
			Purger: pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
				return pluginsdk.DeleteOlderThan(in.Now.AddDate(0, 0, -90)), nil
			}),
		})
	}
	_ = main // Serve never returns
}

// A row getter, called as a test calls it.
func ExampleRowGetter() {
	getter := pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		for i, at := range []int64{1_700_000_000, 1_700_000_060} {
			if err := out.Append(fmt.Sprintf("%s-%d", q.Text, i), time.Unix(at, 0)); err != nil {
				return err // the fetch has failed already
			}
		}
		return nil
	})
	var out plugintest.Sink
	err := getter.GetRows(context.Background(), pluginsdk.Query{Text: "order"}, &out)
	for _, row := range out.Rows {
		fmt.Println(row.Key, row.At.Format(time.RFC3339))
	}
	fmt.Println(err)
	// Output:
	// order-0 2023-11-14T22:13:20Z
	// order-1 2023-11-14T22:14:20Z
	// <nil>
}

// A check handler that reads its part of the checker's EXTRA section.
func ExampleCheckHandler() {
	handler := pluginsdk.CheckHandlerFunc(func(ctx context.Context, ev pluginsdk.CheckEvent) error {
		var extra struct {
			Team string `json:"team"`
		}
		if err := ev.Extra(&extra); err != nil {
			return err
		}
		if ev.Bad() {
			fmt.Printf("to %s: %s has %d, reason %s (%s)\n", extra.Team, ev.CheckerName, ev.EventCount, ev.Reason, ev.IdempotencyKey)
		}
		return nil
	})
	err := handler.HandleCheck(context.Background(), pluginsdk.CheckEvent{
		Result:         pluginsdk.Result{CheckerName: "billing/invoices", EventCount: 2, CheckStatus: pluginsdk.Bad, Reason: "low"},
		IdempotencyKey: "db/billing/invoices/1700000040/0",
		ExtraJSON:      []byte(`{"team": "billing"}`),
	})
	fmt.Println(err)
	// Output:
	// to billing: billing/invoices has 2, reason low (db/billing/invoices/1700000040/0)
	// <nil>
}

func ExamplePurger() {
	purger := pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
		return pluginsdk.DeleteOlderThan(in.Now.AddDate(0, 0, -30)).Because("30 days are enough"), nil
	})
	cut, err := purger.IdentifyOld(context.Background(), pluginsdk.PurgeInput{Now: time.Unix(1_700_000_000, 0).UTC()})
	at, set := cut.OlderThan()
	fmt.Println(at.UTC().Format(time.DateOnly), set, cut.Reason(), err)
	// Output: 2023-10-15 true 30 days are enough <nil>
}

// digesting is told of digests, too.
type digesting struct{ pluginsdk.CheckHandler }

func (digesting) HandleNotice(_ context.Context, n pluginsdk.Notice) error {
	fmt.Printf("%s: %s, %d results\n", n.Kind, n.Summary, len(n.Results))
	return nil
}

func ExampleNoticeHandler() {
	var handler pluginsdk.NoticeHandler = digesting{}
	_ = handler.HandleNotice(context.Background(), pluginsdk.Notice{
		Kind: pluginsdk.NoticeDigest, Summary: "1,200 results were not sent one by one", Results: make([]pluginsdk.Result, 100),
	})
	// Output: digest: 1,200 results were not sent one by one, 100 results
}

// tables is a row getter whose QUERY is the name of a table.
type tables struct{}

func (tables) GetRows(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return nil }

// ValidateChecker finds a fault without asking the source.
func (tables) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	if c.Text == "orders" {
		return nil
	}
	return []pluginsdk.Diagnostic{{
		Severity: pluginsdk.SeverityError, Code: "NO_TABLE", Summary: fmt.Sprintf("there is no table %q: want orders", c.Text),
	}}
}

func ExampleValidator() {
	var v pluginsdk.Validator = tables{}
	for _, d := range v.ValidateChecker(context.Background(), pluginsdk.CheckerText{Text: "order"}) {
		fmt.Println(d.Severity, d.Code, d.Summary)
	}
	// Output: error NO_TABLE there is no table "order": want orders
}

// An error says whose fault it is; a test asks for its class.
func ExampleClassOf() {
	busy := errors.New("the API is busy")
	for _, err := range []error{
		pluginsdk.ConfigError(errors.New("setting url: want https")),
		pluginsdk.CheckerError(errors.New("there is no such table")),
		pluginsdk.CredentialsError(errors.New("the token has expired")),
		pluginsdk.Permanent(errors.New("the channel is gone")),
		fmt.Errorf("page 3: %w", pluginsdk.Retryable(busy, 7*time.Second)),
		context.DeadlineExceeded,
		errors.New("a surprise"),
	} {
		fmt.Println(pluginsdk.ClassOf(err), pluginsdk.RetryAfter(err), err)
	}
	// Output:
	// config 0s setting url: want https
	// checker 0s there is no such table
	// credentials 0s the token has expired
	// permanent 0s the channel is gone
	// retryable 7s page 3: the API is busy
	// time 0s context deadline exceeded
	// other 0s a surprise
}

// Settings are a struct: its values are the defaults, its tags say the rest.
// Serve reads Plugin.Settings in the same way.
func ExampleDecodeSettings() {
	type tls struct {
		CA string `json:"ca"`
	}
	type settings struct {
		URL     string        `json:"url" env:"EXAMPLE_URL" required:"true"`
		Timeout time.Duration `json:"timeout"`
		Tags    []string      `json:"tags"`
		TLS     tls           `json:"tls"`
	}
	cfg := settings{Timeout: 10 * time.Second, URL: "https://one.example"}
	err := pluginsdk.DecodeSettings([]byte(`{"timeout": "90s", "tags": ["a", "b"], "tls": {"ca": "ca.pem"}}`), &cfg)
	fmt.Println(cfg.URL, cfg.Timeout, cfg.Tags, cfg.TLS.CA, err)

	err = pluginsdk.DecodeSettings([]byte(`{"timeuot": "90s"}`), &settings{})
	fmt.Println(err)
	// Output:
	// https://one.example 1m30s [a b] ca.pem <nil>
	// setting "url" is missing: set it under settings, or the environment variable EXAMPLE_URL
	// setting "timeuot" is unknown; did you mean "timeout"?
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
