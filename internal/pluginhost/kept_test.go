package pluginhost

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// TestKept runs the plugins that were built against earlier SDKs: testdata/kept.
func TestKept(t *testing.T) {
	files, err := filepath.Glob("testdata/kept/sdk-*." + runtime.GOOS + "-" + runtime.GOARCH + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
			t.Fatal("no binary is kept in testdata/kept")
		}
		t.Skipf("SKIPPED, NOT PASSED: the plugins built against earlier SDKs are kept for linux/amd64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	readme, err := os.ReadFile("testdata/kept/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".gz"), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "plugins")
			sum := unpack(t, file, filepath.Join(dir, "dwmon-plugin-kept"))
			if !strings.Contains(string(readme), sum) {
				t.Errorf("the digest of %s is %s, which README.md does not tell: was it built again?", file, sum)
			}
			runKept(t, dir)
		})
	}
}

// unpack installs a kept binary and gives its digest.
func unpack(t *testing.T, file, to string) string {
	t.Helper()
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(binary))
}

const keptSettings = `{"password":"hunter2","wait":"2m","list":["a","b"],"map":{"x":1},"nested":{"big":9007199254740993,"share":0.5,"on":true}}`

func runKept(t *testing.T, dir string) {
	leakCheck(t)
	t.Setenv("KEPT_TOKEN", "token")
	sidecar(t, dir, "kept", `{"env":["KEPT_TOKEN"],"limits":{"memory_mb":500}}`)
	state := t.TempDir()
	logs := &logBuffer{}
	r := newRig(t, Options{
		Dir: dir, StateDir: state, HostVersion: "99.0.0", Log: slog.New(slog.NewTextHandler(logs, nil)),
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") },
	})
	spec := InstanceSpec{Plugin: "kept", Settings: []byte(keptSettings)}
	keptDescribe(t, r)
	keptRows(t, r, spec)
	keptFaults(t, r, spec)
	keptHandle(t, r, spec)
	keptPurge(t, r, spec)
	keptForPeople(t, r, spec)
	keptSettingsFaults(t, r)
	_, id := r.identify(spec)
	r.Close(t.Context()) // Drain
	for _, file := range []string{"set-up", "shut-down"} {
		if _, err := os.Stat(filepath.Join(state, id, file)); err != nil {
			t.Errorf("%s was not reached: %v", file, err)
		}
	}
	for _, want := range []string{`msg="set up" plugin=kept`, `level=WARN msg="all is told" plugin=kept`, "checker=billing/new"} {
		if !strings.Contains(logs.String(), want) {
			t.Errorf("the log does not hold %s", want)
		}
	}
	if strings.Contains(logs.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
}

func keptDescribe(t *testing.T, r *rig) {
	p, err := r.Plugin(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if p.Version != "1.0.0-rc.1+kept" || p.Summary != "uses all of the SDK" || !slices.Equal(p.Kinds, []Kind{RowGetter, CheckHandler, Purger}) ||
		!slices.Equal(p.Sources, []string{"kept"}) || p.DefaultOn != dwmon.OnBad || len(p.Statuses) != 3 || !p.Notices {
		t.Errorf("it describes itself as %+v", p)
	}
}

func keptRows(t *testing.T, r *rig, spec InstanceSpec) {
	g := r.RowGetter(spec)
	c := checker("all 1")
	c.Extra = []byte(`{"number": 9007199254740993}`)
	type row struct {
		key string
		us  int64
	}
	var rows []row
	s, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: c, MaxRows: 77}, func(b *dwmon.Batch) error {
		at := uint32(0)
		for i, n := range b.Lengths {
			rows = append(rows, row{string(b.Keys[at : at+n]), b.Micros[i]})
			at += n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{"settings hunter2 token 2m [a b] map[x:1] {9007199254740993 0.5 true} true", 1_700_000_000_000_000},
		{`query told billing/new checks/billing/new.dwmon abc {"number": 9007199254740993} 9007199254740993 77`, 1_700_000_000_000_000},
		{"micros", -1},
		{"\xff\x00bytes", 1},
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows %+v, want %+v", rows, want)
	}
	if s.Rows != 4 || s.SkippedNull != 1 || !s.Cut || len(s.Warnings) != 1 || s.Warnings[0] != "a warning" || s.SourceNow == nil || *s.SourceNow != 123 || s.DataAsOf == nil || *s.DataAsOf != 456 {
		t.Errorf("the summary is %+v", s)
	}
	if keys, err := fetchKeys(t.Context(), g, "many rows"); err != nil || len(keys) != 100_000 || keys[99_999] != "key-99999" {
		t.Errorf("%d rows, %v", len(keys), err)
	}
}

func keptFaults(t *testing.T, r *rig, spec InstanceSpec) {
	g := r.RowGetter(spec)
	tests := []struct {
		query string
		fault dwmon.Fault
		says  string
	}{
		{"config no database", dwmon.FaultSettings, "no database"},
		{"checker bad query", dwmon.FaultChecker, "bad query"},
		{"credentials wrong hunter2", dwmon.FaultSettings, "wrong ***"},
		{"permanent never", dwmon.FaultChecker, "never"},
		{"plain did not work", dwmon.FaultUnavailable, "did not work"},
		{"retryable later", dwmon.FaultUnavailable, "later"},
		{"panic boom", dwmon.FaultUnavailable, "panicked: boom"},
		{"crash kaboom", dwmon.FaultUnavailable, "panic: kaboom"},
	}
	for _, tt := range tests {
		_, err := fetchKeys(t.Context(), g, tt.query)
		if err == nil || dwmon.FaultOf(err) != tt.fault || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v error %v, want %v … %s", tt.query, dwmon.FaultOf(err), err, tt.fault, tt.says)
		}
	}
	if _, err := fetchKeys(t.Context(), g, "all again"); err != nil {
		t.Errorf("after all that: %v", err)
	}
	_, err := g.GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("wait here"), Timeout: 100 * time.Millisecond}, func(*dwmon.Batch) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "no answer within 100ms") {
		t.Errorf("a call that takes too long: %v", err)
	}
}

