package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

type rowStream = grpc.ServerStreamingClient[pluginv1.GetRowsResponse]

// batches is case 6: also with a host that asks for small batches, and one that
// says what rows it has no use for.
func batches(ctx context.Context, k *kit) (string, error) {
	s, err := k.fetcher(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	all, err := k.plainFetch(ctx, s)
	if err != nil {
		return "", err
	}
	for _, hint := range []uint32{1, 100, 100_000} {
		req := k.getRows(k.options.Query)
		req.BatchRows = hint
		if _, err := s.fetch(ctx, req); err != nil {
			return "", fmt.Errorf("a fetch where batches of %d rows are asked for: %w", hint, err)
		}
	}
	if k.options.ManyRows != "" {
		if all, err = s.fetch(ctx, k.getRows(k.options.ManyRows)); err != nil {
			return "", fmt.Errorf("Options.ManyRows: %w", err)
		}
	}
	return fmt.Sprintf("%d rows in %d batches of at most %d", all.rows, all.batches, all.largest), nil
}

const (
	manyRows    = 100_000
	mostGrowth  = 32 << 20
	returnLimit = 2 * time.Second
)

// slowReader is case 7.
func slowReader(ctx context.Context, k *kit) (string, error) {
	s, err := k.manyRowsFetcher(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	if s.process != nil && !canMeasure {
		return "", skip("the memory of another process is not read on this system")
	}
	// The first fetch opens connections and grows what is kept.
	if _, err := k.plainFetch(ctx, s); err != nil {
		return "", err
	}
	before, err := s.memory()
	if err != nil {
		return "", err
	}
	stream, err := s.rows.GetRows(ctx, k.getRows(k.options.ManyRows))
	if err != nil {
		return "", err
	}
	rows, most, err := s.readSlowly(stream)
	if err != nil {
		return "", fmt.Errorf("Options.ManyRows: %w", err)
	}
	if rows < manyRows {
		return "", fmt.Errorf("Options.ManyRows brought %d rows, want at least %d", rows, manyRows)
	}
	if growth := most - before; growth >= mostGrowth {
		return "", fmt.Errorf("memory grew by %d MiB while the host took its time over %d rows, want less than %d: append rows while they are read, rather than all at the end",
			growth>>20, rows, mostGrowth>>20)
	}
	return fmt.Sprintf("%d rows, memory grew by %.1f MiB", rows, float64(max(most-before, 0))/(1<<20)), nil
}

func (k *kit) manyRowsFetcher(ctx context.Context) (*session, error) {
	s, err := k.fetcher(ctx)
	if err == nil && k.options.ManyRows == "" {
		s.close()
		return nil, skip("no query that brings %d rows was given (Options.ManyRows)", manyRows)
	}
	return s, err
}

// readSlowly stops after the first message, so that the plugin runs as far ahead as
// it can, and again from time to time; and watches the memory.
func (s *session) readSlowly(stream rowStream) (rows int, most int64, err error) {
	t := &tally{}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return t.rows, most, t.finished()
		}
		if err != nil {
			return t.rows, most, err
		}
		if err := t.add(m); err != nil {
			return t.rows, most, err
		}
		if t.messages%50 == 1 {
			if t.messages == 1 {
				pause(stream.Context(), time.Second)
			}
			pause(stream.Context(), 20*time.Millisecond)
			now, err := s.memory()
			if err != nil {
				return t.rows, most, err
			}
			most = max(most, now)
		}
	}
}

// pause is how a slow reader is slow.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// memory is what the plugin has in use: of a process what is resident, of a plugin
// in process what is left on the heap after a collection.
func (s *session) memory() (int64, error) {
	if s.process != nil {
		return s.process.resident()
	}
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64()), nil
}

// cancelled is case 8.
func cancelled(ctx context.Context, k *kit) (string, error) {
	return k.interrupted(ctx, func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithCancel(ctx)
	}, codes.Canceled)
}

// deadlineAfter is how long a fetch may run that is to meet its deadline.
const deadlineAfter = time.Second

// deadline is case 9.
func deadline(ctx context.Context, k *kit) (string, error) {
	return k.interrupted(ctx, func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, deadlineAfter)
	}, codes.DeadlineExceeded)
}

// interruption is a fetch that cannot end by itself.
type interruption struct {
	name  string
	query string
	stall bool // the kit's own sink holds it up
	quiet bool // no row comes
}

