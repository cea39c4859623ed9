package daemon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// routing says which plugin instances serve a checker. It is made anew by each
// reload; its jobs are then new to the engine, which tries them at once.
type routing struct {
	cfg     *config.Config
	host    *pluginhost.Host
	plugins []pluginhost.Plugin

	handlers map[string]handler // by the name in the configuration
	// wants are what the plugins of handlers want, as they say now, remembered what
	// they said last: a plugin that is not there for a while is told then what it
	// would have been told.
	wants, remembered map[string]dwmon.HandlerWants
	order             []string // of the handlers
	purger            dwmon.Purger
	specs             map[string]pluginhost.InstanceSpec // in use, by plugin and settings
	// faults are what is wrong with the configuration as a whole, for people.
	faults []string
	// awaits says that a checker hangs on plugins that have not said yet what they
	// are.
	awaits bool

	orgOnce sync.Once
	org     yourOrg
}

// handler is a configured check handler.
type handler struct {
	config.Handler
	route  dwmon.Route
	serves dwmon.CheckHandler
}

// namedPlugins are the plugins without whose answer handlers and purger cannot be
// wired. Row getters that the configuration names need not have answered.
func namedPlugins(cfg *config.Config) []string {
	var names []string
	for _, h := range cfg.Handlers {
		names = append(names, h.Plugin)
	}
	if cfg.Handlers == nil {
		names = append(names, defaultHandler)
	}
	if cfg.Purger != nil {
		names = append(names, cfg.Purger.Plugin)
	}
	if findYourOrg(cfg).fillsIn(cfg) {
		names = append(names, pythonPlugin)
	}
	return names
}

// defaultHandler is told of results where the configuration does not speak of
// handlers.
const defaultHandler = "log"

// newRouting resolves handlers and purger with what is known of the plugins.
func newRouting(cfg *config.Config, host *pluginhost.Host, remembered map[string]dwmon.HandlerWants) *routing {
	r := &routing{
		cfg: cfg, host: host, plugins: host.Offered(), handlers: map[string]handler{}, specs: map[string]pluginhost.InstanceSpec{},
		wants: map[string]dwmon.HandlerWants{}, remembered: remembered,
	}
	for _, h := range r.configured() {
		r.addHandler(h)
	}
	if p := r.purgerConfig(); p != nil {
		r.need(p.Plugin, pluginhost.Purger, "purger")
		r.purger = host.Purger(r.spec(p.Plugin, p.Settings, 0))
	}
	if _, fault := r.orgRole(); fault != "" {
		r.faults = append(r.faults, fault)
	}
	return r
}

// configured is the list of handlers; without one, the plugin log where there is
// such a plugin, and your_org.
func (r *routing) configured() []config.Handler {
	if r.cfg.Handlers != nil {
		return r.cfg.Handlers
	}
	if p := r.plugin(defaultHandler); p == nil || !p.Serves(pluginhost.CheckHandler) {
		org := r.orgHandlers()
		if org == nil {
			r.faults = append(r.faults, fmt.Sprintf("nobody is told of results: no `handlers` are configured, and the plugin log is not in %s", r.cfg.Plugins))
		}
		return org
	}
	return append([]config.Handler{{Name: defaultHandler, Plugin: defaultHandler}}, r.orgHandlers()...)
}

func (r *routing) addHandler(h config.Handler) {
	route := dwmon.Route{Handler: h.Name, On: h.On, CatchUp: h.CatchUp, Corrections: h.Corrections}
	wants := r.wantsOf(h)
	route.On = cmp.Or(route.On, wants.On)
	route.Unknown, route.Notices = wants.Unknown, wants.Notices
	route.On = cmp.Or(route.On, dwmon.OnEvery)
	if h.Unknown != nil {
		route.Unknown = *h.Unknown
	}
	route.CatchUp = cmp.Or(route.CatchUp, route.On.CatchUp())
	r.handlers[h.Name] = handler{Handler: h, route: route, serves: r.host.CheckHandler(r.spec(h.Plugin, h.Settings, 0))}
	r.order = append(r.order, h.Name)
}

