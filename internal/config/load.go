package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"github.com/dwmon/dwmon/internal/textfile"
)

// FileName is the configuration file that is read where it exists and no other
// is named.
const FileName = "dwmon.yaml"

// maxBytes is the largest configuration file.
const maxBytes = 1 << 20

// LoadOptions say where to look.
type LoadOptions struct {
	// Path is --config; empty: DWMON_CONFIG, else ./dwmon.yaml where it exists.
	Path string
	// Flags are the flags that were given, by the name of their Override, such as
	// "catch-up". A name that is no Override's is an error.
	Flags map[string]string
	// Env looks a variable of the environment up; nil: os.LookupEnv.
	Env func(name string) (string, bool)
	// Dir is the working directory that paths of flags and the environment are
	// relative to; empty: the process's.
	Dir string
	// Template finds fault with the text of a handler's template; nil: any text will
	// do. extra is nil: the text is for any checker's EXTRA.
	Template func(text string, extra []byte) []dwmon.TextFault
}

// Override is a setting that a flag and a variable of the environment can give
// beside the file.
type Override struct {
	// Flag is the flag's name without dashes, Env the variable's, Key the file's.
	Flag, Env, Key string
	// Usage is for the help text.
	Usage string

	// Bool says that the flag alone means true.
	Bool bool

	path bool
	set  func(l *loader, value string) error
}

// Overrides are all that flags and the environment can give. The path of the
// file itself, --config and DWMON_CONFIG, is not among them.
var Overrides = []Override{
	{
		Flag: "checks", Env: "DWMON_CHECKS", Key: "checks", Usage: "folder of checker files (default ./checks)", path: true,
		set: func(l *loader, v string) error { l.c.Checks = v; return nil },
	},
	{
		Flag: "plugins", Env: "DWMON_PLUGINS", Key: "plugins", Usage: "folder of plugins (default ./plugins)", path: true,
		set: func(l *loader, v string) error { l.c.Plugins = v; return nil },
	},
	{
		Flag: "db", Env: "DWMON_DB", Key: "db", Usage: "database file (default ./dwmon.db)", path: true,
		set: func(l *loader, v string) error { l.c.DB = v; return nil },
	},
	{
		Flag: "listen", Env: "DWMON_LISTEN", Key: "listen", Usage: `address for health and metrics (default 127.0.0.1:9393); "off" for none`,
		set: (*loader).setListen,
	},
	{
		Flag: "timezone", Env: "DWMON_TIMEZONE", Key: "timezone", Usage: "time zone of checkers without one of their own (default Local)",
		set: (*loader).setTimezone,
	},
	{
		Flag: "catch-up", Env: "DWMON_CATCH_UP", Key: "catch_up", Usage: "how long an outage may last without a gap, at most 240h (default 24h)",
		set: (*loader).setCatchUp,
	},
	{
		Flag: "spread", Env: "DWMON_SPREAD", Key: "spread", Usage: "over how much of a minute passes start, at most 50s (default 10s)",
		set: (*loader).setSpread,
	},
	{
		Flag: "strict", Env: "DWMON_STRICT", Key: "strict", Usage: "run only plugins of the lock file that nobody else may write, from private copies", Bool: true,
		set: (*loader).setStrict,
	},
}

// loader gathers a Config and the faults on the way.
type loader struct {
	opts   LoadOptions
	c      *Config
	r      *strictyaml.Reader
	faults []dwmon.FileFault
	// unresolved says that references stay as they are: Check.
	unresolved bool
}

// Load reads the configuration. The error is dwmon.FileFaults: all faults at
// once, warnings among them. It holds no secret.
func Load(opts LoadOptions) (*Config, error) {
	if opts.Env == nil {
		opts.Env = os.LookupEnv
	}
	l := &loader{opts: opts, c: defaults(opts.at(DefaultChecks), opts.at(DefaultPlugins), opts.at(DefaultDB))}
	l.readFile()
	l.overrides()
	l.c.LocalIsUTC = localIsUTC(l.c.Timezone, opts.Env)
	l.c.secrets.seal()
	dwmon.SortFaults(l.faults)
	if dwmon.AnyError(l.faults) {
		return nil, dwmon.FileFaults(l.faults)
	}
	l.c.Warnings = l.faults
	return l.c, nil
}

