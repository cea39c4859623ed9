package pluginhost

import (
	"bytes"
	"math"
	"slices"
	"testing"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// sameAsProto compares our decoder with the protobuf library's on one message.
func sameAsProto(t interface {
	Fatalf(string, ...any)
}, msg []byte,
) {
	var want pluginv1.GetRowsResponse
	wantErr := proto.Unmarshal(msg, &want)
	f := framePool.Get().(*frame)
	defer framePool.Put(f)
	err := rowCodec{}.Unmarshal(mem.BufferSlice{mem.SliceBuffer(msg[:len(msg)/2]), mem.SliceBuffer(msg[len(msg)/2:])}, f)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%x: error %v, protobuf says %v", msg, err, wantErr)
	}
	if err != nil {
		return
	}
	switch ev := want.GetEvent().(type) {
	case nil:
		if f.kind != frameEmpty {
			t.Fatalf("%x: kind %d of an empty message", msg, f.kind)
		}
	case *pluginv1.GetRowsResponse_Batch:
		if f.kind != frameBatch || !bytes.Equal(f.batch.Keys, ev.Batch.GetKeys()) ||
			!slices.Equal(f.batch.Lengths, ev.Batch.GetKeyLengths()) || !slices.Equal(f.batch.Micros, ev.Batch.GetTimestampsUs()) {
			t.Fatalf("%x: kind %d, batch %v, protobuf says %v", msg, f.kind, f.batch, ev.Batch)
		}
	case *pluginv1.GetRowsResponse_Diagnostic:
		if f.kind != frameDiagnostic || !proto.Equal(f.diagnostic, ev.Diagnostic) {
			t.Fatalf("%x: kind %d, %v", msg, f.kind, f.diagnostic)
		}
	case *pluginv1.GetRowsResponse_Summary:
		if f.kind != frameSummary || !proto.Equal(f.summary, ev.Summary) {
			t.Fatalf("%x: kind %d, %v", msg, f.kind, f.summary)
		}
	}
}

// TestRowCodec: messages of every shape, well-formed, re-ordered, repeated and torn,
// are read as the protobuf library reads them.
func TestRowCodec(t *testing.T) {
	number := rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Uint64(), rapid.Uint64Range(1<<48, 1<<57), rapid.Just(uint64(math.MaxUint32)+5))
	packed := func(t *rapid.T) []byte {
		var b []byte
		for _, v := range rapid.SliceOfN(number, 0, 40).Draw(t, "numbers") {
			b = protowire.AppendVarint(b, v)
		}
		return b
	}
	field := func(t *rapid.T, num protowire.Number) []byte {
		switch rapid.IntRange(0, 9).Draw(t, "form") {
		case 0: // not packed
			return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), number.Draw(t, "number"))
		case 1: // of another type
			return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), 7)
		case 2: // any bytes
			return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "bytes"))
		default:
			return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), packed(t))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		nums := rapid.OneOf(
			rapid.Just([]int{1, 2, 3}), rapid.Just([]int{2, 3}), rapid.SliceOfN(rapid.IntRange(1, 5), 0, 6),
		).Draw(t, "fields")
		var body []byte
		for _, n := range nums {
			body = append(body, field(t, protowire.Number(n))...)
		}
		event := protowire.Number(rapid.SampledFrom([]int{1, 1, 1, 1, 2, 3, 9}).Draw(t, "event"))
		msg := protowire.AppendBytes(protowire.AppendTag(nil, event, protowire.BytesType), body)
		if rapid.IntRange(0, 4).Draw(t, "twice") == 0 {
			msg = append(msg, msg...)
		}
		if rapid.IntRange(0, 4).Draw(t, "torn") == 0 {
			msg = msg[:rapid.IntRange(0, len(msg)).Draw(t, "at")]
		}
		sameAsProto(t, msg)
	})
}

func FuzzRowCodec(f *testing.F) {
	for _, m := range []*pluginv1.GetRowsResponse{batch("ab", []uint32{1, 1}, 5, -6), summary(3), {}, batch("", nil)} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, msg []byte) { sameAsProto(t, msg) })
}

// TestRowCodecDoesNotAllocate: a batch costs nothing once its buffers have grown.
func TestRowCodecDoesNotAllocate(t *testing.T) {
	raw, err := proto.Marshal(batch(string(make([]byte, 24*1000)), slices.Repeat([]uint32{24}, 1000), slices.Repeat([]int64{1_700_000_000_000_000}, 1000)...))
	if err != nil {
		t.Fatal(err)
	}
	data := mem.BufferSlice{mem.SliceBuffer(raw)}
	f := new(frame)
	if n := testing.AllocsPerRun(100, func() {
		if err := (rowCodec{}).Unmarshal(data, f); err != nil || f.batch.Rows() != 1000 {
			t.Fatal(err)
		}
	}); n > 1 { // the interface value of BufferSlice
		t.Errorf("%v allocations a batch", n)
	}
}
