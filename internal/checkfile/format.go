package checkfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Format writes a checker as canonical text: Parse gives the same checker back,
// aside from File, Text, Revision and the lines' places.
func Format(c *dwmon.Checker) []byte {
	var b bytes.Buffer
	b.WriteString(markQuery + "\n" + c.Query + "\n" + markRequirements + "\n")
	for _, line := range c.Lines {
		b.WriteString(line.Identity() + "\n")
	}
	b.WriteString(markSource + "\n" + c.Source + "\n")
	if extra := string(c.Extra); extra != "" && extra != "{}" {
		b.WriteString(markExtra + "\n" + extra + "\n")
	}
	if options := formatOptions(&c.Options); options != "" {
		b.WriteString(markOptions + "\n" + options)
	}
	return b.Bytes()
}

func formatOptions(o *dwmon.Options) string {
	var b strings.Builder
	line := func(present bool, key, value string) {
		if present {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	text := func(key, value string) { line(value != "", key, scalar(value)) }
	duration := func(key string, d time.Duration) { line(d != 0, key, dwmon.FormatDuration(d)) }

	if o.Timezone != nil {
		text("timezone", zoneName(o.Timezone))
	}
	duration("timeout", o.Timeout)
	duration("grace", o.Grace)
	line(o.Assumed, "timestamps", "assumed")
	text("owner", o.Owner)
	text("description", o.Description)
	text("runbook", o.Runbook)
	line(o.Labels != nil, "labels", flow(asAny(o.Labels)))
	line(o.Disabled, "enabled", "false")
	line(o.Handlers != nil, "handlers", flow(anyList(o.Handlers)))
	line(o.Alert != dwmon.AlertSettings{}, "alert", flow(alertMap(o.Alert)))
	line(o.Calendar != nil, "calendar", flow(anyList(o.Calendar)))
	line(o.HideKeys, "keys", "hidden")
	text("template", o.Template)
	return b.String()
}

// zoneName is a name that gives the zone back. Where the machine's zone is not
// known, time.Local calls itself UTC.
func zoneName(zone *time.Location) string {
	if zone == time.Local {
		return "Local"
	}
	return zone.String()
}

func asAny(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func alertMap(s dwmon.AlertSettings) map[string]any {
	m := map[string]any{}
	count := func(name string, n int) {
		if n != 0 {
			m[name] = json.Number(strconv.Itoa(n))
		}
	}
	count("after", s.After)
	count("of", s.Of)
	count("recover", s.Recover)
	count("unknown_after", s.UnknownAfter)
	if s.Repeat != 0 {
		m["repeat"] = dwmon.FormatDuration(s.Repeat)
	}
	if s.Growth != 0 {
		m["growth"] = json.Number(strconv.FormatFloat(s.Growth, 'g', -1, 64))
	}
	return m
}

func anyList(list []string) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// flow writes a value in one line of YAML, keys in order.
func flow(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, quoted(key)+": "+flow(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = flow(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	default:
		return scalar(fmt.Sprint(v))
	}
}

var (
	plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./@-]*( [A-Za-z0-9_./@-]+)*$`)
	// readElsewise is what some YAML reader takes for something else than text.
	readElsewise = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// scalar writes a text plainly where every YAML reader takes it for that text.
func scalar(s string) string {
	if plainScalar.MatchString(s) && !readElsewise.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted writes a text in double quotes, with whatever YAML does not allow as it
// stands, or may break a line at, escaped.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r <= '~', r >= 0xa1 && r < 0x2000, r >= 0x3000 && r < 0xd800, r >= 0xf900 && r < 0xfb00:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
