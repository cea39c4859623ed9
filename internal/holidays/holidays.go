// Package holidays turns iCalendar files (RFC 5545) into the days that they close.
//
// An event that lasts whole days closes the dates from DTSTART to before DTEND,
// whatever the zone. It may repeat (RRULE, RDATE, EXDATE), single occurrences may
// be moved or called off (RECURRENCE-ID, STATUS:CANCELLED). Events with a time of
// day close nothing. TRANSP is not heeded: holiday calendars are commonly
// published as TRANSPARENT.
//
// Files come from anywhere: what reading one may cost is bounded, whatever stands
// in it. The content lines are read by our own scanner (contentline.go), because
// faults need their lines and one bad line must not cost the rest of the file;
// recurrence rules are left to rrule-go (recurrence.go).
package holidays

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/textfile"
)

// MaxBytes is the largest file that is read.
const MaxBytes = 8 << 20

// maxFaults is how many faults of one file are told.
const maxFaults = 100

// span is the days for which events are looked at, both included.
type span struct{ from, until dwmon.Day }

// around reaches from two years before a day to five years after it. The walk
// never looks further back than ten days; what lies ahead is there so that
// nothing hangs on how often files are read.
func around(today dwmon.Day) span {
	year, month, day := today.Midnight().Date()
	return span{dwmon.DayOf(year-2, month, day), dwmon.DayOf(year+5, month, day)}
}

// Read reads a file; see Parse.
func Read(path string, today dwmon.Day) (map[dwmon.Day]string, []dwmon.FileFault) {
	text, err := readText(path)
	if err == nil {
		return Parse(path, text, today)
	}
	f := dwmon.FileFault{File: path, Severity: dwmon.SeverityError, Message: "the holiday calendar cannot be read: " + err.Error()}
	if errors.Is(err, fs.ErrNotExist) {
		f.Hint = "look at the path in dwmon.yaml under `calendars`; it is relative to that file"
	}
	return nil, []dwmon.FileFault{f}
}

// readText reads a regular file of at most MaxBytes. Others are not opened: a pipe
// would keep us waiting.
func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, textfile.Cause(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	}
	return textfile.Read(path, MaxBytes)
}

// Parse gives the days that an iCalendar text closes, from two years before today
// to five years after it, each with the name of an event that lies on it, and what
// is wrong with the text. The days are nil where the text as a whole cannot be
// trusted: it is no calendar, or was cut off. A fault of one event costs the days
// of that event only. Warnings tell of a text that is good and of little use.
func Parse(file string, text []byte, today dwmon.Day) (map[dwmon.Day]string, []dwmon.FileFault) {
	r := &reader{file: file}
	if len(text) > MaxBytes {
		r.errorf(nil, "", "it is larger than %d bytes", MaxBytes)
		return nil, r.faults
	}
	events, ok := r.events(text)
	if !ok {
		return nil, r.faults
	}
	p := newPainter(r, around(today))
	p.paint(events)
	r.warnOfUse(p, today)
	dwmon.SortFaults(r.faults)
	return p.days, r.faults
}

// reader gathers what is wrong with a file.
type reader struct {
	file   string
	faults []dwmon.FileFault
	// timed counts events with a time of day; the first of them is in firstTimed.
	timed      int
	firstTimed *property
}

// errorf reports an error at a property; nil: of the file as a whole.
func (r *reader) errorf(at *property, hint, format string, args ...any) {
	r.report(at, dwmon.SeverityError, hint, fmt.Sprintf(format, args...))
}

func (r *reader) report(at *property, severity dwmon.Severity, hint, message string) {
	if len(r.faults) >= maxFaults {
		return
	}
	f := dwmon.FileFault{File: r.file, Severity: severity, Message: message, Hint: hint}
	if at != nil {
		f.Line, f.Column, f.LineText = at.line, 1, at.shown
	}
	r.faults = append(r.faults, f)
}

// warnOfUse tells of a file that closes nothing, or nothing any more.
func (r *reader) warnOfUse(p *painter, today dwmon.Day) {
	if r.timed > 0 {
		text := "an event with a time of day closes nothing"
		if r.timed > 1 {
			text = fmt.Sprintf("events with a time of day close nothing; this is the first of %d", r.timed)
		}
		r.report(r.firstTimed, dwmon.SeverityWarning, "write DTSTART;VALUE=DATE:20261225 for an event that closes days", text)
	}
	switch {
	case !p.any:
		r.report(nil, dwmon.SeverityWarning, "an event closes days where it is all-day: DTSTART;VALUE=DATE:20261225", "the calendar closes no day: it has no all-day event that takes place")
	case !p.endless && p.last < today:
		r.report(nil, dwmon.SeverityWarning, "fetch a newer one", fmt.Sprintf("the calendar ends %s", p.last))
	}
}

// nameOf makes a SUMMARY fit for a line of text.
func nameOf(summary string) string {
	text := strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(summary)
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), notShown), " ")
	if chars := []rune(text); len(chars) > 80 {
		text = string(chars[:79]) + "…"
	}
	if text == "" {
		return "an event without a name"
	}
	return text
}
