package config

import (
	"fmt"
	"math"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"go.yaml.in/yaml/v3"
)

// file reads the text of the configuration file.
func (l *loader) file(path, text string) {
	text = strings.TrimPrefix(text, "\ufeff")
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	l.r = &strictyaml.Reader{File: path, Code: dwmon.CodeConfig, Lines: lines, Private: true}
	if root := l.r.Read([]byte(text)); root != nil {
		l.r.Fields(root, "the configuration", l.fields())
	}
	l.faults = append(l.faults, l.r.Faults...)
}

func (l *loader) fields() []strictyaml.Field {
	fields := []strictyaml.Field{
		{Name: "version", Read: l.version},
		{Name: "history", Read: l.history},
		{Name: "sources", Read: l.sources},
		{Name: "handlers", Read: l.handlers},
		{Name: "alert", Read: func(n *yaml.Node) { l.c.Alert = l.r.Alert(n, "alert").Over(dwmon.DefaultAlertRule) }},
		{Name: "purger", Read: l.purger},
		{Name: "calendars", Read: l.calendars},
		{Name: "heartbeat", Read: l.heartbeat},
		{Name: "policy", Read: l.demands},
	}
	for _, s := range Overrides {
		fields = append(fields, strictyaml.Field{Name: s.Key, Read: func(n *yaml.Node) { l.override(s, n) }})
	}
	return fields
}

// override reads one that flags and the environment can give too.
func (l *loader) override(s Override, n *yaml.Node) {
	read := l.r.Word
	if s.Key == "listen" { // "" is a value: no listener
		read = l.r.Text
	}
	value, ok := read(n, s.Key)
	if !ok {
		return
	}
	if strings.Contains(value, "${") {
		l.r.At(n, s.Key+" holds a reference ${…}; they are replaced in settings and in heartbeat.url only", "use "+s.Env+" in the environment, or --"+s.Flag)
		return
	}
	if s.path {
		value = l.beside(value)
	}
	if err := s.set(l, value); err != nil {
		hint := ""
		switch s.Key {
		case "timezone":
			hint = strictyaml.ZoneHint
		case "catch_up", "spread":
			hint = strictyaml.DurationHint(value)
		}
		l.r.At(n, s.Key+": "+err.Error(), hint)
	}
}

// beside makes a path of the file one that the process can open.
func (l *loader) beside(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(l.r.File), path)
}

func (l *loader) version(n *yaml.Node) {
	if v, ok := l.r.Text(n, "version"); ok && v != "1" {
		l.r.At(n, fmt.Sprintf("version is %q; this dwmon reads version 1", v), "a newer dwmon may be needed")
	}
}

func (l *loader) history(n *yaml.Node) {
	h := &l.c.History
	keep := func(name string, to *time.Duration) strictyaml.Field {
		return strictyaml.Field{Name: name, Read: func(n *yaml.Node) {
			if d, ok := l.r.Duration(n, "history."+name, time.Hour, 0); ok {
				*to = d
			}
		}}
	}
	l.r.Fields(n, "history", []strictyaml.Field{keep("keep", &h.Keep), keep("keep_good", &h.KeepGood)})
	if h.KeepGood > h.Keep {
		l.r.Warn(n, fmt.Sprintf("history.keep_good (%s) is longer than history.keep (%s), and so has no effect",
			dwmon.FormatDuration(h.KeepGood), dwmon.FormatDuration(h.Keep)), "raise keep, or lower keep_good")
	}
}

func (l *loader) sources(n *yaml.Node) {
	for _, e := range l.r.Mapping(n, "sources") {
		if strings.TrimSpace(e.Name) != e.Name || e.Name == "" {
			l.r.At(e.Key, fmt.Sprintf("the source %q is empty, or has white space at an end", e.Name), "SOURCE is trimmed in checker files, and would never match")
			continue
		}
		l.c.Sources[e.Name] = l.source(e)
	}
}

func (l *loader) source(e strictyaml.Entry) Source {
	what := "sources." + e.Name
	s := Source{
		Name: e.Name, Settings: emptySettings, Concurrency: DefaultConcurrency, Timeout: DefaultTimeout,
		MaxRows: dwmon.DefaultMaxRows, MaxBytes: dwmon.DefaultMaxBytes,
	}
	seen := l.r.Fields(e.Value, what, []strictyaml.Field{
		{Name: "getter", Read: func(n *yaml.Node) { s.Getter = l.plugin(n, what+".getter") }},
		{Name: "settings", Read: func(n *yaml.Node) { s.Settings = l.settings(n, what+".settings") }},
		{Name: "concurrency", Read: func(n *yaml.Node) {
			v, _ := l.r.Int(n, what+".concurrency", 1, 1000)
			s.Concurrency = int(v)
		}},
		{Name: "timeout", Read: func(n *yaml.Node) { s.Timeout, _ = l.r.Duration(n, what+".timeout", time.Second, 0) }},
		{Name: "timezone", Read: func(n *yaml.Node) { s.Timezone, _ = l.r.Zone(n, what+".timezone") }},
		{Name: "max_rows", Read: func(n *yaml.Node) { s.MaxRows, _ = l.r.Int(n, what+".max_rows", 1, math.MaxInt64) }},
		{Name: "max_bytes", Read: func(n *yaml.Node) { s.MaxBytes = l.bytes(n, what+".max_bytes") }},
	})
	if e.Value.Kind == yaml.MappingNode && !seen["getter"] {
		l.r.At(e.Key, what+" names no getter", "add the plugin that fetches its rows, such as getter: postgres")
	}
	return s
}

