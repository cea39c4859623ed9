package pluginhost

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// Description is everything that a plugin says of itself, and what the operator's
// sidecar adds. It holds no value of a setting or of the environment.
type Description struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Summary string `json:"summary"`
	Path    string `json:"path"`
	SHA256  string `json:"sha256"`
	// Bridge is the plugin that runs a bundle; empty for an executable.
	Bridge string `json:"bridge,omitempty"`
	Kinds  []Kind `json:"kinds"`

	RowGetter    *RowGetterDescription    `json:"row_getter,omitempty"`
	CheckHandler *CheckHandlerDescription `json:"check_handler,omitempty"`
	Purger       *PurgerDescription       `json:"purger,omitempty"`

	Settings []Setting `json:"settings"`
	Env      []EnvVar  `json:"env"`
	// SettingsSchema is the plugin's own words, a JSON schema.
	SettingsSchema json.RawMessage `json:"settings_schema,omitempty"`
	// ExtraSchema is a JSON schema of what it reads from EXTRA, where it says so.
	ExtraSchema json.RawMessage `json:"extra_schema,omitempty"`

	Protocol       int    `json:"protocol"`
	SDK            string `json:"sdk"`
	MinHostVersion string `json:"min_host_version,omitempty"`
	BuildRevision  string `json:"build_revision,omitempty"`
	// BuildModified says that the sources were not those of the revision.
	BuildModified bool   `json:"build_modified,omitempty"`
	Homepage      string `json:"homepage,omitempty"`

	// Limits are the operator's.
	Limits   *LimitsDescription `json:"limits,omitempty"`
	Warnings []string           `json:"warnings,omitempty"`
	// StartupSeconds is the time from its start to its answer.
	StartupSeconds float64 `json:"startup_seconds"`
}

// RowGetterDescription, CheckHandlerDescription and PurgerDescription are what a
// plugin says of each kind. A MaxConcurrency of 0: no limit of its own.
type RowGetterDescription struct {
	MaxConcurrency int      `json:"max_concurrency"`
	Sources        []string `json:"sources"`
	HonoursSince   bool     `json:"honours_since"`
	// CatalogQuery lists what can be counted in a source; empty: there is no list.
	CatalogQuery string `json:"catalog_query"`
	// WriteProbe tries to write, and must be refused; WritableQuery lists what the
	// account of a source may write. Empty: there is none.
	WriteProbe    string `json:"write_probe,omitempty"`
	WritableQuery string `json:"writable_query,omitempty"`
}

// CheckHandlerDescription tells of which results it wants to be told.
type CheckHandlerDescription struct {
	MaxConcurrency int      `json:"max_concurrency"`
	Statuses       []string `json:"statuses"`
	DefaultOn      dwmon.On `json:"default_on"`
	Notices        bool     `json:"notices"`
}

// PurgerDescription is that of a purger.
type PurgerDescription struct {
	MaxConcurrency int `json:"max_concurrency"`
}

// LimitsDescription are those of a sidecar that are set; durations are in seconds.
type LimitsDescription struct {
	Concurrency    int     `json:"concurrency,omitempty"`
	GetRowsSeconds float64 `json:"get_rows_timeout_seconds,omitempty"`
	HandleSeconds  float64 `json:"handle_timeout_seconds,omitempty"`
	PurgeSeconds   float64 `json:"purge_timeout_seconds,omitempty"`
	MaxRows        int64   `json:"max_rows,omitempty"`
	MemoryMiB      int64   `json:"memory_mb,omitempty"`
}

// Setting is one of the settings; those of a nested object have a dotted name.
type Setting struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
	// Default is JSON; nil where there is none, or where it is not told.
	Default     json.RawMessage `json:"default,omitempty"`
	Description string          `json:"description,omitempty"`
}

// EnvVar is a variable of the environment that a setting is taken from.
type EnvVar struct {
	Name        string `json:"name"`
	Required    bool   `json:"required"`
	Secret      bool   `json:"secret"`
	Description string `json:"description,omitempty"`
	// Set says that the plugin would get it, if a daemon were started here and now.
	Set bool `json:"set"`
	// Withheld says that it is set here, but that the plugin is not given it.
	Withheld bool `json:"withheld,omitempty"`
}

