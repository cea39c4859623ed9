package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

// rows takes the rows of one page to the host.
type rows struct {
	out  pluginsdk.RowSink
	zone *time.Location
	// count is how many rows the page had, those without a time included.
	count int
	// digest is over all rows of the page: pages that are the same are found by it.
	digest maphash.Hash
	// failed is what the host said when it wanted no more.
	failed error
	key    []byte // reused
}

func newRows(out pluginsdk.RowSink, zone *time.Location, seed maphash.Seed) *rows {
	r := &rows{out: out, zone: zone}
	r.digest.SetSeed(seed)
	return r
}

// rowFault is what is wrong with a row itself, as opposed to the host's answer.
type rowFault struct{ err error }

func (f rowFault) Error() string { return f.err.Error() }
func (f rowFault) Unwrap() error { return f.err }

func wrongRow(format string, args ...any) error { return rowFault{fmt.Errorf(format, args...)} }

// members of a row's object: ours, and those of the SQL row getters.
var (
	keyNames  = []string{"key", sqlrows.KeyColumn}
	timeNames = []string{"time", sqlrows.TimeColumn}
)

// add takes a row as a jq program gives it: an object or a list of two.
func (r *rows) add(v any) error {
	switch v := v.(type) {
	case []any:
		if len(v) != 2 {
			return wrongRow("a list of %d is no row; want [key, time]", len(v))
		}
		return r.append(v[0], v[1])
	case map[string]any:
		key, err := member(v, keyNames)
		if err != nil {
			return err
		}
		at, err := member(v, timeNames)
		if err != nil {
			return err
		}
		return r.append(key, at)
	}
	return wrongRow("%s is no row; want an object {key, time} or a list [key, time]", preview(v))
}

// member finds a member that must be there, even if it is null: a misspelled name
// must not look like a row without a time.
func member(object map[string]any, names []string) (any, error) {
	found, v := "", any(nil)
	for _, name := range names {
		if value, ok := object[name]; ok {
			if found != "" {
				return nil, wrongRow("it has both %q and %q; give one of them", found, name)
			}
			found, v = name, value
		}
	}
	if found == "" {
		return nil, wrongRow("it has no member %q; it has %s. Name it in `rows`, such as {key: .id, time: .created_at}", names[0], memberNames(object))
	}
	return v, nil
}

func memberNames(object map[string]any) string {
	const most = 12
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, strconv.Quote(cut(name)))
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// append takes a key and a time as jq has them.
func (r *rows) append(key, at any) error {
	var err error
	if r.key, err = appendKey(r.key[:0], key); err != nil {
		return err
	}
	us, null, err := micros(at, r.zone)
	if err != nil {
		return err
	}
	if null {
		r.skip()
		return nil
	}
	return r.send(r.key, us)
}

// send takes a row whose key and time are in their final form. What it returns is
// the host's answer.
func (r *rows) send(key []byte, us int64) error {
	var fixed [16]byte
	binary.LittleEndian.PutUint64(fixed[:], uint64(us))
	binary.LittleEndian.PutUint64(fixed[8:], uint64(len(key)))
	r.digest.Write(fixed[:])
	r.digest.Write(key)
	if r.failed = r.out.AppendBytes(key, us); r.failed != nil {
		return r.failed
	}
	r.count++
	return nil
}

// text is send for a key that is a string.
func (r *rows) text(key string, us int64) error {
	r.key = append(r.key[:0], key...)
	return r.send(r.key, us)
}

func (r *rows) skip() {
	r.count++
	r.out.SkipNull()
}

// appendKey writes a key in its canonical form; numbers digit for digit.
func appendKey(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return dst, wrongRow("its key is null; leave such rows out (select(.id != null)), or give them another key")
	case string:
		return append(dst, v...), nil
	case json.Number:
		return append(dst, v...), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case *big.Int:
		return v.Append(dst, 10), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return dst, wrongRow("its key is %v, which is no number to tell rows apart by", v)
		}
		return sqlrows.AppendKey(dst, v)
	}
	return dst, wrongRow("its key is %s; want a text or a number. Make one of several, such as (.a|tostring) + \"/\" + (.b|tostring)", preview(v))
}

// tooManySeconds bounds times: a number beyond it was given in a smaller unit.
const tooManySeconds = 1e11

// micros reads a time; null says that there is none.
func micros(v any, zone *time.Location) (us int64, null bool, err error) {
	if n, ok := number(v); ok && math.Abs(n) >= tooManySeconds {
		unit, by := "milliseconds", "1000"
		switch {
		case math.Abs(n) >= 1e17:
			unit, by = "nanoseconds", "1000000000"
		case math.Abs(n) >= 1e14:
			unit, by = "microseconds", "1000000"
		}
		return 0, false, wrongRow("its time is %s, too large for seconds since the epoch; it looks like %s: write / %s behind it in `rows`, such as {key: .id, time: (.created / %s)}",
			preview(v), unit, by, by)
	}
	switch t := v.(type) {
	case int:
		v = int64(t)
	case json.Number:
		v = string(t)
	case *big.Int:
		v = t.String()
	case []any, map[string]any:
		return 0, false, wrongRow("its time is %s; want a number of seconds or a text", preview(v))
	}
	us, null, err = sqlrows.Timestamp(v, zone)
	if err != nil {
		err = rowFault{errors.New(strings.ReplaceAll(err.Error(), "its "+sqlrows.TimeColumn, "its time"))}
	}
	return us, null, err
}

// number is the size of a value that is a number, or the text of one.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil || math.IsInf(f, 0)
	case string:
		f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return f, (err == nil || math.IsInf(f, 0)) && strings.Trim(v, "+-.eE0123456789 \t\r\n") == ""
	}
	return 0, false
}
