package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/words"
)

// progressLine is one line on a terminal that says how far long work is, written over
// again and again; on anything else it is nothing.
type progressLine struct {
	out   io.Writer // nil: nowhere
	began time.Time
	last  time.Time // when the line was written; zero while there is none
}

// Times of a line: nobody is told quietFor that something takes long, and nobody reads
// lines that stand for less than readable.
const (
	quietFor = 500 * time.Millisecond
	readable = 100 * time.Millisecond
)

func newProgressLine(w io.Writer) *progressLine {
	if f, ok := fileOf(w); ok && isatty.IsTerminal(f.Fd()) {
		return &progressLine{out: f, began: time.Now()}
	}
	return &progressLine{}
}

// say replaces what the line says: not at once, and not too often.
func (p *progressLine) say(format string, args ...any) {
	if p.out == nil || time.Since(p.began) < quietFor || time.Since(p.last) < readable {
		return
	}
	text := fmt.Sprintf(format, args...)
	if width := columnsOf(p.out); width > 0 {
		text = cutCells(text, width-1)
	}
	p.last = time.Now()
	fmt.Fprint(p.out, eraseLine+text)
}

// clear takes the line away. What is said then is about something new.
func (p *progressLine) clear() {
	if p.out == nil {
		return
	}
	if !p.last.IsZero() {
		fmt.Fprint(p.out, eraseLine)
	}
	p.began, p.last = time.Now(), time.Time{}
}

const eraseLine = "\r\x1b[K"

// percentLine shows which share of a work is done; all of it takes the line away.
func percentLine(w io.Writer, what string) func(share float64) {
	line := newProgressLine(w)
	return func(share float64) {
		if share >= 1 {
			line.clear()
			return
		}
		line.say("%s … %d %%", what, int(share*100))
	}
}

// waitingLine shows which plugins have not answered yet; none takes the line away.
func waitingLine(w io.Writer) func([]string) {
	line := newProgressLine(w)
	return func(names []string) {
		if len(names) == 0 {
			line.clear()
			return
		}
		line.say("asking %s …", strings.Join(names, ", "))
	}
}

// tryLine shows how far a try is.
func tryLine(w io.Writer) func(daemon.TryProgress) { return newProgressLine(w).ofTry() }

func (line *progressLine) ofTry() func(daemon.TryProgress) {
	return func(p daemon.TryProgress) {
		switch {
		case p.Fetching != "":
			line.say("asking %s: %s after %d s; Ctrl-C stops the query", p.Fetching, words.Count(p.Rows, "row", "rows"), int(p.Took.Seconds()))
		case len(p.Waiting) > 0:
			line.say("asking %s …", strings.Join(p.Waiting, ", "))
		default:
			line.clear()
		}
	}
}

// unitTestLine shows how far a test is; of none at all it takes the line away.
func unitTestLine(w io.Writer) func(name string, done, all int) {
	line := newProgressLine(w)
	return func(name string, done, all int) {
		if all == 0 {
			line.clear()
			return
		}
		line.say("%s: %d %%", name, 100*done/all)
	}
}
