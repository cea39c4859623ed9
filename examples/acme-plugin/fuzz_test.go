package main

import (
	"encoding/json"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// FuzzExtra: what is ours of an EXTRA section is read, or is the checker's fault; what is
// others' is none of our business.
func FuzzExtra(f *testing.F) {
	for _, text := range []string{`{"acme": {"region": "eu", "team": "a", "keep": "30d"}}`, `{"acme": {"regoin": "eu"}}`, `{"other": 1}`, `{"acme": 1}`, `{"acme": null}`, `[]`, ``, `{"acme": {"keep": 7}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseExtra(text)
		if err != nil {
			if pluginsdk.ClassOf(err) != pluginsdk.ClassChecker {
				t.Fatalf("%s: %v (%s)", text, err, pluginsdk.ClassOf(err))
			}
			return
		}
		var all struct{ Acme extra }
		if json.Unmarshal(text, &all) == nil && e != (extra{}) && e != all.Acme {
			t.Fatalf("%s was read as %+v", text, e)
		}
	})
}
