package pluginsdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/wire"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// clients are the four services of one plugin, in this process.
type clients struct {
	base    pluginv1.PluginServiceClient
	rows    pluginv1.RowGetterServiceClient
	handler pluginv1.CheckHandlerServiceClient
	purger  pluginv1.PurgerServiceClient
}

func serve(t testing.TB, p pluginsdk.Plugin) clients {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(wire.ServerOptions()...)
	if err := wire.Register(srv, p); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(pluginsdk.MaxMessageBytes)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return clients{
		pluginv1.NewPluginServiceClient(conn), pluginv1.NewRowGetterServiceClient(conn),
		pluginv1.NewCheckHandlerServiceClient(conn), pluginv1.NewPurgerServiceClient(conn),
	}
}

func quiet(t *testing.T) {
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(before) })
}

func getter(f pluginsdk.RowGetterFunc) pluginsdk.Plugin {
	return pluginsdk.Plugin{Name: "test", Version: "1.0.0", RowGetter: f}
}

func (c clients) fetch(ctx context.Context, req *pluginv1.GetRowsRequest) (rows int, sum *pluginv1.RowsSummary, err error) {
	stream, err := c.rows.GetRows(ctx, req)
	if err != nil {
		return 0, nil, err
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return rows, sum, nil
		}
		if err != nil {
			return rows, nil, err
		}
		rows += len(m.GetBatch().GetTimestampsUs())
		if m.GetSummary() != nil {
			sum = m.GetSummary()
		}
	}
}

// fault is what a failed call says.
func fault(t *testing.T, err error) (code codes.Code, reason, origin string, retry time.Duration) {
	t.Helper()
	st, ok := status.FromError(err)
	if err == nil || !ok {
		t.Fatalf("no status: %v", err)
	}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.Domain != pluginsdk.ErrorDomain {
				t.Errorf("domain %q", d.Domain)
			}
			reason, origin = d.Reason, d.Metadata["origin"]
		case *errdetails.RetryInfo:
			retry = d.RetryDelay.AsDuration()
		}
	}
	return st.Code(), reason, origin, retry
}

func TestGetRowsHandsEverythingOver(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var got pluginsdk.Query
	t.Run("call", func(t *testing.T) {
		c := serve(t, getter(func(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			got = q
			for i := range 2500 {
				if err := out.AppendMicros(fmt.Sprint("key", i), int64(i)); err != nil {
					return err
				}
			}
			return nil
		}))
		n, sum, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{
			Query: "select 1", Source: "AWS", ExtraJson: []byte(`{"big": 9007199254740993}`), SinceUs: 5, MaxRows: 7,
			Checker: &pluginv1.CheckerRef{Name: "a/b", Path: "a/b.dwmon", Revision: "ff"},
		})
		if err != nil || n != 2500 || sum.GetRowsSent() != 2500 || sum.SourceTime == nil {
			t.Fatal(n, sum, err)
		}
	})
	if got.Text != "select 1" || got.Source != "AWS" || got.MaxRows != 7 || got.Since.UnixMicro() != 5 ||
		got.Checker != (pluginsdk.Checker{Name: "a/b", Path: "a/b.dwmon", Revision: "ff"}) {
		t.Errorf("query: %+v", got)
	}
	var extra map[string]any
	if err := got.Extra(&extra); err != nil || fmt.Sprint(extra["big"]) != "9007199254740993" {
		t.Error(extra, err)
	}
}

