package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// maxLine is where a line of a plugin is cut.
	maxLine = 64 << 10
	// maxLineRate is how many lines a second of one process are logged.
	maxLineRate = 1000
	// keptLines of at most keptLine bytes are kept for the report of a crash.
	keptLines = 200
	keptLine  = 1 << 10
)

// lineLog is where the lines of one process go.
type lineLog struct {
	host   *slog.Logger // the host's own words about the process
	log    *slog.Logger // the plugin's
	redact func(string) string

	// out and err take what go-plugin carries over from the plugin's later standard
	// output and error.
	out, err pieces

	mu      sync.Mutex
	tail    ring
	rate    rate
	panics  bool // the last lines were those of a crash
	scratch []slog.Attr
}

func newLineLog(log *slog.Logger, redact func(string) string) *lineLog {
	l := &lineLog{host: log, log: log, redact: redact}
	l.out.line, l.err.line = l.stray, l.stray
	return l
}

// shown is a text of the plugin's for people. Secrets are taken out before it is cut:
// half of one would not be found.
func (l *lineLog) shown(text string) string { return cutText(l.redact(text), maxText) }

// readStderr logs every line until the end.
func (l *lineLog) readStderr(r io.Reader) { readLines(r, l.redact, l.line) }

// readStdout logs what should not be there.
func (l *lineLog) readStdout(r io.Reader) { readLines(r, l.redact, l.stray) }

// stray logs a line that should not be there.
func (l *lineLog) stray(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.allowed() {
		return
	}
	shown := l.redact(clean(text))
	if len(text) > maxLine+len(cutMark) {
		shown = cutLine(shown)
	}
	l.log.Warn(cutText(shown, maxLine), "stream", "stdout")
}

// pieces puts lines together that come in pieces: go-plugin cuts a stream anywhere, also
// in the middle of a secret, which nobody would find in two halves.
type pieces struct {
	line func([]byte)

	mu   sync.Mutex
	held []byte
	rest bool // of a line that was too long: it is left out
}

func (p *pieces) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = append(p.held, text...)
	for {
		end := bytes.IndexByte(p.held, '\n')
		if end < 0 {
			break
		}
		if !p.rest {
			p.line(bytes.TrimRight(p.held[:end], "\r"))
		}
		p.held, p.rest = p.held[end+1:], false
	}
	if len(p.held) > maxLine+longestSecret {
		p.flush()
		p.rest = true
	}
	return len(text), nil
}

// finish logs a last line that has no end.
func (p *pieces) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flush()
}

func (p *pieces) flush() {
	if len(p.held) > 0 && !p.rest {
		p.line(p.held)
	}
	p.held = nil
}

// longestSecret is up to how many bytes a secret is found that lies across the place
// where a line is cut.
const longestSecret = 4 << 10

// cutMark stands where a line was cut.
const cutMark = " … (cut)"

// cutLine is what is shown of the beginning of a line, from which secrets were taken:
// its end may be half of one, which nobody would find, wherever it has come to lie.
func cutLine(text string) string {
	return strings.ToValidUTF8(text[:min(max(len(text)-longestSecret, 0), maxLine)], "") + cutMark
}

// readLines calls f for each line without its end. Longer ones are cut, with a
// mark, once secrets are out of them.
func readLines(r io.Reader, redact func(string) string, f func([]byte)) {
	in := bufio.NewReaderSize(r, maxLine+longestSecret)
	cut := false
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case cut: // the rest of a line that was too long
		case long:
			f([]byte(cutLine(redact(string(line)))))
		case len(line) > 0:
			f(bytes.TrimRight(line, "\r\n"))
		}
		cut = long
		if err != nil && !long {
			return
		}
	}
}

// line logs one line of standard error.
func (l *lineLog) line(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail.add(l.redact(clean(text)))
	e, isJSON := parseJSONLine(text, l.scratch[:0])
	if !isJSON {
		e = l.plainLine(text)
	} else {
		l.panics = false
		l.scratch = e.attrs
	}
	if !l.log.Enabled(context.Background(), e.level) || !l.allowed() {
		return
	}
	rec := slog.NewRecord(e.time, e.level, l.redact(e.msg), 0)
	for _, a := range e.attrs {
		rec.AddAttrs(slog.String(l.redact(a.Key), l.redact(a.Value.String())))
	}
	_ = l.log.Handler().Handle(context.Background(), rec)
}

// plainLine reads the level off a line that is not JSON.
func (l *lineLog) plainLine(text []byte) entry {
	e := entry{time: time.Now(), msg: clean(text)}
	switch {
	case crashLine(text):
		l.panics = true
		e.level = slog.LevelError
	case l.panics:
		e.level = slog.LevelError
	default:
		e.level = levelPrefix(e.msg)
	}
	return e
}

