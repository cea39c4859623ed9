package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/pluginsdk"
)

// Results of a check of VerifyPlugins.
const (
	FindingOK      = "ok"
	FindingWarning = "warning"
	FindingFault   = "fault"
)

// Finding is the outcome of one check of VerifyPlugins. It holds no secret.
type Finding struct {
	// Result is one of the Finding constants.
	Result string `json:"result"`
	// Plugin is empty for what concerns the folder, or checkers.
	Plugin string `json:"plugin"`
	// Check is what was looked at: lock, permissions, file, bundle, bridge, sidecar,
	// architecture, start, services, command, settings, routing.
	Check   string `json:"check"`
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// VerifyPlugins checks the plugins of the names, or all of the folder, as far as that
// goes without a source and without a daemon: whether they may run, whether they do,
// whether they say what they serve, whether they take the settings of the
// configuration, and, where no names are given, whether every checker is served. It
// starts plugins, and writes nothing but to the folder for temporary files.
func VerifyPlugins(ctx context.Context, o Options, names []string) ([]Finding, error) {
	opt, err := folderOptions(o)
	if err != nil {
		return nil, err
	}
	state, err := os.MkdirTemp("", "dwmon-verify-")
	if err != nil {
		return nil, &EnvironmentError{fmt.Errorf("a folder for the plugins' state: %w", err)}
	}
	defer os.RemoveAll(state)
	opt.Strict, opt.Only, opt.StateDir = o.Config.Strict, names, state
	host, closeHost, err := openHost(ctx, opt)
	if err != nil {
		return nil, err
	}
	defer closeHost()
	plugins, err := host.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	v := &verification{cfg: o.Config, host: host, routing: newRouting(o.Config, host, nil)}
	v.lockFile()
	for _, name := range names {
		if !slices.ContainsFunc(plugins, func(p pluginhost.Plugin) bool { return p.Name == name }) {
			v.fault(name, "file", "", "there is no plugin %s in %s", name, o.Config.Plugins)
		}
	}
	checkers := v.checkers()
	if len(names) == 0 {
		v.route(checkers)
	} else {
		v.wire(checkers)
	}
	for _, f := range host.Found() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		i := slices.IndexFunc(plugins, func(p pluginhost.Plugin) bool { return p.Name == f.Name && p.Path == f.Path })
		if i >= 0 {
			v.plugin(ctx, f, plugins[i])
		}
	}
	v.sort()
	return v.findings, nil
}

// verification is one run of VerifyPlugins.
type verification struct {
	cfg      *config.Config
	host     *pluginhost.Host
	routing  *routing
	locked   bool // there is a lock file, and it can be read
	findings []Finding
}

func (v *verification) add(result, plugin, check, remedy, format string, args ...any) {
	v.findings = append(v.findings, Finding{
		Result: result, Plugin: plugin, Check: check,
		Message: v.cfg.Redact(fmt.Sprintf(format, args...)), Remedy: remedy,
	})
}

func (v *verification) ok(plugin, check, format string, args ...any) {
	v.add(FindingOK, plugin, check, "", format, args...)
}

func (v *verification) warning(plugin, check, remedy, format string, args ...any) {
	v.add(FindingWarning, plugin, check, remedy, format, args...)
}

func (v *verification) fault(plugin, check, remedy, format string, args ...any) {
	v.add(FindingFault, plugin, check, remedy, format, args...)
}

// sort puts the folder first, then the plugins, then routing; each in the order of
// its checks.
func (v *verification) sort() {
	rank := func(f Finding) int {
		switch {
		case f.Check == "routing":
			return 2
		case f.Plugin == "":
			return 0
		}
		return 1
	}
	slices.SortStableFunc(v.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Plugin, b.Plugin))
	})
}

