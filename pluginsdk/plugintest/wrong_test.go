//go:build unix

package plugintest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// wrong is a plugin that breaks one rule.
type wrong struct {
	id      int
	name    string
	target  func(t *testing.T) Target
	options Options
	want    string // in the text of the fault
}

// TestEveryCaseFails shows that no case passes whatever a plugin does.
func TestEveryCaseFails(t *testing.T) {
	seen := map[int]bool{}
	for _, w := range wrongPlugins(t) {
		seen[w.id] = true
		t.Run(fmt.Sprintf("%02d %s", w.id, w.name), func(t *testing.T) {
			if w.id != 7 { // which measures the heap of this process
				t.Parallel()
			}
			o := w.options
			o.Only = []int{w.id}
			r := check(t, w.target(t), o)[w.id]
			if r.Status != Fail || !strings.Contains(r.Detail, w.want) {
				t.Errorf("want a fault that says %q: %+v", w.want, r)
			}
		})
	}
	for _, c := range Cases() {
		if !seen[c.ID] {
			t.Errorf("no wrong plugin shows that case %d can fail", c.ID)
		}
	}
}

func executableOf(name string) func(*testing.T) Target {
	return func(t *testing.T) Target { return executableFixture(t, name) }
}

func inProcessOf(p pluginsdk.Plugin) func(*testing.T) Target {
	return func(*testing.T) Target { return InProcess(p) }
}

func rawOf(p *rawPlugin) func(*testing.T) Target { return func(*testing.T) Target { return raw(p) } }

func wrongPlugins(t *testing.T) []wrong {
	all := wrongStarts()
	all = append(all, wrongRows(t)...)
	all = append(all, wrongCalls(t)...)
	return append(all, wrongEnds()...)
}

func wrongStarts() []wrong {
	named := func(change func(*pluginv1.DescribeResponse)) *rawPlugin {
		return &rawPlugin{describe: func() *pluginv1.DescribeResponse {
			d := rawDescription()
			change(d)
			return d
		}}
	}
	described := 0
	all := []wrong{
		{1, "prints before the handshake", executableOf("prints-before"), Options{}, `the first line on standard output is "starting\n"`},
		{1, "prints after the handshake", executableOf("prints-after"), Options{}, `8 bytes follow the handshake line on standard output: "started\n"`},
		{1, "no handshake", executableOf("silent"), Options{}, "no handshake line on standard output after 5s"},
		{1, "ends at once", executableOf("ends-at-once"), Options{}, "standard output ended without a handshake line\nits standard error ends with:\nI do not feel like it"},
		{2, "needs the environment", executableOf("needs-home"), Options{}, "HOME is not set"},
		{2, "hangs", rawOf(&rawPlugin{describe: func() *pluginv1.DescribeResponse { time.Sleep(3 * time.Second); return nil }}), Options{}, "DeadlineExceeded"},
		{2, "another answer each time", rawOf(named(func(d *pluginv1.DescribeResponse) { described++; d.Summary = fmt.Sprint(described) })), Options{}, "describes itself in another way"},
		{3, "a bad name", rawOf(named(func(d *pluginv1.DescribeResponse) { d.Name = "My Plugin" })), Options{}, `the name is "My Plugin"`},
		{3, "the name of another file", executableOf("ill-named"), Options{}, `the name is "fixture", the file's name says "ill-named"`},
		{3, "a bad version", rawOf(named(func(d *pluginv1.DescribeResponse) { d.Version = "v1" })), Options{}, `the version is "v1"`},
		{3, "a bad host version", rawOf(named(func(d *pluginv1.DescribeResponse) { d.MinHostVersion = "new" })), Options{}, `the oldest host version is "new"`},
		{3, "a kind that is not served", rawOf(&rawPlugin{noRows: true}), Options{}, "it says that it is a row_getter, and does not serve"},
		{3, "a kind that is not described", rawOf(named(func(d *pluginv1.DescribeResponse) { d.RowGetter = nil })), Options{}, "and does not say that it is a row_getter"},
		{3, "no kind", rawOf(&rawPlugin{noRows: true, describe: func() *pluginv1.DescribeResponse {
			return &pluginv1.DescribeResponse{Name: "raw", Version: "0.1.0"}
		}}), Options{}, "it serves no kind of work"},
		{3, "a schema that is none", rawOf(named(func(d *pluginv1.DescribeResponse) { d.SettingsSchemaJson = []byte("{") })), Options{}, "the schema of the settings is no JSON"},
	}
	return append(all, wrongConfigurations()...)
}

