package endtoend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

func init() { misbehaving["blabber"] = serveBlabber }

// serveBlabber is a plugin that tells everything it knows, wherever it can: settings,
// environment and SOURCE, to its log, in its errors, and in its last words.
func serveBlabber(name string) {
	var settings struct {
		Token    string            `json:"token" secret:"true"`
		Password string            `json:"password" secret:"true"`
		DSN      string            `json:"dsn"`
		Headers  map[string]string `json:"headers"`
		How      string            `json:"how"`
	}
	tell := func(source string) string {
		return fmt.Sprintf("token %s, password %q, dsn %s, headers %v, source %s, environment %s",
			settings.Token, settings.Password, settings.DSN, settings.Headers, source, strings.Join(os.Environ(), " "))
	}
	shout := func(ctx context.Context, source string) {
		fmt.Fprintln(os.Stderr, "plain: "+tell(source))
		fmt.Fprintf(os.Stderr, "[DEBUG] %q\n", tell(source))
		pluginsdk.Logger(ctx).Info("structured", "everything", tell(source), "token", settings.Token, "list", []string{settings.Password})
	}
	do := func(ctx context.Context, how, source string) error {
		shout(ctx, source)
		switch how {
		case "fail":
			return errors.New("no luck with " + tell(source))
		case "refuse":
			return pluginsdk.CheckerError(errors.New("bad query for " + tell(source)))
		case "credentials":
			return pluginsdk.CredentialsError(errors.New("the server refused " + tell(source)))
		case "panic":
			panic("panic with " + tell(source))
		case "crash":
			go panic("crash with " + tell(source))
			time.Sleep(time.Minute)
		}
		return nil
	}
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: name, Version: "1.0.0", Settings: &settings, DefaultOn: pluginsdk.OnEvery, Sources: []string{name},
		Setup: func(ctx context.Context) error {
			if settings.How == "config" {
				return pluginsdk.ConfigError(errors.New("wrong settings: " + tell("")))
			}
			return nil
		},
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			if err := do(ctx, q.Text, q.Source); err != nil {
				return err
			}
			return out.Append("key", time.Now())
		}),
		CheckHandler: pluginsdk.CheckHandlerFunc(func(ctx context.Context, ev pluginsdk.CheckEvent) error { return do(ctx, settings.How, ev.Source) }),
		Purger: pluginsdk.PurgerFunc(func(ctx context.Context, _ pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			return pluginsdk.Keep(), do(ctx, "fail", "")
		}),
	})
}
