package daemon

import (
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// settings are those that a daemon would give the plugin for a kind of work, and
// where they came from.
func (t *trial) settings(k pluginhost.Kind) (settings []byte, of string, err error) {
	if t.opts.Settings != nil {
		return t.opts.Settings, "--settings", nil
	}
	switch k {
	case pluginhost.RowGetter:
		return t.sourceSettings()
	case pluginhost.CheckHandler:
		return t.handlerSettings()
	default:
		if p := t.wiring().purgerConfig(); p != nil && p.Plugin == t.plugin.Name {
			return p.Settings, "the purger", nil
		}
		return nil, "none", nil
	}
}

// wiring is that of a daemon whose only plugin is this one.
func (t *trial) wiring() *routing { return wiring(t.cfg, []pluginhost.Plugin{t.plugin}) }

// sourceSettings are those of the source that is named, else of the checker's, else
// of the only one that the plugin serves.
func (t *trial) sourceSettings() ([]byte, string, error) {
	var names []string
	for name, s := range t.cfg.Sources {
		if s.Getter == t.plugin.Name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	name := t.opts.As
	switch {
	case slices.Contains(names, name):
	case name != "" && !t.isHandler(name):
		return nil, "", t.noSuch("source", names)
	case t.checker != nil:
		return t.checkerSettings()
	case len(names) == 1:
		name = names[0]
	default:
		if len(names) > 1 {
			t.note(fmt.Sprintf("it has settings for several sources (%s): name one with --as", list(names)))
		}
		return nil, "none", nil
	}
	settings, err := withZone(t.cfg.Sources[name])
	return settings, "source " + name, err
}

// checkerSettings are those with which a daemon would ask the plugin for the checker.
func (t *trial) checkerSettings() ([]byte, string, error) {
	source, settings, err := t.wiring().source(t.checker)
	switch {
	case err != nil:
		t.note("a daemon would not ask it: " + err.Error())
		return nil, "none", nil
	case source.Plugin != t.plugin.Name:
		t.note(fmt.Sprintf("a daemon would ask %s: the configuration says so of SOURCE %s", source.Plugin, t.checker.ShownSource()))
		return nil, "none", nil
	case settings == nil:
		return nil, "none", nil
	}
	return settings, "source " + source.Key, nil
}

func (t *trial) isHandler(name string) bool {
	return slices.ContainsFunc(t.handlers(), func(h config.Handler) bool { return h.Name == name })
}

// handlers are those of the configuration that the plugin is.
func (t *trial) handlers() []config.Handler {
	return slices.DeleteFunc(slices.Clone(t.wiring().configured()), func(h config.Handler) bool { return h.Plugin != t.plugin.Name })
}

func (t *trial) handlerSettings() ([]byte, string, error) {
	ours := t.handlers()
	names := make([]string, len(ours))
	for i, h := range ours {
		names[i] = h.Name
	}
	at := slices.Index(names, t.opts.As)
	switch {
	case at >= 0:
	case t.opts.As != "":
		if s, ok := t.cfg.Sources[t.opts.As]; ok && s.Getter == t.plugin.Name {
			return nil, "none", nil // meant for the row getter
		}
		return nil, "", t.noSuch("handler", names)
	case len(ours) == 0:
		return nil, "none", nil
	case len(ours) > 1:
		return nil, "", &ErrTrial{fmt.Errorf("the configuration has several handlers of plugin %s (%s): name one with --as", t.plugin.Name, list(names))}
	default:
		at = 0
	}
	return ours[at].Settings, "handler " + ours[at].Name, nil
}

func (t *trial) noSuch(what string, names []string) error {
	return &ErrTrial{fmt.Errorf("the configuration has no %s %s of plugin %s; there are: %s", what, t.opts.As, t.plugin.Name, list(names))}
}
