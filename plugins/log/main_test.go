package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// actAs makes the test binary act as the plugin.
const actAs = "LOG_TEST_ACT_AS"

func TestMain(m *testing.M) {
	if os.Getenv(actAs) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestTheExecutableDescribesItself(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "describe", "--json")
	cmd.Env = append(os.Environ(), actAs+"=1")
	out, err := cmd.Output()
	var d struct {
		Name     string   `json:"name"`
		Kinds    []string `json:"kinds"`
		Statuses []string `json:"statuses"`
		On       string   `json:"default_on"`
		Notices  bool     `json:"notices"`
	}
	if err != nil || json.Unmarshal(out, &d) != nil {
		t.Fatal(err, string(out))
	}
	if got := fmt.Sprint(d); got != "{log [check_handler] [GOOD BAD UNKNOWN] every true}" {
		t.Error(got)
	}
}

func ptr(n int64) *int64 { return &n }

func result(change func(*pluginsdk.Result)) *pluginsdk.Result {
	r := &pluginsdk.Result{
		CheckerName: "billing/invoices", EventCount: 7, MinRequired: ptr(5), MaxAllowed: ptr(20), CheckStatus: pluginsdk.Good,
		MinuteEpoch: 1_700_000_040, MinuteLocalTime: "2023-11-14 23:14:00", LookbackSeconds: 180, TimeZone: "Europe/Berlin",
		PreviousStatus: pluginsdk.Good,
	}
	change(r)
	return r
}

