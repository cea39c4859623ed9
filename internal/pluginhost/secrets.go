package pluginhost

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// What a plugin is given may come back in whatever it says. Values that the configuration
// has by reference are known as secrets already; here are the others.

// shortestEnv is the shortest value of a variable that counts as a secret by its name.
const shortestEnv = 4

var secretEnv = regexp.MustCompile(`(?i)pass|pwd|secret|token|credential|key|auth|dsn`)

// secret tells of a value that must not be shown, before the plugin gets it.
func (h *Host) secret(value string) {
	if h.opt.Secret != nil && value != "" {
		h.opt.Secret(value)
	}
}

// learnSecrets tells of the settings that a process, which is about to be given them,
// calls secret.
func (in *instance) learnSecrets(p *process) {
	for _, value := range secretSettings(p.describe.GetSettingsSchemaJson(), in.settings) {
		in.host.secret(value)
	}
}

// sourceSecrets tells of the passwords in a checker's SOURCE.
func (h *Host) sourceSecrets(c *dwmon.Checker) {
	for _, value := range c.SourceSecrets() {
		h.secret(value)
	}
}

// secretVariables are the values of variables that only this plugin gets, where their
// names, or the plugin, say that they are secret.
func secretVariables(env []string, declared []*pluginv1.EnvVar) (values []string) {
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		says := slices.ContainsFunc(declared, func(v *pluginv1.EnvVar) bool { return v.GetSecret() && v.GetName() == name })
		if says || !matchesAny(allowedEnv, name) && len(value) >= shortestEnv && secretEnv.MatchString(name) {
			values = append(values, value)
		}
	}
	return values
}

// secretSettings are the values of settings that the plugin's schema calls secret. Of a
// schema that cannot be read, or is too long to be, all are; of none, none.
func secretSettings(schema, settings []byte) (values []string) {
	var given any
	if len(schema) == 0 || json.Unmarshal(settings, &given) != nil {
		return nil
	}
	var root schemaNode
	if len(schema) > maxSchemaBytes || json.Unmarshal(schema, &root) != nil {
		return texts(given)
	}
	return root.secrets(given)
}

// secrets are the texts of a value that the schema calls secret, those within lists and
// maps too, as deep as the value goes.
func (n *schemaNode) secrets(value any) (found []string) {
	switch {
	case n == nil:
		return nil
	case n.WriteOnly:
		return texts(value)
	}
	switch v := value.(type) {
	case map[string]any:
		others := n.others()
		for name, member := range v {
			of, ok := n.Properties[name]
			if !ok {
				of = others
			}
			found = append(found, of.secrets(member)...)
		}
	case []any:
		for _, member := range v {
			found = append(found, n.Items.secrets(member)...)
		}
	}
	return found
}

// texts are all texts within a value.
func texts(value any) (all []string) {
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			all = append(all, texts(member)...)
		}
	case []any:
		for _, member := range v {
			all = append(all, texts(member)...)
		}
	case string:
		all = append(all, v)
	}
	return all
}