// wantsOf is what the plugin of a handler wants; what it said last where it is not
// there, or does not answer.
func (r *routing) wantsOf(h config.Handler) (wants dwmon.HandlerWants) {
	p := r.need(h.Plugin, pluginhost.CheckHandler, "handler "+h.Name)
	if p == nil || len(p.Kinds) == 0 {
		if before := r.remembered[h.Name]; before.Plugin == h.Plugin {
			return before
		}
		return wants
	}
	if !p.Notices && (h.Corrections || h.Group != nil) {
		r.faults = append(r.faults, fmt.Sprintf("handler %s: plugin %s takes no notices: `group` and `corrections` do nothing", h.Name, h.Plugin))
	}
	wants = dwmon.HandlerWants{Plugin: h.Plugin, On: p.DefaultOn, Unknown: slices.Contains(p.Statuses, dwmon.Unknown), Notices: p.Notices}
	r.wants[h.Name] = wants
	return wants
}

// need notes where a plugin that the configuration names cannot do its work.
func (r *routing) need(name string, kind pluginhost.Kind, what string) *pluginhost.Plugin {
	p := r.plugin(name)
	switch {
	case p == nil:
		r.faults = append(r.faults, fmt.Sprintf("%s: there is no plugin %s in %s", what, name, r.cfg.Plugins))
	case p.Err != "":
		r.faults = append(r.faults, fmt.Sprintf("%s: plugin %s is %s: %s", what, name, p.State, p.Err))
	case !p.Serves(kind):
		r.faults = append(r.faults, fmt.Sprintf("%s: plugin %s serves %v, not %s", what, name, p.Kinds, kind))
		return nil
	}
	return p
}

func (r *routing) plugin(name string) *pluginhost.Plugin {
	for i := range r.plugins {
		if r.plugins[i].Name == name {
			return &r.plugins[i]
		}
	}
	return nil
}

// spec remembers the instance as one that is in use.
func (r *routing) spec(plugin string, settings []byte, concurrency int) pluginhost.InstanceSpec {
	s := pluginhost.InstanceSpec{Plugin: plugin, Settings: settings, Concurrency: concurrency}
	r.specs[specKey(plugin, settings)] = s
	return s
}

func specKey(plugin string, settings []byte) string { return plugin + "\x00" + string(settings) }

// job wires a checker to its instances. faults say what of it cannot be served. nil:
// it is not known yet who serves it, and whoever asked a source now might ask the
// wrong one; its minutes wait.
func (r *routing) job(c *dwmon.Checker) (job *engine.Job, faults []string) {
	job = &engine.Job{Checker: c, Purger: r.purger}
	var err error
	if job.Getter, job.Source, err = r.getter(c); errors.Is(err, errUnheard) {
		r.awaits = true
		return nil, []string{err.Error()}
	} else if err != nil {
		job.Getter, job.Source = unserved{err}, engine.Source{Key: c.Source}
		faults = append(faults, err.Error())
	}
	job.Source.Name = c.ShownSource()
	job.Alert = c.Options.Alert.Over(r.cfg.Alert)
	routes, unknown := r.routes(c)
	job.Routes = routes
	return job, append(faults, unknown...)
}

// routes are the handlers that are told of a checker: those that its file names,
// else those whose conditions it meets.
func (r *routing) routes(c *dwmon.Checker) (routes []dwmon.Route, faults []string) {
	if c.Options.Handlers == nil {
		subject := c.Subject()
		for _, name := range r.order {
			if h := r.handlers[name]; h.Match.Match(subject) {
				routes = append(routes, h.route)
			}
		}
		return routes, nil
	}
	for _, name := range c.Options.Handlers {
		h, ok := r.handlers[name]
		if !ok {
			faults = append(faults, fmt.Sprintf("OPTIONS handlers: no handler is named %s; there are: %s", name, list(r.order)))
			continue
		}
		routes = append(routes, h.route)
	}
	return routes, faults
}

// unserved is the row getter of a SOURCE that nobody serves.
type unserved struct{ err error }

func (u unserved) GetRows(context.Context, dwmon.FetchRequest, func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	return dwmon.FetchSummary{}, &dwmon.FetchError{Fault: dwmon.FaultSettings, Err: u.err}
}

// errUnheard says that it is not known yet who serves a SOURCE: a plugin that has not
// said what it is may claim it too, and then a lone claimant would be the wrong one.
// It passes within seconds.
var errUnheard = errors.New("it is not known yet who serves it; a SOURCE that dwmon.yaml lists does not wait for that")

// scheme is how a SOURCE begins that is a URL itself.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)

