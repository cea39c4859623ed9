package pluginhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/dwmon/dwmon/internal/dwmon"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// recorder is a slog.Handler that keeps what people would see.
type recorder struct{ records []string }

func (*recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r *recorder) WithGroup(string) slog.Handler          { return r }
func (r *recorder) Handle(_ context.Context, rec slog.Record) error {
	text := rec.Message
	rec.Attrs(func(a slog.Attr) bool { text += "\n" + a.String(); return true })
	r.records = append(r.records, text)
	return nil
}

// A secret whose beginning and end are known wherever they turn up.
var fuzzSecret = "s3cr3t-" + strings.Repeat("0123456789", 9) + "-t3rc3s"

// FuzzLogLines: whatever a plugin writes, in whatever pieces it comes, no part of a secret
// is logged or kept for the report of a crash, nothing that is logged is long, and go-plugin's
// pieces make the same lines as a stream. In the text, \x01 stands for the secret, \x02 for
// much of nothing.
func FuzzLogLines(f *testing.F) {
	for _, text := range []string{
		"plain \x01 text\nWARN \x01\r\n\n",
		`{"@level":"info","@message":"a \x01","time":"2026-01-01T00:00:00Z","n":[1,{"b":"` + "\x01" + `"}]}` + "\n",
		`{"msg":"a","` + "\x01" + `":1,"level":"` + "\x01" + `"}` + "\n",
		"panic: \x01\n\ngoroutine 1 [running]:\n", strings.Repeat("\x02", 15) + "xxx\x01\x02\x01\n", strings.Repeat("\x01", 700) + "\n\x01",
		"\x02\xff\x01", `{"msg":` + strings.Repeat("[", 100),
	} {
		f.Add([]byte(text), uint16(7))
		f.Add([]byte(text), uint16(0))
	}
	f.Fuzz(func(t *testing.T, text []byte, piece uint16) {
		if len(text) > 4096 || bytes.Count(text, []byte("\x02")) > 40 || bytes.Contains(text, []byte("s3cr")) || bytes.Contains(text, []byte("rc3s")) {
			t.Skip("too long, or a part of the secret by itself")
		}
		text = bytes.ReplaceAll(text, []byte("\x01"), []byte(fuzzSecret))
		text = bytes.ReplaceAll(text, []byte("\x02"), bytes.Repeat([]byte("."), 4500))
		hide := strings.NewReplacer(fuzzSecret, "[redacted]").Replace
		var seen recorder
		l := newLineLog(slog.New(&seen), hide)
		var stream io.Reader = bytes.NewReader(text)
		if piece == 0 {
			stream = iotest.HalfReader(stream)
		}
		l.readStderr(stream)
		l.readStdout(bytes.NewReader(text))
		for rest := text; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			_, _ = l.out.Write(rest[:n])
			rest = rest[n:]
		}
		l.finish()
		for _, shown := range append(seen.records, l.lastLines(keptLines)...) {
			if strings.Contains(shown, "s3cr") || strings.Contains(shown, "rc3s") {
				t.Fatalf("a part of the secret is shown: %.200q … %.200q", shown, shown[max(0, len(shown)-200):])
			}
			if len(shown) > maxLine+longestSecret+200 {
				t.Fatalf("%d bytes were logged as one line", len(shown))
			}
		}
		compareLines(t, text, int(piece)+1)
	})
}

// compareLines holds lines that come in pieces against those of the whole.
func compareLines(t *testing.T, text []byte, piece int) {
	var want, got []string
	for line := range bytes.Lines(text) {
		if len(line) <= maxLine {
			want = append(want, string(bytes.TrimRight(line, "\r\n")))
		}
	}
	p := pieces{line: func(line []byte) {
		if len(line) <= maxLine-2 {
			got = append(got, string(bytes.TrimRight(line, "\r")))
		}
	}}
	for rest := text; len(rest) > 0; {
		n := min(len(rest), piece)
		_, _ = p.Write(rest[:n])
		rest = rest[n:]
	}
	p.finish()
	short := func(line string) bool { return len(line) > maxLine-2 }
	if want = slices.DeleteFunc(want, short); !slices.Equal(want, got) {
		t.Fatalf("%d lines in pieces of %d, %d in all", len(got), piece, len(want))
	}
}

