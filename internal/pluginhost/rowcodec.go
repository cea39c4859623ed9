package pluginhost

import (
	"encoding/binary"
	"fmt"
	"sync"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that rowCodec stands in for
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// frame is one GetRowsResponse, decoded into memory that is used again. The batch
// lies in buf until the next message.
type frame struct {
	kind       frameKind
	batch      dwmon.Batch
	diagnostic *pluginv1.Diagnostic
	summary    *pluginv1.RowsSummary
	buf        []byte
}

type frameKind int

const (
	frameEmpty frameKind = iota
	frameBatch
	frameDiagnostic
	frameSummary
)

var framePool = sync.Pool{New: func() any { return new(frame) }}

// putBack keeps a frame for the next fetch, unless an odd message has made it large.
func (f *frame) putBack() {
	if cap(f.buf) <= 256<<10 && cap(f.batch.Lengths) <= 4*dwmon.MaxBatchRows {
		framePool.Put(f)
	}
}

// rowCodec is gRPC's codec for protobuf, but for frames: a batch of 1,024 rows is
// decoded without allocating. On the wire it is no different.
type rowCodec struct{}

var protoCodec = encoding.GetCodecV2("proto")

func (rowCodec) Name() string { return "proto" }

func (rowCodec) Marshal(v any) (mem.BufferSlice, error) { return protoCodec.Marshal(v) }

func (rowCodec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return protoCodec.Unmarshal(data, v)
	}
	n := data.Len()
	if cap(f.buf) < n {
		f.buf = make([]byte, n)
	}
	f.buf = f.buf[:n]
	data.CopyTo(f.buf)
	return f.decode(f.buf)
}

// decode reads a message. The form in which batches come is read by hand, anything
// else, however odd, by the protobuf library.
func (f *frame) decode(msg []byte) error {
	f.kind, f.diagnostic, f.summary = frameEmpty, nil, nil
	if body, ok := onlyField(msg, 1); ok && decodeBatch(body, &f.batch) {
		f.kind = frameBatch
		return nil
	}
	var m pluginv1.GetRowsResponse
	if err := proto.Unmarshal(msg, &m); err != nil {
		return fmt.Errorf("the message is not a GetRowsResponse: %w", err)
	}
	switch ev := m.GetEvent().(type) {
	case *pluginv1.GetRowsResponse_Batch:
		f.kind = frameBatch
		f.batch = dwmon.Batch{Keys: ev.Batch.GetKeys(), Lengths: ev.Batch.GetKeyLengths(), Micros: ev.Batch.GetTimestampsUs()}
	case *pluginv1.GetRowsResponse_Diagnostic:
		f.kind, f.diagnostic = frameDiagnostic, ev.Diagnostic
	case *pluginv1.GetRowsResponse_Summary:
		f.kind, f.summary = frameSummary, ev.Summary
	}
	return nil
}

// bytesTag is the tag of a field that is bytes, a message or packed numbers, for
// field numbers below 16.
func bytesTag(field byte) byte { return field<<3 | 2 }

// onlyField is the content of a message that consists of one field.
func onlyField(msg []byte, field byte) ([]byte, bool) {
	body, rest, ok := cutField(msg, field)
	return body, ok && len(rest) == 0
}

// cutField reads one field of the given number.
func cutField(msg []byte, field byte) (body, rest []byte, ok bool) {
	if len(msg) == 0 || msg[0] != bytesTag(field) {
		return nil, nil, false
	}
	n, size := binary.Uvarint(msg[1:])
	if size <= 0 || n > uint64(len(msg)-1-size) {
		return nil, nil, false
	}
	msg = msg[1+size:]
	return msg[:n], msg[n:], true
}

// decodeBatch reads a RowBatch whose fields come once each, packed and in order.
// The batch's keys lie in body. false: it has another form.
func decodeBatch(body []byte, b *dwmon.Batch) bool {
	b.Keys, b.Lengths, b.Micros = nil, b.Lengths[:0], b.Micros[:0]
	if len(body) > 0 && body[0] == bytesTag(1) {
		var ok bool
		if b.Keys, body, ok = cutField(body, 1); !ok {
			return false
		}
	}
	if len(body) > 0 && body[0] == bytesTag(2) {
		packed, rest, ok := cutField(body, 2)
		if !ok {
			return false
		}
		if b.Lengths, ok = appendLengths(b.Lengths, packed); !ok {
			return false
		}
		body = rest
	}
	if len(body) > 0 && body[0] == bytesTag(3) {
		packed, rest, ok := cutField(body, 3)
		if !ok {
			return false
		}
		if b.Micros, ok = appendMicros(b.Micros, packed); !ok {
			return false
		}
		body = rest
	}
	return len(body) == 0
}

func appendLengths(to []uint32, packed []byte) ([]uint32, bool) {
	for i := 0; i < len(packed); {
		if c := packed[i]; c < 0x80 {
			to = append(to, uint32(c))
			i++
			continue
		}
		v, n := binary.Uvarint(packed[i:])
		if n <= 0 {
			return to, false
		}
		to = append(to, uint32(v)) // as protobuf does with a number that is too large
		i += n
	}
	return to, true
}

func appendMicros(to []int64, packed []byte) ([]int64, bool) {
	for i := 0; i < len(packed); {
		v, n := eightByteVarint(packed[i:])
		if n == 0 {
			v, n = binary.Uvarint(packed[i:])
		}
		if n <= 0 {
			return to, false
		}
		to = append(to, int64(v>>1)^-int64(v&1)) // zigzag
		i += n
	}
	return to, true
}

// eightByteVarint reads a number that takes exactly eight bytes, as microseconds
// from 1979 to 3111 do, without a loop; n is 0 where the number is another.
func eightByteVarint(b []byte) (v uint64, n int) {
	if len(b) < 8 {
		return 0, 0
	}
	v = binary.LittleEndian.Uint64(b)
	if v&0x8080808080808080 != 0x0080808080808080 {
		return 0, 0
	}
	v &= 0x7f7f7f7f7f7f7f7f
	v = v&0x007f007f007f007f | (v&0x7f007f007f007f00)>>1
	v = v&0x00003fff00003fff | (v&0x3fff00003fff0000)>>2
	v = v&0x000000000fffffff | (v&0x0fffffff00000000)>>4
	return v, 8
}
