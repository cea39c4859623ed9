package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// ListedPlugin is a line of `dwmon plugin list`.
type ListedPlugin struct {
	pluginhost.Plugin
	// Checkers is how many checkers of the checks folder it serves, in whatever
	// kind of work; nil where that is not known.
	Checkers *int `json:"checkers"`
	// Remedy says what to do where it cannot be used.
	Remedy string `json:"remedy,omitempty"`
}

// ListOptions are what ListPlugins is told beside Options.
type ListOptions struct {
	// All lists what else lies in the folder, and why it is no plugin.
	All bool
	// NoLaunch starts nothing: what the files and the database say.
	NoLaunch bool
	// Waiting is told now and then which plugins have not answered yet; nil: nobody
	// is.
	Waiting func(names []string)
}

// pluginAnswer is what a running daemon says of its plugins.
type pluginAnswer struct {
	// Dir is its plugins folder, absolute.
	Dir     string         `json:"dir"`
	Plugins []ListedPlugin `json:"plugins"`
}

// ListPlugins lists the plugins: those of the running daemon with their lives, else
// those of the folder, each started once to ask what it is. Broken ones are part of
// the list and no error.
func ListPlugins(ctx context.Context, o Options, l ListOptions) ([]ListedPlugin, error) {
	plugins, err := listRunning(ctx, o.Config)
	if err == nil && plugins == nil {
		plugins, err = listFolder(ctx, o, l)
	}
	if err != nil {
		return nil, err
	}
	for i := range plugins {
		plugins[i].Remedy = remedy(&plugins[i].Plugin)
	}
	if l.All {
		ignored, err := pluginhost.IgnoredIn(o.Config.Plugins)
		if err != nil {
			return nil, &EnvironmentError{err}
		}
		for _, f := range ignored {
			plugins = append(plugins, ListedPlugin{Plugin: pluginhost.Plugin{
				Name: f.Name, Kinds: []pluginhost.Kind{}, State: pluginhost.StateIgnored, Path: f.Path, Err: f.Why,
			}})
		}
	}
	return plugins, nil
}

// listRunning asks the daemon that runs on the database. nil: there is none, or it
// has another plugins folder than is asked about.
func listRunning(ctx context.Context, cfg *config.Config) ([]ListedPlugin, error) {
	holder, err := sqlite.LockHolder(cfg.DB)
	if err != nil || holder == nil || holder.Socket == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, daemonWithin)
	defer cancel()
	a, err := ask[pluginAnswer](ctx, holder.Socket, "/v1/plugins", struct{}{})
	if err != nil {
		return nil, err
	}
	if !sameFolder(a.Dir, cfg.Plugins) {
		return nil, nil
	}
	return append([]ListedPlugin{}, a.Plugins...), nil
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// daemonWithin is how long the running daemon may take: it may be asking its plugins
// what they are.
const daemonWithin = time.Minute

// wiringWithin is how long the daemon may be busy before its answer does without
// the number of checkers.
const wiringWithin = 2 * time.Second

// listPlugins is the daemon's answer.
func (d *daemon) listPlugins(ctx context.Context, _ struct{}) (pluginAnswer, error) {
	found, err := d.host.Plugins(ctx)
	if err != nil {
		return pluginAnswer{}, err
	}
	a := pluginAnswer{Plugins: make([]ListedPlugin, len(found))}
	for i, p := range found {
		a.Plugins[i].Plugin = p
	}
	timed, cancel := context.WithTimeout(ctx, wiringWithin)
	defer cancel()
	// The goroutine that owns catalog and routing may be waiting for a plugin.
	err = d.do(timed, func(context.Context) error {
		a.Dir = d.cfg.Plugins
		countCheckers(a.Plugins, wiring(d.cfg, d.routing.plugins), d.catalog.active())
		return nil
	})
	if err != nil {
		a.Dir = d.host.Dir()
	}
	a.Dir, err = filepath.Abs(a.Dir)
	return a, err
}

// active are the checkers that are on.
func (c *catalog) active() []*dwmon.Checker {
	var checkers []*dwmon.Checker
	for _, e := range c.entries {
		if e.checker != nil && e.off == "" {
			checkers = append(checkers, e.checker)
		}
	}
	return checkers
}