func keptHandle(t *testing.T, r *rig, spec InstanceSpec) {
	h := r.CheckHandler(spec)
	file := filepath.Join(t.TempDir(), "told")
	extra, err := json.Marshal(map[string]string{"file": file})
	if err != nil {
		t.Fatal(err)
	}
	result := dwmon.Result{
		CheckerName: "billing/new", EventCount: 3, Min: dwmon.Bound{Set: true, N: 5}, Status: dwmon.Bad, Reason: dwmon.Low,
		Minute: 1_700_000_040, LookbackSeconds: 60, Requirement: "X", RequirementIndex: 2, TimeZone: "UTC", Source: "AWS", Owner: "me",
		Labels: map[string]string{"a": "b"}, CatchUp: true, EvaluatedAt: 1_700_000_041_500_000, Previous: dwmon.Good, ConsecutiveBad: 1,
		LocalTime: "2023-11-14 22:14:00",
	}
	if err := h.HandleCheck(t.Context(), dwmon.HandleRequest{IdempotencyKey: "k1", Result: result, Extra: extra}); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Key    string
		Bad    bool
		Minute int64
		Result json.RawMessage
	}
	readJSON(t, file, &told)
	want, err := asTold(result)
	if err != nil {
		t.Fatal(err)
	}
	if told.Key != "k1" || !told.Bad || told.Minute != 1_700_000_040 || string(told.Result) != string(want) {
		t.Errorf("the handler was told %+v\n%s, want\n%s", told, told.Result, want)
	}
	if err := h.HandleCheck(t.Context(), dwmon.HandleRequest{Result: result}); err == nil || !strings.Contains(err.Error(), "EXTRA names no file") {
		t.Errorf("a permanent error: %v", err)
	}
	if err := h.HandleNotice(t.Context(), dwmon.NoticeRequest{IdempotencyKey: "k2", Notice: dwmon.Notice{Kind: dwmon.NoticeDigest, Summary: "much"}}); err != nil {
		t.Fatal(err)
	}
	var notice struct{ Key, Kind, Summary string }
	_, id := r.identify(spec)
	readJSON(t, filepath.Join(r.opt.StateDir, id, "notice"), &notice)
	if notice.Key != "k2" || notice.Kind != "digest" || notice.Summary != "much" {
		t.Errorf("the notice is %+v", notice)
	}
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

