package daemon

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// pythonPlugin runs the modules of the original program.
const pythonPlugin = "python"

// orgPackage is the folder that the original program imported its modules from.
const orgPackage = "your_org"

// orgModules are the modules of the kinds.
var orgModules = map[pluginhost.Kind]string{
	pluginhost.RowGetter:    "your_orgs_row_getter",
	pluginhost.CheckHandler: "your_orgs_check_handler",
	pluginhost.Purger:       "your_orgs_row_purger",
}

// yourOrg is a folder your_org with modules of the original program, beside the
// configuration or beside the checks. It serves what the configuration does not speak
// of: SOURCEs that nobody else does, handlers, purger.
//
// Elsewhere a plugin is told nothing because it happens to lie in a folder. Here the
// modules themselves are the configuration, as they were the original's: somebody
// wrote them for these checks, and put them beside them under the name that says so.
// The plugin alone, or a your_org anywhere else, changes nothing.
type yourOrg struct {
	// dir holds your_org; empty: there is none.
	dir string
	// settings of the plugin, which looks into its working directory by itself.
	settings []byte
	kinds    []pluginhost.Kind
}

// findYourOrg looks beside dwmon.yaml, or in the working directory where there is
// none, and then beside the folder of checks.
func findYourOrg(cfg *config.Config) yourOrg {
	home := filepath.Dir(cfg.File) // "." where it is empty, as it should be
	for _, dir := range []string{home, filepath.Dir(filepath.Clean(cfg.Checks))} {
		dir, err := filepath.Abs(dir)
		if err != nil {
			continue
		}
		o := yourOrg{dir: dir}
		for _, kind := range []pluginhost.Kind{pluginhost.RowGetter, pluginhost.CheckHandler, pluginhost.Purger} {
			if hasModule(filepath.Join(dir, orgPackage), orgModules[kind]) {
				o.kinds = append(o.kinds, kind)
			}
		}
		if len(o.kinds) == 0 {
			continue
		}
		if there, err := filepath.Abs(home); err != nil || there != dir {
			o.settings, _ = json.Marshal(map[string]string{"org_dir": dir})
		}
		return o
	}
	return yourOrg{}
}

// fillsIn says that handlers or purger are the modules' where the configuration
// does not speak of them.
func (o yourOrg) fillsIn(cfg *config.Config) bool {
	return cfg.Handlers == nil && slices.Contains(o.kinds, pluginhost.CheckHandler) ||
		cfg.Purger == nil && slices.Contains(o.kinds, pluginhost.Purger)
}

// hasModule says that a folder has a module: a file, or a package.
func hasModule(folder, name string) bool {
	for _, form := range []string{name + ".py", name + ".pyc", filepath.Join(name, "__init__.py")} {
		if info, err := os.Stat(filepath.Join(folder, form)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// yourOrg is looked for once in a routing's life.
func (r *routing) yourOrg() *yourOrg {
	r.orgOnce.Do(func() { r.org = findYourOrg(r.cfg) })
	return &r.org
}

// orgServes says that your_org has the module of a kind, and that there is a plugin
// to run it.
func (r *routing) orgServes(kind pluginhost.Kind) bool {
	if !slices.Contains(r.yourOrg().kinds, kind) {
		return false
	}
	p := r.plugin(pythonPlugin)
	return p != nil && p.Serves(kind)
}

// orgSource is the source that stands for your_org. All SOURCEs that it serves are
// one to the engine: its row getter does one query at a time, and who waits for its
// turn must not use up its time.
func (r *routing) orgSource() (source engine.Source, settings []byte, ok bool) {
	if !r.orgServes(pluginhost.RowGetter) {
		return engine.Source{}, nil, false
	}
	return engine.Source{Key: orgPackage, Plugin: pythonPlugin, Concurrency: 1}, r.yourOrg().settings, true
}

// orgHandlers are the handlers that your_org adds where none are configured.
func (r *routing) orgHandlers() []config.Handler {
	if !r.orgServes(pluginhost.CheckHandler) {
		return nil
	}
	return []config.Handler{{Name: pythonPlugin, Plugin: pythonPlugin, Settings: r.yourOrg().settings}}
}

// purgerConfig is the purger: the one configured, else your_org's; nil for none.
func (r *routing) purgerConfig() *config.Purger {
	if r.cfg.Purger == nil && r.orgServes(pluginhost.Purger) {
		return &config.Purger{Plugin: pythonPlugin, Settings: r.yourOrg().settings}
	}
	return r.cfg.Purger
}

// orgRole is one line of what your_org does in this routing; empty where there is
// none. Where it lies unused for want of the plugin, that is a fault.
func (r *routing) orgRole() (line, fault string) {
	o := r.yourOrg()
	if len(o.kinds) == 0 {
		return "", ""
	}
	folder := filepath.Join(o.dir, orgPackage)
	if p := r.plugin(pythonPlugin); p == nil {
		return "", fmt.Sprintf("%s is not used: there is no plugin %s in %s", folder, pythonPlugin, r.cfg.Plugins)
	} else if p.Unheard {
		return "", "" // it is known soon
	} else if p.Err != "" {
		return "", fmt.Sprintf("%s is not used: plugin %s is %s: %s", folder, pythonPlugin, p.State, p.Err)
	}
	var roles []string
	if r.orgServes(pluginhost.RowGetter) {
		roles = append(roles, "SOURCEs that nothing else serves")
	}
	if r.cfg.Handlers == nil && r.orgServes(pluginhost.CheckHandler) {
		roles = append(roles, "results")
	}
	if r.cfg.Purger == nil && r.orgServes(pluginhost.Purger) {
		roles = append(roles, "purging")
	}
	if len(roles) == 0 {
		return "", ""
	}
	return fmt.Sprintf("%s lies beside the checks: plugin %s serves %s", folder, pythonPlugin, strings.Join(roles, ", ")), ""
}

// announceOrg logs what your_org does, once, and again when that changes.
func (r *routing) announceOrg(log *slog.Logger, before *routing) {
	line, _ := r.orgRole()
	told := ""
	if before != nil {
		told, _ = before.orgRole()
	}
	if line != "" && line != told {
		log.Info(line)
	}
}
