package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Defaults.
const (
	DefaultChecks      = "checks"
	DefaultPlugins     = "plugins"
	DefaultDB          = "dwmon.db"
	DefaultListen      = "127.0.0.1:9393"
	DefaultCatchUp     = 24 * time.Hour
	DefaultSpread      = 10 * time.Second
	DefaultConcurrency = 4
	DefaultTimeout     = 60 * time.Second
	DefaultKeep        = 400 * 24 * time.Hour
	DefaultKeepGood    = 30 * 24 * time.Hour
	DefaultGroupWait   = 30 * time.Second

	// MaxGroupWait bounds how long a notice may wait for company.
	MaxGroupWait = time.Hour

	// MaxCatchUp follows from the longest rewind, 14,400 minutes.
	MaxCatchUp = 240 * time.Hour
	// MaxSpread leaves the last seconds of a minute for the passes themselves.
	MaxSpread = 50 * time.Second
)

// Config is everything that dwmon is told apart from checkers.
type Config struct {
	// File is the configuration file that was read; empty for none.
	File string

	// Checks, Plugins and DB are paths as the process can open them.
	Checks, Plugins, DB string
	// Listen is the address of the HTTP listener; empty for none.
	Listen string
	// Timezone is where checkers without a zone of their own live.
	Timezone *time.Location
	// LocalIsUTC says that Timezone is the machine's, and that it is UTC only
	// because neither TZ nor /etc/localtime names one.
	LocalIsUTC bool
	// CatchUp is how long an outage may last without a gap, Spread over how much
	// of a minute the starts of passes are spread.
	CatchUp, Spread time.Duration
	History         History
	// Strict runs only plugins of the lock file that nobody else may write, from
	// private copies.
	Strict bool

	// Sources are the row getters by SOURCE.
	Sources map[string]Source
	// Alert is the rule of incidents for checkers that do not say otherwise.
	Alert dwmon.AlertRule
	// Handlers is nil where the configuration does not speak of handlers (`log` is
	// meant), and empty where nobody is to be told.
	Handlers []Handler
	// Purger is nil where nothing is purged.
	Purger *Purger
	// Calendars are the files of each holiday calendar by its name, as paths that
	// the process can open.
	Calendars map[string][]string
	// Heartbeat is nil where nobody is told that dwmon is alive.
	Heartbeat *Heartbeat
	// Policy is what checker files are held to.
	Policy Policy

	// Warnings are faults that do not stop dwmon.
	Warnings []dwmon.FileFault

	secrets *secrets
}

// History is how long results are kept.
type History struct {
	// Keep is for results that are not GOOD, and for gaps; KeepGood for GOOD ones.
	Keep, KeepGood time.Duration
}

// Source says which row getter serves a SOURCE, and with what.
type Source struct {
	Name string
	// Getter is the plugin's name.
	Getter   string
	Settings Settings
	// Concurrency is how many fetches run at once.
	Concurrency int
	// Timeout of a fetch.
	Timeout time.Duration
	// Timezone is for timestamps without a zone; nil means UTC.
	Timezone *time.Location
	// MaxRows and MaxBytes cap one result.
	MaxRows, MaxBytes int64
}

// Settings are a plugin's settings: a JSON object in canonical form, with keys
// sorted, no white space, numbers digit for digit and secrets put in. Plugin and
// settings together identify an instance. []byte(s) is what the plugin is given;
// printed, logged or written as JSON they show nothing.
type Settings []byte

// Format writes Redacted, whatever the verb.
func (s Settings) Format(f fmt.State, _ rune) { io.WriteString(f, Redacted) }

// LogValue keeps settings out of logs.
func (s Settings) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON keeps settings out of whatever prints a Config as JSON.
func (s Settings) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// Handler is a check handler that results go to.
type Handler struct {
	// Name is how checkers and deliveries call it; the plugin's unless set.
	Name   string
	Plugin string
	// On is empty where the plugin's own default is meant.
	On       dwmon.On
	Settings Settings
	// Rate bounds how often it is told; its zero is no bound.
	Rate dwmon.Rate
	// Match says of which checkers it is told; none: of all.
	Match dwmon.Matchers
	// CatchUp is empty where the default of On is meant.
	CatchUp dwmon.CatchUpPolicy
	// Unknown says whether it is told what is UNKNOWN; nil: as the plugin says.
	Unknown *bool
	// Corrections says that it is told of corrected verdicts.
	Corrections bool
	// Group is nil where each notice is told by itself.
	Group *Group
	// Template words its notices.
	Template Template
}

// Template is the texts of a handler's template; an empty one keeps the built-in
// text.
type Template struct{ Summary, Body string }

// Group gathers notices.
type Group struct {
	// By names what they have in common: source, owner, folder, label.NAME.
	By []string
	// Wait is how long the first waits for others.
	Wait time.Duration
}

// Heartbeat is a URL that is asked as long as dwmon does its work.
type Heartbeat struct {
	// URL holds secrets as a rule.
	URL Secret
	// Method is that of HTTP.
	Method string
	// Every is how long at least lies between two, Timeout how long one may take.
	Every, Timeout time.Duration
}

// Secret is a text that shows nothing when it is printed, logged or written as JSON.
// string(s) is the text.
type Secret string

// Format writes Redacted, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, Redacted) }

// LogValue keeps it out of logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON keeps it out of whatever prints a Config as JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// Purger names what rows are no longer wanted.
type Purger struct {
	Plugin   string
	Settings Settings
}

// Secrets gives the values that must not be shown: what came in by references
// in settings, and passwords inside of it. It is for handing to a process that
// redacts its own output, never for printing.
func (c *Config) Secrets() []string { return c.secrets.list() }

// Conceal has Redact take one more value out: one that has become known as a secret
// since Load. It may be called at any time.
func (c *Config) Conceal(value string) { c.secrets.keep([]string{value}) }

// ConcealAllOf has Redact take out what an older configuration knew as secret: what was
// given to plugins yesterday may stand in what they say today.
func (c *Config) ConcealAllOf(older *Config) { c.secrets.keep(older.Secrets()) }

// Redact replaces every secret in a text, also where it is escaped as in JSON or
// a URL.
func (c *Config) Redact(text string) string { return c.secrets.redact(text) }
