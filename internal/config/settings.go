package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/internal/textfile"
)

var emptySettings = Settings("{}")

// settings reads a plugin's settings: any mapping, with references in its texts
// replaced, as canonical JSON. Faults inside show no line: what stands beside
// may be a password.
func (l *loader) settings(n *yaml.Node, what string) Settings {
	l.r.Hide = true
	defer func() { l.r.Hide = false }()
	if n.Kind != yaml.MappingNode {
		l.r.Mapping(n, what)
		return emptySettings
	}
	value := l.r.Value(n, what, func(n *yaml.Node) string { return l.resolve(n, what) })
	return canonical(value)
}

// canonical writes JSON with sorted keys and no white space.
func canonical(value any) Settings {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		// Only maps, lists, texts, numbers in JSON's own form, booleans and nil
		// come here.
		panic(fmt.Sprintf("config: settings that are no JSON: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve replaces ${NAME} and ${file:PATH} in a text; $${ stands for ${. What
// is put in is not looked at again.
func (l *loader) resolve(n *yaml.Node, what string) string {
	var b strings.Builder
	rest := n.Value
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			break
		}
		if text, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(text + "${")
			rest = after
			continue
		}
		b.WriteString(before)
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			l.r.At(n, "a reference ${ in "+what+" is not closed", "write ${NAME} or ${file:PATH}; $${ is a literal ${")
			return ""
		}
		b.WriteString(l.reference(n, name, what))
		rest = after
	}
	l.c.secrets.addEmbedded(b.String())
	return b.String()
}

// reference gives what ${name} stands for, and remembers it as a secret.
func (l *loader) reference(n *yaml.Node, name, what string) string {
	var value string
	if l.unresolved && (strings.HasPrefix(name, "file:") || variable.MatchString(name)) {
		return "${" + name + "}"
	}
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		text, err := textfile.Read(l.beside(path), maxBytes)
		if err != nil {
			l.r.At(n, fmt.Sprintf("${%s} in %s cannot be read: %v", name, what, err), "paths are relative to "+l.r.File)
			return ""
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	} else if !variable.MatchString(name) {
		l.r.At(n, "a reference in "+what+" is none: its name is no variable's", "write ${NAME} or ${file:PATH}; $${ is a literal ${")
		return ""
	} else if value, ok = l.opts.Env(name); !ok {
		l.r.At(n, fmt.Sprintf("the variable %s of the environment, used in %s, is not set", name, what), "set it where dwmon is started; $${ is a literal ${")
		return ""
	}
	l.c.secrets.add(value)
	return value
}
