package daemon

import (
	"testing"

	"github.com/dwmon/dwmon/internal/pluginhost"
)

func TestGivenSecretsAreNotShown(t *testing.T) {
	known := []pluginhost.Setting{
		{Name: "url"},
		{Name: "token", Secret: true},
		{Name: "auth", Secret: false},
		{Name: "auth.password", Secret: true},
		{Name: "keys", Secret: true},
		{Name: "gone", Secret: true},
	}
	var g givenSecrets
	if got := g.redact("hunter2"); got != "hunter2" {
		t.Errorf("before anything is known: %q", got)
	}
	g.learn([]byte(`{"url": "http://x", "token": "hun\"ter2", "auth": {"user": "u", "password": "swordfish"}, "keys": ["k1x", {"a": "k2x"}], "n": 5}`), known)
	for text, want := range map[string]string{
		`token hun"ter2 is refused`: "token [redacted] is refused",
		`{"token":"hun\"ter2"}`:     `{"token":"[redacted]"}`,
		"swordfish, k1x and k2x":    "[redacted], [redacted] and [redacted]",
		"http://x of u":             "http://x of u",
	} {
		if got := g.redact(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	g.learn([]byte("no JSON"), known)
}
