package main

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf16"
)

func ucs2(s string) (b []byte) {
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

func text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

// infos are the types of a row's values.
func infos(row []any) (infos [][]byte) {
	for _, v := range row {
		switch v.(type) {
		case float64:
			infos = append(infos, []byte{0x6d, 8})
		case string, []byte:
			infos = append(infos, nvarchar("").info)
		default:
			infos = append(infos, []byte{0x26, 8})
		}
	}
	return infos
}

// valueOf is a value of the engine on the wire.
func valueOf(v any) []byte {
	switch v := v.(type) {
	case int64:
		return bigint(v).value
	case float64:
		return float(v).value
	case string:
		return nvarchar(v).value
	case []byte:
		return nvarchar(string(v)).value
	}
	return []byte{0}
}

func bigint(v int64) cell {
	return cell{[]byte{0x26, 8}, binary.LittleEndian.AppendUint64([]byte{8}, uint64(v))}
}

func float(v float64) cell {
	return cell{[]byte{0x6d, 8}, binary.LittleEndian.AppendUint64([]byte{8}, math.Float64bits(v))}
}

func real4(v float32) cell {
	return cell{[]byte{0x6d, 4}, binary.LittleEndian.AppendUint32([]byte{4}, math.Float32bits(v))}
}

func nvarchar(s string) cell {
	b := ucs2(s)
	return cell{[]byte{0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 52}, append(binary.LittleEndian.AppendUint16(nil, uint16(len(b))), b...)}
}

func varbinary(b []byte) cell {
	return cell{[]byte{0xa5, 0x40, 0x1f}, append(binary.LittleEndian.AppendUint16(nil, uint16(len(b))), b...)}
}

// guid takes the bytes as SQL Server sends them.
func guid(b [16]byte) cell { return cell{[]byte{0x24, 16}, append([]byte{16}, b[:]...)} }

func bit(b byte) cell { return cell{[]byte{0x68, 1}, []byte{1, b}} }

// numeric is n divided by ten to the scale.
func numeric(n uint64, negative bool, scale byte) cell {
	sign := byte(1)
	if negative {
		sign = 0
	}
	value := binary.LittleEndian.AppendUint64([]byte{17, sign}, n)
	return cell{[]byte{0x6a, 17, 38, scale}, append(value, make([]byte, 8)...)}
}

// money is n ten-thousandths.
func money(n int64) cell {
	value := binary.LittleEndian.AppendUint32([]byte{8}, uint32(n>>32))
	return cell{[]byte{0x6e, 8}, binary.LittleEndian.AppendUint32(value, uint32(n))}
}

// days counts them from a day on, in three bytes.
func days(t time.Time) []byte {
	n := uint32((t.Unix() - time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()) / 86400)
	return []byte{byte(n), byte(n >> 8), byte(n >> 16)}
}

// ticks are those of 100 ns since midnight, in five bytes.
func ticks(t time.Time) []byte {
	n := uint64(t.Sub(t.Truncate(24*time.Hour))) / 100
	return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32)}
}

func datetime2(t time.Time) cell {
	return cell{[]byte{0x2a, 7}, append(append([]byte{8}, ticks(t)...), days(t)...)}
}

func date(t time.Time) cell { return cell{[]byte{0x28}, append([]byte{3}, days(t)...)} }

func timeOfDay(t time.Time) cell { return cell{[]byte{0x29, 7}, append([]byte{5}, ticks(t)...)} }

// datetime is the old type: days since 1900 and 300ths of a second.
func datetime(day int32, tick uint32) cell {
	value := binary.LittleEndian.AppendUint32([]byte{8}, uint32(day))
	return cell{[]byte{0x6f, 8}, binary.LittleEndian.AppendUint32(value, tick)}
}

// stamp is a datetimeoffset.
func stamp(t time.Time, zone *time.Location) cell {
	_, offset := t.In(zone).Zone()
	t = t.UTC()
	value := append(append([]byte{10}, ticks(t)...), days(t)...)
	return cell{[]byte{0x2b, 7}, binary.LittleEndian.AppendUint16(value, uint16(offset/60))}
}