// units are those of max_bytes.
var units = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}

// bytes reads a number of bytes, with or without KiB, MiB or GiB.
func (l *loader) bytes(n *yaml.Node, what string) int64 {
	text, ok := l.r.Text(n, what)
	if !ok {
		return 0
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err == nil && v >= 1 && v <= math.MaxInt64/u.factor {
			return v * u.factor
		}
		break
	}
	l.r.At(n, fmt.Sprintf("%s is %q, not a number of bytes from 1 on", what, text), "write bytes, or a whole number and KiB, MiB or GiB: 512MiB")
	return 0
}

func (l *loader) handlers(n *yaml.Node) {
	nodes, ok := l.r.List(n, "handlers", "a list, such as - {plugin: log}; [] tells nobody")
	if !ok {
		return
	}
	l.c.Handlers = []Handler{}
	lines := map[string]int{}
	for _, node := range nodes {
		h := l.handler(node)
		if h.Name == "" {
			continue
		}
		if line, twice := lines[h.Name]; twice {
			l.r.At(node, fmt.Sprintf("a second handler is named %q; the first is in line %d", h.Name, line), "give one of them another name: {name: …, plugin: …}")
			continue
		}
		lines[h.Name] = node.Line
		l.c.Handlers = append(l.c.Handlers, h)
	}
}

func (l *loader) handler(n *yaml.Node) Handler {
	if n.Kind == yaml.ScalarNode {
		l.r.At(n, "a handler is a single value, not a mapping", "write - {plugin: NAME}")
		return Handler{}
	}
	h := Handler{Settings: emptySettings}
	seen := l.r.Fields(n, "a handler", []strictyaml.Field{
		{Name: "plugin", Read: func(n *yaml.Node) { h.Plugin = l.plugin(n, "plugin") }},
		{Name: "name", Read: func(n *yaml.Node) { h.Name = l.handlerName(n) }},
		{Name: "on", Read: func(n *yaml.Node) { h.On = l.on(n) }},
		{Name: "settings", Read: func(n *yaml.Node) { h.Settings = l.settings(n, "the handler's settings") }},
		{Name: "rate", Read: func(n *yaml.Node) { h.Rate = l.rate(n) }},
		{Name: "match", Read: func(n *yaml.Node) { h.Match = l.match(n) }},
		{Name: "catch_up", Read: func(n *yaml.Node) { h.CatchUp = l.policy(n) }},
		{Name: "unknown", Read: func(n *yaml.Node) {
			if told, ok := l.r.Bool(n, "unknown"); ok {
				h.Unknown = &told
			}
		}},
		{Name: "corrections", Read: func(n *yaml.Node) { h.Corrections, _ = l.r.Bool(n, "corrections") }},
		{Name: "group", Read: func(n *yaml.Node) { h.Group = l.group(n) }},
		{Name: "template", Read: func(n *yaml.Node) { h.Template = l.template(n) }},
	})
	if n.Kind == yaml.MappingNode && !seen["plugin"] {
		l.r.At(n, "a handler names no plugin", "write - {plugin: NAME}")
	}
	if !seen["name"] {
		h.Name = h.Plugin
	}
	return h
}

// template reads the texts that word a handler's notices.
func (l *loader) template(n *yaml.Node) (t Template) {
	text := func(name string, to *string) strictyaml.Field {
		return strictyaml.Field{Name: name, Read: func(n *yaml.Node) { *to = l.templateText(n, "template."+name) }}
	}
	l.r.Fields(n, "template", []strictyaml.Field{text("summary", &t.Summary), text("body", &t.Body)})
	return t
}

