package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a minimal container has no time zone database

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// Version of this bridge.
const Version = "0.1.0"

// settings of the plugin; in a bundle the manifest's members of the same names are
// their defaults.
type settings struct {
	OrgDir        string `json:"org_dir" doc:"the folder that holds your_org; default: the bundle's folder, else the working directory"`
	Python        string `json:"python" doc:"the interpreter; default: .venv/bin/python in org_dir, python3, python"`
	Details       string `json:"details" doc:"what of a result handle_check is given: original (eight fields) or full; default original"`
	UnknownEvents bool   `json:"unknown_events" doc:"also tell handle_check of results that are UNKNOWN"`
	Timezone      string `json:"timezone" doc:"zone of timestamps in words that carry none, such as Europe/Berlin; default UTC"`
	NaiveDatetime string `json:"naive_datetime" doc:"what a datetime without a zone means: utc or local; default: timezone where that is set, else such a row is refused"`
	Workers       int    `json:"workers" doc:"Python processes of the row getter, 1 to 8; default 1. Handler and purger have one each"`
	MaxCalls      int    `json:"max_calls" doc:"after so many calls a Python process makes way for a new one; default: never"`
	MaxMemoryMB   int    `json:"max_memory_mb" doc:"when it has grown beyond this it does so too; default: never"`
	Reload        bool   `json:"reload" doc:"load the modules anew when a .py file has changed; for development"`
}

// maxWorkers is the most that the host calls at the same time.
const maxWorkers = 8

// manifest is that of a bundle.
type manifest struct {
	bridge.Header
	settings
	Kinds map[pluginsdk.Kind]struct{} `json:"kinds" doc:"the kinds of work that the bundle does; default: all three"`
}

// bridged is one instance of the plugin.
type bridged struct {
	settings settings
	// folder is where org_dir is relative to, and what it is by default.
	folder string
	kinds  []pluginsdk.Kind

	org         organisation
	zone        *time.Location
	interpreter interpreter
	pools       map[pluginsdk.Kind]*bridge.Pool
}

// plugin is the plugin python, or the bundle of the manifest. Describe never looks
// at the modules: its answer is kept for as long as this program's file is the same,
// and modules come and go.
func plugin() (pluginsdk.Plugin, error) {
	m := manifest{settings: settings{Details: detailsOriginal, Workers: 1}}
	bundled, err := bridge.LoadManifest("python", &m)
	if err != nil {
		return pluginsdk.Plugin{}, err
	}
	p := &bridged{settings: m.settings, folder: m.Dir(), kinds: kinds}
	plugin := pluginsdk.Plugin{
		Name:    "python",
		Version: Version,
		Summary: "runs the modules of your_org: row getter, check handler and row purger in Python",
	}
	if bundled {
		m.Identify(&plugin)
		if p.kinds, err = servedKinds(m.Kinds); err != nil {
			return plugin, err
		}
	}
	p.serve(&plugin)
	return plugin, nil
}

// kinds in the order in which they are looked at.
var kinds = []pluginsdk.Kind{pluginsdk.KindRowGetter, pluginsdk.KindCheckHandler, pluginsdk.KindPurger}

func servedKinds(wanted map[pluginsdk.Kind]struct{}) (served []pluginsdk.Kind, err error) {
	if len(wanted) == 0 {
		return kinds, nil
	}
	for kind := range wanted {
		if !slices.Contains(kinds, kind) {
			return nil, fmt.Errorf("kinds names %q; there are row_getter, check_handler and purger", kind)
		}
		served = append(served, kind)
	}
	return served, nil
}

