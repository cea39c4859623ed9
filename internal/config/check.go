package config

import (
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Check judges the text of a configuration file where it is written rather than
// where it is used, in an editor say: flags and the environment do not count, no
// other file is read, and references ${…} are taken for granted, as the secrets
// are elsewhere. path is where the file lies; paths in it are relative to that.
//
// The Config holds what is right, whatever the faults, with references in its
// settings; it is for looking up names, not for running anything.
func Check(path, text string, template func(text string, extra []byte) []dwmon.TextFault) (*Config, []dwmon.FileFault) {
	l := &loader{
		opts:       LoadOptions{Env: func(string) (string, bool) { return "", false }, Template: template},
		unresolved: true,
		c:          defaults(beside(path, DefaultChecks), beside(path, DefaultPlugins), beside(path, DefaultDB)),
	}
	l.c.File = path
	l.file(path, text)
	l.c.secrets.seal()
	dwmon.SortFaults(l.faults)
	return l.c, l.faults
}

// defaults is the configuration of who says nothing.
func defaults(checks, plugins, db string) *Config {
	return &Config{
		Checks: checks, Plugins: plugins, DB: db,
		Listen: DefaultListen, Timezone: time.Local, CatchUp: DefaultCatchUp, Spread: DefaultSpread,
		Alert: dwmon.DefaultAlertRule, History: History{Keep: DefaultKeep, KeepGood: DefaultKeepGood}, Sources: map[string]Source{}, secrets: &secrets{},
	}
}
