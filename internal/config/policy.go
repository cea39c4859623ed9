package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
)

// Policy is what checker files are held to by those who look at them before they are
// used. It changes nothing in what the daemon does.
type Policy struct {
	// Require are the keys of OPTIONS that each file must have: owner, description,
	// runbook, timezone, or label. and a label's key.
	Require []string
}

// requirable are the keys that a policy may require, beside labels.
var requirable = []string{"owner", "description", "runbook", "timezone"}

func (l *loader) demands(n *yaml.Node) {
	l.r.Fields(n, "policy", []strictyaml.Field{{Name: "require", Read: l.require}})
}

func (l *loader) require(n *yaml.Node) {
	for _, key := range l.r.Words(n, "policy.require", "a list of keys of OPTIONS, such as [owner, runbook]") {
		if label, isLabel := strings.CutPrefix(key, "label."); isLabel && label != "" || slices.Contains(requirable, key) {
			l.c.Policy.Require = append(l.c.Policy.Require, key)
			continue
		}
		hint := "known are " + strings.Join(requirable, ", ") + " and label.NAME"
		if near, ok := dwmon.Nearest(key, requirable); ok {
			hint = "did you mean " + near + "?"
		}
		l.r.At(n, fmt.Sprintf("policy.require: %q is nothing that can be required", key), hint)
	}
}
