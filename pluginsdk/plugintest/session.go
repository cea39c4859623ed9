package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dwmon/dwmon/pluginsdk"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// Target is the plugin under test: [InProcess] or [Executable].
type Target interface {
	// prepare is called once, before the first case.
	prepare(*Options) error
	// open gives a plugin that runs and has not been configured by this case: a new
	// process, or the one plugin in process.
	open(context.Context, *kit) (*session, error)
	// said is what the plugin has logged in this process, for a case that failed.
	said() string
	close()
}

// callLimit bounds a call that must simply work. It is shorter in the kit's own
// tests.
var callLimit = 10 * time.Second

// session is a running plugin as its host sees it.
type session struct {
	conn    *grpc.ClientConn
	base    pluginv1.PluginServiceClient
	rows    pluginv1.RowGetterServiceClient
	handler pluginv1.CheckHandlerServiceClient
	purger  pluginv1.PurgerServiceClient

	// process is nil in process, faults for an executable.
	process *process
	faults  *faults
	// state is the folder that Configure names.
	state string
	// keep: close does nothing, for other cases will use it.
	keep bool
	// label is what the goroutines of a plugin in process bear.
	label string
}

func newSession(conn *grpc.ClientConn) *session {
	return &session{
		conn:    conn,
		base:    pluginv1.NewPluginServiceClient(conn),
		rows:    pluginv1.NewRowGetterServiceClient(conn),
		handler: pluginv1.NewCheckHandlerServiceClient(conn),
		purger:  pluginv1.NewPurgerServiceClient(conn),
	}
}

// close ends the plugin, however it behaves.
func (s *session) close() {
	if s.keep {
		return
	}
	_ = s.conn.Close()
	if s.process != nil {
		s.process.destroy()
	}
}

// start opens a session without configuring it.
func (k *kit) start(ctx context.Context) (*session, error) {
	s, err := k.target.open(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("start the plugin: %w", err)
	}
	return s, nil
}

// ready opens a session and configures it.
func (k *kit) ready(ctx context.Context) (*session, error) {
	s, err := k.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.configure(ctx, k.settings); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// configure hands over settings and wants them to be accepted.
func (s *session) configure(ctx context.Context, settings []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	resp, err := s.base.Configure(ctx, s.configuration(settings))
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if d := firstError(resp.GetDiagnostics()); d != nil {
		return refused{diagnosticText(d)}
	}
	return nil
}

func (s *session) configuration(settings []byte) *pluginv1.ConfigureRequest {
	return &pluginv1.ConfigureRequest{SettingsJson: settings, StateDir: s.state, LogLevel: "info", InstanceId: "conformance"}
}

func (s *session) describe(ctx context.Context) (*pluginv1.DescribeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	d, err := s.base.Describe(ctx, &pluginv1.DescribeRequest{HostVersion: "0.0.0"})
	if err != nil {
		return nil, fmt.Errorf("describe: %w", err)
	}
	return d, nil
}

func firstError(ds []*pluginv1.Diagnostic) *pluginv1.Diagnostic {
	for _, d := range ds {
		if d.GetSeverity() == pluginv1.Severity_SEVERITY_ERROR {
			return d
		}
	}
	return nil
}

func diagnosticText(d *pluginv1.Diagnostic) string {
	if d.GetPointer() != "" {
		return d.GetSummary() + " (" + d.GetPointer() + ")"
	}
	return d.GetSummary()
}

// requests counts calls, so that each has an id of its own.
var requests atomic.Uint64

func requestID() string { return fmt.Sprintf("conformance-%d", requests.Add(1)) }

// checkerName is that of every call: it says at any receiver what it is.
const checkerName = "dwmon-conformance"

func checkerRef() *pluginv1.CheckerRef {
	return &pluginv1.CheckerRef{Name: checkerName, Path: checkerName + ".dwmon"}
}

func (k *kit) getRows(query string) *pluginv1.GetRowsRequest {
	return &pluginv1.GetRowsRequest{
		RequestId: requestID(), Checker: checkerRef(), Query: query, Source: k.options.Source, ExtraJson: k.options.Extra,
	}
}

// handleCheck is a result that is GOOD: what least of all wakes somebody up.
func (k *kit) handleCheck() *pluginv1.HandleCheckRequest {
	id := requestID()
	minute := time.Now().Unix() / 60 * 60
	return &pluginv1.HandleCheckRequest{
		RequestId: id, IdempotencyKey: fmt.Sprintf("conformance/%s/%d/0/%s", checkerName, minute, id),
		Checker: checkerRef(), ExtraJson: k.options.Extra,
		Result: &pluginv1.CheckResult{
			CheckerName: checkerName, EventCount: 5, MinRequired: new(int64(1)), CheckStatus: pluginv1.CheckStatus_CHECK_STATUS_GOOD,
			MinuteEpoch: minute, MinuteLocalTime: time.Unix(minute, 0).UTC().Format(time.DateTime), LookbackSeconds: 60,
			Requirement: "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS60", TimeZone: "UTC",
			Source: k.options.Source, EvaluatedAtUs: time.Now().UnixMicro(),
		},
	}
}

func (k *kit) identifyOld() *pluginv1.IdentifyOldRequest {
	now := time.Now().Unix()
	return &pluginv1.IdentifyOldRequest{
		RequestId: requestID(), Checker: checkerRef(), ExtraJson: k.options.Extra,
		NowEpoch: now, OldestEpoch: now - 86400, NewestEpoch: now, KeepFromEpoch: now - 3600,
	}
}

// fetch runs a query to its end and counts the rows. It fails where the host
// would: without a right summary.
func (s *session) fetch(ctx context.Context, req *pluginv1.GetRowsRequest) (*tally, error) {
	stream, err := s.rows.GetRows(ctx, req)
	if err != nil {
		return nil, err
	}
	t := &tally{}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return t, t.finished()
		}
		if err != nil {
			return t, err
		}
		if err := t.add(m); err != nil {
			return t, err
		}
	}
}

