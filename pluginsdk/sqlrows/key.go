package sqlrows

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// keyForm is how the database type asks for a key to be written.
type keyForm int

const (
	plainKey keyForm = iota
	// uuidKey: text is lower-cased, 16 bytes become the usual text.
	uuidKey
	// mixedUUIDKey: the same, but the first three groups of the bytes are little
	// endian, as SQL Server sends them.
	mixedUUIDKey
)

func uuidForm(databaseType string) keyForm {
	switch strings.ToUpper(databaseType) {
	case "UUID":
		return uuidKey
	case "UNIQUEIDENTIFIER":
		return mixedUUIDKey
	default:
		return plainKey
	}
}

// AppendKey appends a key in its canonical form: text and bytes as they are,
// integers in decimal, floats in the shortest form that reads back the same,
// booleans as true and false, times as RFC 3339 in UTC, 16-byte arrays as a UUID.
// NULL is an error, and so is a type without a text of its own.
func AppendKey(dst []byte, v any) ([]byte, error) { return appendKey(dst, v, plainKey) }

var errNullKey = errors.New("its " + KeyColumn + " is NULL; leave such rows out, or give them a key with COALESCE")

func appendKey(dst []byte, v any, form keyForm) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return dst, errNullKey
	case []byte:
		if form != plainKey {
			return appendUUID(dst, v, form), nil
		}
		return append(dst, v...), nil
	case string:
		if form != plainKey {
			return append(dst, strings.ToLower(v)...), nil
		}
		return append(dst, v...), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v, 64), nil
	case float32:
		return appendFloat(dst, float64(v), 32), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case time.Time:
		return v.UTC().AppendFormat(dst, time.RFC3339Nano), nil
	case [16]byte:
		return appendHyphenated(dst, v), nil
	}
	return appendOther(dst, v, form)
}

// appendOther is for what few drivers give: values that are not driver.Value.
func appendOther(dst []byte, v any, form keyForm) ([]byte, error) {
	if plain, ok, err := unwrap(v); err != nil {
		return dst, fmt.Errorf("its %s cannot be read: %w", KeyColumn, err)
	} else if ok {
		return appendKey(dst, plain, form)
	}
	if s, ok := v.(fmt.Stringer); ok {
		return append(dst, s.String()...), nil
	}
	return dst, fmt.Errorf("its %s is of a type that is no key (%T); cast it to text in the query", KeyColumn, v)
}

// unwrap looks into a type that is made of one of the plain ones.
func unwrap(v any) (plain any, ok bool, err error) {
	if valuer, is := v.(driver.Valuer); is {
		plain, err = valuer.Value()
		return plain, err == nil && driver.IsValue(plain), err
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer:
		if rv.IsNil() {
			return nil, true, nil
		}
		if rv.Elem().Kind() == reflect.Struct && printable(v) && !printable(rv.Elem().Interface()) {
			return nil, false, nil // a *big.Int has a text, a big.Int has none
		}
		return rv.Elem().Interface(), true, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int(), true, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if u := rv.Uint(); u > math.MaxInt64 {
			return strconv.FormatUint(u, 10), true, nil
		}
		return int64(rv.Uint()), true, nil
	case reflect.String:
		return rv.String(), true, nil
	case reflect.Bool:
		return rv.Bool(), true, nil
	case reflect.Float64:
		return rv.Float(), true, nil
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			return rv.Bytes(), true, nil
		}
	case reflect.Array:
		if rv.Type().ConvertibleTo(reflect.TypeFor[[16]byte]()) {
			return rv.Convert(reflect.TypeFor[[16]byte]()).Interface(), true, nil
		}
	}
	return nil, false, nil
}

// printable says that a value has a text of its own.
func printable(v any) bool {
	_, ok := v.(fmt.Stringer)
	return ok
}

// appendFloat writes the shortest text that reads back the same, without an
// exponent where the number is of a usual size.
func appendFloat(dst []byte, f float64, bits int) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// appendUUID writes the bytes of a column of a UUID type: 16 raw bytes, or text.
func appendUUID(dst, v []byte, form keyForm) []byte {
	if len(v) != 16 {
		return append(dst, bytes.ToLower(v)...)
	}
	id := [16]byte(v)
	if form == mixedUUIDKey {
		id[0], id[1], id[2], id[3] = id[3], id[2], id[1], id[0]
		id[4], id[5] = id[5], id[4]
		id[6], id[7] = id[7], id[6]
	}
	return appendHyphenated(dst, id)
}

func appendHyphenated(dst []byte, id [16]byte) []byte {
	for i, part := range [][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}