func wrongConfigurations() []wrong {
	refuse := &pluginv1.ConfigureResponse{Diagnostics: []*pluginv1.Diagnostic{{Severity: pluginv1.Severity_SEVERITY_ERROR, Summary: "no"}}}
	configured := 0
	closed := &rawPlugin{
		describe: func() *pluginv1.DescribeResponse {
			d := rawDescription()
			d.SettingsSchemaJson = []byte(`{"additionalProperties": false}`)
			return d
		},
		configure: func(req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
			if s := string(req.SettingsJson); s == `{"dwmon-conformance":` || strings.HasPrefix(s, "[") {
				return refuse, nil
			}
			return &pluginv1.ConfigureResponse{}, nil
		},
	}
	return []wrong{
		{4, "takes what is no JSON", rawOf(&rawPlugin{}), Options{}, `the settings {"dwmon-conformance": are accepted`},
		{4, "takes what its schema forbids", rawOf(closed), Options{Settings: map[string]int{"a": 1}}, `the settings {"dwmon-conformance":1,"a":1} are accepted`},
		{4, "a status instead of a diagnostic", rawOf(&rawPlugin{configure: func(req *pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
			if string(req.SettingsJson) != "{}" {
				return nil, status.Error(codes.Unavailable, "later")
			}
			return &pluginv1.ConfigureResponse{}, nil
		}}), Options{}, "end in a status, want a diagnostic"},
		{4, "configured once only", rawOf(&rawPlugin{configure: func(*pluginv1.ConfigureRequest) (*pluginv1.ConfigureResponse, error) {
			if configured++; configured > 1 {
				return refuse, nil
			}
			return &pluginv1.ConfigureResponse{}, nil
		}}), Options{}, "the second time: configure: the plugin refuses the settings: no"},
		{4, "ends at junk", executableOf("ends-at-junk"), Options{}, "Unavailable"},
		{5, "does not look at extra", rawOf(&rawPlugin{}), Options{}, "GetRows with an EXTRA that is no JSON ends with OK, want INVALID_ARGUMENT"},
	}
}