// plainFetch is fetch for a query that must simply work.
func (k *kit) plainFetch(ctx context.Context, s *session) (*tally, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	t, err := s.fetch(ctx, k.getRows(k.options.Query))
	if err != nil {
		return nil, fmt.Errorf("fetch the rows of Options.Query: %w", err)
	}
	if t.rows == 0 {
		return nil, errors.New("Options.Query brought no rows: give one that does")
	}
	return t, nil
}

// wantsRows skips a case where there is no row getter, or no query to try it with.
func (k *kit) wantsRows(ctx context.Context, s *session) error {
	d, err := s.describe(ctx)
	switch {
	case err != nil:
		return err
	case d.GetRowGetter() == nil:
		return skip("the plugin serves no row getter")
	case k.options.Query == "":
		return skip("no query was given (Options.Query)")
	}
	return nil
}

// fetcher opens a plugin that is ready and has a row getter.
func (k *kit) fetcher(ctx context.Context) (*session, error) {
	s, err := k.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.wantsRows(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	if err := s.configure(ctx, k.settings); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// tally counts the messages of one fetch and looks after the protocol's rules.
type tally struct {
	messages, batches, rows, largest int
	summary                          *pluginv1.RowsSummary
}

// maxMicros bounds timestamps: 10^11 seconds either way.
const maxMicros = 100_000_000_000 * 1_000_000

func (t *tally) add(m *pluginv1.GetRowsResponse) error {
	t.messages++
	if t.summary != nil {
		return fmt.Errorf("message %d comes after the summary, which must be the last", t.messages)
	}
	switch e := m.GetEvent().(type) {
	case *pluginv1.GetRowsResponse_Batch:
		return t.batch(e.Batch)
	case *pluginv1.GetRowsResponse_Summary:
		t.summary = e.Summary
		if n := e.Summary.GetRowsSent(); n != uint64(t.rows) {
			return fmt.Errorf("the summary says %d rows, %d were sent", n, t.rows)
		}
	case *pluginv1.GetRowsResponse_Diagnostic:
	default:
		return fmt.Errorf("message %d is neither a batch nor a diagnostic nor a summary", t.messages)
	}
	return nil
}

func (t *tally) batch(b *pluginv1.RowBatch) error {
	t.batches++
	n := len(b.GetTimestampsUs())
	if len(b.GetKeyLengths()) != n {
		return fmt.Errorf("batch %d has %d key lengths and %d timestamps", t.batches, len(b.GetKeyLengths()), n)
	}
	if n > pluginsdk.MaxBatchRows {
		return fmt.Errorf("batch %d has %d rows, at most %d are allowed", t.batches, n, pluginsdk.MaxBatchRows)
	}
	sum := uint64(0)
	for i, length := range b.GetKeyLengths() {
		if length > pluginsdk.MaxKeyBytes {
			return fmt.Errorf("row %d has a key of %d bytes, at most %d are allowed", t.rows+i+1, length, pluginsdk.MaxKeyBytes)
		}
		sum += uint64(length)
	}
	if sum != uint64(len(b.GetKeys())) {
		return fmt.Errorf("batch %d has %d bytes of keys, its lengths add up to %d", t.batches, len(b.GetKeys()), sum)
	}
	if sum > pluginsdk.MaxBatchKeyBytes && n > 1 {
		return fmt.Errorf("batch %d has %d rows and %d bytes of keys: above %d a row must travel alone", t.batches, n, sum, pluginsdk.MaxBatchKeyBytes)
	}
	for i, us := range b.GetTimestampsUs() {
		if us >= maxMicros || us <= -maxMicros {
			return fmt.Errorf("row %d has the time %d: want microseconds since the epoch", t.rows+i+1, us)
		}
	}
	t.rows += n
	t.largest = max(t.largest, n)
	return nil
}

func (t *tally) finished() error {
	if t.summary == nil {
		return fmt.Errorf("the stream ended after %d messages without a summary", t.messages)
	}
	return nil
}

// codeOf is the status code of an error of a call.
func codeOf(err error) codes.Code { return status.Code(err) }
