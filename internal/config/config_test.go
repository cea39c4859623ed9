package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected reports in testdata")

// environ looks variables up in a map.
func environ(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// load reads a configuration file of the given text.
func load(t *testing.T, text string, vars map[string]string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, FileName, text)
	return Load(LoadOptions{Dir: dir, Env: environ(vars)})
}

func mustLoad(t *testing.T, text string, vars map[string]string) *Config {
	t.Helper()
	c, err := load(t, text, vars)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// report is what the golden cases expect.
func report(c *Config, err error, dir string) string {
	var out string
	if err != nil {
		out = err.(dwmon.FileFaults).Text()
	} else {
		out = dwmon.FileFaults(c.Warnings).Text() + "good:\n" + describe(c)
	}
	return strings.ReplaceAll(out, dir+"/", "")
}

func describe(c *Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "checks %s\nplugins %s\ndb %s\nlisten %q\ntimezone %s\ncatch_up %s, spread %s, history %s %s\n",
		c.Checks, c.Plugins, c.DB, c.Listen, c.Timezone, c.CatchUp, c.Spread, c.History.Keep, c.History.KeepGood)
	var names []string
	for name := range c.Sources {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		s := c.Sources[name]
		fmt.Fprintf(&b, "source %s: %s %s, %d at once, %s, zone %v, %d rows, %d bytes\n",
			s.Name, s.Getter, []byte(s.Settings), s.Concurrency, s.Timeout, s.Timezone, s.MaxRows, s.MaxBytes)
	}
	for _, h := range c.Handlers {
		fmt.Fprintf(&b, "handler %s: %s on %q %s\n", h.Name, h.Plugin, h.On, []byte(h.Settings))
		if h.Rate.Count > 0 {
			fmt.Fprintf(&b, "handler %s: at most %s\n", h.Name, h.Rate)
		}
		if h.Template != (Template{}) {
			fmt.Fprintf(&b, "handler %s: template %q\n", h.Name, h.Template)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Calendars)) {
		fmt.Fprintf(&b, "calendar %s: %v\n", name, c.Calendars[name])
	}
	if c.Purger != nil {
		fmt.Fprintf(&b, "purger %s %s\n", c.Purger.Plugin, []byte(c.Purger.Settings))
	}
	if len(c.Policy.Require) > 0 {
		fmt.Fprintf(&b, "policy requires %v\n", c.Policy.Require)
	}
	if h := c.Heartbeat; h != nil {
		fmt.Fprintf(&b, "heartbeat %s %s every %s, at most %s\n", h.Method, string(h.URL), h.Every, h.Timeout)
	}
	return b.String()
}

// findWrong finds fault with the word WRONG.
func findWrong(text string, _ []byte) (faults []dwmon.TextFault) {
	for i, line := range strings.Split(text, "\n") {
		if before, _, found := strings.Cut(line, "WRONG"); found {
			faults = append(faults, dwmon.TextFault{Line: i + 1, Column: len([]rune(before)) + 1, Message: "this is wrong", Hint: "remove it"})
		}
	}
	return faults
}

