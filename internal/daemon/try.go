package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dryrun"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// TryOptions are what Try is told beside Options.
type TryOptions struct {
	// Rows is how many of the first rows are kept, Windows how many of the last due
	// windows of each line are judged.
	Rows, Windows int
	// Progress is told now and then how far it is, and at the end the zero; nil: nobody.
	Progress func(TryProgress)
}

// TryProgress is how far a try is.
type TryProgress struct {
	// Waiting names what is waited for before the fetch.
	Waiting []string
	// Fetching names the row getter that is asked; empty before. Rows have come, in Took.
	Fetching string
	Rows     int64
	Took     time.Duration
}

// Tried is what came of asking for a checker's rows once.
type Tried struct {
	CheckerName string `json:"checker_name"`
	File        string `json:"file"`
	// Faults are those of the file and its calendars. Where one is an error, nothing was
	// fetched.
	Faults   []dwmon.FileFault `json:"faults"`
	TimeZone string            `json:"time_zone"`
	// NowEpoch is the start of the fetch; nil where there was none.
	NowEpoch *json.Number `json:"now_epoch"`
	// Source is without a password; Plugin and Version are who serves it.
	Source  string `json:"source"`
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	// Seconds is how long the fetch took, SourceSeconds the source's share as far as it
	// is known.
	Seconds       float64  `json:"seconds"`
	SourceSeconds *float64 `json:"source_seconds"`
	// Failure is why there is no Result, and RowsBefore what had come until then.
	Failure    *pluginhost.Failure `json:"failure"`
	RowsBefore int64               `json:"rows_before_failure"`
	Result     *dryrun.Report      `json:"result"`

	// Zone is that of the checker.
	Zone *time.Location `json:"-"`
}

// Failed says that the file is bad, or that the fetch failed.
func (t *Tried) Failed() bool { return t.Failure != nil || dwmon.AnyError(t.Faults) }

// TryFile tries the checker of a file: see TryChecker. A bad file is part of the answer.
// The error is an *ErrTrial where there is no such file.
func TryFile(ctx context.Context, o Options, path string, opts TryOptions) (*Tried, error) {
	if err := readable(path, o.Config.Checks); err != nil {
		return nil, err
	}
	f := checkerFiles.ReadFile(path, nameBelow(o.Config.Checks, path))
	if f.Checker == nil {
		return &Tried{CheckerName: f.Name, File: path, Faults: f.Faults}, nil
	}
	t, err := TryChecker(ctx, o, f.Checker, opts)
	if t != nil {
		t.Faults = append(append([]dwmon.FileFault{}, f.Faults...), t.Faults...)
	}
	return t, err
}

