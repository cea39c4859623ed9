package pluginsdk

import (
	"encoding/binary"
	"sync"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// maxBatchBytes bounds the message of a batch of more than one row, so that it
	// goes out with gRPC's own five bytes and the heads of two HTTP/2 frames as
	// 32 KiB: what gRPC writes at once. A message of more than 32 KiB would take
	// from gRPC, which clears it each time, a buffer of 1 MiB.
	maxBatchBytes = 32<<10 - 5 - 2*9
	// batchHead is room for what stands before the keys in a message: tag and
	// length of the batch, tag and length of the keys. Lengths below 2 MiB take at
	// most three bytes.
	batchHead = 2 * (1 + 3)
	// batchFraming is that, and tag and length of the other two columns.
	batchFraming = 2 * batchHead
	// rowFraming is what a row takes beside its key at most: a length and a
	// timestamp below 2^56 microseconds.
	rowFraming = 3 + 8
)

// Field numbers of GetRowsResponse and RowBatch.
const (
	fieldBatch      = 1
	fieldKeys       = 1
	fieldLengths    = 2
	fieldTimestamps = 3
)

// rowBatch is rows on their way into a message, each column in the form in which
// it is sent: nothing is left to do per row when the batch is full.
type rowBatch struct {
	keys    []byte // end to end, after batchHead bytes
	lengths []byte // packed
	micros  []byte // packed
	rows    int
	// room is what is left of maxBatchBytes, below 0 after a single long key.
	room int
	// plain is how many rows addPlain may still add.
	plain   int
	message pluginv1.GetRowsResponse
}

// batchPool keeps the buffers of batches from fetch to fetch. What a long key has
// made large does not come back.
var batchPool = sync.Pool{New: func() any {
	return &rowBatch{
		keys:    make([]byte, batchHead, 32<<10),
		lengths: make([]byte, 0, MaxBatchRows),
		micros:  make([]byte, 0, 8*MaxBatchRows),
	}
}}

// newRowBatch is an empty batch that is to be sent when it holds so many rows.
func newRowBatch(rows int) *rowBatch {
	b := batchPool.Get().(*rowBatch)
	b.reset(rows)
	return b
}

func (b *rowBatch) putBack() {
	if cap(b.keys) <= 64<<10 {
		batchPool.Put(b)
	}
}

// takes says whether a row with a key of so many bytes still fits.
func (b *rowBatch) takes(key int) bool { return b.rows == 0 || key+rowFraming <= b.room }

func addRow[K string | []byte](b *rowBatch, key K, us int64) {
	before := len(b.lengths) + len(b.micros)
	b.keys = append(b.keys, key...)
	b.lengths = appendVarint(b.lengths, uint64(len(key)))
	b.micros = appendVarint(b.micros, protowire.EncodeZigZag(us))
	b.room -= len(key) + len(b.lengths) + len(b.micros) - before
	b.rows++
	b.plain--
}

// addPlain adds a row as nearly all are: it fits, is not the last of the batch, its
// key is shorter than 128 bytes and its time takes eight. false: it is not, and was
// not added. This is what a row costs a plugin, so it asks no more than it must.
func addPlain[K string | []byte](b *rowBatch, key K, us int64) bool {
	v := protowire.EncodeZigZag(us)
	if b.plain <= 0 || len(key)+rowFraming > b.room || len(key) >= 1<<7 || !takesEight(v) {
		return false
	}
	b.keys = append(b.keys, key...)
	b.lengths = append(b.lengths, byte(len(key)))
	b.micros = binary.LittleEndian.AppendUint64(b.micros, eightByteVarint(v))
	b.room -= len(key) + 1 + 8
	b.rows++
	b.plain--
	return true
}

// takesEight says whether a varint takes exactly eight bytes: microseconds from
// 1979 to 3111 do.
func takesEight(v uint64) bool { return v>>49-1 < 1<<7-1 }

// eightByteVarint is such a varint, its first byte the lowest.
func eightByteVarint(v uint64) uint64 {
	v = v&0x0fffffff | v&0x00fffffff0000000<<4
	v = v&0x00003fff00003fff | v&0x0fffc0000fffc000<<2
	v = v&0x007f007f007f007f | v&0x3f803f803f803f80<<1
	return v | 0x0080808080808080
}

// appendVarint is protowire.AppendVarint, without branches for what nearly all
// lengths of keys and nearly all timestamps are.
func appendVarint(to []byte, v uint64) []byte {
	switch {
	case v < 1<<7:
		return append(to, byte(v))
	case takesEight(v):
		return binary.LittleEndian.AppendUint64(to, eightByteVarint(v))
	}
	return protowire.AppendVarint(to, v)
}

// encode gives the batch as a message, valid until the batch is reset. What the
// message holds is what protobuf would write for the batch; it is handed over as
// fields that are not known, which are sent as they stand.
func (b *rowBatch) encode() *pluginv1.GetRowsResponse {
	size := len(b.keys) - batchHead
	b.keys = protowire.AppendTag(b.keys, fieldLengths, protowire.BytesType)
	b.keys = protowire.AppendBytes(b.keys, b.lengths)
	b.keys = protowire.AppendTag(b.keys, fieldTimestamps, protowire.BytesType)
	b.keys = protowire.AppendBytes(b.keys, b.micros)

	var keysHead, head [batchHead]byte
	k := appendHead(keysHead[:0], fieldKeys, size)
	h := appendHead(head[:0], fieldBatch, len(k)+len(b.keys)-batchHead)
	start := batchHead - len(h) - len(k)
	copy(b.keys[start:], h)
	copy(b.keys[start+len(h):], k)
	b.message.ProtoReflect().SetUnknown(b.keys[start:])
	return &b.message
}

func appendHead(to []byte, field protowire.Number, size int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(to, field, protowire.BytesType), uint64(size))
}

// reset empties the batch, which is to be sent when it holds so many rows; its
// buffers stay.
func (b *rowBatch) reset(rows int) {
	b.keys, b.lengths, b.micros, b.rows = b.keys[:batchHead], b.lengths[:0], b.micros[:0], 0
	b.room, b.plain = maxBatchBytes-batchFraming, rows-1
}