func TestLine(t *testing.T) {
	const head = "billing/invoices  2023-11-14 23:14 Europe/Berlin  "
	for _, c := range []struct {
		name   string
		change func(*pluginsdk.Result)
		want   string
	}{
		{"good", func(*pluginsdk.Result) {}, "GOOD    " + head + "7 in 3m, want 5 to 20"},
		{"good at first", func(r *pluginsdk.Result) { r.PreviousStatus = "" }, "GOOD    " + head + "7 in 3m, want 5 to 20"},
		{"good again", func(r *pluginsdk.Result) { r.PreviousStatus = pluginsdk.Bad }, "GOOD    " + head + "7 in 3m, want 5 to 20: was BAD"},
		{"bad", func(r *pluginsdk.Result) {
			r.CheckStatus, r.Reason, r.EventCount, r.ConsecutiveBad = pluginsdk.Bad, "low", 3, 1
		}, "BAD     " + head + "3 in 3m, want 5 to 20: low, was GOOD"},
		{"bad for long", func(r *pluginsdk.Result) {
			r.CheckStatus, r.PreviousStatus, r.Reason, r.ConsecutiveBad, r.Owner, r.CatchUp = pluginsdk.Bad, pluginsdk.Bad, "high", 12, "payments", true
		}, "BAD     " + head + "7 in 3m, want 5 to 20: high, 12 in a row  owner payments  catch-up"},
		{"unknown", func(r *pluginsdk.Result) {
			r.CheckStatus, r.PreviousStatus, r.Reason, r.ConsecutiveBad = pluginsdk.Unknown, pluginsdk.Unknown, "truncated", 3
		}, "UNKNOWN " + head + "7 in 3m, want 5 to 20: truncated"},
		{"at least", func(r *pluginsdk.Result) { r.MaxAllowed = nil }, "GOOD    " + head + "7 in 3m, want at least 5"},
		{"at most", func(r *pluginsdk.Result) { r.MinRequired = nil }, "GOOD    " + head + "7 in 3m, want at most 20"},
		{"exactly", func(r *pluginsdk.Result) { r.MinRequired, r.MaxAllowed = ptr(7), ptr(7) }, "GOOD    " + head + "7 in 3m, want exactly 7"},
		{
			"an odd look-back, the reader's own zone", func(r *pluginsdk.Result) { r.LookbackSeconds, r.TimeZone = 86_401, "Local" },
			"GOOD    billing/invoices  2023-11-14 23:14  7 in 86401s, want 5 to 20",
		},
		{
			"a full hour", func(r *pluginsdk.Result) { r.MinuteLocalTime = "2023-11-14 23:00:00" },
			"GOOD    billing/invoices  2023-11-14 23:00 Europe/Berlin  7 in 3m, want 5 to 20",
		},
		{
			"an owner of several lines", func(r *pluginsdk.Result) { r.Owner = "a\nBAD\x1b[2J" },
			"GOOD    " + head + "7 in 3m, want 5 to 20  owner a BAD [2J",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := line(result(c.change)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func event(r *pluginsdk.Result) pluginsdk.CheckEvent { return pluginsdk.CheckEvent{Result: *r} }

func TestWithoutAFileTheLogGetsIt(t *testing.T) {
	var buf bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&buf, nil)))
	defer slog.SetDefault(before)
	h := &handler{}
	if err := h.setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown} {
		if err := h.HandleCheck(t.Context(), event(result(func(r *pluginsdk.Result) { r.CheckStatus = s }))); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.HandleNotice(t.Context(), pluginsdk.Notice{Kind: pluginsdk.NoticeDigest, Summary: "4,000 results"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(buf.String()) {
		var rec struct {
			Level, Msg string
			Result     bool
		}
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(rec.Msg, " ")
		got = append(got, fmt.Sprint(rec.Level, " ", first, " ", rec.Result))
	}
	if want := "[INFO GOOD true WARN BAD true WARN UNKNOWN true WARN 4,000 true]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func withFile(t *testing.T, path string) *handler {
	t.Helper()
	h := &handler{settings: settings{File: path}}
	if err := h.setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

func objects(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		all = append(all, o)
	}
	return all
}

func TestAFileGetsJSONLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	h := withFile(t, path)
	var wg sync.WaitGroup
	const n = 50
	for i := range n {
		wg.Go(func() {
			if err := h.HandleCheck(context.Background(), event(result(func(r *pluginsdk.Result) { r.EventCount = int64(i) }))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := h.HandleNotice(t.Context(), pluginsdk.Notice{Kind: pluginsdk.NoticeDigest, Summary: "many"}); err != nil {
		t.Fatal(err)
	}
	all := objects(t, path)
	if len(all) != n+1 || all[n]["notice"] != "digest" || all[n]["summary"] != "many" {
		t.Fatalf("%d lines", len(all))
	}
	seen := map[any]bool{}
	for _, o := range all[:n] {
		seen[o["event_count"]] = true
		if o["checker_name"] != "billing/invoices" || len(o) != 19 {
			t.Fatal(o)
		}
	}
	if len(seen) != n {
		t.Errorf("%d different results of %d", len(seen), n)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
}

func TestATornLineSpoilsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if err := os.WriteFile(path, []byte(`{"checker_na`), 0o600); err != nil {
		t.Fatal(err)
	}
	h := withFile(t, path)
	for range 2 {
		if err := h.HandleCheck(t.Context(), event(result(func(*pluginsdk.Result) {}))); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	if lines := strings.Split(string(text), "\n"); len(lines) != 4 || lines[0] != `{"checker_na` || !json.Valid([]byte(lines[1])) || !json.Valid([]byte(lines[2])) || lines[3] != "" {
		t.Errorf("%s", text)
	}
}

func TestARotatedFileIsBegunAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	h := withFile(t, path)
	for range 2 {
		if err := h.HandleCheck(t.Context(), event(result(func(*pluginsdk.Result) {}))); err != nil {
			t.Fatal(err)
		}
		if n := len(objects(t, path)); n != 1 {
			t.Errorf("%d lines", n)
		}
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileThatCannotBeWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	h := &handler{settings: settings{File: filepath.Join(folder, "results.jsonl")}}
	err := h.setup(t.Context())
	if err == nil || !strings.Contains(err.Error(), "results.jsonl: no such file or directory; create the folder") {
		t.Fatal(err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := h.setup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := h.HandleCheck(t.Context(), event(result(func(*pluginsdk.Result) {}))); err == nil || !strings.Contains(err.Error(), "cannot be appended") {
		t.Error(err)
	}
}

func BenchmarkFile(b *testing.B) {
	f, err := openFile(filepath.Join(b.TempDir(), "results.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	text, _ := json.Marshal(result(func(*pluginsdk.Result) {}))
	for b.Loop() {
		if err := f.appendLine(text); err != nil {
			b.Fatal(err)
		}
	}
}

// TestNoticesAsTheyAreRead: testdata/notices.txt is what a terminal shows.
func TestNoticesAsTheyAreRead(t *testing.T) {
	var buf bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&buf, nil)))
	defer slog.SetDefault(before)
	h := &handler{}
	for _, s := range noticetest.All() {
		if err := h.HandleNotice(t.Context(), s.Notice); err != nil {
			t.Fatal(err)
		}
	}
	var text strings.Builder
	for line := range strings.Lines(buf.String()) {
		var rec struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%-4s %s\n", rec.Level, rec.Msg)
	}
	noticetest.Golden(t, "notices.txt", text.String())
}
