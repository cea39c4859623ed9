package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// TrialOptions say what of a plugin is tried.
type TrialOptions struct {
	// Target is its name in the plugins folder, or the path of its file.
	Target string
	// Kinds of work to be asked for; empty: those that tell nobody anything.
	Kinds []pluginhost.Kind
	// CheckerFile is the checker on whose behalf it is asked; empty for none, which a
	// row getter cannot do without.
	CheckerFile string
	// Status is what a check handler is told.
	Status dwmon.Status
	// Settings is a JSON object; nil: those of the configuration.
	Settings []byte
	// As is the source or handler of the configuration whose settings are meant;
	// empty: the one that is the plugin's.
	As string
	// Rows is how many of the first rows are kept.
	Rows int
	// Now stands for the clock; zero: the clock.
	Now time.Time
}

// Trial is what came of trying a plugin.
type Trial struct {
	Plugin  string            `json:"plugin"`
	Version string            `json:"version"`
	Kinds   []pluginhost.Kind `json:"kinds"`
	SHA256  string            `json:"sha256"`
	Path    string            `json:"path"`
	// StartupSeconds is the time from its start to its answer to Describe.
	StartupSeconds float64 `json:"startup_seconds"`
	Checker        string  `json:"checker,omitempty"`
	// Notes say what was not asked, and what to add.
	Notes []string `json:"notes,omitempty"`

	// Ready is set where no kind of work was asked for.
	Ready        *Readiness    `json:"ready,omitempty"`
	RowGetter    *GetterTrial  `json:"row_getter,omitempty"`
	CheckHandler *HandlerTrial `json:"check_handler,omitempty"`
	Purger       *PurgerTrial  `json:"purger,omitempty"`
}

// Readiness is what comes before any call.
type Readiness struct {
	// SettingsOf says where the settings came from.
	SettingsOf string `json:"settings_of"`
	// ConfigureSeconds is the time until it took its settings: a start and its set-up.
	ConfigureSeconds float64 `json:"configure_seconds"`
	// Health is nil where the plugin has no such check, or was not ready.
	Health *pluginhost.Health `json:"health,omitempty"`
	// Validated says that the plugin has looked at the checker, and found Remarks.
	Validated bool                `json:"validated"`
	Remarks   []pluginhost.Remark `json:"remarks,omitempty"`
	// Failure is nil where all went well.
	Failure *pluginhost.Failure `json:"failure,omitempty"`
}

// Failed says that something is wrong with the plugin, or with what it was given.
func (t *Trial) Failed() bool {
	var all []Readiness
	for _, r := range []*Readiness{t.Ready, t.RowGetter.readiness(), t.CheckHandler.readiness(), t.Purger.readiness()} {
		if r != nil {
			all = append(all, *r)
		}
	}
	return slices.ContainsFunc(all, func(r Readiness) bool {
		return r.Failure != nil || r.Health != nil && r.Health.Status == "NOT_SERVING" ||
			slices.ContainsFunc(r.Remarks, func(m pluginhost.Remark) bool { return m.Severity == "error" })
	})
}

func (g *GetterTrial) readiness() *Readiness {
	if g == nil {
		return nil
	}
	return &g.Readiness
}

func (h *HandlerTrial) readiness() *Readiness {
	if h == nil {
		return nil
	}
	return &h.Readiness
}

func (p *PurgerTrial) readiness() *Readiness {
	if p == nil {
		return nil
	}
	return &p.Readiness
}

// ErrTrial is a trial that cannot be made as it was asked for.
type ErrTrial struct{ Err error }

func (e *ErrTrial) Error() string { return e.Err.Error() }
func (e *ErrTrial) Unwrap() error { return e.Err }

// trial is one under way.
type trial struct {
	opts    TrialOptions
	cfg     *config.Config
	plugin  pluginhost.Plugin
	seen    *pluginhost.Inspection
	checker *dwmon.Checker
	now     time.Time
	out     *Trial
}

// TryPlugin makes one real call of each kind of work that is asked for, the way that
// a daemon would. It stores nothing; a check handler really is told. Failed calls are
// part of the answer; the error is an *ErrTrial, or a *pluginhost.TargetError, where
// it was asked wrongly, and says else why the plugin could not be started.
func TryPlugin(ctx context.Context, o Options, opts TrialOptions) (*Trial, error) {
	t := &trial{opts: opts, cfg: o.Config, now: opts.Now, out: &Trial{}}
	if t.now.IsZero() {
		t.now = time.Now()
	}
	if err := t.readChecker(); err != nil {
		return nil, err
	}
	var given givenSecrets
	seen, closePlugin, err := inspect(ctx, o, opts.Target, &given)
	if err != nil {
		return nil, err
	}
	defer closePlugin()
	given.learn(opts.Settings, seen.Description().Settings)
	t.seen = seen
	if t.plugin, err = seen.Plugin(ctx); err != nil {
		return nil, err
	}
	t.out.Plugin, t.out.Version, t.out.Kinds = t.plugin.Name, t.plugin.Version, t.plugin.Kinds
	t.out.SHA256, t.out.Path, t.out.StartupSeconds = t.plugin.SHA256, t.plugin.Path, seconds(seen.Startup())
	return t.out, t.run(ctx)
}

