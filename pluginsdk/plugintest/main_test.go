package plugintest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dwmon/dwmon/pluginsdk"
)

// TestMain makes the test binary act as the plugin that its name says: the cases
// start it with no environment to tell.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix); ok {
		fixture := fixtures[name]
		if fixture == nil {
			fmt.Fprintf(os.Stderr, "there is no fixture %q\n", name)
			os.Exit(70)
		}
		fixture()
		os.Exit(0)
	}
	callLimit = 3 * time.Second
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // these tests wait, most of the time
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}

// fixtures are plugins as executables, by name. Each serves until its end.
var fixtures = map[string]func(){}

// executableFixture is the test binary under a fixture's name.
func executableFixture(t *testing.T, name string) Target {
	t.Helper()
	if fixtures[name] == nil {
		t.Fatalf("there is no fixture %q", name)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), pluginsdk.FilePrefix+name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return Executable(path)
}

// check runs cases and returns their results by ID.
func check(t *testing.T, target Target, o Options) map[int]Result {
	t.Helper()
	results := map[int]Result{}
	if err := Check(t.Context(), target, o, func(r Result) {
		if _, twice := results[r.ID]; twice {
			t.Errorf("case %d is reported twice", r.ID)
		}
		results[r.ID] = r
	}); err != nil {
		t.Fatal(err)
	}
	return results
}

// The queries of good, which is right in every way.
var goodOptions = Options{Query: "few", ManyRows: "many", SlowQuery: "slow"}

// fd1 is standard output below whatever os.Stdout is. It is kept: the last use of
// an os.File closes it.
var fd1 = os.NewFile(1, "fd 1")

func goodRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	n := 3
	switch q.Text {
	case "few":
	case "many":
		n = 100_000
	case "slow":
		select {
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return ctx.Err()
		}
	case "panic":
		panic("as the query asks")
	case "print":
		noise := []byte(strings.Repeat("x", 1<<20))
		for _, f := range []*os.File{os.Stdout, os.Stderr, fd1} {
			if _, err := f.Write(noise); err != nil {
				return err
			}
		}
	default:
		return pluginsdk.CheckerError(fmt.Errorf("what is %q?", q.Text))
	}
	// Keys of 1 KiB: whoever gathers 100,000 of them is seen to.
	for i := range n {
		if err := out.AppendMicros(fmt.Sprintf("%01000d", i), 1_700_000_000_000_000+int64(i)); err != nil {
			return err
		}
	}
	return nil
}

// withRows is a plugin with this row getter.
func withRows(f pluginsdk.RowGetterFunc) pluginsdk.Plugin {
	return pluginsdk.Plugin{Name: "fixture", Version: "0.1.0", Summary: "for tests", RowGetter: f}
}

// good serves every kind and has settings.
func good() pluginsdk.Plugin {
	p := withRows(goodRows)
	p.Settings = &struct {
		Color string `json:"color"`
	}{}
	p.CheckHandler = pluginsdk.CheckHandlerFunc(func(context.Context, pluginsdk.CheckEvent) error { return nil })
	p.Purger = pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
		return pluginsdk.DeleteOlderThan(in.Now.Add(-time.Hour)), nil
	})
	return p
}

func init() {
	fixtures["good"] = func() {
		p := good()
		p.Name = "good"
		pluginsdk.Serve(p)
	}
	fixtures["bridge"] = func() {
		p := good()
		p.Name, p.Settings = os.Getenv("DWMON_PLUGIN_MANIFEST"), nil
		p.Name = strings.TrimSuffix(filepath.Base(p.Name), ".json")
		pluginsdk.Serve(p)
	}
}