// templateReference is what would be replaced in settings.
var templateReference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*|file:[^}]*)\}`)

func (l *loader) templateText(n *yaml.Node, what string) string {
	text, ok := l.r.Word(n, what)
	if !ok {
		return ""
	}
	if ref := templateReference.FindString(text); ref != "" {
		l.r.At(n, what+" holds the reference "+ref+"; they are replaced in settings only", "notices tell no secrets; write the text out")
	}
	if l.opts.Template != nil {
		for _, f := range l.opts.Template(text, nil) {
			l.r.AtText(n, what, f)
		}
	}
	return text
}

var handlerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func (l *loader) handlerName(n *yaml.Node) string {
	name, ok := l.r.Word(n, "name")
	if ok && !handlerName.MatchString(name) {
		l.r.At(n, fmt.Sprintf("%q is no name of a handler", name), "use letters, digits and _ - . (at most 64, a letter or digit first)")
		return ""
	}
	return name
}

func (l *loader) on(n *yaml.Node) dwmon.On {
	return dwmon.On(l.oneOf(n, "on", "for the plugin's own default", string(dwmon.OnEvery), string(dwmon.OnBad), string(dwmon.OnChange)))
}

// match reads the conditions under which a handler is told of a checker.
func (l *loader) match(n *yaml.Node) (all dwmon.Matchers) {
	nodes, ok := l.r.List(n, "match", "a list of conditions, such as [owner=payments, name=billing/**]")
	if !ok {
		return nil
	}
	for _, node := range nodes {
		text, ok := l.r.Word(node, "a condition")
		if !ok {
			continue
		}
		m, err := dwmon.ParseMatcher(text)
		if err != nil {
			l.r.At(node, err.Error(), "")
			continue
		}
		all = append(all, m)
	}
	return all
}

func (l *loader) policy(n *yaml.Node) dwmon.CatchUpPolicy {
	return dwmon.CatchUpPolicy(l.oneOf(n, "catch_up", "for the default: all with on: every, else digest",
		string(dwmon.CatchUpAll), string(dwmon.CatchUpDigest), string(dwmon.CatchUpLatest), string(dwmon.CatchUpNone)))
}

// oneOf reads one of a few words; empty where it is another.
func (l *loader) oneOf(n *yaml.Node, what, otherwise string, known ...string) string {
	text, ok := l.r.Text(n, what)
	if !ok || slices.Contains(known, text) {
		return text
	}
	hint := "write " + strings.Join(known, ", ") + ", or remove the key " + otherwise
	if near, found := dwmon.Nearest(text, known); found {
		hint = "did you mean " + near + "?"
	}
	l.r.At(n, fmt.Sprintf("%s is %q", what, text), hint)
	return ""
}

func (l *loader) group(n *yaml.Node) *Group {
	g := &Group{Wait: DefaultGroupWait}
	l.r.Fields(n, "group", []strictyaml.Field{
		{Name: "by", Read: func(n *yaml.Node) {
			for _, by := range l.r.Words(n, "group.by", "a list, such as [source]; [] groups everything together") {
				if label, isLabel := strings.CutPrefix(by, "label."); !(isLabel && label != "") && !slices.Contains(groupBy, by) {
					l.r.At(n, fmt.Sprintf("group.by: nothing is grouped by %q", by), "known are "+strings.Join(groupBy, ", ")+" and label.NAME")
					continue
				}
				g.By = append(g.By, by)
			}
		}},
		{Name: "wait", Read: func(n *yaml.Node) { g.Wait, _ = l.r.Duration(n, "group.wait", 0, MaxGroupWait) }},
	})
	return g
}

// groupBy is what notices told together may have in common, apart from labels.
var groupBy = []string{"source", "owner", "folder"}

func (l *loader) purger(n *yaml.Node) {
	p := &Purger{Settings: emptySettings}
	seen := l.r.Fields(n, "purger", []strictyaml.Field{
		{Name: "plugin", Read: func(n *yaml.Node) { p.Plugin = l.plugin(n, "purger.plugin") }},
		{Name: "settings", Read: func(n *yaml.Node) { p.Settings = l.settings(n, "purger.settings") }},
	})
	if n.Kind == yaml.MappingNode && !seen["plugin"] {
		l.r.At(n, "purger names no plugin", "write purger: {plugin: retention, settings: {keep: 400d}}, or remove the key: nothing is purged then")
	}
	l.c.Purger = p
}

var pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)

// plugin reads a plugin's name: what follows dwmon-plugin- in its file's name.
func (l *loader) plugin(n *yaml.Node, what string) string {
	name, ok := l.r.Word(n, what)
	short, prefixed := strings.CutPrefix(filepath.Base(name), "dwmon-plugin-")
	if !ok || !prefixed && pluginName.MatchString(name) {
		return name
	}
	hint := "lower-case letters, digits and -; `dwmon plugin list` shows them"
	if strings.ContainsAny(name, ":@") { // an address with a password, perhaps
		l.r.AtHidden(n, what+" is no name of a plugin", hint)
		return ""
	}
	if prefixed {
		hint = "did you mean " + short + "?"
	}
	l.r.At(n, fmt.Sprintf("%s is %q, which is no name of a plugin", what, name), hint)
	return ""
}

// checkAddress judges host:port.
func checkAddress(value string) error {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		var n int
		if n, err = net.LookupPort("tcp", port); err == nil && n >= 0 {
			return nil
		}
	}
	return fmt.Errorf("%q is no address to listen on: host:port such as 127.0.0.1:9393, :9393 for every address, or off", value)
}
