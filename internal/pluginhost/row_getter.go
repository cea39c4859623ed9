package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/pluginsdk"
)

// RowGetter is the row getter of an instance.
func (h *Host) RowGetter(spec InstanceSpec) dwmon.RowGetter {
	return &rowGetter{in: h.instance(spec), timeout: spec.Timeout}
}

type rowGetter struct {
	in      *instance
	timeout time.Duration
}

// maxWarnings bounds what a plugin can say beside its rows.
const maxWarnings = 100

// GetRows asks the plugin. Any error is a *dwmon.FetchError, save those of sink,
// which are returned as they are.
func (g *rowGetter) GetRows(ctx context.Context, req dwmon.FetchRequest, sink func(*dwmon.Batch) error) (dwmon.FetchSummary, error) {
	g.in.host.sourceSecrets(req.Checker)
	limits := g.in.host.limits(g.in.plugin)
	f := fetch{
		sink:     sink,
		maxRows:  cmp.Or(req.MaxRows, limits.MaxRows, dwmon.DefaultMaxRows),
		maxBytes: cmp.Or(req.MaxBytes, dwmon.DefaultMaxBytes),
	}
	wire := &pluginv1.GetRowsRequest{
		RequestId: req.RequestID,
		Checker:   checkerRef(req.Checker),
		Query:     req.Checker.Query,
		Source:    req.Checker.Source,
		ExtraJson: req.Checker.Extra,
		MaxRows:   uint64(f.maxRows),
		BatchRows: dwmon.MaxBatchRows,
	}
	c := call{
		kind: RowGetter, op: "GetRows",
		timeout: cmp.Or(req.Timeout, g.timeout, time.Duration(limits.GetRows), g.in.host.t.GetRows),
		again:   func() bool { return !f.fed },
	}
	err := g.in.do(ctx, c, func(ctx context.Context, p *process) error { return f.run(ctx, p, wire) })
	switch {
	case err == nil:
		return f.summary, nil
	case f.sinkErr != nil:
		return dwmon.FetchSummary{}, f.sinkErr
	}
	return dwmon.FetchSummary{}, &dwmon.FetchError{Fault: fetchFault(err), Plugin: g.in.id, Err: err}
}

// fetchFault says whose fault a failed fetch is.
func fetchFault(err error) dwmon.Fault {
	var e *Error
	if !errors.As(err, &e) {
		return dwmon.FaultUnavailable
	}
	switch e.State {
	case StateConfigError, StateIncompatible, StateRejected:
		return dwmon.FaultSettings
	case "":
	default:
		return dwmon.FaultUnavailable
	}
	switch e.Code {
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange:
		return dwmon.FaultChecker
	case codes.ResourceExhausted:
		if e.RetryAfter == 0 {
			return dwmon.FaultChecker
		}
	case codes.FailedPrecondition:
		if e.Reason != pluginsdk.ReasonNotReady {
			return dwmon.FaultSettings
		}
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return dwmon.FaultSettings
	}
	return dwmon.FaultUnavailable
}

// fetch is one result on its way to the sink.
type fetch struct {
	sink              func(*dwmon.Batch) error
	maxRows, maxBytes int64

	fed     bool // the sink was called: it cannot be rewound
	sinkErr error
	rows    int64
	bytes   int64
	summary dwmon.FetchSummary
}

var getRowsStream = &pluginv1.RowGetterService_ServiceDesc.Streams[0]

