package pluginsdk

import (
	"context"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// RowGetter runs a checker's query against its source.
type RowGetter interface {
	// GetRows appends every row to out, in the source's order, and returns nil only
	// when the result is complete. An error means that the fetch failed: none of
	// its rows are used. It ends soon after ctx does.
	GetRows(ctx context.Context, q Query, out RowSink) error
}

// RowGetterFunc is a function that is a RowGetter.
type RowGetterFunc func(ctx context.Context, q Query, out RowSink) error

// GetRows calls f.
func (f RowGetterFunc) GetRows(ctx context.Context, q Query, out RowSink) error {
	return f(ctx, q, out)
}

// Query is what a row getter is asked.
type Query struct {
	// Text is the QUERY section, trimmed. It need not be SQL.
	Text string
	// Source is the SOURCE section, trimmed.
	Source  string
	Checker Checker
	// ExtraJSON is the EXTRA section, byte for byte.
	ExtraJSON []byte
	// Since is a hint: older rows are of no use. Zero: none.
	Since time.Time
	// MaxRows is how many rows the host accepts; more fail the fetch. 0: no limit.
	MaxRows int
}

// Extra decodes the EXTRA section into v. Numbers decoded into an interface are
// json.Number, so none is rounded. The error is a CheckerError.
func (q Query) Extra(v any) error { return decodeExtra(q.ExtraJSON, v) }

// RowSink takes the rows of one fetch. Its methods may be called from several
// goroutines, until GetRows returns. Append, AppendMicros and AppendBytes block
// while the host is busy; after an error from them the fetch has failed, and
// GetRows should return that error.
//
// A key is at most 1 MiB. A row whose time is NULL is not an event yet: call
// SkipNull instead.
type RowSink interface {
	// Append adds a row; at is kept to the microsecond, floored.
	Append(key string, at time.Time) error
	// AppendMicros adds a row; us is microseconds since the epoch.
	AppendMicros(key string, us int64) error
	// AppendBytes adds a row; key may be reused afterwards.
	AppendBytes(key []byte, us int64) error
	// SkipNull counts a row that is left out because its time is NULL.
	SkipNull()
	// MarkTruncated says that the source delivered only part of the result.
	MarkTruncated()
	// Warn tells people something about this fetch. After 20 the rest are only
	// counted.
	Warn(msg string)
	// SourceNow is what the source's own clock says.
	SourceNow(t time.Time)
	// DataAsOf is how far a replica has caught up: later minutes stay pending.
	DataAsOf(t time.Time)
}

// rowGetterServer is the gRPC side of a RowGetter.
type rowGetterServer struct {
	pluginv1.UnimplementedRowGetterServiceServer
	*server
}

func (s *rowGetterServer) GetRows(req *pluginv1.GetRowsRequest, stream pluginv1.RowGetterService_GetRowsServer) error {
	c := call{kind: KindRowGetter, method: "GetRows", request: req.GetRequestId(), checker: checkerOf(req.GetChecker()), extra: req.GetExtraJson()}
	return s.run(stream.Context(), c, func(ctx context.Context) error {
		q := Query{
			Text:      req.GetQuery(),
			Source:    req.GetSource(),
			Checker:   c.checker,
			ExtraJSON: req.GetExtraJson(),
			MaxRows:   clampInt(req.GetMaxRows()),
		}
		if us := req.GetSinceUs(); us != 0 {
			q.Since = time.UnixMicro(us)
		}
		out := newRowSink(ctx, stream, int(min(req.GetBatchRows(), MaxBatchRows)))
		defer out.abort()
		if err := s.plugin.RowGetter.GetRows(ctx, q, out); err != nil {
			return err
		}
		return out.finish()
	})
}

func checkerOf(ref *pluginv1.CheckerRef) Checker {
	return Checker{Name: ref.GetName(), Path: ref.GetPath(), Revision: ref.GetRevision()}
}

func clampInt(n uint64) int {
	const most = uint64(^uint(0) >> 1)
	return int(min(n, most))
}