// getter is the row getter of a checker's SOURCE.
func (r *routing) getter(c *dwmon.Checker) (dwmon.RowGetter, engine.Source, error) {
	source, settings, err := r.source(c)
	if err != nil {
		return nil, engine.Source{}, err
	}
	return r.host.RowGetter(r.spec(source.Plugin, settings, source.Concurrency)), source, nil
}

// source finds who serves a SOURCE, and with which settings: the configuration's
// entry; else, for a URL, the row getter that claims its scheme; else the only one
// that claims the name; else your_org.
func (r *routing) source(c *dwmon.Checker) (engine.Source, []byte, error) {
	source := c.Source
	if s, ok := r.cfg.Sources[source]; ok {
		settings, err := withZone(s)
		return engine.Source{
			Key: source, Plugin: s.Getter, Concurrency: s.Concurrency, Timeout: s.Timeout, MaxRows: s.MaxRows, MaxBytes: s.MaxBytes,
		}, settings, err
	}
	claim, isURL := source, false
	if m := scheme.FindStringSubmatch(source); m != nil {
		claim, isURL = strings.ToLower(m[1]), true
	}
	var claimants, unheard []string
	for i := range r.plugins {
		switch p := &r.plugins[i]; {
		case p.Unheard:
			unheard = append(unheard, p.Name)
		case p.Serves(pluginhost.RowGetter) && slices.Contains(p.Sources, claim):
			claimants = append(claimants, p.Name)
		}
	}
	switch {
	case len(claimants) < 2 && len(unheard) > 0:
		return engine.Source{}, nil, fmt.Errorf("SOURCE %s: %s has not said what it is: %w", shown(r.cfg, c), list(unheard), errUnheard)
	case len(claimants) == 1:
		return engine.Source{Key: source, Plugin: claimants[0]}, nil, nil
	case len(claimants) > 1:
		return engine.Source{}, nil, fmt.Errorf("SOURCE %s is claimed by more than one row getter: %s; say in dwmon.yaml under `sources` which is meant",
			shown(r.cfg, c), list(claimants))
	case isURL:
		return engine.Source{}, nil, fmt.Errorf("no row getter claims URLs that begin with %s:; row getters are: %s", claim, r.getters())
	default:
		if source, settings, ok := r.orgSource(); ok {
			return source, settings, nil
		}
		return engine.Source{}, nil, fmt.Errorf("no row getter serves SOURCE %s; add it to `sources` in dwmon.yaml (sources there: %s; row getters: %s), or write a URL such as sqlite:demo.db",
			shown(r.cfg, c), list(keys(r.cfg.Sources)), r.getters())
	}
}

// getters lists the row getters that there are, and what ails the broken ones.
func (r *routing) getters() string {
	var names []string
	for i := range r.plugins {
		switch p := &r.plugins[i]; {
		case p.Serves(pluginhost.RowGetter):
			names = append(names, p.Name)
		case p.Err != "":
			names = append(names, fmt.Sprintf("%s (%s)", p.Name, p.State))
		}
	}
	if len(names) == 0 {
		return "none in " + r.cfg.Plugins
	}
	return list(names)
}

// withZone hands the source's zone to its row getter as the setting `timezone`.
func withZone(s config.Source) ([]byte, error) {
	if s.Timezone == nil {
		return s.Settings, nil
	}
	settings := map[string]json.RawMessage{}
	if len(s.Settings) > 0 {
		if err := json.Unmarshal(s.Settings, &settings); err != nil {
			return nil, errors.New("the settings of source " + s.Name + " are no JSON object")
		}
	}
	if settings["timezone"] == nil {
		zone, err := json.Marshal(s.Timezone.String())
		if err != nil {
			return nil, err
		}
		settings["timezone"] = zone
	}
	return json.Marshal(settings)
}

// deliverers are the handlers as the outbox's workers need them.
func (r *routing) deliverers() map[string]deliver.Handler {
	all := make(map[string]deliver.Handler, len(r.handlers))
	for name, h := range r.handlers {
		all[name] = deliver.Handler{CheckHandler: h.serves, Rate: h.Rate}
	}
	return all
}

// shown is a checker's SOURCE in an error.
func shown(cfg *config.Config, c *dwmon.Checker) string {
	source := []rune(cfg.Redact(c.ShownSource()))
	if len(source) > 80 {
		return string(source[:80]) + "…"
	}
	return string(source)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(slices.Values(names)), ", ")
}

func keys(m map[string]config.Source) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	return names
}
