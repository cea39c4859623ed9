package pluginsdk

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// describe answers from the Plugin value alone, and from its settings as they were
// before any were given: no environment or network.
func describe(p *Plugin, set *settings) *pluginv1.DescribeResponse {
	d := &pluginv1.DescribeResponse{
		Name:               p.Name,
		Version:            p.Version,
		Summary:            p.Summary,
		Homepage:           p.Homepage,
		Sdk:                "pluginsdk-go/" + Version,
		MinHostVersion:     p.MinHostVersion,
		SettingsSchemaJson: set.schema(),
		Env:                set.env(),
	}
	d.BuildRevision, d.BuildModified = buildRevision()
	if p.RowGetter != nil {
		d.RowGetter = &pluginv1.RowGetterInfo{
			MaxConcurrency:  uint32(p.Limits.GetRows),
			Sources:         p.Sources,
			ExtraSchemaJson: p.ExtraSchema,
			HonoursSince:    p.HonoursSince,
			CatalogQuery:    p.CatalogQuery,
			WriteProbe:      p.WriteProbe,
			WritableQuery:   p.WritableQuery,
		}
	}
	if p.CheckHandler != nil {
		_, notices := p.CheckHandler.(NoticeHandler)
		d.CheckHandler = &pluginv1.CheckHandlerInfo{
			MaxConcurrency:  uint32(p.Limits.HandleCheck),
			Statuses:        statusesToWire(p.Statuses),
			ExtraSchemaJson: p.ExtraSchema,
			DefaultOn:       onToWire[p.DefaultOn],
			Notices:         notices,
		}
	}
	if p.Purger != nil {
		d.Purger = &pluginv1.PurgerInfo{MaxConcurrency: uint32(p.Limits.IdentifyOld), ExtraSchemaJson: p.ExtraSchema}
	}
	return d
}

var onToWire = map[On]pluginv1.HandleOn{
	OnEvery:  pluginv1.HandleOn_HANDLE_ON_EVERY,
	OnBad:    pluginv1.HandleOn_HANDLE_ON_BAD,
	OnChange: pluginv1.HandleOn_HANDLE_ON_CHANGE,
}

func statusesToWire(statuses []Status) []pluginv1.CheckStatus {
	var out []pluginv1.CheckStatus
	for _, s := range statuses {
		out = append(out, pluginv1.CheckStatus(pluginv1.CheckStatus_value["CHECK_STATUS_"+string(s)]))
	}
	return out
}

func buildRevision() (revision string, modified bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	return revision, modified
}

var severitiesToWire = map[Severity]pluginv1.Severity{
	SeverityInfo:    pluginv1.Severity_SEVERITY_INFO,
	SeverityWarning: pluginv1.Severity_SEVERITY_WARNING,
	SeverityError:   pluginv1.Severity_SEVERITY_ERROR,
}

// diagnosticToWire takes a severity that is not set for an error: rather too loud
// than lost.
func diagnosticToWire(d Diagnostic) *pluginv1.Diagnostic {
	severity, ok := severitiesToWire[d.Severity]
	if !ok {
		severity = pluginv1.Severity_SEVERITY_ERROR
	}
	valid := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
	return &pluginv1.Diagnostic{
		Severity: severity, Summary: valid(d.Summary), Detail: valid(d.Detail), Pointer: valid(d.Pointer), Code: valid(d.Code),
	}
}

func diagnosticsToWire(ds []Diagnostic) []*pluginv1.Diagnostic {
	var out []*pluginv1.Diagnostic
	for _, d := range ds {
		out = append(out, diagnosticToWire(d))
	}
	return out
}

// description is what `describe` prints.
type description struct {
	Name           string          `json:"name"`
	Version        string          `json:"version"`
	Summary        string          `json:"summary"`
	Homepage       string          `json:"homepage"`
	SDK            string          `json:"sdk"`
	Protocol       int             `json:"protocol"`
	MinHostVersion string          `json:"min_host_version"`
	Kinds          []Kind          `json:"kinds"`
	Sources        []string        `json:"sources"`
	Statuses       []Status        `json:"statuses"`
	DefaultOn      On              `json:"default_on"`
	Notices        bool            `json:"notices"`
	Settings       json.RawMessage `json:"settings_schema"`
	Env            []envVar        `json:"env"`
	BuildRevision  string          `json:"build_revision"`
	BuildModified  bool            `json:"build_modified"`
}

type envVar struct {
	Name        string `json:"name"`
	Required    bool   `json:"required"`
	Secret      bool   `json:"secret"`
	Description string `json:"description"`
}

func newDescription(p *Plugin) description {
	wire := describe(p, newSettings(p.Settings))
	d := description{
		Name: p.Name, Version: p.Version, Summary: p.Summary, Homepage: p.Homepage, SDK: wire.Sdk, Protocol: ProtocolVersion,
		MinHostVersion: p.MinHostVersion, Kinds: p.kinds(), Sources: append([]string{}, p.Sources...),
		Statuses: append([]Status{}, p.Statuses...), DefaultOn: p.DefaultOn, Notices: wire.GetCheckHandler().GetNotices(),
		Settings: wire.SettingsSchemaJson, Env: []envVar{}, BuildRevision: wire.BuildRevision, BuildModified: wire.BuildModified,
	}
	for _, e := range wire.Env {
		d.Env = append(d.Env, envVar{e.Name, e.Required, e.Secret, e.Description})
	}
	return d
}

// printDescription writes what the plugin is, for people or as JSON.
func printDescription(w io.Writer, p *Plugin, asJSON bool) error {
	d := newDescription(p)
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(d)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", d.Name, d.Version)
	if d.Summary != "" {
		fmt.Fprintf(&b, ": %s", d.Summary)
	}
	fmt.Fprintf(&b, "\n\n%-10s %s\n", "kinds", joinKinds(d.Kinds))
	if len(d.Sources) > 0 {
		fmt.Fprintf(&b, "%-10s %s\n", "sources", strings.Join(d.Sources, ", "))
	}
	fmt.Fprintf(&b, "%-10s %d (%s)\n", "protocol", d.Protocol, d.SDK)
	if d.Homepage != "" {
		fmt.Fprintf(&b, "%-10s %s\n", "homepage", d.Homepage)
	}
	newSettings(p.Settings).print(&b)
	_, err := io.WriteString(w, b.String())
	return err
}