func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, ok := strings.Cut(string(text), "-- dwmon.yaml --\n")
			input, want, ok2 := strings.Cut(rest, "-- want --\n")
			if !ok || !ok2 {
				t.Fatalf("%s does not hold dwmon.yaml and want", path)
			}
			dir := t.TempDir()
			write(t, dir, FileName, input)
			c, err := Load(LoadOptions{Dir: dir, Env: environ(map[string]string{"AWS_DSN": "postgres://u:p@h/db", "SLACK_URL": "https://hooks/<x>&y", "HC": "hc-uuid"}), Template: findWrong})
			got := report(c, err, dir)
			if *update {
				if err := os.WriteFile(path, []byte(head+"-- dwmon.yaml --\n"+input+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
			if err != nil && strings.Contains(got, "hunter2") {
				t.Errorf("a value is shown:\n%s", got)
			}
			if good := strings.HasPrefix(name, "good") || strings.HasPrefix(name, "warn_"); good != (err == nil) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	c, err := Load(LoadOptions{Dir: dir, Env: environ(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if c.File != "" || c.Checks != filepath.Join(dir, "checks") || c.Plugins != filepath.Join(dir, "plugins") || c.DB != filepath.Join(dir, "dwmon.db") ||
		c.Listen != DefaultListen || c.Timezone != time.Local || c.CatchUp != 24*time.Hour || c.Spread != 10*time.Second ||
		c.History != (History{Keep: 400 * 24 * time.Hour, KeepGood: 30 * 24 * time.Hour}) || c.Handlers != nil || c.Purger != nil || len(c.Sources) != 0 {
		t.Errorf("got %+v", c)
	}
	s := mustLoad(t, "sources: {A: {getter: x}}\nhandlers: []\n", nil)
	want := Source{Name: "A", Getter: "x", Settings: Settings("{}"), Concurrency: 4, Timeout: time.Minute, MaxRows: 2_000_000, MaxBytes: 1 << 30}
	if diff := cmp.Diff(want, s.Sources["A"]); diff != "" {
		t.Error(diff)
	}
	if s.Handlers == nil || len(s.Handlers) != 0 {
		t.Errorf("handlers %#v, want an empty list", s.Handlers)
	}
	for _, text := range []string{"", "# nothing\n", "\ufeff", "---\n"} {
		mustLoad(t, text, nil)
	}
}

// Flags beat the environment, which beats the file, which beats the defaults;
// paths are relative to where they are written.
func TestPrecedenceAndPaths(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	path := write(t, elsewhere, "my.yaml", "checks: a\nplugins: b\ndb: /abs/c.db\ncatch_up: 1h\nspread: 1s\nlisten: :1\ntimezone: UTC\n")
	opts := LoadOptions{Dir: dir, Path: path, Env: environ(map[string]string{
		"DWMON_PLUGINS": "env-plugins", "DWMON_CATCH_UP": "2h", "DWMON_SPREAD": "2s", "DWMON_LISTEN": "off", "DWMON_CHECKS": "",
	}), Flags: map[string]string{"spread": "3s", "db": "flag.db", "listen": ":3"}}
	c, err := Load(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ what, got, want string }{
		{"checks", c.Checks, filepath.Join(elsewhere, "a")},
		{"plugins", c.Plugins, filepath.Join(dir, "env-plugins")},
		{"db", c.DB, filepath.Join(dir, "flag.db")},
		{"catch-up", c.CatchUp.String(), "2h0m0s"},
		{"spread", c.Spread.String(), "3s"},
		{"listen", c.Listen, ":3"},
		{"timezone", c.Timezone.String(), "UTC"},
		{"file", c.File, path},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %s, want %s", tt.what, tt.got, tt.want)
		}
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	opts = LoadOptions{Dir: dir, Env: environ(map[string]string{"DWMON_CONFIG": rel})}
	if c, err = Load(opts); err != nil || c.Checks != filepath.Join(elsewhere, "a") {
		t.Errorf("DWMON_CONFIG: %v, %v", c, err)
	}
}

func TestFlagsAndEnvironmentFaults(t *testing.T) {
	_, err := Load(LoadOptions{
		Dir: t.TempDir(), Path: "none.yaml", Env: environ(map[string]string{"DWMON_TIMEZONE": "Mars"}),
		Flags: map[string]string{"catch-up": "10d1h", "spread": "51s", "db": "", "listen": "nowhere", "nonsense": "1"},
	})
	if err == nil {
		t.Fatal("no fault")
	}
	got := err.Error()
	for _, want := range []string{
		"none.yaml: the configuration cannot be read: no such file or directory",
		`DWMON_TIMEZONE: unknown time zone "Mars"`,
		`--catch-up: "10d1h" is no duration`,
		"--spread: 51s is too long: at most 50s",
		"--db: the path is empty",
		`--listen: "nowhere" is no address`,
		"--nonsense: no setting has this name",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "token", "s3cret-token\n")
	write(t, dir, FileName, `
handlers:
  - plugin: webhook
    settings:
      url: https://h/${A}/${A}${B}
      token: ${file:token}
      literal: "$${A} $$ $ {A} $"
      nested: ["${A}", {k: "${file:token}!"}]
      "${A}": 1
`)
	c, err := Load(LoadOptions{Dir: dir, Env: environ(map[string]string{"A": "alpha-${B}", "B": ""})})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"${A}":1,"literal":"${A} $$ $ {A} $","nested":["alpha-${B}",{"k":"s3cret-token!"}],"token":"s3cret-token","url":"https://h/alpha-${B}/alpha-${B}"}`
	if got := string(c.Handlers[0].Settings); got != want {
		t.Errorf("settings\n%s, want\n%s", got, want)
	}
	if got, want := c.Secrets(), []string{"alpha-${B}", "s3cret-token"}; !slices.Equal(got, want) {
		t.Errorf("secrets %q, want %q", got, want)
	}
	if got := c.Redact("dial alpha-${B}: s3cret-tokens"); got != "dial [redacted]: [redacted]s" {
		t.Errorf("redacted %q", got)
	}
}

// Equal settings are one instance, however they are written.
func TestSettingsAreCanonical(t *testing.T) {
	c := mustLoad(t, "sources:\n  A: {getter: x, settings: {b: 1, a: {d: +1.50, c: .5, e: 0x1F, f: 18446744073709551616, g: 1e400}}}\n  B:\n    getter: x\n    settings:\n      a:\n        c: 0.5\n        d: 1.50\n        e: 31\n        g: 1e400\n        f: 18446744073709551616\n      b: 1\n", nil)
	want := `{"a":{"c":0.5,"d":1.50,"e":31,"f":18446744073709551616,"g":1e400},"b":1}`
	for name, s := range c.Sources {
		if string(s.Settings) != want {
			t.Errorf("%s: %s, want %s", name, []byte(s.Settings), want)
		}
	}
}

func TestRedact(t *testing.T) {
	pem := "-----BEGIN KEY-----\nabcdefghijkl\n-----END KEY-----"
	c := mustLoad(t, `
sources:
  A: {getter: x, settings: {dsn: "${DSN}", pem: "${PEM}", user: "${USER}", odd: "${ODD}"}}
  B: {getter: x, settings: {dsn: "host=h password='plain pw' sslmode=off"}}
  C: {getter: x, settings: {dsn: "root:mysqlpw@tcp(h:3306)/db"}}
`, map[string]string{"DSN": "postgres://u:p%40ssword@h/db", "PEM": pem, "USER": "db", "ODD": `q"<&é`})
	for _, tt := range []struct{ text, want string }{
		{"open postgres://u:p%40ssword@h/db: refused", "open [redacted]: refused"},
		{"user u, password p@ssword", "user u, password [redacted]"},
		{`key "abcdefghijkl" is bad`, `key "[redacted]" is bad`},
		{strings.ReplaceAll(pem, "\n", `\n`), "[redacted]"},
		{"db: no database for db, dbx", "[redacted]: no database for [redacted], dbx"},
		{"db db db", "[redacted] [redacted] [redacted]"},
		{`{"m": "q\"\u003c\u0026é"} q%22%3C%26%C3%A9`, `{"m": "[redacted]"} [redacted]`},
		{"plain pw and mysqlpw", "[redacted] and [redacted]"},
		{"nothing here", "nothing here"},
	} {
		if got := c.Redact(tt.text); got != tt.want {
			t.Errorf("%q became %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestNoSecretInFaults(t *testing.T) {
	_, err := load(t, "sources:\n  A: {getter: x, settings: {dsn: \"${DSN}\", b: 010}}\n  B: {geter: x}\n", map[string]string{"DSN": "hunter2-hunter2"})
	if err == nil || strings.Contains(err.(dwmon.FileFaults).Text(), "hunter2") {
		t.Errorf("faults: %v", err)
	}
}

// A Config that is printed, logged or written as JSON shows no secret.
func TestConfigShowsNoSecret(t *testing.T) {
	c := mustLoad(t, "sources: {A: {getter: x, settings: {p: \"${P}\"}}}\nhandlers: [{plugin: y, settings: {p: \"${P}\"}}]\npurger: {plugin: z, settings: {p: \"${P}\"}}\nheartbeat: {url: \"https://h/${P}\"}\n",
		map[string]string{"P": "hunter2"})
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", *c, "settings", c.Purger.Settings, "url", c.Heartbeat.URL)
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(*c), fmt.Sprintf("%+v %#v %v %v %x %v", *c, *c, c.Handlers, c.Purger, c.Purger.Settings, c.Sources), fmt.Sprintf("%+v %#v %v %q", c.Heartbeat, *c.Heartbeat, c.Heartbeat.URL, c.Heartbeat.URL), log.String(), string(body)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e746572") || strings.Contains(text, "104 117 110") {
			t.Errorf("the secret shows in %s", text)
		}
	}
	if !strings.Contains(string(c.Purger.Settings), "hunter2") {
		t.Error("the plugin is not given the secret")
	}
}

func TestLocalIsUTC(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.UTC // how package time falls back: a zone that calls itself UTC
	for _, tt := range []struct {
		tz   map[string]string
		want bool
	}{
		{nil, true},
		{map[string]string{"TZ": ""}, true},
		{map[string]string{"TZ": "No/Where"}, true},
		{map[string]string{"TZ": "UTC"}, false},
		{map[string]string{"TZ": ":Etc/UTC"}, false},
	} {
		if got := localIsUTC(time.Local, environ(tt.tz)); got != tt.want {
			t.Errorf("TZ %v: %v", tt.tz, got)
		}
	}
	if berlin, err := time.LoadLocation("Europe/Berlin"); err != nil || localIsUTC(berlin, environ(nil)) {
		t.Errorf("Berlin is taken for UTC: %v", err)
	}
}

// A file that is no configuration at all, in one line of a megabyte, reports a
// bounded number of faults in bounded time.
func TestFaultsAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"mapping": "sources: {" + strings.Repeat("a: {}, ", 140_000) + "}",
		"list":    "handlers: [" + strings.Repeat("a, ", 100_000) + "]",
		"nested":  "sources: " + strings.Repeat("[", 9000),
	} {
		_, err := load(t, text, nil)
		if faults, ok := err.(dwmon.FileFaults); !ok || len(faults) == 0 || len(faults) > 100 {
			t.Errorf("%s: %d faults", name, len(faults))
		}
	}
}

func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, input, _ := strings.Cut(string(text), "-- dwmon.yaml --\n")
		input, _, _ = strings.Cut(input, "-- want --\n")
		f.Add(input)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := &loader{opts: LoadOptions{Env: environ(map[string]string{"A": "hunter2"})}, c: &Config{Sources: map[string]Source{}, secrets: &secrets{}}}
		l.file("dwmon.yaml", text)
		lines := strings.Count(text, "\n") + 1
		for _, fault := range l.faults {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.Message == "" {
				t.Errorf("%+v in a file of %d lines", fault, lines)
			}
			_ = fault.Text()
		}
		for name, s := range l.c.Sources {
			if !json.Valid(s.Settings) {
				t.Errorf("settings of %q are no JSON: %s", name, []byte(s.Settings))
			}
		}
	})
}

