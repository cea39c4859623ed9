package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/scaffold"
)

// shop is the world of the plugins that `plugin init` makes: an API that knows
// events, and a webhook.
type shop struct {
	*httptest.Server
	mu     sync.Mutex
	posted []string
}

func newShop(t *testing.T) *shop {
	s := &shop{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now().UTC()
		fmt.Fprintf(w, `[{"id": "new", "time": %q}, {"id": "old", "time": %q}, {"id": "not yet", "time": null}]`,
			now.Add(-30*time.Second).Format(time.RFC3339), now.AddDate(0, 0, -40).Format(time.RFC3339))
	})
	mux.HandleFunc("POST /hook", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posted = append(s.posted, string(body))
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *shop) messages() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.posted, "\n")
}

// live is a daemon that runs while plugins come into its folder.
type live struct {
	t       *testing.T
	dir     string
	options daemon.Options
	hangUp  chan os.Signal
	logs    *lockedBuffer

	mu     sync.Mutex
	purged int64
	judged int64
	err    error
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startLive starts a daemon on an empty plugins folder and the checker "orders".
func startLive(t *testing.T, yaml, checker string) *live {
	l := &live{t: t, dir: t.TempDir(), hangUp: make(chan os.Signal, 1), logs: &lockedBuffer{}}
	write(t, l.dir, "dwmon.yaml", "listen: \"off\"\nchecks: checks\nplugins: plugins\ndb: dwmon.db\n"+yaml)
	write(t, l.dir, "checks/orders.dwmon", checker)
	if err := os.Mkdir(filepath.Join(l.dir, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.LoadOptions{Path: filepath.Join(l.dir, "dwmon.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	l.options = daemon.Options{
		Config: cfg, Log: slog.New(slog.NewTextHandler(l.logs, nil)), Guard: []string{os.Args[0], "guard"}, HangUp: l.hangUp,
		Started: func(string) { close(up) },
		Passed: func(r engine.Report) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.purged += r.Purged
			for _, n := range r.Judged {
				l.judged += n
			}
			l.err = r.Err
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx, l.options) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(l.logs.String())
		}
	})
	select {
	case <-up:
	case err := <-ended:
		ended <- err
		t.Fatal("the daemon did not start")
	}
	return l
}

// install drops something into the plugins folder, and tells the daemon.
func (l *live) install(path string) {
	l.t.Helper()
	if err := os.Rename(path, filepath.Join(l.dir, "plugins", filepath.Base(path))); err != nil {
		l.t.Fatal(err)
	}
	l.hangUp <- os.Interrupt
}

// passes gives what the passes so far have done.
func (l *live) passes() (judged, purged int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.judged, l.purged, l.err
}

// waitFor polls until a condition holds.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain waited for: " + what)
		}
	}
}

// serves waits until the plugin shop does all three kinds of work for the checker.
func (l *live) serves(told func() string) {
	l.t.Helper()
	waitFor(l.t, "verdicts on the plugin's rows", func() bool { judged, _, err := l.passes(); return judged > 0 && err == nil })
	waitFor(l.t, "the handler to be told", func() bool { return strings.Contains(told(), `"event_count"`) })
	if text := told(); !strings.Contains(text, "orders") || !strings.Contains(text, "GOOD") {
		l.t.Errorf("the handler was told %s", text)
	}
	waitFor(l.t, "the row of 40 days ago to be purged", func() bool { _, purged, _ := l.passes(); return purged > 0 })
	plugins, err := daemon.ListPlugins(l.t.Context(), l.options, daemon.ListOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range plugins {
		if p.Name != "shop" {
			continue
		}
		if len(p.Kinds) != 3 || p.State != pluginhost.StateReady || p.Checkers == nil || *p.Checkers != 1 || p.Err != "" {
			l.t.Errorf("listed as %+v", p)
		}
		return
	}
	l.t.Errorf("the plugin is not in the list: %+v", plugins)
}

const ordersChecker = `__QUERY__
%s
__REQUIREMENTS__
CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM0 MAXNUM10 LOOKBACKSECONDS600
__SOURCE__
%s
`

var allKinds = []string{"getter", "handler", "purger"}

// TestAGoPluginThatInitMade is built outside of the repository and without a network,
// and serves a checker of a daemon that was running before it was there.
func TestAGoPluginThatInitMade(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	shop := newShop(t)
	l := startLive(t, fmt.Sprintf(`
sources:
  SHOP: {getter: shop, settings: {api: %q}}
handlers:
  - {plugin: shop, on: every, settings: {webhook: %q}}
purger: {plugin: shop, settings: {keep_days: 30}}
`, shop.URL, shop.URL+"/hook"), fmt.Sprintf(ordersChecker, "/events", "SHOP"))
	made := initShop(t, "go")
	if err := scaffold.Build(t.Context(), made, "shop", func(step string) { t.Log(step) }); err != nil {
		t.Fatalf("%v\n%s", err, err.(*scaffold.ToolchainError).Output)
	}
	l.install(filepath.Join(made.Dir, "dwmon-plugin-shop"))
	l.serves(shop.messages)
}

// TestAPythonPluginThatInitMade: a bundle, which is dropped in as it is.
func TestAPythonPluginThatInitMade(t *testing.T) {
	needs(t, "python3")
	shop := newShop(t)
	t.Setenv("DWMON_DB_API", shop.URL)
	t.Setenv("DWMON_DB_WEBHOOK", shop.URL+"/hook")
	l := startLive(t, shopYAML, fmt.Sprintf(ordersChecker, "/events", "shop"))
	l.install(buildPlugin(t, "python"))
	l.install(initShop(t, "python").Dir)
	l.serves(shop.messages)
}

// TestAShellPluginThatInitMade does its work on files.
func TestAShellPluginThatInitMade(t *testing.T) {
	needs(t, "sh", "awk")
	world := t.TempDir()
	alerts := filepath.Join(world, "alerts")
	write(t, world, "events", fmt.Sprintf("%d new paid\n%d old paid\n%d other cancelled\n",
		time.Now().Add(-30*time.Second).Unix(), time.Now().AddDate(0, 0, -40).Unix(), time.Now().Unix()))
	l := startLive(t, shopYAML, fmt.Sprintf(ordersChecker, "/paid/", "shop:"+filepath.Join(world, "events")))
	write(t, l.dir, "plugins/shop.json", fmt.Sprintf(`{"env": [%q]}`, "ALERT_FILE="+alerts))
	l.install(buildPlugin(t, "exec"))
	l.install(initShop(t, "shell").Dir)
	l.serves(func() string { text, _ := os.ReadFile(alerts); return string(text) })
}

const shopYAML = `
handlers:
  - {plugin: shop, on: every}
purger: {plugin: shop}
`

// initShop makes the plugin shop in an empty folder.
func initShop(t *testing.T, lang string) *scaffold.Made {
	t.Helper()
	o := scaffold.Options{Name: "shop", Kinds: allKinds, Lang: lang, Dir: filepath.Join(t.TempDir(), "shop"), Version: "0.0.0-dev"}
	if lang == "go" {
		o.SDK = filepath.Join("..", "..")
	}
	made, err := scaffold.Make(o)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// buildPlugin builds one of ours.
func buildPlugin(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dwmon-plugin-"+name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/dwmon/dwmon/plugins/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build plugin %s: %v\n%s", name, err, out)
	}
	return path
}

// needs skips a test whose programs are not there, but not where everything is to be
// tested.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("DWMON_TEST_ALL") == "1" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed: NOTHING WAS TESTED", p)
	}
}