func TestErrorsCrossTheWire(t *testing.T) {
	quiet(t)
	plain := errors.New("it broke")
	for _, tc := range []struct {
		name           string
		err            error
		code           codes.Code
		reason, origin string
		retry          time.Duration
	}{
		{"settings", pluginsdk.ConfigError(plain), codes.FailedPrecondition, "CONFIG", "plugin", 0},
		{"the checker", pluginsdk.CheckerError(plain), codes.InvalidArgument, "CHECKER", "downstream", 0},
		{"credentials", pluginsdk.CredentialsError(plain), codes.Unauthenticated, "CREDENTIALS", "downstream", 0},
		{"later", pluginsdk.Retryable(plain, 90*time.Second), codes.Unavailable, "RETRYABLE", "downstream", 90 * time.Second},
		{"later, no wish", pluginsdk.Retryable(plain, -1), codes.Unavailable, "RETRYABLE", "downstream", 0},
		{"never", pluginsdk.Permanent(plain), codes.InvalidArgument, "PERMANENT", "downstream", 0},
		{"wrapped", fmt.Errorf("fetch: %w", pluginsdk.CheckerError(plain)), codes.InvalidArgument, "CHECKER", "downstream", 0},
		{"no known class", plain, codes.Unknown, "OTHER", "plugin", 0},
		{"its own time limit", fmt.Errorf("query: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "TIME", "downstream", 0},
		{"network", &net.OpError{Op: "dial", Err: plain}, codes.Unavailable, "NETWORK", "downstream", 0},
		{"a missing file", &os.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, codes.Unknown, "OTHER", "plugin", 0},
		{"refused", syscall.ECONNREFUSED, codes.Unavailable, "NETWORK", "downstream", 0},
		{"another service", status.Error(codes.PermissionDenied, "no"), codes.PermissionDenied, "OTHER", "downstream", 0},
		{"another service's cancel", status.Error(codes.Canceled, "no"), codes.Unavailable, "OTHER", "downstream", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := serve(t, getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return tc.err }))
			_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
			code, reason, origin, retry := fault(t, err)
			if code != tc.code || reason != tc.reason || origin != tc.origin || retry != tc.retry {
				t.Errorf("%v %s %s %v, want %v %s %s %v", code, reason, origin, retry, tc.code, tc.reason, tc.origin, tc.retry)
			}
			if class := pluginsdk.ClassOf(tc.err); tc.origin == "plugin" || reason != "OTHER" {
				if want := pluginsdk.Class(strings.ToLower(reason)); class != want {
					t.Errorf("the author's test sees %q, want %q", class, want)
				}
			}
			if got := pluginsdk.RetryAfter(fmt.Errorf("fetch: %w", tc.err)); got != tc.retry {
				t.Errorf("the author's test sees a wait of %v", got)
			}
			if !strings.Contains(status.Convert(err).Message(), status.Convert(tc.err).Message()) {
				t.Errorf("message %q", status.Convert(err).Message())
			}
		})
	}
	for _, f := range []func(error) error{pluginsdk.ConfigError, pluginsdk.CheckerError, pluginsdk.CredentialsError, pluginsdk.Permanent} {
		if f(nil) != nil {
			t.Error("no error became one")
		}
	}
	if pluginsdk.Retryable(nil, time.Second) != nil {
		t.Error("no error became one")
	}
}

func TestClassOfAnotherServicesStatus(t *testing.T) {
	for code, want := range map[codes.Code]pluginsdk.Class{
		codes.Unavailable: pluginsdk.ClassRetryable, codes.Aborted: pluginsdk.ClassRetryable, codes.Canceled: pluginsdk.ClassRetryable,
		codes.DeadlineExceeded: pluginsdk.ClassTime, codes.InvalidArgument: pluginsdk.ClassChecker, codes.NotFound: pluginsdk.ClassChecker,
		codes.ResourceExhausted: pluginsdk.ClassChecker, codes.FailedPrecondition: pluginsdk.ClassConfig,
		codes.PermissionDenied: pluginsdk.ClassCredentials, codes.Unauthenticated: pluginsdk.ClassCredentials,
		codes.Internal: pluginsdk.ClassOther, codes.Unimplemented: pluginsdk.ClassOther,
	} {
		if got := pluginsdk.ClassOf(fmt.Errorf("ask: %w", status.Error(code, "no"))); got != want {
			t.Errorf("%v is %q, want %q", code, got, want)
		}
	}
	if got := pluginsdk.ClassOf(nil); got != "" {
		t.Errorf("no error is %q", got)
	}
}

