package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestKeepOf(t *testing.T) {
	purger := func(plugin, settings string) *config.Purger {
		return &config.Purger{Plugin: plugin, Settings: config.Settings(settings)}
	}
	for _, tt := range []struct {
		name   string
		purger *config.Purger
		extra  string
		want   time.Duration
	}{
		{"no purger", nil, `{"retention": {"keep": "1d"}}`, 0},
		{"one that we do not know", purger("acme", `{"keep": "1d"}`), `{}`, 0},
		{"as the configuration says", purger("retention", `{"keep": "1d"}`), `[1, 2]`, 24 * time.Hour},
		{"the checker's own goes first", purger("retention", `{"keep": "1d"}`), `{"retention": {"keep": "2d"}}`, 48 * time.Hour},
		{"for ever", purger("retention", `{"keep": "1d"}`), `{"retention": {"keep": "forever"}}`, 0},
		{"nothing says", purger("retention", `{}`), `{}`, 0},
	} {
		if got := keepOf(tt.purger, &dwmon.Checker{Extra: []byte(tt.extra)}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestZoneFaults(t *testing.T) {
	always := dwmon.Requirement{Hours: 1<<24 - 1, Days: dwmon.Weekdays | dwmon.Weekends}
	office := dwmon.Requirement{Hours: 1 << 9, Days: dwmon.Weekdays}
	for _, tt := range []struct {
		name    string
		cfg     config.Config
		checker dwmon.Checker
		faults  int
	}{
		{"hours that hang on the machine", config.Config{File: "a.yaml", LocalIsUTC: true}, dwmon.Checker{Lines: []dwmon.Requirement{always, office}}, 1},
		{"all hours and days are the same everywhere", config.Config{File: "a.yaml", LocalIsUTC: true}, dwmon.Checker{Lines: []dwmon.Requirement{always}}, 0},
		{"a zone of its own", config.Config{File: "a.yaml", LocalIsUTC: true}, dwmon.Checker{Lines: []dwmon.Requirement{office}, Options: dwmon.Options{Timezone: time.UTC}}, 0},
		{"a machine that has a zone", config.Config{File: "a.yaml"}, dwmon.Checker{Lines: []dwmon.Requirement{office}}, 0},
		{"no configuration that could say it", config.Config{LocalIsUTC: true}, dwmon.Checker{Lines: []dwmon.Requirement{office}}, 0},
	} {
		if got := zoneFaults(&tt.cfg, []*dwmon.Checker{&tt.checker}); len(got) != tt.faults {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A file is replaced whole, and only where it may be written.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a.dwmon"), filepath.Join(dir, "b.dwmon")
	if err := os.WriteFile(path, []byte("old"), 0o604); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.dwmon", link); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	info, _ := os.Lstat(link)
	if string(text) != "new" || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("text %q, link %v", text, info.Mode())
	}
	if info, _ = os.Stat(path); info.Mode().Perm() != 0o604 {
		t.Errorf("mode %v", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	if os.Getuid() == 0 {
		return // may write everything
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, []byte("newer")); err == nil {
		t.Error("a file that may not be written was replaced")
	}
}

// The linter knows a checker by the name that the daemon knows it by.
func TestNameOf(t *testing.T) {
	for _, tt := range []struct{ path, checks, want string }{
		{"checks/billing/a.dwmon", "checks", "billing/a"},
		{"checks/billing/a.dwmon", "./checks/billing", "a"},
		{"elsewhere/billing/a.dwmon", "checks", "a"},
		{"a.dwmon", "", "a"},
		{"<stdin>", "checks", "<stdin>"},
	} {
		if got := nameOf(tt.path, tt.checks); got != tt.want {
			t.Errorf("%s below %q is %q, want %q", tt.path, tt.checks, got, tt.want)
		}
	}
}

// Without anything around it, a linter looks at the checker alone.
func TestLinterAlone(t *testing.T) {
	l := NewLinter(t.Context(), Options{Config: &config.Config{}}, time.Now())
	c, _ := checkfile.Parse("a.dwmon", "a", []byte("__QUERY__\nSELECT 1\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM5 LOOKBACKSECONDS59\n__SOURCE__\nAWS\n__OPTIONS__\nhandlers: [x]\n"))
	faults := l.Lint(t.Context(), c)
	if len(faults) != 1 || faults[0].Code != dwmon.CodeWindowsApart {
		t.Errorf("faults: %v", faults)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
