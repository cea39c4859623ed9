package bridge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
)

const (
	// longestWord is where a line of a worker's own output is cut.
	longestWord = 16 << 10
	// longestSecret is up to how many bytes a secret is found that lies across the
	// place where a line is cut.
	longestSecret = 4 << 10
	// keptWords is how many of the last lines are kept for the report of a crash.
	keptWords = 30
)

// output is where what a worker prints goes: the log, line by line.
type output struct {
	log    func() *slog.Logger
	redact func(string) string

	mu   sync.Mutex
	last []string
}

// read logs every line until the end. It never stops reading before that: the
// worker would hang on its next line.
func (o *output) read(r io.ReadCloser) {
	in := bufio.NewReaderSize(r, longestWord+longestSecret)
	cut := false
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if text := strings.TrimRight(string(line), "\r\n"); text != "" && !cut {
			if o.redact != nil {
				text = o.redact(text)
			}
			if long {
				// The end may be half of a secret, wherever it has come to lie.
				text = strings.ToValidUTF8(text[:min(max(len(text)-longestSecret, 0), longestWord)], "") + " … (cut)"
			}
			o.line(text)
		}
		cut = long
		if err != nil && !long {
			return
		}
	}
}

func (o *output) line(text string) {
	o.mu.Lock()
	if o.last = append(o.last, text); len(o.last) > keptWords {
		o.last = o.last[1:]
	}
	o.mu.Unlock()
	o.log().Log(context.Background(), levelOf(text), text)
}

// levels are how lines begin that say how much they matter.
var levels = []struct {
	prefix string
	level  slog.Level
}{
	{"CRITICAL", slog.LevelError},
	{"FATAL", slog.LevelError},
	{"ERROR", slog.LevelError},
	{"Fatal Python error", slog.LevelError},
	{"Traceback", slog.LevelError},
	{"WARN", slog.LevelWarn},
	{"DEBUG", slog.LevelDebug},
}

func levelOf(text string) slog.Level {
	for _, l := range levels {
		if strings.HasPrefix(text, l.prefix) {
			return l.level
		}
	}
	return slog.LevelInfo
}

// lastWords is the end of an error that tells what was printed last: from a
// crash's headline on where there is one, else the last two lines.
func (o *output) lastWords() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := max(0, len(o.last)-2)
	for i, text := range o.last {
		if strings.HasPrefix(text, "Fatal Python error") || strings.HasPrefix(text, "Traceback") {
			from = i
		}
	}
	words := o.last[from:min(len(o.last), from+5)]
	if len(words) == 0 {
		return ""
	}
	text := strings.Join(words, " / ")
	if len(text) > 600 {
		text = strings.ToValidUTF8(text[:600], "") + " …"
	}
	return "; it last wrote: " + text
}