// listFolder asks the plugins of the folder what they are, without a daemon.
func listFolder(ctx context.Context, o Options, l ListOptions) ([]ListedPlugin, error) {
	opt, err := hostOptions(o)
	if err != nil {
		return nil, err
	}
	opt.NoLaunch = l.NoLaunch
	if l.NoLaunch {
		if r, err := OpenReader(ctx, o.Config); err == nil { // else there is no cache
			defer r.Close()
			opt.Cache = readOnlyCache{describeCache{ctx, r.DB, o.Log}}
		}
	}
	host, closeHost, err := openHost(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer closeHost()
	defer tellWaiting(host, l.Waiting)()
	found, err := host.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	plugins := make([]ListedPlugin, len(found))
	for i, p := range found {
		plugins[i].Plugin = p
	}
	if checkers, ok := readCheckers(o.Config.Checks); ok {
		countCheckers(plugins, wiring(o.Config, found), checkers)
	}
	return plugins, nil
}

// readOnlyCache knows what a database does, and adds nothing to it.
type readOnlyCache struct{ describeCache }

func (readOnlyCache) SaveDescribed(string, []byte) {}

// tellWaiting reports on slow plugins until the function that it returns is called.
func tellWaiting(host *pluginhost.Host, tell func([]string)) (stop func()) {
	if tell == nil {
		return func() {}
	}
	return tellNowAndThen(host.Asking, tell)
}

// tellNowAndThen tells how far something is until the function that it returns is
// called, and then the zero.
func tellNowAndThen[T any](at func() T, tell func(T)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(at())
			case <-done:
				tell(*new(T))
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// readCheckers reads the checkers of a folder, without the faulty ones. false: there
// is no such folder.
func readCheckers(dir string) ([]*dwmon.Checker, bool) {
	loader := checkfile.Loader{Dir: dir}
	set, err := loader.LoadNow(time.Now())
	if err != nil {
		return nil, false
	}
	var checkers []*dwmon.Checker
	for i := range set.Files {
		if c := set.Files[i].Checker; c != nil && !c.Options.Disabled {
			checkers = append(checkers, c)
		}
	}
	return checkers, true
}

// wiring is a routing that says who would serve what, and serves nothing.
func wiring(cfg *config.Config, plugins []pluginhost.Plugin) *routing {
	return &routing{cfg: cfg, plugins: plugins}
}

// countCheckers says of each plugin how many checkers it serves.
func countCheckers(plugins []ListedPlugin, r *routing, checkers []*dwmon.Checker) {
	count, handlers, purger := map[string]int{}, r.configured(), r.purgerConfig()
	for _, c := range checkers {
		for _, name := range r.serving(c, handlers, purger) {
			count[name]++
		}
	}
	for i := range plugins {
		n := count[plugins[i].Name]
		plugins[i].Checkers = &n
	}
}

// serving names the plugins that a checker is wired to, each once.
func (r *routing) serving(c *dwmon.Checker, handlers []config.Handler, purger *config.Purger) []string {
	var names []string
	if source, _, err := r.source(c); err == nil {
		names = append(names, source.Plugin)
	}
	for _, h := range handlers {
		if c.Options.Handlers == nil || slices.Contains(c.Options.Handlers, h.Name) {
			names = append(names, h.Plugin)
		}
	}
	if purger != nil {
		names = append(names, purger.Plugin)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// remedy says what to do about a plugin that cannot be used, where its error does not.
func remedy(p *pluginhost.Plugin) string {
	switch p.State {
	case pluginhost.StateDiscovered:
		return "it was not asked what it is, and the database knows nothing of this file: without --no-launch it is started"
	case pluginhost.StateBroken:
		return fmt.Sprintf("mend it, or take it out of the folder; `dwmon plugin describe %s` starts it again", p.Name)
	case pluginhost.StateIncompatible:
		return "build it again with the pluginsdk of this dwmon, or take it out of the folder"
	case pluginhost.StateConfigError:
		return fmt.Sprintf("mend its `settings` in dwmon.yaml, or its environment; `dwmon plugin describe %s` lists both; it is tried again within 5 minutes", p.Name)
	case pluginhost.StateQuarantined:
		return "it crashed too often: it is started once in 5 minutes, and at once when its file changes"
	case pluginhost.StateBackoff:
		return "it is started again by itself; the daemon's log has what it wrote"
	default:
		return ""
	}
}

// hostOptions are those of a host that is no daemon's.
func hostOptions(o Options) (pluginhost.Options, error) {
	guard, err := guardCommand(o)
	if err != nil {
		return pluginhost.Options{}, err
	}
	workDir, err := workDirOf(o.Config)
	if err != nil {
		return pluginhost.Options{}, err
	}
	return pluginhost.Options{
		Dir: o.Config.Plugins, WorkDir: workDir, Log: o.Log, LogLevel: o.LogLevel, Redact: o.Config.Redact, Secret: o.Config.Conceal,
		HostVersion: Version, GuardCommand: guard, Strict: o.Config.Strict,
	}, nil
}

// openHost makes a host for a command that looks at plugins, and gives what closes it:
// within bounds, and also where the command was broken off.
func openHost(ctx context.Context, opt pluginhost.Options) (*pluginhost.Host, func(), error) {
	host, err := pluginhost.New(opt)
	if err != nil {
		return nil, nil, &EnvironmentError{fmt.Errorf("start the plugin host: %w", err)}
	}
	return host, func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		host.Close(closing)
	}, nil
}

// guardCommand starts the process that ends the plugins of a dwmon that was killed.
func guardCommand(o Options) ([]string, error) {
	if len(o.Guard) > 0 {
		return o.Guard, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own file, for the guard of the plugins: %w", err)
	}
	return []string{self, "guard"}, nil
}

// workDirOf is the plugins' working directory; empty: ours.
func workDirOf(cfg *config.Config) (string, error) {
	if cfg.File == "" {
		return "", nil
	}
	dir, err := filepath.Abs(filepath.Dir(cfg.File))
	if err != nil {
		return "", fmt.Errorf("find the configuration's folder: %w", err)
	}
	return dir, nil
}
