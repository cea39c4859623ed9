package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/config"
)

// A handler that cannot be served today is configured all the same: nothing that
// waits for it may be given up.
func TestConfiguredNames(t *testing.T) {
	empty := t.TempDir()
	org := t.TempDir()
	if err := os.MkdirAll(filepath.Join(org, orgPackage), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(org, orgPackage, "your_orgs_check_handler.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		cfg  config.Config
		want []string
	}{
		{"no list, and no plugin log", config.Config{File: filepath.Join(empty, "dwmon.yaml")}, []string{"log"}},
		{"no list, a your_org, and no plugins", config.Config{File: filepath.Join(org, "dwmon.yaml")}, []string{"log", "python"}},
		{"nobody is to be told", config.Config{File: filepath.Join(org, "dwmon.yaml"), Handlers: []config.Handler{}}, nil},
		{
			"a list of plugins that are not there",
			config.Config{Handlers: []config.Handler{{Name: "a", Plugin: "gone"}, {Name: "b", Plugin: "gone"}}},
			[]string{"a", "b"},
		},
	} {
		r := &routing{cfg: &tt.cfg}
		if got := r.configuredNames(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}