// inspect starts a plugin for somebody who looks at it, with a state folder that
// goes with it.
func inspect(ctx context.Context, o Options, target string, given *givenSecrets) (*pluginhost.Inspection, func(), error) {
	opt, err := hostOptions(o)
	if err != nil {
		return nil, nil, err
	}
	opt.Redact = func(text string) string { return given.redact(o.Config.Redact(text)) }
	state, err := os.MkdirTemp("", "dwmon-plugin-state-")
	if err != nil {
		return nil, nil, &EnvironmentError{err}
	}
	opt.StateDir = state
	// One crash is enough: people wait, and the cause is that of the first.
	opt.Timings.CrashLimit = 1
	seen, err := pluginhost.Inspect(ctx, opt, target)
	if err != nil {
		os.RemoveAll(state)
		return nil, nil, err
	}
	return seen, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		seen.Close(closing)
		os.RemoveAll(state)
	}, nil
}

// DescribePlugin asks a plugin for everything that it says of itself.
func DescribePlugin(ctx context.Context, o Options, target string) (*pluginhost.Description, error) {
	seen, closePlugin, err := inspect(ctx, o, target, new(givenSecrets))
	if err != nil {
		return nil, err
	}
	defer closePlugin()
	d := seen.Description()
	return &d, nil
}

func (t *trial) readChecker() error {
	if t.opts.CheckerFile == "" {
		return nil
	}
	f := checkfile.ReadFile(t.opts.CheckerFile, "")
	if f.Checker == nil {
		return dwmon.FileFaults(f.Faults)
	}
	t.checker, t.out.Checker = f.Checker, f.Checker.Name
	return nil
}

func (t *trial) run(ctx context.Context) error {
	kinds, err := t.kinds()
	if err != nil {
		return err
	}
	for _, k := range kinds {
		settings, of, err := t.settings(k)
		if err != nil {
			return err
		}
		ready := t.ready(ctx, k, settings, of)
		switch k {
		case pluginhost.RowGetter:
			t.out.RowGetter = &GetterTrial{Readiness: ready}
			t.tryGetter(ctx, settings, t.out.RowGetter)
		case pluginhost.CheckHandler:
			t.out.CheckHandler = &HandlerTrial{Readiness: ready}
			t.tryHandler(ctx, settings, t.out.CheckHandler)
		case pluginhost.Purger:
			t.out.Purger = &PurgerTrial{Readiness: ready}
			t.tryPurger(ctx, settings, t.out.Purger)
		}
	}
	if len(kinds) == 0 {
		settings, of, err := t.settings(t.plugin.Kinds[0])
		if err != nil {
			return err
		}
		ready := t.ready(ctx, t.plugin.Kinds[0], settings, of)
		t.out.Ready = &ready
	}
	return ctx.Err()
}

// kinds are those to be asked for: those named, else those that tell nobody
// anything, with a note on the others.
func (t *trial) kinds() ([]pluginhost.Kind, error) {
	for _, k := range t.opts.Kinds {
		switch {
		case !t.plugin.Serves(k):
			return nil, &ErrTrial{fmt.Errorf("plugin %s is no %s: it serves %s", t.plugin.Name, KindName(k), KindNames(t.plugin.Kinds))}
		case k == pluginhost.RowGetter && t.checker == nil:
			return nil, &ErrTrial{errors.New("a row getter is asked on behalf of a checker: add --checker FILE.dwmon, whose QUERY and SOURCE it is given")}
		case k == pluginhost.CheckHandler && !t.takes():
			return nil, &ErrTrial{fmt.Errorf("plugin %s is never told of %s: it takes %v", t.plugin.Name, t.opts.Status, t.plugin.Statuses)}
		}
	}
	if len(t.opts.Kinds) > 0 {
		return t.opts.Kinds, nil
	}
	var kinds []pluginhost.Kind
	for _, k := range t.plugin.Kinds {
		switch {
		case k == pluginhost.CheckHandler:
			t.note("nobody was told anything: --handler tells its receiver a result that is marked as a test")
		case k == pluginhost.RowGetter && t.checker == nil:
			t.note("no rows were asked for: --checker FILE.dwmon gives it a QUERY and a SOURCE")
		default:
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

func (t *trial) note(text string) { t.out.Notes = append(t.out.Notes, text) }

func (t *trial) takes() bool { return slices.Contains(t.plugin.Statuses, t.opts.Status) }

// ready configures the plugin and asks for its health, and what it thinks of the
// checker.
func (t *trial) ready(ctx context.Context, k pluginhost.Kind, settings []byte, of string) Readiness {
	r := Readiness{SettingsOf: of}
	began := time.Now()
	err := t.seen.Configure(ctx, settings)
	r.ConfigureSeconds = seconds(time.Since(began))
	if err == nil {
		r.Health, err = t.seen.Health(ctx, settings)
	}
	if err == nil && t.checker != nil {
		r.Remarks, r.Validated, err = t.seen.ValidateChecker(ctx, settings, t.checker, []pluginhost.Kind{k})
	}
	r.Failure = pluginhost.Explain(k, err)
	return r
}

// KindName is a kind of work for people.
func KindName(k pluginhost.Kind) string {
	switch k {
	case pluginhost.RowGetter:
		return "row getter"
	case pluginhost.CheckHandler:
		return "check handler"
	default:
		return string(k)
	}
}

// KindNames lists kinds for people.
func KindNames(kinds []pluginhost.Kind) string {
	text := ""
	for i, k := range kinds {
		if i > 0 {
			text += ", "
		}
		text += KindName(k)
	}
	return cmp.Or(text, "nothing")
}

// seconds is a duration to the microsecond.
func seconds(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }

// requestID names a call of a trial in the plugin's log.
func requestID() string { return "trial-" + rand.Text()[:8] }

// epoch writes microseconds since the epoch for programs.
func epoch(micros *int64) *json.Number {
	if micros == nil {
		return nil
	}
	n := dwmon.Seconds(*micros)
	return &n
}