// at makes a path of a flag or the environment one that the process can open.
func (o LoadOptions) at(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(o.Dir, path)
}

// fault reports a fault that has no line.
func (l *loader) fault(where, message, hint string) {
	l.faults = append(l.faults, dwmon.FileFault{File: where, Severity: dwmon.SeverityError, Message: message, Hint: hint, Code: dwmon.CodeConfig})
}

// readFile finds, reads and judges the file.
func (l *loader) readFile() {
	path, named := l.opts.Path, true
	if path == "" {
		path, _ = l.opts.Env("DWMON_CONFIG")
	}
	if path == "" {
		path, named = FileName, false
	}
	path = l.opts.at(path)
	text, err := textfile.Read(path, maxBytes)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return
	}
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "look at the path, or leave --config and DWMON_CONFIG out: no file is needed"
		}
		l.fault(path, "the configuration cannot be read: "+err.Error(), hint)
		return
	}
	l.c.File = path
	l.file(path, string(text))
}

// overrides takes the environment's and then the flags' values.
func (l *loader) overrides() {
	for _, s := range Overrides {
		name, value, ok := "--"+s.Flag, "", false
		if value, ok = l.opts.Flags[s.Flag]; !ok {
			name = s.Env
			// An empty variable is how shells and unit files unset one.
			if value, ok = l.opts.Env(s.Env); ok && value == "" {
				ok = false
			}
		}
		if !ok {
			continue
		}
		if s.path && value == "" {
			l.fault(name, "the path is empty", "")
			continue
		}
		if s.path {
			value = l.opts.at(value)
		}
		if err := s.set(l, value); err != nil {
			l.fault(name, err.Error(), "")
		}
	}
	for flag := range l.opts.Flags {
		if !slices.ContainsFunc(Overrides, func(s Override) bool { return s.Flag == flag }) {
			l.fault("--"+flag, "no setting has this name", "")
		}
	}
}

func (l *loader) setListen(value string) error {
	if value == "off" || value == "" {
		l.c.Listen = ""
		return nil
	}
	if err := checkAddress(value); err != nil {
		return err
	}
	l.c.Listen = value
	return nil
}

func (l *loader) setTimezone(value string) error {
	zone, err := strictyaml.LoadZone(value)
	if err == nil {
		l.c.Timezone = zone
	}
	return err
}

func (l *loader) setCatchUp(value string) error {
	return setDuration(&l.c.CatchUp, value, MaxCatchUp)
}

func (l *loader) setSpread(value string) error {
	return setDuration(&l.c.Spread, value, MaxSpread)
}

func (l *loader) setStrict(value string) error {
	switch value {
	case "true", "True", "TRUE", "1":
		l.c.Strict = true
	case "false", "False", "FALSE", "0":
		l.c.Strict = false
	default:
		return fmt.Errorf("%q is neither true nor false", value)
	}
	return nil
}

func setDuration(to *time.Duration, value string, most time.Duration) error {
	d, err := strictyaml.CheckDuration(value, 0, most)
	if err == nil {
		*to = d
	}
	return err
}

// localIsUTC says that the machine's zone is meant but was not found. Package
// time calls it UTC then, and Local otherwise.
func localIsUTC(zone *time.Location, env func(string) (string, bool)) bool {
	if zone != time.Local || time.Local.String() != "UTC" {
		return false
	}
	tz, _ := env("TZ")
	tz = strings.TrimPrefix(tz, ":")
	return tz != "UTC" && tz != "UTC0" && tz != "Etc/UTC"
}