// FuzzHandshake: a first line that is taken has what go-plugin reads of it, and what is
// said of any other shows little of it and nothing that drives a terminal.
func FuzzHandshake(f *testing.F) {
	for _, line := range []string{"1|1|unix|/tmp/x|grpc|certificate\n", "1|2|unix|/tmp/x|grpc|", "1|1|tcp|127.0.0.1:1|netrpc", "hello", "|||||", "+1|1|unix|x|grpc", "\x1b[2J|1|1|1|1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		fault := handshakeFault(line)
		if fault == nil {
			parts := strings.Split(strings.TrimSpace(line), "|")
			if len(parts) < 5 || strings.TrimLeft(parts[0], "+0") != "1" || parts[1] != "1" || parts[4] != "grpc" {
				t.Fatalf("%q is no handshake", line)
			}
			return
		}
		if text := fault.Error(); len(text) > 1200 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) || !utf8.ValidString(text) {
			t.Fatalf("%q is told as %q", line, text)
		}
	})
}

// FuzzSchema: the settings of a plugin's schema can be listed at a cost that the schema's
// length bounds, and whatever of the settings it calls secret is known as such.
func FuzzSchema(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"properties": {"a": {"writeOnly": true}, "b": {"properties": {"c.d": {"writeOnly": true}}}}}`, `{"a": "x", "b": {"c.d": ["y"]}}`},
		{`{"properties": {"all": {"type": "array", "items": {"properties": {"token": {"writeOnly": true}}}}}}`, `{"all": [{"token": "x"}]}`},
		{`{"properties": {"by": {"type": "object", "additionalProperties": {"type": "object", "properties": {"k": {"writeOnly": true, "type": ["string", "null"]}}}}}}`, `{"by": {"n": {"k": "x"}}}`},
		{`{"properties": {"a": {"enum": [1, "x"], "default": {"a": 1}}, "b": null, "c": {"additionalProperties": false}}}`, `[]`},
		{`{"properties": {"a": {"items": {"writeOnly": true}}}}`, `{"a": ["x", 1, null]}`},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]))
	}
	f.Fuzz(func(t *testing.T, schema, settings []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		listed := readSettings(schema)
		runtime.ReadMemStats(&after)
		if most := uint64(4<<20 + 4000*len(schema)); after.TotalAlloc-before.TotalAlloc > most {
			t.Fatalf("%d bytes of schema took %d of memory for %d settings", len(schema), after.TotalAlloc-before.TotalAlloc, len(listed))
		}
		var tree, given any
		if json.Unmarshal(schema, new(schemaNode)) != nil || json.Unmarshal(schema, &tree) != nil || json.Unmarshal(settings, &given) != nil {
			return
		}
		known := secretSettings(schema, settings)
		for _, secret := range naiveSecrets(tree, given) {
			if !slices.Contains(known, secret) {
				t.Fatalf("%q of %s is secret by %s, and only %q are known as such", secret, settings, schema, known)
			}
		}
	})
}

// naiveSecrets are the texts that a schema calls secret: the schema and the value are
// walked side by side.
func naiveSecrets(schema, value any) (secrets []string) {
	node, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	if node["writeOnly"] == true {
		return texts(value)
	}
	properties, _ := node["properties"].(map[string]any)
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if of, ok := properties[name]; ok {
				secrets = append(secrets, naiveSecrets(of, member)...)
			} else {
				secrets = append(secrets, naiveSecrets(node["additionalProperties"], member)...)
			}
		}
	case []any:
		for _, member := range value {
			secrets = append(secrets, naiveSecrets(node["items"], member)...)
		}
	}
	return secrets
}

// FuzzFolderFiles: the JSON files of a plugins folder (lock file, sidecar, a bundle's
// manifest) are read as encoding/json reads them, or refused; nothing that is said twice,
// or that is unknown, is taken.
func FuzzFolderFiles(f *testing.F) {
	digest := strings.Repeat("0a", 32)
	for _, text := range []string{
		`{"schema": 1, "plugins": {"a": {"version": "1.0.0", "kinds": ["purger"], "protocol": 1, "files": {"linux/amd64": {"file": "dwmon-plugin-a", "sha256": "` + digest + `", "size": 5}}}}}`,
		`{"env": ["A", "B=c"], "limits": {"get_rows_timeout": "30s", "max_rows": 7}, "enabled": false, "tls": true}`,
		`{"schema": 1, "name": "pager", "bridge": "exec", "version": "1.2.3"}`,
		`{"env": [], "Env": []}`, `{"limits": {"memory_mb": -1}} {}`, `{"limits": {"handle_timeout": "-1s"}}`, `{`, `null`, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if l, err := readLock(path); err == nil {
			var same Lock
			if json.Unmarshal(text, &same) != nil || same.Schema != lockSchema || !sameJSON(l, &same) {
				t.Fatalf("%s was read as the lock %+v", text, l)
			}
		}
		if s, err := readSidecar(path); err == nil {
			var same Sidecar
			if json.Unmarshal(text, &same) != nil || !sameJSON(s, same) || s.Limits.GetRows < 0 || s.Limits.Handle < 0 || s.Limits.Purge < 0 {
				t.Fatalf("%s was read as the sidecar %+v", text, s)
			}
		}
		if m, err := readManifest(path); err == nil && (!nameForm.MatchString(m.Name) || !nameForm.MatchString(m.Bridge) || m.Name == m.Bridge || *m.Schema != manifestSchema) {
			t.Fatalf("%s was read as the manifest %+v", text, m)
		}
	})
}

func sameJSON(a, b any) bool {
	one, err := json.Marshal(a)
	two, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(one, two)
}

// rawMessage is a message that is sent as it stands.
type rawMessage []byte

// rawCodec carries whatever bytes there are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(rawMessage))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*rawMessage) = data.Materialize()
	return nil
}

// script is what a plugin sends in answer to a call.
type script struct {
	messages []rawMessage
	end      error
}

// talker is the host's side of a plugin that sends what it is told to, whatever it is
// asked.
func talker(f *testing.F) (*process, *atomic.Pointer[script]) {
	var says atomic.Pointer[script]
	pipe := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		var asked rawMessage
		if err := s.RecvMsg(&asked); err != nil {
			return err
		}
		for _, m := range says.Load().messages {
			if err := s.SendMsg(m); err != nil {
				return err
			}
		}
		return says.Load().end
	}))
	go func() { _ = server.Serve(pipe) }()
	conn, err := grpc.NewClient("passthrough:///plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close(); server.Stop() })
	log := slog.New(&recorder{})
	hide := strings.NewReplacer(fuzzSecret, "[redacted]").Replace
	return &process{conn: conn, base: pluginv1.NewPluginServiceClient(conn), child: &child{name: "a", logs: newLineLog(log, hide)}, log: log}, &says
}

// cutMessages reads messages from a fuzz input: a length, then so many bytes.
func cutMessages(text []byte) (messages []rawMessage) {
	for len(text) > 0 && len(messages) < 50 {
		n := min(int(text[0]), len(text)-1)
		messages = append(messages, slices.Clone(text[1:1+n]))
		text = text[1+n:]
	}
	return messages
}

func joinMessages(f *testing.F, messages ...proto.Message) (text []byte) {
	for _, m := range messages {
		raw, err := proto.Marshal(m)
		if err != nil || len(raw) > 255 {
			f.Fatalf("%d bytes, %v", len(raw), err)
		}
		text = append(append(text, byte(len(raw))), raw...)
	}
	return text
}

// FuzzRowStream: of whatever a plugin sends as rows, the sink gets exactly the rows of the
// batches up to the first fault, and the fetch counts only where the whole stream keeps to
// the protocol.
func FuzzRowStream(f *testing.F) {
	p, says := talker(f)
	warning := &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Diagnostic{Diagnostic: &pluginv1.Diagnostic{Summary: "hm", Pointer: "/a", Detail: "b"}}}
	odd := &pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Summary{Summary: &pluginv1.RowsSummary{RowsSent: 1, SkippedNull: 1 << 63, Truncated: true, SourceNowUs: new(int64(-1))}}}
	f.Add(joinMessages(f, batch("abc", []uint32{1, 2}, 5, -6), warning, batch("d", []uint32{1}, 7), summary(3)), uint8(0))
	f.Add(joinMessages(f, batch("", []uint32{0}, 1), odd), uint8(0))
	f.Add(joinMessages(f, batch("ab", []uint32{3}, 1), summary(1)), uint8(0))
	f.Add(joinMessages(f, batch("ab", []uint32{1, 1}, 1), summary(1)), uint8(0))
	f.Add(joinMessages(f, summary(0), summary(0)), uint8(0))
	f.Add(joinMessages(f, batch("a", []uint32{1}, 1)), uint8(0))
	f.Add(joinMessages(f, batch("a", []uint32{1}, 1)), uint8(14))
	f.Fuzz(func(t *testing.T, text []byte, code uint8) {
		messages := cutMessages(text)
		says.Store(&script{messages, status.Error(codes.Code(code%17), "no more "+fuzzSecret)})
		if code%17 == 0 {
			says.Load().end = nil
		}
		var got []string
		fetch := fetch{maxRows: 40, maxBytes: 600, sink: func(b *dwmon.Batch) error {
			keys := b.Keys
			for i, n := range b.Lengths {
				got = append(got, fmt.Sprintf("%q %d", keys[:n], b.Micros[i]))
				keys = keys[n:]
			}
			return nil
		}}
		err := fetch.run(t.Context(), p, &pluginv1.GetRowsRequest{})
		want, good := naiveRows(messages)
		if !slices.Equal(got, want) || (err == nil) != (good && code%17 == 0) {
			t.Fatalf("%d messages, ended with %d: %v, rows %v; want %v, taken: %t", len(messages), code%17, err, got, want, good)
		}
		if err == nil && (fetch.summary.Rows != int64(len(got)) || fetch.summary.SkippedNull < 0 || fetch.summary.SourceTime < 0 || len(fetch.summary.Warnings) > maxWarnings) {
			t.Fatalf("the summary is %+v", fetch.summary)
		}
		if err != nil && len(err.Error()) > 2*maxText {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}

// naiveRows are the rows that count of a stream, and whether it keeps to the protocol.
func naiveRows(messages []rawMessage) (rows []string, good bool) {
	bytes, ended := 0, false
	for _, raw := range messages {
		var m pluginv1.GetRowsResponse
		if proto.Unmarshal(raw, &m) != nil || ended {
			return rows, false
		}
		switch ev := m.GetEvent().(type) {
		case *pluginv1.GetRowsResponse_Diagnostic:
		case *pluginv1.GetRowsResponse_Summary:
			if ended = true; ev.Summary.GetRowsSent() != uint64(len(rows)) || ev.Summary.GetSkippedNull() > math.MaxInt64 {
				return rows, false
			}
		case *pluginv1.GetRowsResponse_Batch:
			keys, at := string(ev.Batch.GetKeys()), ev.Batch.GetTimestampsUs()
			if len(at) != len(ev.Batch.GetKeyLengths()) {
				return rows, false
			}
			var more []string
			for i, n := range ev.Batch.GetKeyLengths() {
				if int64(n) > int64(len(keys)) {
					return rows, false
				}
				more = append(more, fmt.Sprintf("%q %d", keys[:n], at[i]))
				keys = keys[n:]
			}
			bytes += len(ev.Batch.GetKeys()) + 8*len(more)
			if keys != "" || len(rows)+len(more) > 40 || bytes > 600 {
				return rows, false
			}
			rows = append(rows, more...)
		default:
			return rows, false
		}
	}
	return rows, ended
}

// FuzzAnswers: whatever a plugin answers to the other calls, what the host says of it is
// bounded, and holds no secret.
func FuzzAnswers(f *testing.F) {
	p, says := talker(f)
	f.Add(joinMessages(f, &pluginv1.ConfigureResponse{Diagnostics: []*pluginv1.Diagnostic{{Severity: pluginv1.Severity_SEVERITY_ERROR, Summary: "no \x01", Pointer: "/dsn"}}}), uint8(0))
	f.Add(joinMessages(f, &pluginv1.IdentifyOldResponse{DeleteOlderThanEpoch: new(int64(-5)), Reason: "older \x01"}), uint8(0))
	f.Add(joinMessages(f, &pluginv1.HandleCheckResponse{Diagnostics: []*pluginv1.Diagnostic{{Summary: "hm"}}}), uint8(9))
	f.Add([]byte{}, uint8(16))
	f.Fuzz(func(t *testing.T, text []byte, code uint8) {
		seen := &recorder{}
		p.log, p.t = slog.New(seen), Timings{}.withDefaults()
		messages := cutMessages(bytes.ReplaceAll(text, []byte("\x01"), nil))
		says.Store(&script{messages, nil})
		if code%17 != 0 {
			says.Load().end = status.Error(codes.Code(code%17), "no, "+fuzzSecret+strings.Repeat(".", 3000))
		}
		err := p.configure(t.Context(), &pluginv1.ConfigureRequest{})
		if resp, err := pluginv1.NewCheckHandlerServiceClient(p.conn).HandleCheck(t.Context(), &pluginv1.HandleCheckRequest{}); err == nil {
			p.remarks("a", resp.GetDiagnostics())
		}
		shown := seen.records
		if err != nil {
			shown = append(shown, err.Error())
		}
		for _, text := range shown {
			if strings.Contains(text, fuzzSecret) || len(text) > maxText*(maxWarnings+1) {
				t.Fatalf("shown is %q", text)
			}
		}
	})
}

func TestALineThatIsCutEndsInNoHalfOfASecret(t *testing.T) {
	hide := strings.NewReplacer(fuzzSecret, "[redacted]").Replace
	for name, line := range map[string]string{
		"the secret across the cut":        strings.Repeat(".", maxLine-50) + fuzzSecret + strings.Repeat(".", 9000),
		"so many that the end moves up":    strings.Repeat(fuzzSecret, 900),
		"and where there is nothing else":  strings.Repeat(fuzzSecret, 20_000),
		"across the end of what is looked": strings.Repeat(".", maxLine+longestSecret-50) + fuzzSecret,
	} {
		var got []string
		readLines(strings.NewReader(line+"\nnext\n"), hide, func(line []byte) { got = append(got, string(line)) })
		if len(got) != 2 || got[1] != "next" || !strings.HasSuffix(got[0], cutMark) || strings.Contains(got[0], "s3cr") {
			t.Errorf("%s: %d lines, the first ends in %q", name, len(got), got[0][max(0, len(got[0])-120):])
		}
	}
}

func TestNamesOfMembersHoldNoSecret(t *testing.T) {
	var seen recorder
	l := newLineLog(slog.New(&seen), strings.NewReplacer(fuzzSecret, "[redacted]").Replace)
	l.line([]byte(`{"msg": "hello", "` + fuzzSecret + `": 1}`))
	if want := []string{"hello\n[redacted]=1"}; !slices.Equal(seen.records, want) {
		t.Errorf("logged is %q, not %q", seen.records, want)
	}
}

func TestSecretsOfSettingsAreFoundWhereverTheyAre(t *testing.T) {
	for _, tt := range []struct{ name, schema, settings, want string }{
		{"a name with a dot", `{"properties": {"tls.key": {"writeOnly": true}}}`, `{"tls.key": "a"}`, "a"},
		{"in an object", `{"properties": {"tls": {"properties": {"key": {"writeOnly": true}}}}}`, `{"tls": {"key": "a"}}`, "a"},
		{"in a list of objects", `{"properties": {"all": {"items": {"properties": {"token": {"writeOnly": true}}}}}}`, `{"all": [{"token": "a"}, {"token": "b"}, {"other": "c"}]}`, "a b"},
		{"in a map to objects", `{"properties": {"by": {"additionalProperties": {"properties": {"token": {"writeOnly": true}}}}}}`, `{"by": {"x": {"token": "a", "name": "b"}}}`, "a"},
		{"a list of secrets", `{"properties": {"keys": {"items": {"writeOnly": true}}}}`, `{"keys": ["a", 1, "b"]}`, "a b"},
		{"all within a secret", `{"properties": {"headers": {"writeOnly": true}}}`, `{"headers": {"A": ["a", "b"]}}`, "a b"},
		{"deep down", strings.Repeat(`{"properties": {"a": `, 12) + `{"writeOnly": true}` + strings.Repeat("}}", 12), strings.Repeat(`{"a": `, 12) + `"x"` + strings.Repeat("}", 12), "x"},
		{"none", `{"properties": {"a": {}, "b": {"additionalProperties": false}}}`, `{"a": "x", "b": {"c": "y"}}`, ""},
		{"no schema", "", `{"a": "x"}`, ""},
		{"a schema that is no JSON", "properties:\n  a: {writeOnly: true}\n", `{"a": "x"}`, "x"},
		{"a schema that is no object", `[]`, `{"a": "x"}`, "x"},
		{"a schema too long to be read", `{"description": "` + strings.Repeat("x", maxSchemaBytes) + `"}`, `{"a": "x"}`, "x"},
	} {
		got := secretSettings([]byte(tt.schema), []byte(tt.settings))
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, not %q", tt.name, got, tt.want)
		}
	}
}

// TestASchemaCostsItsLength: a long name before many others once took gigabytes.
func TestASchemaCostsItsLength(t *testing.T) {
	var many strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, `"%d":{},`, i)
	}
	schema := `{"properties": {"` + strings.Repeat("x", 100_000) + `": {"properties": {` + strings.TrimSuffix(many.String(), ",") + `}}, "z": {}}}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := readSettings([]byte(schema))
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 100<<20 || len(got) != 1 || got[0].Name != "z" {
		t.Errorf("%d settings took %d bytes", len(got), spent)
	}
	if got := readSettings([]byte(`{"properties": {` + strings.TrimSuffix(many.String(), ",") + `}}`)); len(got) != maxSettings {
		t.Errorf("%d settings are listed", len(got))
	}
}