func TestALongErrorIsCut(t *testing.T) {
	c := serve(t, getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error {
		return errors.New(strings.Repeat("ä", 1<<20) + "\xff")
	}))
	_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
	if m := status.Convert(err).Message(); status.Code(err) != codes.Unknown || len(m) > 5000 || !strings.HasSuffix(m, "(cut)") {
		t.Errorf("%v, %d bytes", status.Code(err), len(m))
	}
}

func TestAPanicFailsOneCall(t *testing.T) {
	quiet(t)
	var calls atomic.Int32
	c := serve(t, getter(func(_ context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
		if calls.Add(1) == 1 {
			panic("oh no")
		}
		return out.AppendMicros("k", 1)
	}))
	_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
	if code, reason, _, _ := fault(t, err); code != codes.Internal || reason != "PANIC" {
		t.Error(code, reason)
	}
	if strings.Contains(err.Error(), ".go:") || !strings.Contains(err.Error(), "oh no") {
		t.Errorf("the message is %q", err)
	}
	if n, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{}); n != 1 || err != nil {
		t.Error("the next call:", n, err)
	}
}

func TestBadExtraIsTheCheckersFault(t *testing.T) {
	c := serve(t, getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return nil }))
	_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{ExtraJson: []byte("{")})
	if code, reason, _, _ := fault(t, err); code != codes.InvalidArgument || reason != "CHECKER" {
		t.Error(code, reason, err)
	}
	q := pluginsdk.Query{ExtraJSON: []byte(` {"a": "x"} 1`)}
	if err := q.Extra(&struct{}{}); err == nil {
		t.Error("two values were taken for one")
	}
	q.ExtraJSON = nil
	if err := q.Extra(&struct{}{}); err != nil {
		t.Error(err)
	}
	q.ExtraJSON = []byte(`{"a": "x"}`)
	if err := q.Extra(&struct{ A int }{}); err == nil || !strings.Contains(err.Error(), "want a whole number, not a JSON string") {
		t.Error(err)
	}
}

func TestCancelMidStreamEndsTheGetter(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("call", func(t *testing.T) {
		ended := make(chan error, 1)
		c := serve(t, getter(func(_ context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
			for { // looks at nothing but what Append says
				if err := out.AppendMicros("key", 1); err != nil {
					ended <- err
					return err
				}
			}
		}))
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := c.rows.GetRows(ctx, &pluginv1.GetRowsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("no error")
			}
		case <-time.After(2 * time.Second):
			t.Fatal("the getter still runs two seconds after the cancel")
		}
	})
}

