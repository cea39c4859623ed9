package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// formats are what a row getter may print.
var formats = map[string]func(*rowReader, io.Reader) error{
	"tsv": (*rowReader).tsv, "ndjson": (*rowReader).ndjson, "csv": (*rowReader).csv,
}

// maxLine is the longest line of a row getter, in bytes: a key of 1 MiB, each byte
// of it escaped.
const maxLine = 8 << 20

// errUnended says that the output ends within a line: most likely the program was
// cut off.
type errUnended struct{ line int }

func (e errUnended) Error() string {
	return fmt.Sprintf("line %d of its output has no end: every line, the last one too, ends with a newline; was the program cut off?", e.line)
}

// readRows passes the rows that a program prints on to out. The error is out's, a
// CheckerError that names the line, errUnended, or r's.
func readRows(format string, r io.Reader, out pluginsdk.RowSink, zone *time.Location) error {
	if format == "" {
		format = "tsv"
	}
	rows := &rowReader{out: out, zone: zone}
	return formats[format](rows, r)
}

type rowReader struct {
	out  pluginsdk.RowSink
	zone *time.Location
	line int // counted from 1
	key  []byte
}

func (r *rowReader) fault(err error) error {
	return pluginsdk.CheckerError(fmt.Errorf("line %d of its output: %w", r.line, err))
}

// add passes a row on. A time that is empty is none: the row is not an event yet.
func (r *rowReader) add(key []byte, at string) error {
	if at == "" {
		r.out.SkipNull()
		return nil
	}
	micros, err := sqlrows.ParseTimestamp(at, r.zone)
	if err != nil {
		return r.fault(err)
	}
	return r.out.AppendBytes(key, micros)
}

