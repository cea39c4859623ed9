package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/dwmon/dwmon/pluginsdk"
)

// extra is our part of a checker's EXTRA section, its member "acme". The section is
// shared by all plugins that serve the checker: the rest of it is not ours.
type extra struct {
	Region string `json:"region"`
	Team   string `json:"team"`
	Keep   string `json:"keep"`
}

func parseExtra(raw []byte) (extra, error) {
	var e extra
	var all map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &all) != nil || all["acme"] == nil {
		return e, nil // dwmon has refused what is no JSON; what is no object is not for us
	}
	dec := json.NewDecoder(bytes.NewReader(all["acme"]))
	dec.DisallowUnknownFields() // a name that is misspelt should be seen
	if err := dec.Decode(&e); err != nil {
		return e, pluginsdk.CheckerError(fmt.Errorf(`the EXTRA section: acme: want {"region": …, "team": …, "keep": …}: %w`, err))
	}
	return e, nil
}

// ValidateChecker finds what is wrong with a checker before it is ever run: its
// diagnostics are shown by `dwmon validate`.
func (g *getter) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	e, err := parseExtra(c.ExtraJSON)
	if err == nil {
		_, err = parseKeep(e.Keep)
	}
	if err == nil {
		return nil
	}
	return []pluginsdk.Diagnostic{{
		Severity: pluginsdk.SeverityError, Code: "ACME_EXTRA", Pointer: "/acme", Summary: err.Error(),
	}}
}