// lockFile says whether there is one, and whether its plugins are all there.
func (v *verification) lockFile() {
	lock, err := pluginhost.ReadLock(v.cfg.Plugins)
	switch r := (*pluginhost.Refusal)(nil); {
	case errors.As(err, &r):
		v.fault("", "lock", r.Remedy, "%v", r.Err)
		return
	case lock == nil && v.cfg.Strict:
		v.fault("", "lock", "write it with `dwmon plugin lock`", "there is no lock file in %s, which strict mode demands", v.cfg.Plugins)
		return
	case lock == nil:
		v.warning("", "lock", "write one with `dwmon plugin lock`", "there is no lock file in %s: whatever is put there is run", v.cfg.Plugins)
		return
	}
	v.locked = true
	v.ok("", "lock", "the lock file names %s", list(slices.Collect(maps.Keys(lock.Plugins))))
}

// plugin checks one plugin.
func (v *verification) plugin(ctx context.Context, f pluginhost.Found, p pluginhost.Plugin) {
	if r := p.Refusal; r != nil {
		v.fault(f.Name, string(r.Check), r.Remedy, "%v", r.Err)
		return
	}
	if p.State == pluginhost.StateDisabled {
		v.warning(f.Name, "sidecar", "", "it is disabled by its sidecar %s.json, and was not started", f.Name)
		return
	}
	what := "file"
	if f.Bundle != nil {
		what = "bundle"
	}
	v.ok(f.Name, what, "%s, sha256 %.12s, %d bytes", f.Path, f.SHA256, f.Size)
	if v.locked {
		v.ok(f.Name, "lock", "its sha256 is that of the lock file")
	}
	for _, w := range f.Warnings {
		text, remedy, _ := strings.Cut(w, ": ")
		v.warning(f.Name, "permissions", remedy, "%s", text)
	}
	switch {
	case v.cfg.Strict:
		v.ok(f.Name, "permissions", "nobody but its owner may write it, its folder or what leads there")
	case len(f.Warnings) == 0:
		v.ok(f.Name, "permissions", "not everybody may write it")
	}
	if f.Bundle == nil {
		v.ok(f.Name, "architecture", "%s", pluginhost.Platform())
	} else {
		v.ok(f.Name, "bridge", "%s, sha256 %.12s", f.Bundle.BridgePath, f.Bundle.BridgeSHA256)
	}
	if p.State != pluginhost.StateVerified {
		v.fault(f.Name, "start", "", "%s", cmp.Or(p.Err, "it is "+string(p.State)))
		return
	}
	v.start(ctx, f, p)
}

// start looks at a process of the plugin, and at one for each of its settings.
func (v *verification) start(ctx context.Context, f pluginhost.Found, p pluginhost.Plugin) {
	began := time.Now()
	trial, err := v.host.Try(ctx, f.Name)
	if err != nil {
		v.fault(f.Name, "start", "", "%v", err)
		return
	}
	defer trial.Close(ctx)
	v.ok(f.Name, "start", "it shook hands (protocol %d) and said what it is in %d ms: version %s, %s",
		pluginsdk.ProtocolVersion, time.Since(began).Milliseconds(), p.Version, kindList(p.Kinds))
	if err := trial.CompareServices(ctx); err != nil {
		v.fault(f.Name, "services", "rebuild it: its author is to describe what it serves", "%v", err)
	} else {
		v.ok(f.Name, "services", "it serves what it describes")
	}
	switch asked, err := trial.CompareCommand(ctx); {
	case err != nil:
		v.fault(f.Name, "command", "rebuild it: both are to say the same", "%v", err)
	case asked:
		v.ok(f.Name, "command", "`describe --json` says the same")
	}
	v.settings(ctx, f.Name)
}

// settings hands over each set of settings that the configuration has for a plugin,
// each to a process of its own.
func (v *verification) settings(ctx context.Context, name string) {
	for _, key := range slices.Sorted(maps.Keys(v.routing.specs)) {
		spec := v.routing.specs[key]
		if spec.Plugin != name {
			continue
		}
		uses := v.uses(key)
		trial, err := v.host.Try(ctx, name)
		if err == nil {
			err = trial.Configure(ctx, spec.Settings)
			trial.Close(ctx)
		}
		if err != nil {
			v.fault(name, "settings", "mend them in dwmon.yaml", "%s: %v", uses, err)
		} else {
			v.ok(name, "settings", "%s: accepted", uses)
		}
	}
}