func wrongRows(t *testing.T) []wrong {
	stream := func(messages ...*pluginv1.GetRowsResponse) func(*testing.T) Target {
		return rawOf(&rawPlugin{getRows: func(_ *pluginv1.GetRowsRequest, s grpc.ServerStreamingServer[pluginv1.GetRowsResponse]) error {
			for _, m := range messages {
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	change := func(m *pluginv1.GetRowsResponse, f func(*pluginv1.RowBatch)) *pluginv1.GetRowsResponse {
		f(m.GetBatch())
		return m
	}
	q := Options{Query: "few"}
	many := make([]string, pluginsdk.MaxBatchRows+1)
	long := strings.Repeat("k", 20<<10)
	lengths := change(batchOf("a", "b"), func(b *pluginv1.RowBatch) { b.KeyLengths = b.KeyLengths[:1] })
	sums := change(batchOf("a", "b"), func(b *pluginv1.RowBatch) { b.Keys = b.Keys[:1] })
	millis := change(batchOf("a"), func(b *pluginv1.RowBatch) { b.TimestampsUs[0] = maxMicros })
	all := []wrong{
		{6, "lengths and times differ", stream(lengths, summaryOf(2)), q, "1 key lengths and 2 timestamps"},
		{6, "keys and lengths differ", stream(sums, summaryOf(2)), q, "1 bytes of keys, its lengths add up to 2"},
		{6, "too many rows", stream(batchOf(many...), summaryOf(uint64(len(many)))), q, "1025 rows, at most 1024"},
		{6, "too many bytes", stream(batchOf(long, long), summaryOf(2)), q, "a row must travel alone"},
		{6, "a key too long", stream(batchOf(strings.Repeat("k", pluginsdk.MaxKeyBytes+1)), summaryOf(1)), q, "a key of 1048577 bytes"},
		{6, "other units of time", stream(millis, summaryOf(1)), q, "want microseconds since the epoch"},
		{6, "no summary", stream(batchOf("a")), q, "without a summary"},
		{6, "a wrong summary", stream(batchOf("a"), summaryOf(2)), q, "the summary says 2 rows, 1 were sent"},
		{6, "more after the summary", stream(batchOf("a"), summaryOf(1), batchOf("b")), q, "comes after the summary"},
		{6, "an empty message", stream(&pluginv1.GetRowsResponse{}), q, "neither a batch nor a diagnostic nor a summary"},
		{6, "no rows", stream(summaryOf(0)), q, "Options.Query brought no rows"},
		{6, "an error", inProcessOf(withRows(goodRows)), Options{Query: "what"}, `what is "what"?`},
		{7, "gathers all rows", inProcessOf(withRows(gathering)), goodOptions, "append rows while they are read"},
		{7, "gathers all rows, executable", executableOf("gathers"), goodOptions, "append rows while they are read"},
		{7, "too few", inProcessOf(withRows(goodRows)), Options{Query: "few", ManyRows: "few"}, "brought 3 rows, want at least 100000"},
	}
	for id, name := range map[int]string{8: "is cancelled", 9: "has no time left"} {
		all = append(
			all,
			wrong{id, name + ", and does not see it while it appends", inProcessOf(withRows(deaf(t))), q, "while it appends: GetRows has not returned"},
			wrong{id, name + ", and does not see it among many rows", executableOf("deaf"), Options{Query: "few", ManyRows: "many"}, "among many rows: GetRows has not returned"},
			wrong{id, name + ", and does not see it while it waits", executableOf("deaf"), Options{Query: "few", SlowQuery: "slow"}, "while the source is at work: GetRows has not returned"},
			wrong{id, name + ", and keeps its connection", inProcessOf(withRows(keeping(t))), q, "the next call: "},
		)
	}
	return all
}

// gathering reads the whole result before it appends a row.
func gathering(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	var all Sink
	if err := goodRows(ctx, q, &all); err != nil {
		return err
	}
	for _, r := range all.Rows {
		if err := out.Append(r.Key, r.At); err != nil {
			return err
		}
	}
	return nil
}

// deaf goes on after its context has ended, until the test has.
func deaf(t *testing.T) pluginsdk.RowGetterFunc {
	ended := make(chan struct{})
	if t != nil {
		t.Cleanup(func() { close(ended) })
	}
	return func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		if err := goodRows(context.WithoutCancel(ctx), q, out); err != nil {
			<-ended
		}
		return nil
	}
}

// keeping does not give its one connection back when Append fails.
func keeping(t *testing.T) pluginsdk.RowGetterFunc {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	free := make(chan struct{}, 1)
	return func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		select {
		case free <- struct{}{}:
		case <-ended:
		}
		if err := goodRows(ctx, q, out); err != nil {
			return err
		}
		<-free
		return nil
	}
}

func wrongCalls(t *testing.T) []wrong {
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	var busy, held sync.Mutex
	one := withRows(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		if !busy.TryLock() {
			return errors.New("one at a time, please")
		}
		defer busy.Unlock()
		time.Sleep(10 * time.Millisecond)
		return goodRows(ctx, q, out)
	})
	leaking := withRows(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		go func() { <-ended }()
		return goodRows(ctx, q, out)
	})
	locking := withRows(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
		for !held.TryLock() {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := goodRows(ctx, q, out)
		held.Unlock() // not deferred
		return err
	})
	unknown := func(req *pluginv1.GetRowsRequest, s grpc.ServerStreamingServer[pluginv1.GetRowsResponse]) error {
		if len(req.ProtoReflect().GetUnknown()) > 0 {
			return status.Error(codes.InvalidArgument, "there is more in the request than I know")
		}
		return errors.Join(s.Send(batchOf("a")), s.Send(summaryOf(1)))
	}
	q := Options{Query: "few"}
	p := Options{Query: "few", PanicQuery: "panic", PrintQuery: "print"}
	return []wrong{
		{10, "one call at a time", inProcessOf(one), q, "one at a time, please"},
		{10, "leaks goroutines", inProcessOf(leaking), q, "goroutines before 32 calls of each kind"},
		{11, "keeps a lock", inProcessOf(locking), q, "DeadlineExceeded"},
		{11, "hides a panic", executableOf("hides-panics"), p, "a panic ends with OK, want INTERNAL"},
		{11, "dies of a panic", executableOf("dies"), p, "a panic ends with Unavailable, want INTERNAL"},
		{12, "blocks when it prints", executableOf("blocks"), p, "a fetch that prints: rpc error: code = DeadlineExceeded"},
		{12, "corrupts a fetch", executableOf("corrupts"), p, "a fetch that prints: rpc error"},
		{12, "prints nothing", executableOf("mute"), p, "bytes less than 1 MiB to each of three outputs"},
		{15, "refuses what it does not know", rawOf(&rawPlugin{getRows: unknown}), q, "there is more in the request than I know"},
	}
}

func wrongEnds() []wrong {
	return []wrong{
		{13, "takes no notice of SIGTERM", executableOf("ignores-sigterm"), Options{}, "SIGTERM: it still runs after 5s"},
		{13, "another exit code", executableOf("exits-3"), Options{}, "exit status 3, want exit code 0"},
		{13, "does not know Drain", executableOf("no-drain"), Options{}, "Drain: rpc error: code = Unimplemented"},
		{13, "works on after Drain", rawOf(&rawPlugin{}), Options{Query: "few"}, "row_getter after Drain: want UNAVAILABLE"},
		{13, "calls outlive Drain", rawOf(&rawPlugin{drain: func() (*pluginv1.DrainResponse, error) {
			return &pluginv1.DrainResponse{InFlight: 2}, nil
		}}), Options{}, "2 calls are still running"},
		{14, "does not watch its host", executableOf("raw"), Options{}, "it still runs 5s after its host is gone"},
		{14, "leaves a child", executableOf("leaves-a-child"), Options{Query: "few"}, "processes that it has started have not"},
		{14, "leaves its socket", executableOf("leaves-its-socket"), Options{}, "was left"},
		{16, "starts once only", executableOf("starts-once"), Options{}, "start 2, after the one before was killed: configure: the plugin refuses the settings: another of me runs"},
		{16, "does not start", executableOf("ends-at-once"), Options{}, "start 1: "},
	}
}

// TestTheNetworkIsTakenAway: not everywhere may a process be started without one.
func TestTheNetworkIsTakenAway(t *testing.T) {
	r := check(t, executableFixture(t, "needs-network"), Options{Only: []int{2}})[2]
	if r.Status == Pass && strings.Contains(r.Detail, "this system does not let us take it away") {
		if os.Getenv("DWMON_TEST_ALL") != "" && os.Getuid() == 0 {
			t.Error(r.Detail)
		}
		t.Skip(r.Detail)
	}
	if r.Status != Fail || !strings.Contains(r.Detail, "there is no network") {
		t.Errorf("%+v", r)
	}
	if r := check(t, executableFixture(t, "good"), Options{Only: []int{2}})[2]; r.Status != Pass {
		t.Errorf("%+v", r)
	}
}