func TestCheckJudgesATextWithoutItsSurroundings(t *testing.T) {
	t.Setenv("DWMON_CHECKS", "/elsewhere")
	t.Setenv("PG", "hunter2")
	const text = `
checks: sub
db: "${DB}"
sources:
  A: {getter: postgres, settings: {dsn: "postgres://u:${PG}@${file:/no/such}/x", wrong: "${not a name}"}}
  B: {getter: sqlite}
heartbeat: {url: "https://h/${ID}"}
`
	c, faults := Check("/etc/dwmon/dwmon.yaml", text, nil)
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	want := []string{
		"/etc/dwmon/dwmon.yaml:3:5: db holds a reference ${…}; they are replaced in settings and in heartbeat.url only",
		"/etc/dwmon/dwmon.yaml:5:89: a reference in sources.A.settings is none: its name is no variable's",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if c.Checks != "/etc/dwmon/sub" || c.Plugins != "/etc/dwmon/plugins" || len(c.Sources) != 2 {
		t.Errorf("what is right is not in the configuration: checks %s, plugins %s, %d sources", c.Checks, c.Plugins, len(c.Sources))
	}
	if text := string(c.Sources["A"].Settings); strings.Contains(text, "hunter2") || !strings.Contains(text, "${PG}@${file:/no/such}") {
		t.Errorf("references are replaced: %s", text)
	}
}