func (p *bridged) serve(plugin *pluginsdk.Plugin) {
	plugin.Settings, plugin.Setup, plugin.Shutdown, plugin.Health = &p.settings, p.setup, p.shutdown, p.health
	// The host must know of the one worker that takes results: a result that waited
	// here would use up its time, and might be broken off half-way and told twice.
	plugin.Limits = pluginsdk.Limits{GetRows: maxWorkers, HandleCheck: 1, IdentifyOld: 1}
	for _, kind := range p.kinds {
		switch kind {
		case pluginsdk.KindRowGetter:
			plugin.RowGetter = rowGetter{p}
		case pluginsdk.KindCheckHandler:
			plugin.CheckHandler = checkHandler{p}
			// Which of them handle_check is told is a setting, and not known yet.
			plugin.Statuses = []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown}
		case pluginsdk.KindPurger:
			plugin.Purger = purger{p}
		}
	}
}

// setup checks the settings and finds the interpreter. Modules are loaded when they
// are needed: one that is broken must not stop the others.
func (p *bridged) setup(ctx context.Context) error {
	if err := errors.Join(p.checkSettings()...); err != nil {
		return pluginsdk.ConfigError(err)
	}
	var err error
	if p.zone, err = time.LoadLocation(p.settings.Timezone); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("timezone: %w", err))
	}
	if p.org, err = p.organisation(); err != nil {
		return pluginsdk.ConfigError(err)
	}
	for _, missing := range p.org.missing(p.kinds) {
		pluginsdk.Logger(ctx).Warn("a kind of work is not done: its module is missing", "kind", string(missing), "file", p.org.file(missing))
	}
	if p.interpreter, err = findInterpreter(ctx, p.settings.Python, p.org.dir); err != nil {
		return err
	}
	pluginsdk.Logger(ctx).Debug("python was found", "path", p.interpreter.path, "version", p.interpreter.version)
	p.pools = map[pluginsdk.Kind]*bridge.Pool{}
	for _, kind := range p.kinds {
		p.pools[kind] = bridge.NewPool(p.workers(kind))
	}
	return nil
}

func (p *bridged) checkSettings() (faults []error) {
	s := &p.settings
	if s.Details != detailsOriginal && s.Details != detailsFull {
		faults = append(faults, fmt.Errorf("details is %q; want original or full", s.Details))
	}
	if !slices.Contains([]string{"", naiveUTC, naiveLocal}, s.NaiveDatetime) {
		faults = append(faults, fmt.Errorf("naive_datetime is %q; want utc or local", s.NaiveDatetime))
	}
	if s.Workers < 1 || s.Workers > maxWorkers {
		faults = append(faults, fmt.Errorf("workers is %d; 1 to %d are allowed", s.Workers, maxWorkers))
	}
	if s.MaxCalls < 0 || s.MaxMemoryMB < 0 {
		faults = append(faults, errors.New("max_calls and max_memory_mb must not be negative"))
	}
	return faults
}

// organisation finds org_dir. At least one module of the kinds served must be there.
func (p *bridged) organisation() (organisation, error) {
	dir := p.settings.OrgDir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.folder, dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return organisation{}, err
	}
	org := organisation{dir}
	if missing := org.missing(p.kinds); len(missing) == len(p.kinds) {
		var files []string
		for _, kind := range missing {
			files = append(files, modules[kind]+".py")
		}
		return org, fmt.Errorf("org_dir: %s holds none of %s; set org_dir to the folder that holds your_org",
			filepath.Join(dir, orgPackage), strings.Join(files, ", "))
	}
	return org, nil
}

func (p *bridged) shutdown(ctx context.Context) error {
	var errs []error
	for _, pool := range p.pools {
		errs = append(errs, pool.Close(ctx))
	}
	return errors.Join(errs...)
}

// health loads every module that is there.
func (p *bridged) health(ctx context.Context) error {
	missing := p.org.missing(p.kinds)
	var errs []error
	for _, kind := range p.kinds {
		if !slices.Contains(missing, kind) {
			errs = append(errs, p.pools[kind].Ping(ctx, kind))
		}
	}
	return errors.Join(errs...)
}

// environment of the workers: ours, without bytecode left beside the modules, and
// with output that comes at once and can hold any character.
func environment() []string {
	return append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONIOENCODING=utf-8:backslashreplace")
}
