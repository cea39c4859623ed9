// Package demo makes the fake world of `dwmon demo`: a folder with the example
// checkers and a configuration, and a SQLite database in which records keep
// arriving for them, with small incidents, so that GOOD and BAD are both seen
// within minutes.
//
// The world is a function of its seed and of the time: which records exist up to
// a moment does not depend on when the demo was started.
package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dwmon/dwmon/checks"
)

// Names of what is in a demo's folder.
const (
	ChecksFolder = "checks"
	ConfigFile   = "dwmon.yaml"
	Database     = "demo.db"
)

// Create makes a folder ready for a demo: the example checkers in checks, and a
// dwmon.yaml. A folder that holds anything already is refused. plugins is the
// plugins folder that the configuration names; empty: it names none.
func Create(dir, plugins string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the demo's folder: %w", err)
	}
	if err := checkEmpty(dir); err != nil {
		return err
	}
	if plugins != "" {
		if plugins, err = filepath.Abs(plugins); err != nil {
			return fmt.Errorf("find the plugins folder: %w", err)
		}
	}
	// 0700, as for every folder with a database of dwmon's.
	if err := os.MkdirAll(filepath.Join(dir, ChecksFolder), 0o700); err != nil {
		return fmt.Errorf("make the demo's folder: %w", err)
	}
	if err := copyCheckers(filepath.Join(dir, ChecksFolder)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, ConfigFile), configuration(plugins), 0o600); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into the demo's folder: %w", err)
	case len(entries) > 0:
		return fmt.Errorf("the folder %s is not empty (it holds %s): a demo begins in a fresh one; name another, or remove it first",
			dir, entries[0].Name())
	}
	return nil
}

func copyCheckers(dir string) error {
	files, err := fs.Glob(checks.Files, "*.dwmon")
	if err != nil {
		return fmt.Errorf("list the example checkers: %w", err)
	}
	for _, name := range files {
		text, err := checks.Files.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read the example checker %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("write the example checker %s: %w", name, err)
		}
	}
	return nil
}

// configuration is the text of dwmon.yaml.
func configuration(plugins string) []byte {
	line := "# plugins: /usr/lib/dwmon/plugins"
	if plugins != "" {
		line = "plugins: " + quoted(plugins)
	}
	return []byte(strings.Replace(template, "{plugins}", line, 1))
}

const template = `# The demo's configuration. Paths are relative to this file. Change a checker in
# checks/ while the demo runs: it is taken over within seconds.

# The checker files.
checks: checks

# Where the plugins are: they fetch rows, are told of verdicts, and purge.
{plugins}
# dwmon's own database: rows seen, verdicts, deliveries.
db: dwmon.db

# Health and metrics, at any free port: the log names it.
listen: 127.0.0.1:0

# The checkers say "sqlite:demo.db" in their SOURCE section: a URL, served by the
# plugin that claims "sqlite:", its path relative to this file. A source with a
# password gets a name here, which the checkers then use:
# sources:
#   WAREHOUSE: {getter: postgres, settings: {dsn: "${WAREHOUSE_DSN}"}}

# Who is told of verdicts. The plugin log writes a line for each. With
# "on: change" it would write one only when a line turns BAD or GOOD again.
handlers:
  - {plugin: log}

# Rows older than this are purged from dwmon's counts, never from the source.
purger:
  plugin: retention
  settings: {keep: 30d}
`

// quoted is a text as YAML takes it: every JSON string is one.
func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		panic(err) // a string is always JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
