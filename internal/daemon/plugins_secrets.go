package daemon

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// givenSecrets are those of settings that did not come from the configuration, once
// the plugin has said which of its settings are secret.
type givenSecrets struct {
	forms atomic.Pointer[strings.Replacer]
}

// learn takes note of the values of secret settings.
func (g *givenSecrets) learn(settings []byte, known []pluginhost.Setting) {
	var values map[string]any
	if json.Unmarshal(settings, &values) != nil {
		return
	}
	var pairs []string
	for _, s := range known {
		if !s.Secret {
			continue
		}
		for _, text := range texts(at(values, strings.Split(s.Name, "."))) {
			escaped, _ := json.Marshal(text)
			pairs = append(pairs, text, config.Redacted, string(escaped[1:len(escaped)-1]), config.Redacted)
		}
	}
	if len(pairs) > 0 {
		g.forms.Store(strings.NewReplacer(pairs...))
	}
}

func (g *givenSecrets) redact(text string) string {
	if r := g.forms.Load(); r != nil {
		return r.Replace(text)
	}
	return text
}

// at is the value of a dotted name; nil for none.
func at(value any, path []string) any {
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// texts are all texts in a value.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		return all
	case map[string]any:
		var all []string
		for _, e := range v {
			all = append(all, texts(e)...)
		}
		slices.Sort(all)
		return all
	}
	return nil
}
