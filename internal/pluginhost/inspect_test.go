package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// inspected starts a look at a fixture.
func inspected(t *testing.T, opt Options, target string) *Inspection {
	t.Helper()
	opt.Timings, opt.RunDir = quick, shortDir(t)
	i, err := Inspect(t.Context(), opt, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(context.Background()) })
	return i
}

// TestInspectByNameAndPath: a plugin of the folder, one elsewhere, and one whose file
// claims no name, are all asked, and take calls.
func TestInspectByNameAndPath(t *testing.T) {
	dir, elsewhere := filepath.Join(t.TempDir(), "plugins"), t.TempDir()
	install(t, dir, "good")
	install(t, elsewhere, "other")
	install(t, elsewhere, "good")
	odd := filepath.Join(elsewhere, "dwmon-plugin-good.built")
	if err := os.Rename(filepath.Join(elsewhere, "dwmon-plugin-good"), odd); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ target, name string }{
		{"good", "good"},
		{filepath.Join(elsewhere, "dwmon-plugin-other"), "other"},
		{odd, "good"},
	} {
		i := inspected(t, Options{Dir: dir}, c.target)
		d := i.Description()
		if d.Name != c.name || d.Protocol != 1 || d.SHA256 == "" || d.RowGetter == nil || !slices.Contains(d.Kinds, RowGetter) {
			t.Errorf("%s: %+v", c.target, d)
		}
		if warned := len(d.Warnings) > 0; warned != (c.target == odd) {
			t.Errorf("%s: warnings %q", c.target, d.Warnings)
		}
		if err := i.Configure(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", c.target, err)
		}
		health, err := i.Health(t.Context(), nil)
		if err != nil || health == nil || health.Status != "SERVING" {
			t.Errorf("%s: health %+v, %v", c.target, health, err)
		}
		p, err := i.Plugin(t.Context())
		if err != nil || p.Name != c.name || p.Protocol != 1 {
			t.Errorf("%s: %+v, %v", c.target, p, err)
		}
	}
}

// TestInspectRefuses says what there is no plugin at, and what is wrong with one.
func TestInspectRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "good")
	install(t, dir, "liar")
	install(t, dir, "dies")
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{
		"nobody":                      "there is no plugin nobody in " + dir,
		filepath.Join(dir, "nowhere"): "no file of that path",
		dir:                           "is a folder",
		plain:                         "chmod +x",
		"liar":                        "it calls itself",
		"dies":                        "cannot go on",
		filepath.Join(dir, "../plug"): "no file of that path",
		"with space":                  "no file of that path",
	} {
		_, err := Inspect(t.Context(), Options{Dir: dir, Timings: quick, RunDir: shortDir(t)}, target)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
	var te *TargetError
	if _, err := (Folder{Dir: dir}).Locate("nobody"); !errors.As(err, &te) || !strings.Contains(err.Error(), "there are dies, good, liar") {
		t.Errorf("got %v", err)
	}
}

// TestConfigureSaysWhyAtOnce: where a daemon waits and tries again, a person is told.
func TestConfigureSaysWhyAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	install(t, dir, "good")
	i := inspected(t, Options{Dir: dir}, "good")
	err := i.Configure(t.Context(), []byte(`{"nonsense": 1}`))
	if f := Explain(RowGetter, err); f == nil || f.Fault != "settings" || f.Code != "CONFIG_ERROR" || !strings.Contains(f.Text, "nonsense") {
		t.Errorf("%+v", f)
	}
}