func TestDeadlineReachesTheAuthor(t *testing.T) {
	c := serve(t, getter(func(ctx context.Context, _ pluginsdk.Query, _ pluginsdk.RowSink) error {
		<-ctx.Done()
		return errors.New("canceling statement due to user request")
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := c.fetch(ctx, &pluginv1.GetRowsRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Error(err)
	}
}

func TestWithoutADeadlineThereIsOne(t *testing.T) {
	c := serve(t, getter(func(ctx context.Context, _ pluginsdk.Query, _ pluginsdk.RowSink) error {
		if _, ok := ctx.Deadline(); !ok {
			return errors.New("none")
		}
		return nil
	}))
	if _, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{}); err != nil {
		t.Error(err)
	}
}

func TestLimitsBoundCallsAtTheSameTime(t *testing.T) {
	var now, most atomic.Int32
	p := getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error {
		n := now.Add(1)
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		<-time.After(5 * time.Millisecond)
		now.Add(-1)
		return nil
	})
	p.Limits.GetRows = 2
	c := serve(t, p)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > 2 {
		t.Errorf("%d calls at the same time, the limit is 2", most.Load())
	}
}

func TestDrain(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	var shutdowns atomic.Int32
	p := getter(func(ctx context.Context, q pluginsdk.Query, _ pluginsdk.RowSink) error {
		inside <- struct{}{}
		if q.Text == "stuck" {
			<-ctx.Done()
			return ctx.Err()
		}
		<-release
		return nil
	})
	p.Shutdown = func(context.Context) error { shutdowns.Add(1); return nil }

	t.Run("waits for the calls in flight and refuses others", func(t *testing.T) {
		c := serve(t, p)
		result := make(chan error, 1)
		go func() {
			_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
			result <- err
		}()
		<-inside
		drained := make(chan *pluginv1.DrainResponse, 1)
		go func() {
			resp, err := c.base.Drain(t.Context(), &pluginv1.DrainRequest{})
			if err != nil {
				t.Error(err)
			}
			drained <- resp
		}()
		for { // until the Drain has arrived
			_, err := c.base.CheckHealth(t.Context(), &pluginv1.CheckHealthRequest{})
			if err == nil {
				continue
			}
			if code, reason, _, _ := fault(t, err); code != codes.Unavailable || reason != "DRAINING" {
				t.Error(code, reason)
			}
			break
		}
		close(release)
		if err := <-result; err != nil {
			t.Error("the call in flight:", err)
		}
		if resp := <-drained; resp.GetInFlight() != 0 || shutdowns.Load() != 1 {
			t.Error(resp, shutdowns.Load())
		}
		if _, err := c.base.Drain(t.Context(), &pluginv1.DrainRequest{}); err != nil || shutdowns.Load() != 1 {
			t.Error("a second Drain:", err, shutdowns.Load())
		}
	})
	t.Run("cancels what is left after the grace", func(t *testing.T) {
		c := serve(t, p)
		result := make(chan error, 1)
		go func() {
			_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{Query: "stuck"})
			result <- err
		}()
		<-inside
		resp, err := c.base.Drain(t.Context(), &pluginv1.DrainRequest{Grace: durationpb.New(time.Millisecond)})
		if err != nil || resp.GetInFlight() != 1 {
			t.Error(resp, err)
		}
		if code, reason, _, _ := fault(t, <-result); code != codes.Unavailable || reason != "DRAINING" {
			t.Error(code, reason)
		}
	})
}

type fullHandler struct {
	events  []pluginsdk.CheckEvent
	notices []pluginsdk.Notice
}

func (h *fullHandler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	h.events = append(h.events, ev)
	pluginsdk.Receipt(ctx, "message 17")
	return nil
}

func (h *fullHandler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	h.notices = append(h.notices, n)
	return nil
}

func (h *fullHandler) ValidateChecker(_ context.Context, c pluginsdk.CheckerText) []pluginsdk.Diagnostic {
	return []pluginsdk.Diagnostic{{Severity: pluginsdk.SeverityWarning, Summary: "saw " + c.Text + fmt.Sprint(c.Kinds)}}
}

