// Package pluginsdk is what a plugin's author imports. A plugin is an
// executable named dwmon-plugin-NAME in dwmon's plugins folder; a whole one is
//
//	package main
//
//	import (
//		"context"
//		"time"
//
//		"github.com/dwmon/dwmon/pluginsdk"
//	)
//
//	func main() {
//		pluginsdk.Serve(pluginsdk.Plugin{
//			Name: "pulse", Version: "0.1.0", Summary: "one row a fetch, now",
//			RowGetter: pluginsdk.RowGetterFunc(func(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
//				now := time.Now()
//				return out.Append(q.Text+now.Format(time.RFC3339), now)
//			}),
//		})
//	}
//
// There are three kinds of work, and a plugin takes on any of them: a RowGetter
// runs a checker's query, a CheckHandler is told of verdicts, a Purger says
// which rows are no longer wanted.
//
// # Life of a plugin
//
// The host starts one process for each distinct pair of plugin and settings. It
// decodes the settings into Plugin.Settings, calls Setup, then any number of
// calls at the same time up to Plugin.Limits. Every call brings its whole
// context (checker, query, extra JSON), so that a restart loses nothing. At the
// end the calls in flight finish and Shutdown is called.
//
// Settings are read into the struct that Plugin.Settings points to, from what the
// operator has written and, for what that leaves out, from the environment. The
// struct's tags say which variable, what is required and what is secret; the schema
// is made from them. What is wrong is said with the setting's name and the
// variable's, all faults at once.
//
// # Errors
//
// An error says whose fault it is: CheckerError, ConfigError, CredentialsError,
// Retryable, Permanent. Any other error is looked at: a network that is down is
// retried, everything else counts as a fault of the plugin. A row getter that
// returns an error has brought nothing: a failed fetch is never a count. A panic
// fails the call, and the next call works. In tests ClassOf tells the classes apart.
//
// # Output
//
// Logger writes to dwmon's log. Anything printed to standard output or standard
// error arrives there too, as a warning, and cannot disturb the protocol.
//
// # Tests
//
// The kinds are interfaces of one method: tests call them, with a plugintest.Sink
// for the rows. plugintest.Run tries on a plugin what dwmon asks of all. Package
// sqlrows sends what a *sql.Rows brings. The folder examples/acme-plugin of the
// repository is a whole plugin to copy.
package pluginsdk