// Description is what the plugin says of itself.
func (i *Inspection) Description() Description {
	d := i.describe
	out := Description{
		Name: d.GetName(), Version: d.GetVersion(), Summary: cutText(d.GetSummary(), maxText),
		Path: i.found.Path, SHA256: i.found.SHA256, Kinds: kindsOf(d), Warnings: i.found.Warnings,
		Settings: []Setting{}, Env: describeEnv(d.GetEnv(), os.Environ(), environ(os.Environ(), i.found.environ())),
		SettingsSchema: rawJSON(d.GetSettingsSchemaJson()), ExtraSchema: extraSchema(d),
		Protocol: pluginsdk.ProtocolVersion, SDK: d.GetSdk(), MinHostVersion: d.GetMinHostVersion(),
		BuildRevision: d.GetBuildRevision(), BuildModified: d.GetBuildModified(), Homepage: d.GetHomepage(),
		Limits: i.found.Sidecar.Limits.describe(), StartupSeconds: i.startup.Round(100 * time.Microsecond).Seconds(),
	}
	if b := i.found.Bundle; b != nil {
		out.Bridge = b.Bridge
	}
	out.Settings = append(out.Settings, readSettings(d.GetSettingsSchemaJson())...)
	if g := d.GetRowGetter(); g != nil {
		out.RowGetter = &RowGetterDescription{
			MaxConcurrency: int(g.GetMaxConcurrency()), Sources: append([]string{}, g.GetSources()...), HonoursSince: g.GetHonoursSince(),
			CatalogQuery: meant(g.GetCatalogQuery()), WriteProbe: meant(g.GetWriteProbe()), WritableQuery: meant(g.GetWritableQuery()),
		}
	}
	if h := d.GetCheckHandler(); h != nil {
		out.CheckHandler = &CheckHandlerDescription{int(h.GetMaxConcurrency()), nil, defaultOn(h.GetDefaultOn()), h.GetNotices()}
		for _, s := range statusesOf(h.GetStatuses()) {
			out.CheckHandler.Statuses = append(out.CheckHandler.Statuses, s.String())
		}
	}
	if p := d.GetPurger(); p != nil {
		out.Purger = &PurgerDescription{int(p.GetMaxConcurrency())}
	}
	if i.found.unnamed() {
		out.Warnings = append(out.Warnings, "in the plugins folder its file must be called "+pluginsdk.FilePrefix+d.GetName())
	}
	return out
}

// meant is a query that a row getter offers; one that is too long to be meant is none.
func meant(query string) string {
	if len(query) <= maxOffered {
		return query
	}
	return ""
}

// maxOffered is as much as a checker file may hold.
const maxOffered = 1 << 20

// extraSchema is that of the first kind that has one: the SDK gives all kinds the
// same.
func extraSchema(d *pluginv1.DescribeResponse) json.RawMessage {
	for _, raw := range [][]byte{d.GetRowGetter().GetExtraSchemaJson(), d.GetCheckHandler().GetExtraSchemaJson(), d.GetPurger().GetExtraSchemaJson()} {
		if j := rawJSON(raw); j != nil {
			return j
		}
	}
	return nil
}

// rawJSON is a text of the plugin's that is JSON, else nothing.
func rawJSON(raw []byte) json.RawMessage {
	if len(raw) == 0 || len(raw) > pluginsdk.MaxMessageBytes || !json.Valid(raw) {
		return nil
	}
	return raw
}

func (l Limits) describe() *LimitsDescription {
	if l == (Limits{}) {
		return nil
	}
	seconds := func(d Duration) float64 { return time.Duration(d).Seconds() }
	return &LimitsDescription{l.Concurrency, seconds(l.GetRows), seconds(l.Handle), seconds(l.Purge), l.MaxRows, l.MemoryMiB}
}