func TestExplain(t *testing.T) {
	wire := func(code codes.Code, reason string) error {
		return &Error{Plugin: "p", Op: "x", Code: code, Reason: reason, Err: errors.New("it")}
	}
	for _, c := range []struct {
		kind              Kind
		err               error
		code, fault, then string
	}{
		{RowGetter, wire(codes.InvalidArgument, pluginsdk.ReasonChecker), "INVALID_ARGUMENT", "checker", "1, 2, 4, then every 5 minutes, and at once when its file changes"},
		{RowGetter, wire(codes.Unauthenticated, pluginsdk.ReasonCredentials), "UNAUTHENTICATED", "settings", "every checker of this source"},
		{RowGetter, wire(codes.Unavailable, pluginsdk.ReasonNetwork), "UNAVAILABLE", "source", "at the next pass"},
		{RowGetter, wire(codes.DeadlineExceeded, pluginsdk.ReasonTime), "DEADLINE_EXCEEDED", "source", "at the next pass"},
		{RowGetter, wire(codes.Unknown, pluginsdk.ReasonOther), "UNKNOWN", "plugin", "at the next pass"},
		{RowGetter, wire(codes.Internal, pluginsdk.ReasonPanic), "INTERNAL", "plugin", "at the next pass"},
		{RowGetter, &Error{State: StateConfigError, Err: errors.New("it")}, "CONFIG_ERROR", "settings", "every checker of this source"},
		{RowGetter, &Error{State: StateBackoff, Err: &startError{failedSetup, errors.New("it")}}, "BACKOFF", "source", "at the next pass"},
		{RowGetter, &Error{State: StateQuarantined, Err: &startError{failedCrash, errors.New("it")}}, "QUARANTINED", "plugin", "at the next pass"},
		{CheckHandler, wire(codes.InvalidArgument, pluginsdk.ReasonPermanent), "INVALID_ARGUMENT", "source", "dead at once"},
		{CheckHandler, wire(codes.Unavailable, pluginsdk.ReasonRetryable), "UNAVAILABLE", "source", "every delivery to this handler waits"},
		{CheckHandler, wire(codes.Unknown, pluginsdk.ReasonOther), "UNKNOWN", "plugin", "for 72 hours"},
		{Purger, wire(codes.InvalidArgument, pluginsdk.ReasonChecker), "INVALID_ARGUMENT", "checker", "nothing is purged"},
		{"", context.Canceled, "CANCELLED", "nobody", ""},
	} {
		f := Explain(c.kind, c.err)
		if f.Code != c.code || f.Fault != c.fault || !strings.Contains(f.Then, c.then) {
			t.Errorf("%s, %v: %+v", c.kind, c.err, f)
		}
	}
	if Explain(RowGetter, nil) != nil {
		t.Error("no error is a failure")
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		name, _ := json.Marshal(codeName(code))
		var back codes.Code
		if err := back.UnmarshalJSON(name); err != nil || back != code {
			t.Errorf("%v is called %s", code, name)
		}
	}
}

