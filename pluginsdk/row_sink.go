package pluginsdk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// flushEvery is how long a row may wait for its batch to fill: the host sees
	// that a slow source lives.
	flushEvery = 200 * time.Millisecond
	// maxWarnings is how many warnings of a fetch are passed on one by one.
	maxWarnings = 20
	// maxMicros bounds timestamps: 10^11 seconds. A value beyond it was given in
	// milli-, micro- or nanoseconds.
	maxMicros = 100_000_000_000 * 1_000_000
)

// rowStream is the part of a gRPC server stream that a rowSink needs. Send has
// serialised its message when it returns, which is why one message and its
// buffers serve for all batches of a fetch.
type rowStream interface {
	Send(*pluginv1.GetRowsResponse) error
}

// rowSink gathers rows into batches. Its lock is held while a batch is sent:
// that is the back-pressure.
type rowSink struct {
	mu     sync.Mutex
	stream rowStream
	timer  *time.Timer
	// unwatch ends the watch over the call's context.
	unwatch func() bool

	batch     *rowBatch
	batchRows int

	err    error // the first one; nothing is sent after it
	closed bool  // GetRows has returned

	sent      uint64 // rows in batches before this one
	skipped   uint64
	warnings  int
	truncated bool
	sourceNow *int64
	dataAsOf  *int64

	began   time.Time
	sending time.Duration // spent waiting for the host
}

func newRowSink(ctx context.Context, stream rowStream, batchRows int) *rowSink {
	if batchRows <= 0 {
		batchRows = MaxBatchRows
	}
	s := &rowSink{
		stream:    stream,
		batchRows: batchRows,
		batch:     newRowBatch(batchRows),
		began:     time.Now(),
	}
	// The lock keeps a timer that fires at once from seeing a half-made sink.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(flushEvery, s.tick)
	s.unwatch = context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fail(context.Cause(ctx))
	})
	return s
}

func (s *rowSink) Append(key string, at time.Time) error {
	s.mu.Lock()
	if !at.IsZero() && addPlain(s.batch, key, microsOf(at)) {
		s.mu.Unlock()
		return nil
	}
	defer s.mu.Unlock()
	if at.IsZero() {
		return s.fail(CheckerError(fmt.Errorf("row %d has no time (the zero time.Time); leave out rows without one with SkipNull", s.rowNumber())))
	}
	return appendRow(s, key, microsOf(at))
}

// microsOf floors. 9999-12-31 often means "no end" and is no mistake of units: up
// to that year a time beyond the bound becomes the last one allowed, a row that is
// not an event yet.
func microsOf(at time.Time) int64 {
	switch sec := at.Unix(); {
	case sec >= maxMicros/1e6 && at.Year() <= 9999:
		return maxMicros - 1
	case sec >= maxMicros/1e6: // UnixMicro might overflow
		return maxMicros
	case sec < -maxMicros/1e6:
		return -maxMicros
	}
	return at.UnixMicro()
}

func (s *rowSink) AppendMicros(key string, us int64) error {
	s.mu.Lock()
	if addPlain(s.batch, key, us) {
		s.mu.Unlock()
		return nil
	}
	defer s.mu.Unlock()
	return appendRow(s, key, us)
}

func (s *rowSink) AppendBytes(key []byte, us int64) error {
	s.mu.Lock()
	if addPlain(s.batch, key, us) {
		s.mu.Unlock()
		return nil
	}
	defer s.mu.Unlock()
	return appendRow(s, key, us)
}

// appendRow adds a row to the batch, and sends the batch before and after as its
// bounds ask. It allocates nothing.
func appendRow[K string | []byte](s *rowSink, key K, us int64) error {
	if s.err != nil {
		return s.err
	}
	if s.closed {
		return errSinkClosed
	}
	if len(key) > MaxKeyBytes {
		return s.fail(CheckerError(fmt.Errorf("row %d: its key is %d bytes long, at most %d are allowed; use a digest of it as the key (in SQL: md5(...))",
			s.rowNumber(), len(key), MaxKeyBytes)))
	}
	if us >= maxMicros || us <= -maxMicros {
		return s.fail(CheckerError(fmt.Errorf("row %d: its time, %d microseconds since the epoch, is too far away; was it given in milliseconds or smaller units? divide by 1000",
			s.rowNumber(), us)))
	}
	if !s.batch.takes(len(key)) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	addRow(s.batch, key, us)
	if s.batch.rows >= s.batchRows {
		return s.flush()
	}
	return nil
}

var errSinkClosed = errors.New("the fetch is over: rows must be appended before GetRows returns")

// rowNumber is the place, from 1, of the row being looked at in the source's
// result.
func (s *rowSink) rowNumber() uint64 { return s.sent + uint64(s.batch.rows) + s.skipped + 1 }

// fail keeps the first error.
func (s *rowSink) fail(err error) error {
	if s.err == nil {
		s.err = err
		s.batch.plain = 0 // so that the next row finds the error
	}
	return s.err
}

// flush sends the batch, if there is one, and empties it.
func (s *rowSink) flush() error {
	if s.err != nil || s.batch.rows == 0 {
		return s.err
	}
	if err := s.send(s.batch.encode()); err != nil {
		return err
	}
	s.sent += uint64(s.batch.rows)
	s.batch.reset(s.batchRows)
	return nil
}

func (s *rowSink) send(m *pluginv1.GetRowsResponse) error {
	start := time.Now()
	err := s.stream.Send(m)
	s.sending += time.Since(start)
	if err != nil {
		return s.fail(fmt.Errorf("send rows to the host: %w", err))
	}
	return nil
}

// tick sends what has waited long enough.
func (s *rowSink) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil {
		return
	}
	if s.flush() == nil {
		s.timer.Reset(flushEvery)
	}
}

func (s *rowSink) SkipNull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped++
}

func (s *rowSink) MarkTruncated() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.truncated = true
}

func (s *rowSink) Warn(msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warnings++; s.warnings <= maxWarnings {
		s.sendWarning(msg)
	}
}

func (s *rowSink) sendWarning(msg string) {
	if s.err != nil || s.closed {
		return
	}
	// A failure is kept in s.err, where the next Append finds it.
	_ = s.send(&pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Diagnostic{
		Diagnostic: diagnosticToWire(Diagnostic{Severity: SeverityWarning, Summary: msg}),
	}})
}

func (s *rowSink) SourceNow(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sourceNow = new(t.UnixMicro())
}

func (s *rowSink) DataAsOf(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dataAsOf = new(t.UnixMicro())
}

// finish sends what is left and the summary. A sink that failed stays failed,
// even where the row getter did not look at the error.
func (s *rowSink) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := s.warnings - maxWarnings; more > 0 {
		s.sendWarning(fmt.Sprintf("and %d more warnings", more))
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.send(&pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Summary{Summary: &pluginv1.RowsSummary{
		RowsSent:    s.sent,
		Truncated:   s.truncated,
		SourceTime:  durationpb.New(max(time.Since(s.began)-s.sending, 0)),
		SkippedNull: s.skipped,
		SourceNowUs: s.sourceNow,
		DataAsOfUs:  s.dataAsOf,
	}}})
}

// abort makes sure that nothing is sent after GetRows has returned. It may be called
// again: the buffers are handed on once, and what stands in for them never is.
func (s *rowSink) abort() {
	s.unwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.timer.Stop()
	s.batch.putBack()
	s.batch = &rowBatch{} // takes no plain row, so that a late one finds the sink closed
}