// interruptions are the fetches that can be interrupted with what was given.
func (k *kit) interruptions(s *session) []interruption {
	var ways []interruption
	if s.faults != nil {
		ways = append(ways, interruption{name: "while it appends", query: k.options.Query, stall: true})
	}
	if k.options.ManyRows != "" {
		ways = append(ways, interruption{name: "among many rows", query: k.options.ManyRows})
	}
	if k.options.SlowQuery != "" {
		ways = append(ways, interruption{name: "while the source is at work", query: k.options.SlowQuery, quiet: true})
	}
	return ways
}

// interrupted runs fetches that cannot end by themselves, and wants the plugin's
// call to have returned soon after its context ends. within makes that context.
func (k *kit) interrupted(ctx context.Context, within func(context.Context) (context.Context, context.CancelFunc), want codes.Code) (string, error) {
	s, err := k.fetcher(ctx)
	if err != nil {
		return "", err
	}
	ways := k.interruptions(s)
	s.close()
	if len(ways) == 0 {
		return "", skip("no query was given that is still running when it is interrupted (Options.ManyRows, Options.SlowQuery)")
	}
	detail := ""
	for _, way := range ways {
		took, err := k.interrupt(ctx, way, within, want)
		if err != nil {
			return "", fmt.Errorf("%s: %w", way.name, err)
		}
		if detail != "" {
			detail += ", "
		}
		detail += fmt.Sprintf("%s %v", way.name, took.Round(100*time.Microsecond))
	}
	return detail, nil
}

func (k *kit) interrupt(ctx context.Context, way interruption, within func(context.Context) (context.Context, context.CancelFunc), want codes.Code) (time.Duration, error) {
	s, err := k.ready(ctx)
	if err != nil {
		return 0, err
	}
	defer s.close()
	req := k.getRows(way.query)
	if way.stall {
		req.Checker.Revision = s.faults.plan(faultStall)
	}
	callCtx, cancel := within(ctx)
	defer cancel()
	stream, err := s.rows.GetRows(callCtx, req)
	if err != nil {
		return 0, err
	}
	if err := s.begun(callCtx, way, stream); err != nil {
		return 0, err
	}
	if want == codes.Canceled {
		cancel()
	} else {
		<-callCtx.Done()
	}
	began := time.Now()
	if !s.returned(ctx) {
		return 0, fmt.Errorf("GetRows has not returned %v after its context ended; pass the context on to whatever waits", returnLimit)
	}
	took := time.Since(began)
	if err := drainTo(stream); codeOf(err) != want {
		return 0, fmt.Errorf("the call ended with %v, want %v: %w", codeOf(err), want, orOK(err))
	}
	return took, k.worksAfter(ctx, s)
}

// begun waits until the fetch is where it is to be interrupted.
func (s *session) begun(ctx context.Context, way interruption, stream rowStream) error {
	switch {
	case way.stall:
		if !s.faults.await(ctx, callLimit, func(_, stalled int) bool { return stalled > 0 }) && ctx.Err() == nil {
			return errors.New("Options.Query has brought no row")
		}
	case way.quiet:
		// From outside nothing is to be seen of a source at work.
		pause(ctx, 500*time.Millisecond)
	default:
		_, err := stream.Recv()
		return err
	}
	return nil
}

// returned waits until no fetch runs in the plugin any more. A process is asked by
// Drain how many calls are left: it is of no more use afterwards.
func (s *session) returned(ctx context.Context) bool {
	if s.faults != nil {
		return s.faults.await(ctx, returnLimit, func(running, _ int) bool { return running == 0 })
	}
	ctx, cancel := context.WithTimeout(ctx, returnLimit+time.Second)
	defer cancel()
	resp, err := s.base.Drain(ctx, &pluginv1.DrainRequest{Grace: durationpb.New(returnLimit)})
	return err == nil && resp.GetInFlight() == 0
}

// worksAfter wants the next fetch to work, in process: what the one before held
// must be free again.
func (k *kit) worksAfter(ctx context.Context, s *session) error {
	if s.faults == nil {
		return nil
	}
	if _, err := k.plainFetch(ctx, s); err != nil {
		return fmt.Errorf("the next call: %w", err)
	}
	return nil
}

// drainTo reads a stream to its end.
func drainTo(stream rowStream) error {
	for {
		if _, err := stream.Recv(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}