// readable says why a path leads to no checker file, and where one may have been meant.
func readable(path, checks string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		bare := strings.TrimSuffix(path, checkfile.Ending)
		for _, meant := range []string{bare + checkfile.Ending, filepath.Join(checks, bare+checkfile.Ending)} {
			if exists(meant) {
				return &ErrTrial{fmt.Errorf("there is no file %s; did you mean %s?", path, meant)}
			}
		}
		return &ErrTrial{fmt.Errorf("there is no file %s: name a checker file, such as %s", path, filepath.Join(checks, "new_orders.dwmon"))}
	case err != nil:
		return &EnvironmentError{err}
	case info.IsDir():
		return &ErrTrial{fmt.Errorf("%s is a folder: name one checker file in it", path)}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TryChecker asks for a checker's rows once, the way that a pass does, and judges its
// lines by them as the first pass would. It stores nothing and tells nobody. A failed
// fetch is part of the answer; the error is an *ErrTrial where nobody serves the SOURCE.
func TryChecker(ctx context.Context, o Options, c *dwmon.Checker, opts TryOptions) (*Tried, error) {
	t := &try{o: o, opts: opts, checker: c, out: &Tried{
		CheckerName: c.Name, File: c.File, Faults: []dwmon.FileFault{}, Source: c.ShownSource(), Zone: c.Zone(o.Config.Timezone),
	}}
	t.out.TimeZone = t.out.Zone.String()
	err := t.run(ctx)
	if ctx.Err() != nil {
		return nil, errors.New("stopped: the fetch was broken off; nothing was stored")
	}
	if err != nil {
		return nil, err
	}
	return t.out, nil
}

// try is one under way.
type try struct {
	o       Options
	opts    TryOptions
	checker *dwmon.Checker
	source  engine.Source
	out     *Tried
}

func (t *try) run(ctx context.Context) error {
	settings, err := t.whoServes(ctx)
	if err != nil {
		return err
	}
	t.out.Plugin = t.source.Plugin
	var given givenSecrets
	seen, closePlugin, err := t.start(ctx, settings, &given)
	var target *pluginhost.TargetError
	switch {
	case errors.As(err, &target):
		return &ErrTrial{fmt.Errorf("SOURCE %s is served by plugin %s: %w", shown(t.o.Config, t.checker), t.source.Plugin, err)}
	case err != nil:
		t.fail(err)
		return nil
	}
	defer closePlugin()
	t.fetch(ctx, seen, settings)
	return nil
}

// start starts the row getter and has it take its settings.
func (t *try) start(ctx context.Context, settings []byte, given *givenSecrets) (*pluginhost.Inspection, func(), error) {
	defer t.report(func() TryProgress { return TryProgress{Waiting: []string{t.source.Plugin}} })()
	seen, closePlugin, err := inspect(ctx, t.o, t.source.Plugin, given)
	if err != nil {
		return nil, nil, err
	}
	given.learn(settings, seen.Description().Settings)
	t.out.Version = seen.Description().Version
	if err := seen.Configure(ctx, settings); err != nil {
		closePlugin()
		return nil, nil, err
	}
	return seen, closePlugin, nil
}

// whoServes finds the row getter of the checker's SOURCE. Plugins are asked what they
// serve only where the configuration does not say it.
func (t *try) whoServes(ctx context.Context) (settings []byte, err error) {
	var plugins []pluginhost.Plugin
	if _, ok := t.o.Config.Sources[t.checker.Source]; !ok {
		if plugins, err = t.plugins(ctx); err != nil {
			return nil, err
		}
	}
	t.source, settings, err = wiring(t.o.Config, plugins).source(t.checker)
	if err != nil {
		return nil, &ErrTrial{err}
	}
	return settings, nil
}

// plugins asks those of the folder what they are. What the database remembers of them
// saves time.
func (t *try) plugins(ctx context.Context) ([]pluginhost.Plugin, error) {
	opt, err := hostOptions(t.o)
	if err != nil {
		return nil, err
	}
	if r, err := OpenReader(ctx, t.o.Config); err == nil { // else there is no cache
		defer r.Close()
		opt.Cache = readOnlyCache{describeCache{ctx, r.DB, slog.New(slog.DiscardHandler)}}
	}
	host, closeHost, err := openHost(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer closeHost()
	defer t.report(func() TryProgress { return TryProgress{Waiting: host.Asking()} })()
	if err := host.Settle(ctx); err != nil {
		return nil, err
	}
	return host.Offered(), nil
}

// patience is what a fetch may take beyond its limit, to notice that it has passed.
const patience = 30 * time.Second

// fetch asks the source.
func (t *try) fetch(ctx context.Context, seen *pluginhost.Inspection, settings []byte) {
	began := time.Now()
	in := dryrun.NewIntake(t.question())
	defer t.report(func() TryProgress {
		return TryProgress{Fetching: t.source.Plugin, Rows: in.Rows(), Took: time.Since(began)}
	})()
	limit := cmp.Or(t.checker.Options.Timeout, t.source.Timeout, time.Minute)
	timed, cancel := context.WithTimeout(ctx, limit+patience)
	defer cancel()
	summary, err := seen.RowGetter(settings).GetRows(timed, dwmon.FetchRequest{
		RequestID: requestID(), Checker: t.checker, Timeout: limit,
		MaxRows: cmp.Or(t.source.MaxRows, dwmon.DefaultMaxRows), MaxBytes: cmp.Or(t.source.MaxBytes, dwmon.DefaultMaxBytes),
	}, in.Add)
	took := time.Since(began)
	t.out.Seconds = seconds(took)
	if err != nil {
		t.out.RowsBefore = in.Rows()
		t.fail(err)
		return
	}
	if summary.SourceTime > 0 {
		s := seconds(summary.SourceTime)
		t.out.SourceSeconds = &s
	}
	t.out.Result = in.Report(summary, t.o.now().Add(took))
}

// question is what the rows are asked. The fetch begins when it is put.
func (t *try) question() dryrun.Question {
	now := t.o.now()
	started := now.UnixMicro()
	t.out.NowEpoch = epoch(&started)
	closed, faults := closedDays(t.o.Config, t.checker, now)
	t.out.Faults = append(t.out.Faults, faults...)
	return dryrun.Question{
		Checker: t.checker, Zone: t.out.Zone, Closed: closed, Rows: t.opts.Rows, Windows: t.opts.Windows, Now: now, Stands: t.o.Now != nil,
	}
}

func (t *try) fail(err error) { t.out.Failure = pluginhost.Explain(pluginhost.RowGetter, err) }

// report tells how far the try is until the function that it returns is called.
func (t *try) report(at func() TryProgress) (stop func()) {
	tell := t.opts.Progress
	if tell == nil {
		return func() {}
	}
	return tellNowAndThen(at, tell)
}