func TestAGoodPluginPasses(t *testing.T) {
	o := goodOptions
	o.Settings = map[string]any{"color": "blue"}
	for name, tc := range map[string]struct {
		target Target
		more   Options
		skips  []int
	}{
		"in process": {InProcess(good()), Options{}, []int{1, 12, 14, 16}},
		"executable": {executableFixture(t, "good"), Options{PanicQuery: "panic", PrintQuery: "print"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.PanicQuery, o.PrintQuery = tc.more.PanicQuery, tc.more.PrintQuery
			results := check(t, tc.target, o)
			for _, id := range tc.skips {
				if r := results[id]; r.Status != Skip || !strings.Contains(r.Detail, "in process") {
					t.Errorf("%+v", r)
				}
				delete(results, id)
			}
			if want := len(Cases()) - len(tc.skips); len(results) != want {
				t.Errorf("%d results, want %d", len(results), want)
			}
			for _, r := range results {
				if r.Status != Pass {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// TestWithoutMeansNothingPasses: what the options give no means for is skipped and
// says what it lacks.
func TestWithoutMeansNothingPasses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		target  Target
		options Options
		skips   map[int]string
	}{
		{"no query, in process", InProcess(withRows(goodRows)), Options{}, map[int]string{
			6: "Options.Query", 7: "Options.Query", 8: "Options.Query", 9: "Options.Query", 10: "Options.Query", 11: "Options.Query",
		}},
		{"a query, in process", InProcess(withRows(goodRows)), Options{Query: "few"}, map[int]string{7: "Options.ManyRows"}},
		{"no query, executable", executableFixture(t, "good"), Options{}, map[int]string{
			6: "Options.Query", 7: "Options.Query", 8: "Options.Query", 9: "Options.Query", 11: "Options.Query", 12: "Options.Query",
		}},
		{"a query, executable", executableFixture(t, "good"), Options{Query: "few"}, map[int]string{
			7: "Options.ManyRows", 8: "Options.SlowQuery", 9: "Options.SlowQuery", 11: "Options.PanicQuery", 12: "Options.PrintQuery",
		}},
		{"a purger", InProcess(pluginsdk.Plugin{Name: "p", Version: "0.1.0", Purger: good().Purger}), goodOptions, map[int]string{
			6: "no row getter", 7: "no row getter", 8: "no row getter", 9: "no row getter",
		}},
		{
			"nothing may be delivered", InProcess(pluginsdk.Plugin{Name: "p", Version: "0.1.0", CheckHandler: refusing{}}),
			Options{NoDeliveries: true},
			map[int]string{
				5: "Options.NoDeliveries", 6: "no row getter", 7: "no row getter", 8: "no row getter", 9: "no row getter", 10: "Options.NoDeliveries", 11: "Options.NoDeliveries",
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.options.Only = []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15}
			for id, r := range check(t, tc.target, tc.options) {
				why, skips := tc.skips[id]
				switch {
				case skips && (r.Status != Skip || !strings.Contains(r.Detail, why)):
					t.Errorf("want it skipped for %s: %+v", why, r)
				case !skips && r.Status != Pass && id != 12:
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// refusing fails every delivery.
type refusing struct{}

func (refusing) HandleCheck(context.Context, pluginsdk.CheckEvent) error {
	return errors.New("a result was delivered")
}

func TestABridgeServesItsManifest(t *testing.T) {
	o := Options{Manifest: "/somewhere/pager.json", Only: []int{1, 2, 3}}
	for _, r := range check(t, executableFixture(t, "bridge"), o) {
		if r.Status != Pass || r.ID == 3 && !strings.HasPrefix(r.Detail, "pager 0.1.0") {
			t.Errorf("%+v", r)
		}
	}
}

func TestRefusedSettingsAreOneFault(t *testing.T) {
	results := check(t, InProcess(good()), Options{Settings: map[string]any{"colour": "blue"}, Query: "few"})
	for id, r := range results {
		want := Skip
		switch id {
		case 2, 3:
			want = Pass
		case 4:
			want = Fail
		}
		if r.Status != want || want == Fail && !strings.Contains(r.Detail, `did you mean "color"?`) {
			t.Errorf("want %s: %+v", want, r)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for _, tc := range []struct {
		target  Target
		options Options
		want    string
	}{
		{InProcess(good()), Options{Only: []int{99}}, "there is no case 99"},
		{InProcess(good()), Options{Extra: []byte("{")}, "Options.Extra is no JSON"},
		{InProcess(good()), Options{Settings: func() {}}, "cannot be written as JSON"},
		{InProcess(good()), Options{Env: []string{"A=b"}}, "for executables"},
		{InProcess(pluginsdk.Plugin{}), Options{}, "want a semantic version"},
		{Executable("/nowhere"), Options{}, "no such file"},
		{Executable(t.TempDir()), Options{}, "is a folder"},
		{executableFixture(t, "good"), Options{Env: []string{"A"}}, "want NAME=value"},
		{executableFixture(t, "good"), Options{Manifest: "a.json"}, "want an absolute path"},
	} {
		err := Check(t.Context(), tc.target, tc.options, func(r Result) { t.Errorf("%+v", r) })
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Check(ctx, InProcess(good()), Options{}, func(r Result) { t.Errorf("%+v", r) }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestCases: the numbers are those of the documentation, for ever.
func TestCases(t *testing.T) {
	names := map[string]bool{}
	for i, c := range Cases() {
		if c.ID != i+1 || c.Name == "" || c.Text == "" || names[c.Name] {
			t.Errorf("%+v", c)
		}
		names[c.Name] = true
	}
	if len(names) != 16 {
		t.Errorf("%d cases", len(names))
	}
}