// describeEnv says of each variable whether it is in the environment that the
// plugin would be given, or only in ours.
func describeEnv(vars []*pluginv1.EnvVar, ours, given []string) []EnvVar {
	has := func(env []string, name string) bool {
		return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	}
	out := []EnvVar{}
	for _, v := range vars {
		e := EnvVar{Name: v.GetName(), Required: v.GetRequired(), Secret: v.GetSecret(), Description: v.GetDescription(), Set: has(given, v.GetName())}
		e.Withheld = !e.Set && has(ours, v.GetName())
		out = append(out, e)
	}
	return out
}

// schemaNode is what we read of a JSON schema.
type schemaNode struct {
	Type                 schemaType             `json:"type"`
	Description          string                 `json:"description"`
	Default              json.RawMessage        `json:"default"`
	WriteOnly            bool                   `json:"writeOnly"`
	Required             []string               `json:"required"`
	Properties           map[string]*schemaNode `json:"properties"`
	Items                *schemaNode            `json:"items"`
	AdditionalProperties json.RawMessage        `json:"additionalProperties"`
	Pattern              string                 `json:"pattern"`
	Minimum              *float64               `json:"minimum"`
	Enum                 []json.RawMessage      `json:"enum"`

	// ofOthers is AdditionalProperties, once others has read it.
	ofOthers  *schemaNode
	othersSet bool
}

// others is the schema of the members that are not among the properties; nil where there
// is none.
func (n *schemaNode) others() *schemaNode {
	if !n.othersSet {
		n.othersSet = true
		var of schemaNode
		if len(n.AdditionalProperties) > 0 && json.Unmarshal(n.AdditionalProperties, &of) == nil {
			n.ofOthers = &of
		}
	}
	return n.ofOthers
}

// schemaType is one type, or a list of them.
type schemaType []string

func (t *schemaType) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*t = schemaType{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(t))
}

// readSettings lists the settings of a schema by name, nested objects after their
// own line. A schema that cannot be read has none: it is shown as it stands.
func readSettings(schema []byte) []Setting {
	var root schemaNode
	if len(schema) > maxSchemaBytes || json.Unmarshal(schema, &root) != nil {
		return nil
	}
	var out []Setting
	root.settings("", 0, &out)
	return out
}

// Bounds of what is read of a schema. One that is nested without end, or in which a
// long name stands before many others, would cost more than its length.
const (
	maxSchemaBytes  = 1 << 20
	maxSchemaDepth  = 8
	maxSettings     = 1000
	maxSettingBytes = 200 // of a dotted name
)

func (n *schemaNode) settings(prefix string, depth int, out *[]Setting) {
	if depth == maxSchemaDepth {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		p := n.Properties[name]
		if p == nil || len(prefix)+len(name) > maxSettingBytes {
			continue
		}
		if len(*out) == maxSettings {
			return
		}
		*out = append(*out, Setting{
			Name: prefix + name, Type: p.kind(0), Required: slices.Contains(n.Required, name), Secret: p.WriteOnly,
			Default: p.Default, Description: p.Description,
		})
		p.settings(prefix+name+".", depth+1, out)
	}
}

// durationPattern is how the SDK's schema writes a duration.
const durationPattern = "^[0-9]+[smhd]$"

// kind names the type for people.
func (n *schemaNode) kind(depth int) string {
	if n == nil || depth == maxSchemaDepth {
		return "anything"
	}
	if len(n.Enum) > 0 {
		words := make([]string, len(n.Enum))
		for i, e := range n.Enum {
			words[i] = jsonText(e)
		}
		return "one of " + strings.Join(words, ", ")
	}
	switch t := strings.Join(n.Type, " or "); t {
	case "":
		return "anything"
	case "string":
		if n.Pattern == durationPattern {
			return "duration"
		}
		return "text"
	case "integer":
		if n.Minimum != nil && *n.Minimum == 0 {
			return "whole number, 0 or more"
		}
		return "whole number"
	case "array":
		return "list of " + n.Items.kind(depth+1)
	case "object":
		if of := n.others(); of != nil && len(n.Properties) == 0 {
			return "map to " + of.kind(depth+1)
		}
		return "object"
	default:
		return t
	}
}
