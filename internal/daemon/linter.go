package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/checklint"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// Linter finds fault with parsed checkers as `dwmon validate` does, with what it
// knows of the configuration, the plugins and the database. What it cannot learn of
// them it says nothing about. Not for two goroutines at once.
type Linter struct {
	o         Options
	now       time.Time
	calendars *calendars
	handlers  []string // nil: not known
	// wiring says who would serve what; nil: the plugins are not known.
	wiring *routing
	// asked says that plugins which the database does not know were asked.
	asked    bool
	reader   *Reader // nil: there is no database
	constant map[string]bool
}

// NewLinter learns what there is to know. now is the present; of Options only the
// configuration and what plugins are started with count. Close it.
func NewLinter(ctx context.Context, o Options, now time.Time) *Linter {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Linter{o: o, now: now, calendars: newCalendars(o.Config.Calendars, slog.New(slog.DiscardHandler)), constant: map[string]bool{}}
	l.calendars.refresh(now)
	if o.Config.File != "" { // else who knows which configuration the files will meet
		l.handlers = handlerNames(o.Config)
	}
	if reader, err := OpenReader(ctx, o.Config); err == nil {
		l.reader = reader
		names, _ := reader.ConstantTimestamps(ctx)
		for _, name := range names {
			l.constant[name] = true
		}
	}
	l.wiring = l.wire(l.plugins(ctx, true))
	return l
}

// Close ends the use of the database.
func (l *Linter) Close() error {
	if l.reader == nil {
		return nil
	}
	return l.reader.Close()
}

// handlerNames are those that OPTIONS may name.
func handlerNames(cfg *config.Config) []string {
	names := []string{}
	for _, h := range cfg.Handlers {
		names = append(names, h.Name)
	}
	if cfg.Handlers == nil {
		names = append(names, defaultHandler)
		if findYourOrg(cfg).fillsIn(cfg) {
			names = append(names, pythonPlugin)
		}
	}
	return names
}

// askWithin is how long plugins may take to say what they are.
const askWithin = 10 * time.Second

// plugins lists those of the folder with what the database knows of them; unless
// quietly, those that it does not know are started and asked. nil: there is none.
func (l *Linter) plugins(ctx context.Context, quietly bool) []pluginhost.Plugin {
	if l.o.Config.Plugins == "" {
		return nil
	}
	opt, err := hostOptions(l.o)
	if err != nil {
		return nil
	}
	opt.NoLaunch = quietly
	if l.reader != nil {
		opt.Cache = readOnlyCache{describeCache{ctx, l.reader.DB, l.o.Log}}
	}
	host, closeHost, err := openHost(ctx, opt)
	if err != nil {
		return nil
	}
	defer closeHost()
	asking, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	_ = host.Settle(asking) // who has not answered by then is not known
	return host.Offered()
}

func (l *Linter) wire(plugins []pluginhost.Plugin) *routing {
	if len(plugins) == 0 { // a machine that only looks at files
		return nil
	}
	return wiring(l.o.Config, plugins)
}

// Lint gives what can be found fault with in a checker beyond its text.
func (l *Linter) Lint(ctx context.Context, c *dwmon.Checker) []dwmon.FileFault {
	around := checklint.Surroundings{
		Now: l.now.Unix(), Zone: l.o.Config.Timezone, Handlers: l.handlers, Require: l.o.Config.Policy.Require,
		Keep: keepOf(l.o.Config.Purger, c), Unserved: l.unserved(ctx, c),
	}
	around.Closed, _ = l.calendars.closed(c.Options.Calendar)
	if l.reader != nil {
		around.Fetches, _ = l.reader.Fetches(ctx, c.Name, 10) // none where it is not known yet
	}
	faults := checklint.Lint(c, around)
	if l.o.Config.File != "" {
		faults = append(faults, l.calendars.unknown(c)...)
	}
	if l.constant[c.Name] && !c.Options.Assumed {
		faults = append(faults, dwmon.FileFault{
			File: c.File, Severity: dwmon.SeverityWarning, Code: dwmon.CodeConstantTimes,
			Message: "all rows of the last fetches bear one and the same timestamp",
			Hint:    "where the query gives the present time, say `timestamps: assumed` in OPTIONS: outages are then not mistaken for low counts",
		})
	}
	return checklint.Allowed(string(c.Text)).Filter(faults)
}

// unserved says why nobody would serve a checker's SOURCE; empty: somebody would, or
// it is not known.
func (l *Linter) unserved(ctx context.Context, c *dwmon.Checker) string {
	if l.wiring == nil || l.o.Config.File == "" && !scheme.MatchString(c.Source) {
		return "" // without a configuration only URLs say who must serve them
	}
	source, _, err := l.wiring.source(c)
	p := l.wiring.plugin(source.Plugin)
	if unheard := errors.Is(err, errUnheard) || p != nil && p.Unheard; unheard && !l.asked {
		l.asked = true
		l.wiring = l.wire(l.plugins(ctx, false))
		return l.unserved(ctx, c)
	}
	switch {
	case errors.Is(err, errUnheard):
		return ""
	case err != nil:
		return err.Error()
	case p == nil:
		return "SOURCE " + shown(l.o.Config, c) + " is for the plugin " + source.Plugin + ", which is not in " + l.o.Config.Plugins
	case p.Err == "" && len(p.Kinds) > 0 && !p.Serves(pluginhost.RowGetter):
		return "SOURCE " + shown(l.o.Config, c) + " is for the plugin " + source.Plugin + ", which is no row getter"
	default:
		return ""
	}
}

// retentionPlugin is the purger whose settings are understood here.
const retentionPlugin = "retention"

// keepOf is how long the purger keeps a checker's rows; 0: for ever, or nobody here
// knows.
func keepOf(purger *config.Purger, c *dwmon.Checker) time.Duration {
	if purger == nil || purger.Plugin != retentionPlugin {
		return 0
	}
	var settings struct{ Keep string }
	var extra struct{ Retention struct{ Keep string } }
	_ = json.Unmarshal(purger.Settings, &settings)
	_ = json.Unmarshal(c.Extra, &extra) // EXTRA may be anything
	for _, text := range []string{extra.Retention.Keep, settings.Keep} {
		if text == "" {
			continue
		}
		keep, _ := dwmon.ParseDuration(text) // "forever" is none
		return keep
	}
	return 0
}

// zoneFaults warns of a configuration under which hours and days are those of a
// machine that has no zone.
func zoneFaults(cfg *config.Config, checkers []*dwmon.Checker) []dwmon.FileFault {
	matters := func(r dwmon.Requirement) bool {
		return r.Hours != 1<<24-1 || r.Days != dwmon.Weekdays|dwmon.Weekends
	}
	i := slices.IndexFunc(checkers, func(c *dwmon.Checker) bool { return c.Options.Timezone == nil && slices.ContainsFunc(c.Lines, matters) })
	if !cfg.LocalIsUTC || cfg.File == "" || i < 0 {
		return nil
	}
	return []dwmon.FileFault{{
		File: cfg.File, Severity: dwmon.SeverityWarning, Code: dwmon.CodeTimezoneUnset,
		Message: "hours and days are in UTC, for this machine says no zone; they matter to " + checkers[i].File,
		Hint:    "write timezone: Europe/Berlin, or timezone: UTC where that is meant",
	}}
}
