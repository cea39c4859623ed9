package pluginsdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

type row struct {
	key string
	us  int64
}

// recorder is a stream that keeps what it is sent, serialised at once as gRPC
// does.
type recorder struct {
	mu     sync.Mutex // the sink sends from its timer too
	events []*pluginv1.GetRowsResponse
	fail   error
}

func (r *recorder) sent() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

func (r *recorder) Send(m *pluginv1.GetRowsResponse) error {
	if r.fail != nil {
		return r.fail
	}
	raw, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	var c pluginv1.GetRowsResponse
	if err := proto.Unmarshal(raw, &c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, &c)
	return nil
}

// rows takes the batches apart and checks their bounds.
func (r *recorder) rows(t interface{ Fatalf(string, ...any) }, maxRows int) (all []row) {
	for _, e := range r.events {
		b := e.GetBatch()
		if b == nil {
			continue
		}
		if n := len(b.TimestampsUs); n == 0 || n > maxRows || n != len(b.KeyLengths) {
			t.Fatalf("a batch has %d times and %d lengths, at most %d rows are allowed", n, len(b.KeyLengths), maxRows)
		}
		if len(b.Keys) > MaxBatchKeyBytes && len(b.KeyLengths) > 1 {
			t.Fatalf("a batch of %d rows has %d bytes of keys", len(b.KeyLengths), len(b.Keys))
		}
		if size := proto.Size(e); size > maxBatchBytes && len(b.KeyLengths) > 1 {
			t.Fatalf("a batch of %d rows is a message of %d bytes", len(b.KeyLengths), size)
		}
		keys := b.Keys
		for i, n := range b.KeyLengths {
			all = append(all, row{string(keys[:n]), b.TimestampsUs[i]})
			keys = keys[n:]
		}
		if len(keys) != 0 {
			t.Fatalf("%d bytes of keys belong to no row", len(keys))
		}
	}
	return all
}

func (r *recorder) summary() *pluginv1.RowsSummary {
	if len(r.events) == 0 {
		return nil
	}
	return r.events[len(r.events)-1].GetSummary()
}

func TestRowSinkKeepsEveryRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batchRows := rapid.SampledFrom([]int{0, 1, 3, 1024}).Draw(t, "batch rows")
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
			key := rapid.StringN(0, 20, 40).Draw(t, "key")
			if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
				key = strings.Repeat("x", rapid.IntRange(0, 70_000).Draw(t, "length"))
			}
			return row{key, rapid.Int64Range(-maxMicros+1, maxMicros-1).Draw(t, "us")}
		}), 0, 60).Draw(t, "rows")

		var rec recorder
		out := newRowSink(context.Background(), &rec, batchRows)
		for i, r := range want {
			var err error
			switch i % 3 {
			case 0:
				err = out.AppendMicros(r.key, r.us)
			case 1:
				err = out.AppendBytes([]byte(r.key), r.us)
			default:
				err = out.Append(r.key, time.UnixMicro(r.us).Add(999*time.Nanosecond))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := out.finish(); err != nil {
			t.Fatal(err)
		}
		out.abort()
		if batchRows == 0 {
			batchRows = MaxBatchRows
		}
		got := rec.rows(t, batchRows)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got %d rows, want %d, or they differ", len(got), len(want))
		}
		if n := rec.summary().GetRowsSent(); n != uint64(len(want)) {
			t.Fatalf("the summary says %d rows, %d were appended", n, len(want))
		}
	})
}

// TestRowSinkFillsMessages: a batch is sent when the next row would not fit, not
// long before.
func TestRowSinkFillsMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // however slow the machine, no row waits too long
		for _, length := range []int{24, 36, 100, 1000, 5000} {
			var rec recorder
			out := newRowSink(t.Context(), &rec, 0)
			for i := range 3 * MaxBatchRows {
				if err := out.AppendBytes(make([]byte, length), plainMicros+int64(i)); err != nil {
					t.Fatal(err)
				}
			}
			out.abort()
			rec.rows(t, MaxBatchRows)
			for _, e := range rec.events {
				if size := proto.Size(e); size+length+rowFraming+batchFraming <= maxBatchBytes {
					t.Errorf("keys of %d bytes: a message of %d bytes was sent though another row would fit", length, size)
				}
			}
		}
	})
}

func TestRowSinkRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		add  func(RowSink) error
		want string
	}{
		{"a key over 1 MiB", func(o RowSink) error { return o.AppendBytes(make([]byte, MaxKeyBytes+1), 1) }, "row 3: its key is 1048577 bytes long, at most 1048576 are allowed; use a digest"},
		{"milliseconds taken for seconds", func(o RowSink) error { return o.AppendMicros("k", maxMicros) }, "row 3: its time, 100000000000000000 microseconds"},
		{"and before the epoch", func(o RowSink) error { return o.AppendMicros("k", -maxMicros) }, "divide by 1000"},
		{"a year made from milliseconds", func(o RowSink) error { return o.Append("k", time.Unix(1_700_000_000_000_000, 0)) }, "row 3: its time, "},
		{"a time that was not set", func(o RowSink) error { return o.Append("k", time.Time{}) }, "row 3 has no time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rec recorder
			out := newRowSink(t.Context(), &rec, 0)
			defer out.abort()
			if err := out.AppendMicros(strings.Repeat("k", MaxKeyBytes), 1); err != nil {
				t.Fatal("a key of just 1 MiB is refused:", err)
			}
			out.SkipNull()
			err := c.add(out)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			var ce *callError
			if !errors.As(err, &ce) || ce.class != classChecker {
				t.Fatalf("%v is not the checker's fault", err)
			}
			if again := out.AppendMicros("k", 1); again != err {
				t.Fatalf("the next row gets %v, want the first error", again)
			}
			if err := out.finish(); err == nil || rec.summary() != nil {
				t.Fatal("a failed fetch got a summary")
			}
		})
	}
}

func TestRowSinkTakesNoEndForTheFarFuture(t *testing.T) {
	var rec recorder
	out := newRowSink(t.Context(), &rec, 1)
	defer out.abort()
	if err := out.Append("k", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	if got := rec.rows(t, 1); got[0].us != maxMicros-1 {
		t.Errorf("%+v", got)
	}
}

func TestRowSinkSummary(t *testing.T) {
	var rec recorder
	out := newRowSink(t.Context(), &rec, 0)
	out.SkipNull()
	out.SkipNull()
	out.MarkTruncated()
	now := time.UnixMicro(1_700_000_000_123_456)
	out.SourceNow(now)
	out.DataAsOf(now.Add(-time.Minute))
	for i := range maxWarnings + 5 {
		out.Warn(fmt.Sprint("warning ", i, " \xff"))
	}
	if err := out.finish(); err != nil {
		t.Fatal(err)
	}
	out.abort()
	s := rec.summary()
	if s.RowsSent != 0 || s.SkippedNull != 2 || !s.Truncated || s.GetSourceNowUs() != now.UnixMicro() ||
		s.GetDataAsOfUs() != now.Add(-time.Minute).UnixMicro() {
		t.Errorf("summary: %v", s)
	}
	var warnings []string
	for _, e := range rec.events {
		if d := e.GetDiagnostic(); d != nil {
			warnings = append(warnings, d.Summary)
		}
	}
	if len(warnings) != maxWarnings+1 || warnings[maxWarnings] != "and 5 more warnings" || warnings[0] != "warning 0 \uFFFD" {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestRowSinkShowsThatASlowSourceLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec recorder
		out := newRowSink(t.Context(), &rec, 0)
		if err := out.AppendMicros("a", 1); err != nil {
			t.Fatal(err)
		}
		if rec.sent() != 0 {
			t.Fatal("a batch was sent at once")
		}
		<-time.After(flushEvery)
		synctest.Wait()
		if got := rec.rows(t, 1); len(got) != 1 {
			t.Fatalf("after %v the host has %d rows", flushEvery, len(got))
		}
		<-time.After(10 * flushEvery)
		synctest.Wait()
		if rec.sent() != 1 {
			t.Fatalf("without rows, %d messages were sent", rec.sent())
		}
		if err := out.finish(); err != nil {
			t.Fatal(err)
		}
		out.abort()
		if err := out.AppendMicros("late", 1); err == nil {
			t.Error("a row was taken after the fetch had ended")
		}
		n := rec.sent()
		<-time.After(10 * flushEvery)
		synctest.Wait()
		if rec.sent() != n {
			t.Error("something was sent after the end")
		}
	})
}

func TestRowSinkEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var rec recorder
		out := newRowSink(ctx, &rec, 0)
		defer out.abort()
		cancel()
		synctest.Wait()
		if err := out.AppendMicros("a", 1); !errors.Is(err, context.Canceled) {
			t.Fatalf("Append after the end of the call: %v", err)
		}
	})
}

func TestRowSinkKeepsTheStreamsError(t *testing.T) {
	rec := recorder{fail: errors.New("broken")}
	out := newRowSink(t.Context(), &rec, 1)
	defer out.abort()
	if err := out.AppendMicros("a", 1); !errors.Is(err, rec.fail) {
		t.Fatal(err)
	}
	if err := out.finish(); !errors.Is(err, rec.fail) {
		t.Fatal("a row getter that ignores the error ends well:", err)
	}
}

// discard costs nothing, so that what is measured is the sink.
type discard struct{}

func (discard) Send(*pluginv1.GetRowsResponse) error { return nil }

func TestRowSinkAllocatesNothingPerRow(t *testing.T) {
	out := newRowSink(t.Context(), discard{}, 0)
	defer out.abort()
	key := bytes.Repeat([]byte("k"), 24)
	text, at := string(key), time.Now()
	for range 2 * MaxBatchRows { // the buffers have their size
		_ = out.AppendBytes(key, 1)
	}
	if n := testing.AllocsPerRun(10_000, func() {
		_ = out.AppendBytes(key, 1)
		_ = out.Append(text, at)
	}); n != 0 {
		t.Errorf("two rows cost %v allocations", n)
	}
}

