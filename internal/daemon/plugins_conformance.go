package daemon

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

// Conform runs the conformance kit on a plugin's executable, and reports each case
// when it has ended. The checker of the options gives it a query, so that its row
// getter is asked; its check handler is given results only where that kind of work
// is named in the options: its receiver would really be told. The error says that the
// kit could not go on.
func Conform(ctx context.Context, o Options, opts TrialOptions, report func(plugintest.Result)) error {
	t := &trial{opts: opts, cfg: o.Config, out: &Trial{}}
	if err := t.readChecker(); err != nil {
		return err
	}
	var given givenSecrets
	seen, closePlugin, err := inspect(ctx, o, opts.Target, &given)
	if err != nil {
		return err
	}
	defer closePlugin()
	given.learn(opts.Settings, seen.Description().Settings)
	if t.plugin, err = seen.Plugin(ctx); err != nil {
		return err
	}
	settings, _, err := t.conformanceSettings()
	if err != nil {
		return err
	}
	command, err := seen.Command()
	if err != nil {
		return err
	}
	kit := plugintest.Options{
		Settings: json.RawMessage(settings), Env: command.Env, Manifest: command.Manifest,
		NoDeliveries: !slices.Contains(opts.Kinds, pluginhost.CheckHandler),
	}
	if c := t.checker; c != nil {
		kit.Query, kit.Source, kit.Extra = c.Query, c.Source, c.Extra
	}
	return plugintest.Check(ctx, plugintest.Executable(command.Path), kit, func(r plugintest.Result) {
		r.Detail = given.redact(o.Config.Redact(r.Detail))
		report(r)
	})
}

// conformanceSettings are those of the kind that the kit is to try: the source's
// where there is a checker, the handler's where it is to be told, else the first
// that the configuration has.
func (t *trial) conformanceSettings() (settings []byte, of string, err error) {
	kinds := t.plugin.Kinds
	switch {
	case t.checker != nil && t.plugin.Serves(pluginhost.RowGetter):
		kinds = []pluginhost.Kind{pluginhost.RowGetter}
	case len(t.opts.Kinds) > 0:
		kinds = t.opts.Kinds
	}
	for _, k := range kinds {
		if settings, of, err = t.settings(k); err != nil || settings != nil {
			return settings, of, err
		}
	}
	return []byte("{}"), "none", nil
}
