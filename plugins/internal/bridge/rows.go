package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

// rowReader passes the rows of a call's frames on.
type rowReader struct {
	out  pluginsdk.RowSink
	zone *time.Location
	rows int64 // so far, those without a time among them
	key  []byte
}

// take passes the rows of one frame on. What is wrong with one is a CheckerError
// that names it, from 1.
func (r *rowReader) take(f *Frame) error {
	keys, times := elements{rest: f.Keys}, elements{rest: f.TS}
	if err := errors.Join(keys.open("keys"), times.open("ts")); err != nil {
		return err
	}
	for {
		key, more, err := keys.next()
		if err != nil {
			return err
		}
		at, moreTimes, err := times.next()
		if err != nil {
			return err
		}
		if more != moreTimes {
			return errors.New("a frame has not as many keys as ts")
		}
		if !more {
			return nil
		}
		if err := r.row(key, at); err != nil {
			return err
		}
	}
}

func (r *rowReader) row(key, at []byte) (err error) {
	r.rows++
	if r.key, err = appendKey(r.key[:0], key); err != nil {
		return r.fault(err)
	}
	micros, null, err := r.micros(at)
	switch {
	case err != nil:
		return r.fault(err)
	case null:
		r.out.SkipNull()
		return nil
	}
	return r.out.AppendBytes(r.key, micros)
}

func (r *rowReader) fault(err error) error {
	return pluginsdk.CheckerError(fmt.Errorf("row %d: %w", r.rows, err))
}

// finish compares what came with what the worker says it sent.
func (r *rowReader) finish(f *Frame) error {
	switch {
	case f.Count == nil:
		return errors.New("the worker's last frame has no count")
	case *f.Count != r.rows:
		return fmt.Errorf("the worker says that it sent %d rows, and %d came", *f.Count, r.rows)
	}
	return nil
}

// micros reads a time.
func (r *rowReader) micros(at []byte) (micros int64, null bool, err error) {
	switch {
	case string(at) == "null":
		return 0, true, nil
	case at[0] == '"':
		text, err := appendString(nil, at)
		if err != nil {
			return 0, false, fmt.Errorf("its time: %w", err)
		}
		return sqlrows.Timestamp(text, r.zone)
	}
	micros, err = strconv.ParseInt(string(at), 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("its ts is %.40s; want whole microseconds since the epoch, a text, or null", at)
	}
	return micros, false, nil
}

// appendKey appends a key: a string, a whole number digit for digit, or another
// number as sqlrows writes it.
func appendKey(dst, key []byte) ([]byte, error) {
	switch c := key[0]; {
	case c == '"':
		dst, err := appendString(dst, key)
		if err != nil {
			return dst, fmt.Errorf("its key: %w", err)
		}
		return dst, nil
	case !bytes.ContainsAny(key, ".eE") && (c == '-' || '0' <= c && c <= '9'):
		return append(dst, key...), nil
	case c == '-' || '0' <= c && c <= '9':
		v, err := strconv.ParseFloat(string(key), 64)
		if err != nil {
			return dst, fmt.Errorf("its key is %.40s, which is too large a number", key)
		}
		return sqlrows.AppendKey(dst, v)
	case string(key) == "null":
		return dst, errors.New("its key is null; leave such rows out, or give them a key")
	}
	return dst, fmt.Errorf("its key is %.40s; want a text or a number", key)
}

// elements walks over a JSON array of scalars that is known to be valid JSON.
type elements struct {
	rest []byte
	name string
}

func (e *elements) open(name string) error {
	e.name = name
	e.rest = bytes.TrimLeft(e.rest, " \t\r\n")
	if len(e.rest) == 0 || e.rest[0] != '[' {
		return fmt.Errorf("a frame has no list %q", name)
	}
	e.rest = e.rest[1:]
	return nil
}

// next gives the next element; false at the end.
func (e *elements) next() (element []byte, ok bool, err error) {
	e.rest = bytes.TrimLeft(e.rest, ", \t\r\n")
	switch e.rest[0] {
	case ']':
		return nil, false, nil
	case '[', '{':
		return nil, false, fmt.Errorf("the list %q of a frame holds a list or an object", e.name)
	case '"':
		n := endOfString(e.rest)
		element, e.rest = e.rest[:n], e.rest[n:]
		return element, true, nil
	}
	n := bytes.IndexAny(e.rest, ",] \t\r\n")
	element, e.rest = e.rest[:n], e.rest[n:]
	return element, true, nil
}

// endOfString is where a JSON string ends, behind its quote.
func endOfString(s []byte) int {
	for i := 1; ; i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// appendString appends what a JSON string stands for. encoding/json would turn
// half a surrogate pair, which here is a byte that belongs to no character, into
// U+FFFD, and so make one key of several.
func appendString(dst, quoted []byte) ([]byte, error) {
	s := quoted[1 : len(quoted)-1]
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(dst, s...), nil
		}
		dst = append(dst, s[:i]...)
		if s[i+1] != 'u' {
			dst, s = append(dst, unescape(s[i+1])), s[i+2:]
			continue
		}
		var err error
		if dst, s, err = appendUnicode(dst, s[i:]); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// appendUnicode appends what the escape at the start of s stands for: a character,
// with the escape that follows where the two are a surrogate pair, or a byte.
func appendUnicode(dst, s []byte) (to, rest []byte, err error) {
	r := hexRune(s)
	s = s[6:]
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), s, nil
	}
	if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(s)); pair != utf8.RuneError {
			return utf8.AppendRune(dst, pair), s[6:], nil
		}
	}
	if 0xdc80 <= r && r <= 0xdcff {
		return append(dst, byte(r-0xdc00)), s, nil
	}
	return dst, s, fmt.Errorf(`it holds half of a surrogate pair (\u%04x), which is no character`, r)
}

// hexRune reads \uXXXX.
func hexRune(s []byte) rune {
	n, _ := strconv.ParseUint(string(s[2:6]), 16, 16)
	return rune(n)
}

// cutoff reads the answer to identify_old: whole seconds since the epoch, or
// nothing.
func cutoff(raw json.RawMessage) (pluginsdk.Cutoff, error) {
	text := string(bytes.TrimSpace(raw))
	if text == "" || text == "null" || text == "0" {
		return pluginsdk.Keep(), nil
	}
	epoch, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return pluginsdk.Keep(), fmt.Errorf("delete_older_than_epoch is %.40s; want whole seconds since the epoch, or null", text)
	}
	if tooLarge := int64(100_000_000_000); epoch >= tooLarge || epoch <= -tooLarge {
		return pluginsdk.Keep(), fmt.Errorf("delete_older_than_epoch is %d, too large for seconds since the epoch; divide by 1000, if it is milliseconds", epoch)
	}
	return pluginsdk.DeleteOlderThan(time.Unix(epoch, 0)), nil
}