// uses says for what an instance is used; its settings are not shown.
func (v *verification) uses(key string) string {
	var uses []string
	for name, s := range v.cfg.Sources {
		if settings, err := withZone(s); err == nil && specKey(s.Getter, settings) == key {
			uses = append(uses, "source "+name)
		}
	}
	for _, h := range v.cfg.Handlers {
		if specKey(h.Plugin, h.Settings) == key {
			uses = append(uses, "handler "+h.Name)
		}
	}
	if p := v.cfg.Purger; p != nil && specKey(p.Plugin, p.Settings) == key {
		uses = append(uses, "purger")
	}
	if len(uses) == 0 {
		return "no settings"
	}
	return list(uses)
}

func kindList(kinds []pluginhost.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = strings.ReplaceAll(string(k), "_", " ")
	}
	return strings.Join(words, ", ")
}

// checkers reads the checks folder. What is wrong with files is not this command's
// to say in full.
func (v *verification) checkers() []*dwmon.Checker {
	if _, err := os.Stat(v.cfg.Checks); errors.Is(err, fs.ErrNotExist) {
		v.warning("", "routing", "name it with --checks", "there is no checks folder %s", v.cfg.Checks)
		return nil
	}
	loader := checkfile.Loader{Dir: v.cfg.Checks}
	set, err := loader.LoadNow(time.Now())
	if err != nil {
		v.fault("", "routing", "", "the checks folder cannot be read: %v", err)
		return nil
	}
	var checkers []*dwmon.Checker
	faulty := 0
	for i := range set.Files {
		switch c := set.Files[i].Checker; {
		case c == nil:
			faulty++
		case !c.Options.Disabled:
			checkers = append(checkers, c)
		}
	}
	if faulty > 0 {
		v.warning("", "routing", "see `dwmon validate`", "checker files that cannot be read were left out: %d", faulty)
	}
	return checkers
}

// wire resolves what the configuration names, so that the settings of the plugins
// looked at are known.
func (v *verification) wire(checkers []*dwmon.Checker) {
	for _, s := range v.cfg.Sources {
		if settings, err := withZone(s); err == nil {
			v.routing.spec(s.Getter, settings, s.Concurrency)
		}
	}
	for _, c := range checkers {
		v.routing.job(c)
	}
}

// route says who serves each SOURCE, and what of the configuration nobody does.
func (v *verification) route(checkers []*dwmon.Checker) {
	for _, fault := range v.routing.faults {
		v.fault("", "routing", "", "%s", fault)
	}
	for _, name := range slices.Sorted(maps.Keys(v.cfg.Sources)) {
		getter := v.cfg.Sources[name].Getter
		switch p := v.routing.plugin(getter); {
		case p == nil:
			v.fault("", "routing", "", "source %s: there is no plugin %s in %s", name, getter, v.cfg.Plugins)
		case p.Err != "":
			v.fault("", "routing", "", "source %s: plugin %s is %s: %s", name, getter, p.State, p.Err)
		case !p.Serves(pluginhost.RowGetter):
			v.fault("", "routing", "", "source %s: plugin %s serves %s, not row getter", name, getter, kindList(p.Kinds))
		}
	}
	v.wire(checkers)
	count := map[string]int{}
	var order []string
	for _, c := range checkers {
		job, faults := v.routing.job(c)
		for _, fault := range faults {
			v.fault("", "routing", "", "checker %s: %s", c.Name, fault)
		}
		if job == nil || job.Source.Plugin == "" {
			continue
		}
		line := fmt.Sprintf("SOURCE %s is served by %s", shown(v.cfg, c), job.Source.Plugin)
		if count[line]++; count[line] == 1 {
			order = append(order, line)
		}
	}
	slices.Sort(order)
	for _, line := range order {
		v.ok("", "routing", "%s (%d checkers)", line, count[line])
	}
}