// crashLine says that a runtime writes its last words.
func crashLine(text []byte) bool {
	for _, start := range []string{"panic:", "fatal error:", "Traceback", "SIGSEGV", "SIGBUS", "SIGABRT", "SIGQUIT:"} {
		if bytes.HasPrefix(text, []byte(start)) {
			return true
		}
	}
	return false
}

// levelPrefix reads "WARN ...", "[error] ..." and the like.
func levelPrefix(msg string) slog.Level {
	word, _, _ := strings.Cut(strings.TrimLeft(msg, "[ "), " ")
	if level, ok := parseLevel(strings.TrimRight(word, "]:")); ok {
		return level
	}
	return slog.LevelInfo
}

// allowed is the rate limit. The lines that were dropped are reported with the
// first one of a later second.
func (l *lineLog) allowed() bool {
	ok, dropped := l.rate.take(time.Now())
	l.tellDropped(dropped)
	return ok
}

func (l *lineLog) tellDropped(n int) {
	if n > 0 {
		l.host.Warn("lines of a plugin were dropped: it writes more than 1,000 a second", "dropped", n)
	}
}

// finish reports what was dropped in the last second of a process.
func (l *lineLog) finish() {
	l.out.finish()
	l.err.finish()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellDropped(l.rate.dropped)
	l.rate.dropped = 0
}

// lastLines are the newest n lines, oldest first, without secrets.
func (l *lineLog) lastLines(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.tail.last(n)
	for i := range lines {
		lines[i] = l.redact(lines[i])
	}
	return lines
}

// entry is a parsed line.
type entry struct {
	time  time.Time
	level slog.Level
	msg   string
	attrs []slog.Attr
}

// parseJSONLine reads an object with slog's keys (time, level, msg) or hclog's
// (@timestamp, @level, @message). The other members become attributes, in their
// order. false: the line is not such an object.
func parseJSONLine(text []byte, attrs []slog.Attr) (entry, bool) {
	e := entry{time: time.Now(), level: slog.LevelInfo, attrs: attrs}
	if len(text) == 0 || text[0] != '{' || !json.Valid(text) {
		return e, false
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	_, _ = dec.Token()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return e, false
		}
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return e, false
		}
		e.member(key.(string), jsonText(raw)) // the key of an object is a string
	}
	return e, true
}

func (e *entry) member(key, text string) {
	switch key {
	case "msg", "@message":
		e.msg = text
	case "level", "@level":
		if level, ok := parseLevel(text); ok {
			e.level = level
			return
		}
		e.attrs = append(e.attrs, slog.String(key, text))
	case "time", "@timestamp":
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			e.time = t
		}
	default:
		e.attrs = append(e.attrs, slog.String(key, text))
	}
}

// jsonText is a JSON value as a text: a string without its quotes, anything else
// as it stands.
func jsonText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && string(raw) != "null" {
		return s
	}
	return string(raw)
}

func parseLevel(word string) (slog.Level, bool) {
	switch strings.ToUpper(word) {
	case "TRACE":
		return slog.LevelDebug - 4, true
	case "WARNING":
		return slog.LevelWarn, true
	case "FATAL", "CRITICAL":
		return slog.LevelError, true
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(word)); err != nil {
		return 0, false
	}
	return level, true
}

// clean makes a text of what a plugin wrote.
func clean(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}

// ring keeps the newest lines.
type ring struct {
	lines []string
	next  int
}

func (r *ring) add(text string) {
	line := strings.ToValidUTF8(text[:min(len(text), keptLine)], "")
	if len(r.lines) < keptLines {
		r.lines = append(r.lines, line)
		return
	}
	r.lines[r.next] = line
	r.next = (r.next + 1) % keptLines
}

// last copies the newest n lines, oldest first.
func (r *ring) last(n int) []string {
	n = min(n, len(r.lines))
	out := make([]string, n)
	for i := range n {
		out[i] = r.lines[(r.next+len(r.lines)-n+i)%len(r.lines)]
	}
	return out
}

// rate counts lines in whole seconds.
type rate struct {
	second  int64
	lines   int
	dropped int
}

// take asks for one line; dropped is how many were refused in the seconds before,
// told once.
func (r *rate) take(now time.Time) (ok bool, dropped int) {
	if s := now.Unix(); s != r.second {
		dropped = r.dropped
		*r = rate{second: s}
	}
	if r.lines >= maxLineRate {
		r.dropped++
		return false, dropped
	}
	r.lines++
	return true, dropped
}