// lines gives every line that is not empty, without its end.
func (r *rowReader) lines(in io.Reader, row func(line []byte) error) error {
	buffered := bufio.NewReaderSize(in, 64<<10)
	var long []byte
	for {
		part, err := buffered.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(long) > 0 {
			if len(long) == 0 {
				r.line++ // it is being read
			}
			if long = append(long, part...); len(long) > maxLine {
				return r.fault(fmt.Errorf("it is longer than %d MiB", maxLine>>20))
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			part = long
		} else if len(part) > 0 {
			r.line++
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && len(part) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return errUnended{r.line}
		default:
			return err
		}
		if line := trimEnd(part); len(line) > 0 {
			if err := row(line); err != nil {
				return err
			}
		}
		long = long[:0]
	}
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// tsv reads key, tab, time. In a key a tab is written \t, a newline \n, a carriage
// return \r, a backslash \\ and any byte \xHH.
func (r *rowReader) tsv(in io.Reader) error {
	return r.lines(in, func(line []byte) (err error) {
		key, at, found := bytes.Cut(line, []byte("\t"))
		switch {
		case !found:
			return r.fault(fmt.Errorf("%s holds no tab; want a key, a tab and a time", quoted(line)))
		case bytes.IndexByte(at, '\t') >= 0:
			return r.fault(errors.New(`it holds more than one tab; want a key, a tab and a time, and \t for a tab within the key`))
		}
		if r.key, err = unescape(r.key[:0], key); err != nil {
			return r.fault(err)
		}
		return r.add(r.key, string(bytes.TrimSpace(at)))
	})
}

// unescape appends a key without its escapes.
func unescape(dst, key []byte) ([]byte, error) {
	for {
		i := bytes.IndexByte(key, '\\')
		if i < 0 {
			return append(dst, key...), nil
		}
		dst = append(dst, key[:i]...)
		b, n, err := escaped(key[i:])
		if err != nil {
			return dst, err
		}
		dst, key = append(dst, b), key[i+n:]
	}
}

var escapes = map[byte]byte{'t': '\t', 'n': '\n', 'r': '\r', '\\': '\\'}

// escaped reads the escape at the start of s, and says how long it is.
func escaped(s []byte) (b byte, n int, err error) {
	if len(s) > 1 {
		if b, ok := escapes[s[1]]; ok {
			return b, 2, nil
		}
	}
	if len(s) > 3 && s[1] == 'x' {
		if v, err := strconv.ParseUint(string(s[2:4]), 16, 8); err == nil {
			return byte(v), 4, nil
		}
	}
	return 0, 0, fmt.Errorf(`its key holds %s, which is no escape; there are \t, \n, \r, \\ and \xHH: write a backslash as \\`, quoted(s[:min(len(s), 2)]))
}

// ndjson reads an object with key and time from each line. What else is in it is
// left alone.
func (r *rowReader) ndjson(in io.Reader) error {
	return r.lines(in, func(line []byte) error {
		var row struct {
			Key  json.RawMessage `json:"key"`
			Time json.RawMessage `json:"time"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return r.fault(fmt.Errorf(`%s is no object with "key" and "time": %w`, quoted(line), err))
		}
		switch {
		case row.Key == nil:
			return r.fault(errors.New(`it has no "key"`))
		case row.Time == nil:
			return r.fault(errors.New(`it has no "time"; null is for a row that is not an event yet`))
		}
		var err error
		if r.key, err = bridge.AppendKey(r.key[:0], row.Key); err != nil {
			return r.fault(err)
		}
		at, err := jsonTime(row.Time)
		if err != nil {
			return r.fault(err)
		}
		return r.add(r.key, at)
	})
}

// jsonTime is a time as text; empty for null.
func jsonTime(raw json.RawMessage) (string, error) {
	switch c := raw[0]; {
	case string(raw) == "null":
		return "", nil
	case c == '"':
		text, err := bridge.AppendKey(nil, raw)
		if err == nil && len(bytes.TrimSpace(text)) == 0 {
			err = errors.New(`its time is an empty text; write null for a row that is not an event yet`)
		}
		return string(text), err
	case c == '-' || '0' <= c && c <= '9':
		return string(raw), nil
	}
	return "", fmt.Errorf("its time is %s; want seconds since the epoch, a text or null", quoted(raw))
}

// csv reads records of two fields, key and time; or, where the first record names
// the columns dwmon_unique_key and dwmon_timestamp, those two of any.
func (r *rowReader) csv(in io.Reader) error {
	m := &meter{r: in}
	records := csv.NewReader(m)
	records.FieldsPerRecord, records.ReuseRecord = -1, true
	columns := csvColumns{key: 0, time: 1, width: 2}
	for first := true; ; first = false {
		m.record = m.total
		record, err := records.Read()
		var syntax *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return m.unended()
		case errors.As(err, &syntax) && !errors.Is(err, errLongRecord):
			if err := m.unended(); err != nil {
				return err
			}
			r.line = syntax.StartLine
			return r.fault(syntax.Err)
		case errors.Is(err, errLongRecord):
			r.line++
			return r.fault(errLongRecord)
		case err != nil:
			return err
		}
		r.line, _ = records.FieldPos(0)
		if first && columns.named(record) {
			continue
		}
		if len(record) != columns.width {
			return r.fault(fmt.Errorf("it has %d fields, and not %d", len(record), columns.width))
		}
		if err := r.add(append(r.key[:0], record[columns.key]...), record[columns.time]); err != nil {
			return err
		}
	}
}

// csvColumns is where the two columns are.
type csvColumns struct{ key, time, width int }

// named takes a record for the names of columns if both of ours are among them.
func (c *csvColumns) named(record []string) bool {
	found := csvColumns{-1, -1, len(record)}
	for i, name := range record {
		switch name {
		case sqlrows.KeyColumn:
			found.key = i
		case sqlrows.TimeColumn:
			found.time = i
		}
	}
	if found.key < 0 || found.time < 0 {
		return false
	}
	*c = found
	return true
}

var errLongRecord = fmt.Errorf("it is longer than %d MiB; is a quote missing?", maxLine>>20)

// meter keeps a quote that is never closed from filling the memory, and knows how
// the output ended.
type meter struct {
	r             io.Reader
	total, record int64 // bytes read, and those before the present record
	lines         int   // that have an end
	last          byte
	ended         bool
}

// unended is the error of an output that has ended within a line.
func (m *meter) unended() error {
	if m.ended && m.total > 0 && m.last != '\n' {
		return errUnended{m.lines + 1}
	}
	return nil
}

func (m *meter) Read(p []byte) (int, error) {
	if m.total-m.record > maxLine {
		return 0, errLongRecord
	}
	n, err := m.r.Read(p)
	if n > 0 {
		m.last = p[n-1]
	}
	m.total += int64(n)
	m.lines += bytes.Count(p[:n], []byte("\n"))
	m.ended = m.ended || errors.Is(err, io.EOF)
	return n, err
}

// quoted is the start of what a program wrote, for an error.
func quoted(text []byte) string {
	const most = 60
	if len(text) > most {
		return strconv.Quote(string(text[:most])) + "…"
	}
	return strconv.Quote(string(text))
}