func BenchmarkRowSink(b *testing.B) {
	key := bytes.Repeat([]byte("k"), 24)
	for name, stream := range map[string]rowStream{"batching": discard{}, "marshalling": &marshaller{}} {
		b.Run(name, func(b *testing.B) {
			var out RowSink = newRowSink(b.Context(), stream, 0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := out.AppendBytes(key, int64(i)); err != nil {
					b.Fatal(err)
				}
			}
			out.(*rowSink).abort()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// marshaller serialises as gRPC does, into a buffer of its own.
type marshaller struct{ buf []byte }

func (m *marshaller) Send(msg *pluginv1.GetRowsResponse) (err error) {
	m.buf, err = proto.MarshalOptions{}.MarshalAppend(m.buf[:0], msg)
	return err
}

// plainMicros is the time of a row that addPlain takes.
const plainMicros = 1_700_000_000_000_000

// TestRowSinkThatFailedTakesNoPlainRow: the short way of most rows asks neither for
// an error nor for the end of the fetch.
func TestRowSinkThatFailedTakesNoPlainRow(t *testing.T) {
	gone := errors.New("the host has gone")
	for _, c := range []struct {
		name string
		end  func(out *rowSink, stream *recorder, cancel func())
	}{
		{"after a row that was refused", func(out *rowSink, _ *recorder, _ func()) { _ = out.AppendMicros("k", maxMicros) }},
		{"after the end of the call", func(out *rowSink, _ *recorder, cancel func()) {
			cancel()
			for out.AppendMicros("k", 1) == nil { // the watch over the call runs beside us
				runtime.Gosched()
			}
		}},
		{"after the stream has failed", func(out *rowSink, stream *recorder, _ func()) {
			stream.fail = gone
			for range MaxBatchRows {
				_ = out.AppendMicros("k", 1)
			}
		}},
		{"after GetRows has returned", func(out *rowSink, _ *recorder, _ func()) { out.abort() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rec recorder
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := newRowSink(ctx, &rec, 0)
			defer out.abort()
			if err := out.AppendMicros("k", plainMicros); err != nil {
				t.Fatal(err)
			}
			c.end(out, &rec, cancel)
			for name, add := range map[string]func() error{
				"Append":       func() error { return out.Append("k", time.UnixMicro(plainMicros)) },
				"AppendMicros": func() error { return out.AppendMicros("k", plainMicros) },
				"AppendBytes":  func() error { return out.AppendBytes([]byte("k"), plainMicros) },
			} {
				if add() == nil {
					t.Errorf("%s takes a row", name)
				}
			}
		})
	}
}

// TestRowSinkLeavesItsBatchAlone: the buffers of a fetch that is over serve others,
// which a row that comes too late must not spoil.
func TestRowSinkLeavesItsBatchAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var first, second recorder
		late := newRowSink(context.Background(), &first, 0)
		for range rapid.IntRange(0, 3).Draw(t, "rows of a fetch before") {
			if err := late.AppendMicros("early", plainMicros); err != nil {
				t.Fatal(err)
			}
		}
		if rapid.Bool().Draw(t, "it succeeded") {
			if err := late.finish(); err != nil {
				t.Fatal(err)
			}
		}
		late.abort()
		out := newRowSink(context.Background(), &second, 0)
		defer out.abort()
		var want []row
		for i := range rapid.IntRange(1, 5).Draw(t, "rows") {
			r := row{fmt.Sprint("key ", i), plainMicros + int64(i)}
			if err := out.AppendMicros(r.key, r.us); err != nil {
				t.Fatal(err)
			}
			want = append(want, r)
			if err := late.AppendBytes([]byte("late"), plainMicros); !errors.Is(err, errSinkClosed) {
				t.Fatalf("a late row gets %v", err)
			}
		}
		if err := out.finish(); err != nil {
			t.Fatal(err)
		}
		if got := second.rows(t, MaxBatchRows); !slices.Equal(got, want) {
			t.Fatalf("%v came, want %v", got, want)
		}
		if n := second.summary().GetRowsSent(); n != uint64(len(want)) {
			t.Fatalf("the summary speaks of %d rows, want %d", n, len(want))
		}
	})
}

// TestRowSinkEndsTwice: a second end must not hand on what stands in for the buffers,
// or the same buffers to two fetches.
func TestRowSinkEndsTwice(t *testing.T) {
	var none recorder
	ended := newRowSink(context.Background(), &none, 0)
	for range 100 {
		ended.abort()
	}
	for range 200 {
		b := newRowBatch(1)
		if cap(b.keys) < batchHead {
			t.Fatal("a batch without buffers is handed on")
		}
	}
}
