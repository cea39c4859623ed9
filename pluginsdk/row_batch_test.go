package pluginsdk

import (
	"bytes"
	"testing"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// TestRowBatchIsWrittenAsProtobufDoes: a host cannot tell who has put the bytes
// together.
func TestRowBatchIsWrittenAsProtobufDoes(t *testing.T) {
	b := newRowBatch(MaxBatchRows)
	rapid.Check(t, func(t *rapid.T) {
		b.reset(MaxBatchRows) // what an earlier batch has left must not show
		want := &pluginv1.RowBatch{}
		length := rapid.OneOf(rapid.IntRange(0, 40), rapid.SampledFrom([]int{127, 128, 16_383, 16_384, MaxKeyBytes}))
		micros := rapid.OneOf(rapid.Int64Range(-maxMicros+1, maxMicros-1), rapid.Int64Range(-1000, 1000), rapid.Int64Range(-(1<<48)-3, -(1<<48)+3), rapid.Int64Range(1<<48-3, 1<<48+3))
		for i := range rapid.IntRange(1, 20).Draw(t, "rows") {
			key := bytes.Repeat([]byte{byte(i)}, length.Draw(t, "length"))
			us := micros.Draw(t, "us")
			if !b.takes(len(key)) {
				break
			}
			if !addPlain(b, key, us) {
				addRow(b, key, us)
			}
			want.Keys = append(want.Keys, key...)
			want.KeyLengths = append(want.KeyLengths, uint32(len(key)))
			want.TimestampsUs = append(want.TimestampsUs, us)
		}
		got, err := proto.Marshal(b.encode())
		if err != nil {
			t.Fatal(err)
		}
		plain, err := proto.Marshal(&pluginv1.GetRowsResponse{Event: &pluginv1.GetRowsResponse_Batch{Batch: want}})
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Keys) == 0 { // protobuf leaves the empty field out, which means the same
			var m pluginv1.GetRowsResponse
			if err := proto.Unmarshal(got, &m); err != nil || !proto.Equal(m.GetBatch(), want) {
				t.Fatalf("%v, %v", &m, err)
			}
			return
		}
		if !bytes.Equal(got, plain) {
			t.Fatalf("%d rows: %d bytes, protobuf writes %d, or they differ", b.rows, len(got), len(plain))
		}
	})
}

func TestAppendVarint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(1<<49-2, 1<<56+2), rapid.SampledFrom([]uint64{0, 127, 128, 1<<49 - 1, 1 << 49, 1<<56 - 1, 1 << 56})).Draw(t, "v")
		if got, want := appendVarint([]byte("x"), v), protowire.AppendVarint([]byte("x"), v); !bytes.Equal(got, want) {
			t.Fatalf("%d: % x, want % x", v, got, want)
		}
	})
}