// run makes one attempt. Where it ends before the stream has, ctx ends soon after
// it (no such error is worth another try), and with it the plugin's work.
func (f *fetch) run(ctx context.Context, p *process, req *pluginv1.GetRowsRequest) error {
	f.rows, f.bytes, f.summary = 0, 0, dwmon.FetchSummary{}
	stream, err := p.conn.NewStream(ctx, getRowsStream, pluginv1.RowGetterService_GetRows_FullMethodName, grpc.ForceCodecV2(rowCodec{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(req); err != nil && err != io.EOF { // io.EOF: RecvMsg has the reason
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	fr := framePool.Get().(*frame)
	defer fr.putBack()
	for {
		switch err := stream.RecvMsg(fr); {
		case err == io.EOF:
			return f.broken(p, "it ended the rows without a summary: they may be incomplete")
		case err != nil:
			return err
		}
		switch fr.kind {
		case frameBatch:
			if err := f.take(p, &fr.batch); err != nil {
				return err
			}
		case frameDiagnostic:
			if len(f.summary.Warnings) < maxWarnings {
				f.summary.Warnings = append(f.summary.Warnings, p.child.logs.shown(diagnosticText(fr.diagnostic)))
			}
		case frameSummary:
			return f.finish(p, stream, fr)
		default:
			return f.broken(p, "it sent a message that is neither rows nor remark nor summary")
		}
	}
}

// take checks a batch and hands it on.
func (f *fetch) take(p *process, b *dwmon.Batch) error {
	if err := b.Check(); err != nil {
		return f.broken(p, err.Error())
	}
	n := b.Rows()
	switch {
	case n > dwmon.MaxBatchRows:
		return f.broken(p, fmt.Sprintf("a batch holds %d rows; at most %d are allowed", n, dwmon.MaxBatchRows))
	case len(b.Keys) > pluginsdk.MaxBatchKeyBytes+dwmon.MaxKeyBytes:
		return f.broken(p, fmt.Sprintf("a batch holds %d bytes of keys; %d are meant to be the most", len(b.Keys), pluginsdk.MaxBatchKeyBytes))
	case n == 0:
		return nil
	}
	f.rows += int64(n)
	f.bytes += int64(len(b.Keys)) + 8*int64(n)
	if f.rows > f.maxRows {
		return f.tooMuch(p, fmt.Sprintf("the result holds more than %d rows: narrow the query (WHERE, LIMIT), or raise max_rows", f.maxRows))
	}
	if f.bytes > f.maxBytes {
		return f.tooMuch(p, fmt.Sprintf("the result is larger than %d bytes: narrow the query (WHERE, LIMIT), use shorter keys, or raise max_bytes", f.maxBytes))
	}
	f.fed = true
	if err := f.sink(b); err != nil {
		f.sinkErr = err
		return &localError{err}
	}
	return nil
}

// finish compares the summary with what came, and sees that it is the end.
func (f *fetch) finish(p *process, stream grpc.ClientStream, fr *frame) error {
	s := fr.summary
	if s.GetRowsSent() != uint64(f.rows) {
		return f.broken(p, fmt.Sprintf("its summary speaks of %d rows, but %d came", s.GetRowsSent(), f.rows))
	}
	if s.GetSkippedNull() > math.MaxInt64 {
		return f.broken(p, fmt.Sprintf("its summary speaks of %d rows without a time", s.GetSkippedNull()))
	}
	switch err := stream.RecvMsg(fr); {
	case err == nil:
		return f.broken(p, "it sent more after the summary")
	case err != io.EOF:
		return err
	}
	f.summary.Rows = f.rows
	f.summary.SkippedNull = int64(s.GetSkippedNull())
	f.summary.Cut = s.GetTruncated()
	f.summary.SourceTime = max(s.GetSourceTime().AsDuration(), 0)
	f.summary.SourceNow = s.SourceNowUs
	f.summary.DataAsOf = s.DataAsOfUs
	return nil
}

// broken is a plugin that does not keep to the protocol.
func (f *fetch) broken(p *process, text string) error {
	return &Error{Plugin: p.child.name, Instance: p.instance, Op: "GetRows", Code: codes.Internal, Err: fmt.Errorf("the plugin breaks the protocol: %s; nothing of this fetch counts, and its author must mend it", text)}
}

func (f *fetch) tooMuch(p *process, text string) error {
	return &Error{Plugin: p.child.name, Instance: p.instance, Op: "GetRows", Code: codes.ResourceExhausted, Err: errors.New(text)}
}