func keptPurge(t *testing.T, r *rig, spec InstanceSpec) {
	p := r.Purger(spec)
	cut, err := p.IdentifyOld(t.Context(), dwmon.PurgeRequest{Checker: checker("x"), Now: 10_000, Oldest: 9_000, Newest: 9_500})
	if err != nil || cut != (dwmon.Cutoff{Set: true, OlderThan: 8_500, Reason: "kept billing/new"}) {
		t.Errorf("cut-off %+v, %v", cut, err)
	}
	if cut, err := p.IdentifyOld(t.Context(), dwmon.PurgeRequest{Checker: checker("x"), Now: 10_000}); err != nil || cut.Set {
		t.Errorf("nothing stored: cut-off %+v, %v", cut, err)
	}
}

// keptForPeople makes the calls that no pass makes.
func keptForPeople(t *testing.T, r *rig, spec InstanceSpec) {
	in := r.instance(spec)
	p, err := in.ready(t.Context(), "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer p.done()
	v, err := p.base.ValidateChecker(t.Context(), &pluginv1.ValidateCheckerRequest{
		Checker: &pluginv1.CheckerRef{Name: "c"}, Query: "q", Source: "s", ExtraJson: []byte(`{"wrong":"is wrong"}`), Kinds: []pluginv1.Kind{pluginv1.Kind_KIND_ROW_GETTER},
	})
	if err != nil || len(v.GetDiagnostics()) != 1 {
		t.Fatalf("ValidateChecker: %v, %v", v, err)
	}
	if d := v.GetDiagnostics()[0]; d.GetSummary() != "is wrong" || d.GetDetail() != "q s" || d.GetPointer() != "/wrong" || d.GetCode() != "WRONG" || d.GetSeverity() != pluginv1.Severity_SEVERITY_WARNING {
		t.Errorf("the diagnostic is %v", d)
	}
	c, err := p.base.CheckHealth(t.Context(), &pluginv1.CheckHealthRequest{})
	if err != nil || c.GetStatus() != pluginv1.HealthStatus_HEALTH_STATUS_NOT_SERVING || c.GetMessage() != "the source is far away" {
		t.Errorf("CheckHealth: %v, %v", c, err)
	}
	if err := p.probe(t.Context()); err != nil {
		t.Errorf("the probe of its health: %v", err)
	}
	again, err := p.base.Configure(t.Context(), in.configuration())
	if err != nil || len(again.GetDiagnostics()) != 0 {
		t.Errorf("Configure a second time: %v, %v", again, err)
	}
}

func keptSettingsFaults(t *testing.T, r *rig) {
	for settings, says := range map[string]string{
		`{}`:                                    "password",
		`{"password":"p","pasword":"p"}`:        "pasword",
		`{"password":"p","wait":"soon"}`:        "wait",
		`{"password":"hunter2","lack":true}`:    "something is lacking",
		`{"password":"hunter2","down":true}`:    "the source is down",
		`{"password":"p","nested":{"big":1.5}}`: "big",
	} {
		_, err := r.RowGetter(InstanceSpec{Plugin: "kept", Settings: []byte(settings)}).
			GetRows(t.Context(), dwmon.FetchRequest{Checker: checker("all"), Timeout: time.Minute}, func(*dwmon.Batch) error { return nil })
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("settings %s: error %v, want %q", settings, err, says)
		}
	}
}
