package pluginsdk

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Version is the version of this SDK.
const Version = "0.1.0"

// Plugin is everything that a plugin is. Name, Version and at least one of
// RowGetter, CheckHandler and Purger must be set.
type Plugin struct {
	// Name is the suffix of the executable's name: dwmon-plugin-NAME.
	Name string
	// Version is a semantic version without a leading v.
	Version string
	// Summary is one line for people: what the plugin does.
	Summary string
	// Homepage is a URL; it may be empty.
	Homepage string
	// MinHostVersion is the oldest dwmon that will do; empty means any.
	MinHostVersion string

	// Settings is a pointer to a struct, or nil for a plugin without settings.
	// The struct's values at the call of Serve are the defaults. Tags:
	//
	//	json:"name"        the setting's name; a field without one is named as in Go
	//	env:"NAME"         taken from the environment where the setting is left out
	//	required:"true"    neither may be missing
	//	secret:"true"      never shown
	//	doc:"what it is"   for the schema and `describe`
	//
	// Fields may be structs, lists, maps and pointers of those, and whatever decodes
	// itself from JSON or text. A time.Duration or Duration is given as a text such
	// as "90s". A setting that the struct does not have is an error.
	Settings any
	// Setup is called once, after Settings is filled and before any other call.
	// ConfigError or CredentialsError: the settings are wrong. Retryable, or a
	// network error: tried again later.
	Setup func(ctx context.Context) error
	// Shutdown is called once, when the last call has ended or has had its time.
	Shutdown func(ctx context.Context) error
	// Health is the deep check, for people: is the database reachable?
	Health func(ctx context.Context) error

	// RowGetter, CheckHandler and Purger are the kinds of work that the plugin
	// does. Any of them may also be a Validator, a CheckHandler also a
	// NoticeHandler.
	RowGetter    RowGetter
	CheckHandler CheckHandler
	Purger       Purger

	// Sources are names, or URL schemes such as "sqlite", that a checker's SOURCE
	// may have for this row getter to be chosen without configuration.
	Sources []string
	// HonoursSince says that the row getter leaves out rows older than
	// Query.Since.
	HonoursSince bool
	// CatalogQuery is a query for the row getter that lists what can be counted in a
	// source, for people who write a checker (`dwmon new`); empty: there is no such
	// list. Each key is five fields with tabs between them: schema (empty: the default
	// one), table, column, the column's type, and "key" where the column is part of
	// the primary key, "unique" where it alone is unique, else nothing. Columns come in
	// the order of their table. The times do not matter.
	CatalogQuery string
	// WriteProbe is a query for the row getter that tries to write, for people who want
	// to know whether a source is safe from its checkers (`dwmon doctor --sources`);
	// empty: there is none. It must be refused: GetRows returns an error. Where it is
	// not, GetRows gives one row, and undoes whatever was written.
	WriteProbe string
	// WritableQuery is a query for the row getter that lists what the account of a
	// source may write, as keys; empty: that cannot be asked. The times do not matter.
	WritableQuery string
	// Statuses are those that the check handler takes. Empty: Good and Bad.
	Statuses []Status
	// DefaultOn says which results the check handler is given unless configured
	// otherwise.
	DefaultOn On
	// ExtraSchema is a JSON schema of what the plugin reads from the EXTRA section;
	// nil for none.
	ExtraSchema []byte

	// Limits bound the calls at the same time.
	Limits Limits
}

// Limits are the most calls of each kind at the same time. 0 means no limit of
// the plugin's own.
type Limits struct {
	GetRows     int
	HandleCheck int
	IdentifyOld int
}

// Status is the verdict on one minute of one requirement line.
type Status string

const (
	Good    Status = "GOOD"
	Bad     Status = "BAD"
	Unknown Status = "UNKNOWN"
)

// On says of which results a check handler is told.
type On string

const (
	OnEvery  On = "every"
	OnBad    On = "bad"
	OnChange On = "change"
)

// Kind is a kind of work.
type Kind string

const (
	KindRowGetter    Kind = "row_getter"
	KindCheckHandler Kind = "check_handler"
	KindPurger       Kind = "purger"
)

// Checker names the checker on whose behalf a call is made.
type Checker struct {
	Name string
	// Path is the checker's file, for people.
	Path string
	// Revision is the SHA-256 of the file, hexadecimal.
	Revision string
}

// Severity of a Diagnostic.
type Severity string

const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Diagnostic is a finding for people.
type Diagnostic struct {
	Severity Severity
	// Summary is one line: what is wrong and what to do.
	Summary string
	Detail  string
	// Pointer is a JSON Pointer into the settings or the EXTRA section.
	Pointer string
	// Code is a stable name of the finding, for programs.
	Code string
}

// CheckerText is a checker as a Validator sees it.
type CheckerText struct {
	Checker
	// Text and Source are the QUERY and SOURCE sections, trimmed.
	Text   string
	Source string
	// ExtraJSON is the EXTRA section, byte for byte.
	ExtraJSON []byte
	// Kinds is the work that the plugin would do for the checker.
	Kinds []Kind
}

// Extra decodes the EXTRA section; see Query.Extra.
func (c CheckerText) Extra(v any) error { return decodeExtra(c.ExtraJSON, v) }

// Validator may be implemented beside any kind: what is wrong with a checker,
// found without asking its source.
type Validator interface {
	ValidateChecker(ctx context.Context, c CheckerText) []Diagnostic
}

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)
	versionForm = regexp.MustCompile(`^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$`)
)

// check says everything that is wrong with a Plugin: faults of its author.
func (p *Plugin) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(p.Name) {
		fault("Name %q: want lower-case letters, digits and -, at most 39", p.Name)
	}
	if !versionForm.MatchString(p.Version) {
		fault("Version %q: want a semantic version such as 0.1.0", p.Version)
	}
	if p.RowGetter == nil && p.CheckHandler == nil && p.Purger == nil {
		fault("set at least one of RowGetter, CheckHandler and Purger")
	}
	if p.Limits.GetRows < 0 || p.Limits.HandleCheck < 0 || p.Limits.IdentifyOld < 0 {
		fault("Limits must not be negative")
	}
	for _, s := range p.Statuses {
		if !slices.Contains([]Status{Good, Bad, Unknown}, s) {
			fault("Statuses holds %q: want GOOD, BAD or UNKNOWN", s)
		}
	}
	if !slices.Contains([]On{"", OnEvery, OnBad, OnChange}, p.DefaultOn) {
		fault("DefaultOn %q: want every, bad or change", p.DefaultOn)
	}
	if err := checkSettingsType(p.Settings); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// kinds lists the kinds that the plugin serves.
func (p *Plugin) kinds() []Kind {
	var ks []Kind
	if p.RowGetter != nil {
		ks = append(ks, KindRowGetter)
	}
	if p.CheckHandler != nil {
		ks = append(ks, KindCheckHandler)
	}
	if p.Purger != nil {
		ks = append(ks, KindPurger)
	}
	return ks
}

func joinKinds(ks []Kind) string {
	words := make([]string, len(ks))
	for i, k := range ks {
		words[i] = string(k)
	}
	return strings.Join(words, ", ")
}