func TestCheckHandler(t *testing.T) {
	h := &fullHandler{}
	c := serve(t, pluginsdk.Plugin{Name: "test", Version: "1.0.0", CheckHandler: h})
	r := &pluginv1.CheckResult{
		CheckerName: "a", EventCount: 3, MinRequired: proto.Int64(0), CheckStatus: pluginv1.CheckStatus_CHECK_STATUS_BAD,
		MinuteEpoch: 1_700_000_040, MinuteLocalTime: "2023-11-14 22:14:00", LookbackSeconds: 60, Reason: "low",
		Requirement: "MINNUM0", RequirementIndex: 1, TimeZone: "UTC", Source: "s", Owner: "o", CatchUp: true, EvaluatedAtUs: 1_700_000_041_000_001,
		PreviousStatus: pluginv1.CheckStatus_CHECK_STATUS_UNKNOWN, ConsecutiveBad: 2,
	}
	resp, err := c.handler.HandleCheck(t.Context(), &pluginv1.HandleCheckRequest{Result: r, IdempotencyKey: "i/a/1/1", ExtraJson: []byte("{}")})
	if err != nil || len(resp.Receipts) != 1 || resp.Receipts[0] != "message 17" {
		t.Fatal(resp, err)
	}
	ev := h.events[0]
	if !ev.Bad() || ev.Good() || ev.IdempotencyKey != "i/a/1/1" || ev.Minute().Unix() != r.MinuteEpoch {
		t.Errorf("%+v", ev)
	}
	text, err := ev.Result.MarshalJSON()
	want := `{"checker_name":"a","event_count":3,"min_required":0,"max_allowed":null,"check_status":"BAD","minute_epoch":1700000040,` +
		`"minute_local_time":"2023-11-14 22:14:00","lookback_seconds":60,"reason":"low","requirement":"MINNUM0","requirement_index":1,` +
		`"time_zone":"UTC","source":"s","owner":"o","labels":{},"catch_up":true,"evaluated_at":1700000041.000001,"previous_status":"UNKNOWN","consecutive_bad":2}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
	if _, err := c.handler.HandleNotice(t.Context(), &pluginv1.HandleNoticeRequest{
		Kind: pluginv1.NoticeKind_NOTICE_KIND_DIGEST, Summary: "many", Results: []*pluginv1.CheckResult{r},
	}); err != nil || h.notices[0].Kind != pluginsdk.NoticeDigest || len(h.notices[0].Results) != 1 {
		t.Error(err, h.notices)
	}
	if _, err := c.handler.HandleCheck(t.Context(), &pluginv1.HandleCheckRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Error("a request without a result:", err)
	}
	v, err := c.base.ValidateChecker(t.Context(), &pluginv1.ValidateCheckerRequest{Query: "q", Kinds: []pluginv1.Kind{pluginv1.Kind_KIND_CHECK_HANDLER}})
	if err != nil || len(v.Diagnostics) != 1 || v.Diagnostics[0].Summary != "saw q[check_handler]" {
		t.Error(v, err)
	}
}

func TestANoticeCrossesWhole(t *testing.T) {
	h := &fullHandler{}
	c := serve(t, pluginsdk.Plugin{Name: "test", Version: "1.0.0", CheckHandler: h})
	closed := int64(1700000400)
	incident := &pluginv1.Incident{
		Id: "i/1", Subject: pluginv1.IncidentSubject_INCIDENT_SUBJECT_COUNT, Cause: "too few", OpenedEpoch: 1700000040,
		OpenedLocalTime: "2023-11-14 22:14:00", ClosedEpoch: &closed, ClosedLocalTime: "2023-11-14 22:20:00", End: "recovered",
		Checks: 7, BadChecks: 6,
	}
	_, err := c.handler.HandleNotice(t.Context(), &pluginv1.HandleNoticeRequest{
		Kind: pluginv1.NoticeKind_NOTICE_KIND_RECOVERED, IdempotencyKey: "k", Checker: &pluginv1.CheckerRef{Name: "orders"},
		Summary: "orders is well again", Detail: "Count: 7", Incident: incident, Source: "AWS", Owner: "team", Runbook: "https://wiki/orders",
		Description: "orders of the shop", Labels: map[string]string{"team": "a"}, Keys: []string{"k1"}, CreatedEpoch: 1700000401, Templated: true,
		Facts:   []*pluginv1.NoticeFact{{Label: "Count", Value: "7"}},
		Windows: []*pluginv1.NoticeWindow{{MinuteEpoch: 1700000040, EventCount: 4, CheckStatus: pluginv1.CheckStatus_CHECK_STATUS_BAD}},
		Items:   []*pluginv1.NoticeItem{{Kind: pluginv1.NoticeKind_NOTICE_KIND_OPENED, Checker: &pluginv1.CheckerRef{Name: "bills"}, Summary: "s", Incident: incident}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := h.notices[0]
	if n.Incident.Open() || n.Incident.Lasted() != 6*time.Minute || n.Parts()[0].Checker != "bills" || n.Trouble() {
		t.Errorf("%+v", n)
	}
	text, err := json.Marshal(n)
	told := `{"id":"i/1","subject":"count","cause":"too few","opened_epoch":1700000040,"opened_local_time":"2023-11-14 22:14:00",` +
		`"closed_epoch":1700000400,"closed_local_time":"2023-11-14 22:20:00","end":"recovered","checks":7,"bad_checks":6,"checkers":0}`
	want := `{"notice":"recovered","checker_name":"orders","summary":"orders is well again","detail":"Count: 7","facts":[{"label":"Count","value":"7"}],` +
		`"incident":` + told + `,"results":[],"windows":[{"minute_epoch":1700000040,"event_count":4,"check_status":"BAD"}],` +
		`"items":[{"kind":"opened","checker_name":"bills","summary":"s","incident":` + told + `,"source":"","owner":"","labels":{}}],` +
		`"source":"AWS","owner":"team","labels":{"team":"a"},"description":"orders of the shop","runbook":"https://wiki/orders","keys":["k1"],"created_epoch":1700000401}`
	if err != nil || string(text) != want {
		t.Errorf("%v\n got %s\nwant %s", err, text, want)
	}
}

func TestWhatIsNotServedIsUnimplemented(t *testing.T) {
	c := serve(t, pluginsdk.Plugin{
		Name: "test", Version: "1.0.0",
		CheckHandler: pluginsdk.CheckHandlerFunc(func(context.Context, pluginsdk.CheckEvent) error { return nil }),
	})
	_, _, rows := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
	_, purge := c.purger.IdentifyOld(t.Context(), &pluginv1.IdentifyOldRequest{})
	_, notice := c.handler.HandleNotice(t.Context(), &pluginv1.HandleNoticeRequest{})
	_, validate := c.base.ValidateChecker(t.Context(), &pluginv1.ValidateCheckerRequest{})
	for name, err := range map[string]error{"rows": rows, "purge": purge, "notice": notice, "validate": validate} {
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPurger(t *testing.T) {
	var got pluginsdk.PurgeInput
	answer := pluginsdk.Keep()
	c := serve(t, pluginsdk.Plugin{
		Name: "test", Version: "1.0.0",
		Purger: pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			got = in
			return answer, nil
		}),
	})
	req := &pluginv1.IdentifyOldRequest{NowEpoch: 100, NewestEpoch: 90, KeepFromEpoch: 80}
	resp, err := c.purger.IdentifyOld(t.Context(), req)
	if err != nil || resp.DeleteOlderThanEpoch != nil {
		t.Error(resp, err)
	}
	if got.Now.Unix() != 100 || !got.Oldest.IsZero() || got.Newest.Unix() != 90 || got.KeepFrom.Unix() != 80 {
		t.Errorf("%+v", got)
	}
	answer = pluginsdk.DeleteOlderThan(time.UnixMilli(-1500)).Because("old")
	resp, err = c.purger.IdentifyOld(t.Context(), req)
	if err != nil || resp.DeleteOlderThanEpoch == nil || *resp.DeleteOlderThanEpoch != -2 || resp.Reason != "old" {
		t.Error(resp, err)
	}
}

func TestConfigure(t *testing.T) {
	quiet(t)
	var cfg struct {
		DSN string `json:"dsn" required:"true"`
	}
	var setupError error
	var setups int
	newPlugin := func() pluginsdk.Plugin {
		cfg.DSN, setupError, setups = "", nil, 0
		p := getter(func(ctx context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
			return out.AppendMicros(cfg.DSN+pluginsdk.StateDir(ctx)+pluginsdk.InstanceID(ctx), 1)
		})
		p.Settings = &cfg
		p.Setup = func(context.Context) error { setups++; return setupError }
		return p
	}
	configure := func(c clients, raw string) ([]*pluginv1.Diagnostic, error) {
		resp, err := c.base.Configure(t.Context(), &pluginv1.ConfigureRequest{SettingsJson: []byte(raw), StateDir: "/s", InstanceId: "i", LogLevel: "debug"})
		return resp.GetDiagnostics(), err
	}
	t.Run("before anything else", func(t *testing.T) {
		c := serve(t, newPlugin())
		_, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{})
		if code, reason, _, _ := fault(t, err); code != codes.FailedPrecondition || reason != "NOT_READY" {
			t.Error(code, reason)
		}
	})
	t.Run("junk, good, the same again, junk, others", func(t *testing.T) {
		c := serve(t, newPlugin())
		for _, step := range []struct{ raw, code string }{
			{`{"dns": "x"}`, "MISSING_SETTING"},
			{`[]`, "BAD_SETTING"},
			{`{"dsn": "x"}`, ""},
			{` {"dsn":"x"} `, ""},
			{`junk`, "BAD_SETTING"},
			{`{"dsn": "y"}`, "ALREADY_CONFIGURED"},
		} {
			ds, err := configure(c, step.raw)
			if err != nil {
				t.Fatal(err)
			}
			if code := append(ds, &pluginv1.Diagnostic{})[0].Code; code != step.code {
				t.Errorf("%s: %q, want %q", step.raw, code, step.code)
			}
		}
		if n, _, err := c.fetch(t.Context(), &pluginv1.GetRowsRequest{}); n != 1 || err != nil || setups != 1 || cfg.DSN != "x" {
			t.Error(n, err, setups, cfg.DSN)
		}
	})
	t.Run("a Setup that fails is tried again", func(t *testing.T) {
		c := serve(t, newPlugin())
		setupError = pluginsdk.CredentialsError(errors.New("wrong password"))
		if ds, err := configure(c, `{"dsn":"x"}`); err != nil || len(ds) != 1 || ds[0].Code != "CREDENTIALS" || ds[0].Summary != "wrong password" {
			t.Error(ds, err)
		}
		setupError = pluginsdk.Retryable(errors.New("down"), time.Minute)
		_, err := configure(c, `{"dsn":"x"}`)
		if code, _, _, retry := fault(t, err); code != codes.Unavailable || retry != time.Minute {
			t.Error(code, retry)
		}
		setupError = nil
		if ds, err := configure(c, `{"dsn":"x"}`); err != nil || len(ds) != 0 || setups != 3 {
			t.Error(ds, err, setups)
		}
	})
	t.Run("a Setup that panics", func(t *testing.T) {
		p := newPlugin()
		p.Setup = func(context.Context) error { panic("oh") }
		_, err := configure(serve(t, p), `{"dsn":"x"}`)
		if code, reason, _, _ := fault(t, err); code != codes.Internal || reason != "PANIC" {
			t.Error(code, reason)
		}
	})
}

func TestHealth(t *testing.T) {
	p := getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return nil })
	var sick error
	p.Health = func(context.Context) error { return sick }
	c := serve(t, p)
	if h, err := c.base.CheckHealth(t.Context(), &pluginv1.CheckHealthRequest{}); err != nil || h.Status != pluginv1.HealthStatus_HEALTH_STATUS_SERVING {
		t.Error(h, err)
	}
	sick = errors.New("no route")
	if h, err := c.base.CheckHealth(t.Context(), &pluginv1.CheckHealthRequest{}); err != nil || h.Status != pluginv1.HealthStatus_HEALTH_STATUS_NOT_SERVING || h.Message != "no route" {
		t.Error(h, err)
	}
}

func TestDescribe(t *testing.T) {
	p := pluginsdk.Plugin{
		Name: "all", Version: "1.2.3", Summary: "does it all", Sources: []string{"sqlite"}, HonoursSince: true, CatalogQuery: "SHOW COLUMNS", MinHostVersion: "0.1.0",
		RowGetter:    pluginsdk.RowGetterFunc(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return nil }),
		CheckHandler: &fullHandler{},
		Purger:       pluginsdk.PurgerFunc(func(context.Context, pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) { return pluginsdk.Keep(), nil }),
		Statuses:     []pluginsdk.Status{pluginsdk.Bad, pluginsdk.Unknown}, DefaultOn: pluginsdk.OnChange,
		Limits: pluginsdk.Limits{GetRows: 4},
		Setup:  func(context.Context) error { t.Error("Describe ran Setup"); return nil },
	}
	d, err := serve(t, p).base.Describe(t.Context(), &pluginv1.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := &pluginv1.DescribeResponse{
		Name: "all", Version: "1.2.3", Summary: "does it all", Sdk: "pluginsdk-go/" + pluginsdk.Version, MinHostVersion: "0.1.0",
		RowGetter: &pluginv1.RowGetterInfo{MaxConcurrency: 4, Sources: []string{"sqlite"}, HonoursSince: true, CatalogQuery: "SHOW COLUMNS"},
		CheckHandler: &pluginv1.CheckHandlerInfo{
			Statuses:  []pluginv1.CheckStatus{pluginv1.CheckStatus_CHECK_STATUS_BAD, pluginv1.CheckStatus_CHECK_STATUS_UNKNOWN},
			DefaultOn: pluginv1.HandleOn_HANDLE_ON_CHANGE, Notices: true,
		},
		Purger:             &pluginv1.PurgerInfo{},
		SettingsSchemaJson: []byte(`{"$schema":"https://json-schema.org/draft/2020-12/schema","additionalProperties":false,"type":"object"}`),
		BuildRevision:      d.BuildRevision, BuildModified: d.BuildModified,
	}
	if !proto.Equal(d, want) {
		t.Errorf("\n got %v\nwant %v", d, want)
	}
}

func TestAPluginThatIsNotOne(t *testing.T) {
	for name, p := range map[string]pluginsdk.Plugin{
		"no kind":  {Name: "a", Version: "1.0.0"},
		"name":     {Name: "A b", Version: "1.0.0", CheckHandler: &fullHandler{}},
		"version":  {Name: "a", Version: "v1", CheckHandler: &fullHandler{}},
		"settings": {Name: "a", Version: "1.0.0", CheckHandler: &fullHandler{}, Settings: struct{}{}},
		"status":   {Name: "a", Version: "1.0.0", CheckHandler: &fullHandler{}, Statuses: []pluginsdk.Status{"good"}},
		"on":       {Name: "a", Version: "1.0.0", CheckHandler: &fullHandler{}, DefaultOn: "never"},
		"limits":   {Name: "a", Version: "1.0.0", CheckHandler: &fullHandler{}, Limits: pluginsdk.Limits{GetRows: -1}},
	} {
		if err := wire.Register(grpc.NewServer(), p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// BenchmarkFetch is one call of 10,000 rows with its gRPC client, undecoded.
func BenchmarkFetch(b *testing.B) {
	key := []byte("key-00000000000000000000")
	const n = 10_000
	c := serve(b, getter(func(_ context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
		for i := range n {
			if err := out.AppendBytes(key, int64(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	b.ReportAllocs()
	for b.Loop() {
		if got, _, err := c.fetch(b.Context(), &pluginv1.GetRowsRequest{}); got != n || err != nil {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// TestDescribeKnowsNoSettings: whoever asks a configured plugin what it is reads the
// schema's defaults, not what somebody has set.
func TestDescribeKnowsNoSettings(t *testing.T) {
	settings := struct {
		User string `json:"user"`
	}{User: "nobody"}
	p := getter(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error { return nil })
	p.Settings = &settings
	c := serve(t, p)
	before, err := c.base.Describe(t.Context(), &pluginv1.DescribeRequest{})
	if err != nil || !strings.Contains(string(before.GetSettingsSchemaJson()), "nobody") {
		t.Fatalf("%v, %v", before, err)
	}
	if resp, err := c.base.Configure(t.Context(), &pluginv1.ConfigureRequest{SettingsJson: []byte(`{"user":"somebody"}`)}); err != nil || len(resp.GetDiagnostics()) > 0 {
		t.Fatal(resp, err)
	}
	after, err := c.base.Describe(t.Context(), &pluginv1.DescribeRequest{})
	if err != nil || string(after.GetSettingsSchemaJson()) != string(before.GetSettingsSchemaJson()) {
		t.Errorf("after Configure: %s, %v", after.GetSettingsSchemaJson(), err)
	}
}
