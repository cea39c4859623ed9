package pluginsdk

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/proto"
)

// fuzzSettings has a setting of each kind.
type fuzzSettings struct {
	DSN     string                `json:"dsn" secret:"true" required:"true"`
	Keep    Duration              `json:"keep"`
	Limit   uint16                `json:"limit"`
	Rate    float64               `json:"rate"`
	On      bool                  `json:"on"`
	Hosts   []string              `json:"hosts"`
	Headers map[string]string     `json:"headers" secret:"true"`
	TLS     fuzzTLS               `json:"tls"`
	By      map[string]*fuzzTLS   `json:"by"`
	All     []fuzzTLS             `json:"all"`
	Any     any                   `json:"any"`
	Deep    [][]map[string][]int8 `json:"deep"`
}

type fuzzTLS struct {
	CA  string `json:"ca"`
	Key []byte `json:"key" secret:"true"`
}

// FuzzSettings: settings are read as encoding/json reads them, or have faults, each of
// which points at what is there or missing; no value is told, and what they cost is bounded.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{
		`{"dsn": "x", "keep": "7d", "limit": 65535, "rate": 1.5e3, "on": true, "hosts": ["a"], "headers": {"A": "b"}, "tls": {"ca": "c", "key": "aGk="}, "by": {"x": {"ca": "y"}}, "all": [{}], "any": {"a": [1]}, "deep": [[{"a": [1, -128]}]]}`,
		`{"dns": "hunter2-s3cr3t", "dsn": 1, "limit": -1}`, `{"dsn": "", "tls": {"kee": 1}, "all": [{"ca": []}, {"a/b~c": 0}]}`, `{"keep": "1w", "hosts": "hunter2-s3cr3t", "deep": [[{"a": [1000]}]]}`, `[]`, `null`, ``, `{"dsn": "x"} {}`, `{"DSN": "x"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		value, diags := newSettings(&fuzzSettings{}).decode(text)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(1<<20+2000*len(text)) {
			t.Fatalf("%d bytes of settings took %d of memory, and have %d faults", len(text), spent, len(diags))
		}
		var tree any
		isJSON := json.Unmarshal(text, &tree) == nil
		for _, d := range diags {
			if d.Severity != SeverityError || d.Summary == "" || strings.Contains(d.Summary, "hunter2-s3cr3t") {
				t.Fatalf("%s: the fault %+v", text, d)
			}
			if isJSON && !pointsAt(tree, d.Pointer) {
				t.Fatalf("%s: the fault %+v points at nothing", text, d)
			}
		}
		if len(diags) > 0 {
			return
		}
		if len(bytes.TrimSpace(text)) == 0 || !isJSON {
			t.Fatalf("%q was taken, and dsn is missing", text)
		}
		// What encoding/json reads differently: names in another case, and nulls, which
		// are no values here.
		var want fuzzSettings
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%s was taken, and encoding/json says %v", text, err)
		}
		if got := value.Interface().(fuzzSettings); !bytes.Contains(text, []byte("null")) && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s was read as %+v, not %+v", text, got, want)
		}
	})
}

// pointsAt says whether a JSON Pointer leads to a member or to where one is missing.
func pointsAt(value any, pointer string) bool {
	if pointer == "" {
		return true
	}
	parts := strings.Split(pointer, "/")[1:]
	for i, part := range parts {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		last := i == len(parts)-1
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[part]
			if !ok {
				return last || part == "tls" && i == 0
			}
			value = member
		case []any:
			n, err := strconv.Atoi(part)
			if err != nil || n < 0 || n >= len(v) {
				return false
			}
			value = v[n]
		case nil:
			return last
		default:
			return false
		}
	}
	return true
}

// fuzzPlugin reads all that it is given.
type fuzzPlugin struct{ seen int }

func (p *fuzzPlugin) GetRows(_ context.Context, q Query, out RowSink) error {
	var extra map[string]any
	if err := q.Extra(&extra); err != nil {
		return err
	}
	return out.Append(q.Text, q.Since)
}

func (p *fuzzPlugin) HandleCheck(_ context.Context, ev CheckEvent) error {
	p.seen += len(ev.Result.CheckerName)
	var extra any
	return ev.Extra(&extra)
}

func (p *fuzzPlugin) HandleNotice(_ context.Context, n Notice) error {
	p.seen += len(n.Facts) + len(n.Items) + len(n.Windows)
	_, err := json.Marshal(n)
	return err
}

func (p *fuzzPlugin) IdentifyOld(_ context.Context, q PurgeInput) (Cutoff, error) {
	var extra any
	return Cutoff{}, q.Extra(&extra)
}

func (p *fuzzPlugin) ValidateChecker(_ context.Context, c CheckerText) []Diagnostic {
	return []Diagnostic{{Severity: SeverityWarning, Summary: c.Text}}
}

// FuzzCalls: whatever a host sends, a plugin that is written with the SDK answers, with an
// error that a header can hold at most; nothing in a message makes it panic, which would
// be told as such.
func FuzzCalls(f *testing.F) {
	seed := func(method uint8, m proto.Message) {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(method, raw)
	}
	extra := []byte(`{"a": 1e400}`)
	seed(0, &pluginv1.ConfigureRequest{SettingsJson: []byte(`{"dsn": "x"}`), InstanceId: "a", LogLevel: "debug"})
	seed(1, &pluginv1.HandleCheckRequest{Checker: &pluginv1.CheckerRef{Name: "a"}, Result: &pluginv1.CheckResult{CheckerName: "a", MinuteEpoch: -1 << 62, EvaluatedAtUs: 1 << 62, CheckStatus: 9}, ExtraJson: extra})
	seed(2, &pluginv1.HandleNoticeRequest{})
	seed(3, &pluginv1.IdentifyOldRequest{NowEpoch: 1 << 62, OldestEpoch: -5, ExtraJson: []byte("{")})
	seed(4, &pluginv1.ValidateCheckerRequest{Query: "q", Kinds: []pluginv1.Kind{77, pluginv1.Kind_KIND_PURGER}, ExtraJson: extra})
	seed(5, &pluginv1.GetRowsRequest{Query: "q", ExtraJson: extra, BatchRows: 1 << 31, MaxRows: 1 << 63})
	p := &fuzzPlugin{}
	plugin := Plugin{Name: "fuzzed", Version: "1.0.0", RowGetter: p, CheckHandler: p, Purger: p}
	if err := plugin.check(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method uint8, raw []byte) {
		s := newServer(plugin, slog.New(slog.DiscardHandler), new(slog.LevelVar))
		base := &baseServer{server: s}
		var err error
		read := func(m proto.Message) bool { return proto.Unmarshal(raw, m) == nil }
		switch ctx := t.Context(); method % 6 {
		case 0:
			if m := new(pluginv1.ConfigureRequest); read(m) {
				_, err = base.Configure(ctx, m)
			}
		case 1:
			if m := new(pluginv1.HandleCheckRequest); read(m) {
				_, err = (&checkHandlerServer{server: s}).HandleCheck(ctx, m)
			}
		case 2:
			if m := new(pluginv1.HandleNoticeRequest); read(m) {
				_, err = (&checkHandlerServer{server: s}).HandleNotice(ctx, m)
			}
		case 3:
			if m := new(pluginv1.IdentifyOldRequest); read(m) {
				_, err = (&purgerServer{server: s}).IdentifyOld(ctx, m)
			}
		case 4:
			if m := new(pluginv1.ValidateCheckerRequest); read(m) {
				_, err = base.ValidateChecker(ctx, m)
			}
		case 5:
			if m := new(pluginv1.GetRowsRequest); read(m) {
				_, err = read5(ctx, s, m)
			}
		}
		if err != nil && (strings.Contains(err.Error(), "panicked") || len(err.Error()) > maxErrorText+200) {
			t.Fatalf("%x: %v", raw, err)
		}
	})
}

// keptRows is a stream of which somebody keeps what was sent.
type keptRows struct {
	pluginv1.RowGetterService_GetRowsServer
	ctx  context.Context
	sent []*pluginv1.GetRowsResponse
}

func (k *keptRows) Context() context.Context { return k.ctx }
func (k *keptRows) Send(m *pluginv1.GetRowsResponse) error {
	k.sent = append(k.sent, m)
	return nil
}

func read5(ctx context.Context, s *server, m *pluginv1.GetRowsRequest) (int, error) {
	stream := &keptRows{ctx: ctx}
	err := (&rowGetterServer{server: s}).GetRows(m, stream)
	return len(stream.sent), err
}