// TestEnvShowsNoValues: set, withheld or missing, and nothing else.
func TestEnvShowsNoValues(t *testing.T) {
	vars := []*pluginv1.EnvVar{{Name: "A_TOKEN", Required: true, Secret: true}, {Name: "A_TOKEN_FILE"}, {Name: "GONE"}}
	got := describeEnv(vars, []string{"A_TOKEN=hunter2", "A_TOKEN_FILE=/x"}, []string{"A_TOKEN=hunter2"})
	want := []EnvVar{
		{Name: "A_TOKEN", Required: true, Secret: true, Set: true},
		{Name: "A_TOKEN_FILE", Withheld: true},
		{Name: "GONE"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadSettings(t *testing.T) {
	got := readSettings([]byte(`{"type": "object", "required": ["url"], "properties": {
		"url": {"type": "string", "description": "where to"},
		"every": {"type": "string", "pattern": "^[0-9]+[smhd]$", "default": "5s"},
		"token": {"type": "string", "writeOnly": true},
		"limits": {"type": "object", "properties": {"rows": {"type": "integer", "minimum": 0}}, "required": ["rows"]},
		"tags": {"type": "array", "items": {"type": "string"}},
		"labels": {"type": "object", "additionalProperties": {"type": "integer"}},
		"mode": {"enum": ["a", 2]},
		"any": {}
	}}`))
	want := []Setting{
		{Name: "any", Type: "anything"},
		{Name: "every", Type: "duration", Default: json.RawMessage(`"5s"`)},
		{Name: "labels", Type: "map to whole number"},
		{Name: "limits", Type: "object"},
		{Name: "limits.rows", Type: "whole number, 0 or more", Required: true},
		{Name: "mode", Type: "one of a, 2"},
		{Name: "tags", Type: "list of text"},
		{Name: "token", Type: "text", Secret: true},
		{Name: "url", Type: "text", Required: true, Description: "where to"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// Whatever a plugin says, it is read to an end.
	rapid.Check(t, func(t *rapid.T) {
		deep := strings.Repeat(`{"type":"object","properties":{"a":`, rapid.IntRange(0, 1000).Draw(t, "depth"))
		readSettings([]byte(deep + rapid.StringMatching(`[{}\[\]"a:,0null]*`).Draw(t, "junk")))
	})
}

// TestTextLinesAreReadAsSlogWritesThem: what slog's text form says, its JSON form says.
func TestTextLinesAreReadAsSlogWritesThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msg, value := rapid.String().Draw(t, "msg"), rapid.String().Draw(t, "value")
		var line bytes.Buffer
		slog.New(slog.NewTextHandler(&line, nil)).Info(msg, "key", value)
		e, ok := parseJSONLine(textLineAsJSON(bytes.TrimSuffix(line.Bytes(), []byte("\n"))), nil)
		clean := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		if !ok || e.msg != clean(msg) || e.level != slog.LevelInfo || len(e.attrs) != 1 || e.attrs[0].Value.String() != clean(value) {
			t.Fatalf("%s: %v, %+v", line.String(), ok, e)
		}
	})
	for _, odd := range []string{"", "time", "time=", "time=x level", `time=x msg="open`, "plain words", `{"msg":"x"}`} {
		if got := string(textLineAsJSON([]byte(odd))); got != odd && !json.Valid([]byte(got)) {
			t.Errorf("%q became %q", odd, got)
		}
	}
}

// TestNoLaunchStartsNothing: what the cache knows is told, the rest is only found.
func TestNoLaunchStartsNothing(t *testing.T) {
	cache := mapCache{}
	dir := filepath.Join(t.TempDir(), "plugins")
	if _, err := newRig(t, Options{Dir: dir, Cache: cache}, "good").Plugins(t.Context()); err != nil {
		t.Fatal(err)
	}
	install(t, dir, "dies")
	r := newRig(t, Options{Dir: dir, Cache: cache, NoLaunch: true})
	plugins, err := r.Plugins(t.Context())
	if err != nil || len(plugins) != 2 {
		t.Fatal(plugins, err)
	}
	if plugins[0].State != StateDiscovered || plugins[1].State != StateVerified || plugins[1].Protocol != 1 {
		t.Errorf("%+v", plugins)
	}
	if !plugins[0].Unheard || plugins[1].Unheard {
		t.Error("who was not asked may serve anything, and who is known may not")
	}
	if strings.Contains(r.logs.String(), "cannot go on") {
		t.Error("it was started")
	}
}

// TestInspectBundles: of the folder and from elsewhere, by folder and by manifest; the
// bridge is the folder's, the sidecar lies beside the bundle.
func TestInspectBundles(t *testing.T) {
	dir, elsewhere := filepath.Join(t.TempDir(), "plugins"), t.TempDir()
	install(t, dir, "exec")
	putBundle(t, dir, "inside")
	outside := putBundle(t, elsewhere, "outside")
	putFile(t, filepath.Join(elsewhere, "outside.json"), `{"env": ["OUTSIDE_IS=here"]}`, 0o600)
	for target, name := range map[string]string{
		"inside": "inside", filepath.Join(dir, "inside"): "inside", outside: "outside", filepath.Join(outside, ManifestFile): "outside",
	} {
		i := inspected(t, Options{Dir: dir}, target)
		if d := i.Description(); d.Name != name || d.Bridge != "exec" || len(d.Warnings) > 0 || d.SHA256 == "" {
			t.Errorf("%s: %+v", target, d)
		}
		if err := i.Configure(t.Context(), nil); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		c, err := i.Command()
		if err != nil {
			t.Fatal(err)
		}
		if c.Path != filepath.Join(dir, "dwmon-plugin-exec") || filepath.Base(c.Manifest) != ManifestFile || slices.Contains(c.Env, "OUTSIDE_IS=here") != (name == "outside") {
			t.Errorf("%s: %+v", target, c)
		}
	}
	if _, err := (Folder{Dir: elsewhere}).Locate(dir); err == nil {
		t.Error("a folder without a manifest is a plugin")
	}
	if f, err := (Folder{Dir: t.TempDir()}).Locate(outside); err != nil || f.Err == nil || !strings.Contains(f.Err.Error(), "its bridge exec is not there") {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestStrictCommandIsACopy: who executes an inspected plugin itself is given what was
// looked at, not a file that somebody may replace meanwhile.
func TestStrictCommandIsACopy(t *testing.T) {
	dir := strictDir(t)
	lockFolder(t, dir)
	i := inspected(t, Options{Dir: dir, Strict: true}, "good")
	before, err := i.Command()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(before.Path) == dir || filepath.Base(before.Path) != "dwmon-plugin-good" {
		t.Errorf("it is run from %s", before.Path)
	}
	if err := os.WriteFile(filepath.Join(dir, "dwmon-plugin-good"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if after, err := i.Command(); err != nil || after.Path != before.Path {
		t.Errorf("with the file replaced: %+v, %v", after, err)
	}
	// Without strict mode there is no copy, and a replaced file is refused.
	plain := inspected(t, Options{Dir: strictDir(t)}, "good")
	if err := os.WriteFile(plain.found.Path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if c, err := plain.Command(); err == nil {
		t.Errorf("a replaced file would be executed: %+v", c)
	}
}
