package daemon

import (
	"context"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/holidays"
)

// calendars follows the files of the configured holiday calendars. What was last
// good of each goes on while its file is bad. Not for two goroutines at once.
type calendars struct {
	log   *slog.Logger
	names map[string][]string // the configuration: paths by the calendar's name
	files map[string]*calendarFile
	// sets are the closed days of each list of calendars that a checker names. A
	// set stays the same pointer until its days change: jobs hang on it.
	sets map[string]*closedSet
}

// calendarFile is one .ics file.
type calendarFile struct {
	info  fs.FileInfo // as it was read; nil: it could not be
	fresh bool        // it was read so soon after a change that another may have the same stamp
	today dwmon.Day   // the day for which it was read
	// read is what the last reading gave; nil where the text was of no use.
	read   map[dwmon.Day]string
	faults []dwmon.FileFault
	// days are those in use, good says that they are of a text without errors.
	days map[dwmon.Day]string
	good bool
}

type closedSet struct {
	days   *dwmon.ClosedDays
	faults []dwmon.FileFault // errors only
	stale  bool
}

func newCalendars(names map[string][]string, log *slog.Logger) *calendars {
	return &calendars{log: log, names: names, files: map[string]*calendarFile{}, sets: map[string]*closedSet{}}
}

// configure takes another configuration over. What is known of files stays.
func (c *calendars) configure(names map[string][]string) {
	c.names = names
	c.outdate()
}

func (c *calendars) outdate() {
	for _, s := range c.sets {
		s.stale = true
	}
}

// refresh reads the files that have changed, and once a month all of them, for
// events repeat.
func (c *calendars) refresh(now time.Time) {
	today := dwmon.DayAt(now.Unix(), time.UTC)
	there := map[string]bool{}
	for _, paths := range c.names {
		for _, path := range paths {
			if there[path] {
				continue
			}
			there[path] = true
			if c.files[path] == nil {
				c.files[path] = &calendarFile{}
			}
			c.look(path, c.files[path], today)
		}
	}
	for path := range c.files {
		if !there[path] {
			delete(c.files, path)
		}
	}
}

// soon is within what time after a change another may leave a file's stamp as it is.
const soon = 2 * time.Second

// look reads a file where it is not what it was.
func (c *calendars) look(path string, f *calendarFile, today dwmon.Day) {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	known := f.faults != nil || f.good
	age := today - f.today
	// A file that was of no use is read each time: permissions leave no stamp.
	if known && f.read != nil && sameStamp(info, f.info) && !f.fresh && age >= 0 && age < 31 {
		return
	}
	edited := known && !sameStamp(info, f.info)
	f.info, f.today = info, today
	f.fresh = info != nil && time.Since(info.ModTime()).Abs() < soon
	days, faults := holidays.Read(path, today)
	if known && maps.Equal(days, f.read) && slices.Equal(faults, f.faults) {
		return
	}
	for _, fault := range faults {
		if !slices.Contains(f.faults, fault) {
			c.log.Warn("a holiday calendar has a fault", "fault", fault.Error(), "hint", fault.Hint)
		}
	}
	f.read, f.faults = days, faults
	switch good := !dwmon.AnyError(faults); {
	case good:
		if edited { // else time went on
			c.log.Info("a holiday calendar has changed", "file", path, "closed_days", len(days))
		}
		f.days, f.good = days, true
	case f.good: // goes on
		c.log.Warn("a holiday calendar goes on as it last was good", "file", path)
	case days != nil: // never was good: what of it can be used is better than nothing
		f.days = days
	}
	c.outdate()
}

func sameStamp(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// closed gives the days that the named calendars close together, and the errors of
// their files. Names that the configuration does not know close nothing.
func (c *calendars) closed(names []string) (*dwmon.ClosedDays, []dwmon.FileFault) {
	if len(names) == 0 {
		return nil, nil
	}
	key := strings.Join(names, "\x00")
	s := c.sets[key]
	if s == nil {
		s = &closedSet{stale: true}
		c.sets[key] = s
	}
	if s.stale {
		c.unite(s, names)
	}
	return s.days, s.faults
}

func (c *calendars) unite(s *closedSet, names []string) {
	days := map[dwmon.Day]string{}
	s.faults, s.stale = nil, false
	for _, name := range names {
		for _, path := range c.names[name] {
			f := c.files[path]
			if f == nil {
				continue
			}
			for day, what := range f.days {
				if _, named := days[day]; !named {
					days[day] = what
				}
			}
			for _, fault := range f.faults {
				if fault.Severity == dwmon.SeverityError && !slices.Contains(s.faults, fault) {
					s.faults = append(s.faults, fault)
				}
			}
		}
	}
	if made := dwmon.NewClosedDays(days); !made.Equal(s.days) {
		s.days = made
	}
}

// faults are those of all files, warnings included.
func (c *calendars) faults() []dwmon.FileFault {
	var all []dwmon.FileFault
	for _, f := range c.files {
		for _, fault := range f.faults {
			fault.Code = dwmon.CodeCalendar
			all = append(all, fault)
		}
	}
	return all
}

// closedDays are the days on which one checker owes nothing, for commands that look at
// one only, and what is wrong with its calendars.
func closedDays(cfg *config.Config, c *dwmon.Checker, now time.Time) (*dwmon.ClosedDays, []dwmon.FileFault) {
	if len(c.Options.Calendar) == 0 {
		return nil, nil
	}
	all := newCalendars(cfg.Calendars, slog.New(slog.DiscardHandler))
	all.refresh(now)
	closed, faults := all.closed(c.Options.Calendar)
	return closed, append(all.unknown(c), faults...)
}

// unknown are the calendars that a checker names and the configuration does not.
func (c *calendars) unknown(checker *dwmon.Checker) []dwmon.FileFault {
	var faults []dwmon.FileFault
	for _, name := range checker.Options.Calendar {
		if _, known := c.names[name]; known {
			continue
		}
		known := slices.Sorted(maps.Keys(c.names))
		f := dwmon.FileFault{
			File: checker.File, Severity: dwmon.SeverityError, Code: dwmon.CodeUnknownCalendar,
			Message: "no calendar is named " + name + "; checks go on as if it closed no day",
			Hint:    "dwmon.yaml names none under `calendars`",
		}
		f.Line, f.Column, f.LineText = placeOf(checker.Text, name)
		if len(known) > 0 {
			f.Hint = "dwmon.yaml has under `calendars`: " + strings.Join(known, ", ")
		}
		if near, ok := dwmon.Nearest(name, known); ok {
			f.Hint = "did you mean " + near + "?"
		}
		faults = append(faults, f)
	}
	return faults
}

// placeOf finds where a checker's text names a calendar: from the key on, the
// first place where the name stands. It counts from 1; 0 where it cannot be found.
func placeOf(text []byte, name string) (line, column int, shown string) {
	found := false
	for i, row := range strings.Split(string(text), "\n") {
		row = strings.TrimRight(row, "\r")
		from := 0
		if !found {
			key, _, ok := strings.Cut(row, ":")
			if found = ok && strings.Trim(key, ` "'`) == "calendar"; !found {
				continue
			}
			from = len(key) + 1
		}
		if at := strings.Index(row[from:], name); at >= 0 {
			return i + 1, utf8.RuneCountInString(row[:from+at]) + 1, row
		}
	}
	return 0, 0, ""
}

// closedNow reads the calendars that the text in use of a checker names.
func closedNow(ctx context.Context, store interface {
	Texts(ctx context.Context) ([]dwmon.LastGood, error)
}, cfg *config.Config, name string, now time.Time,
) (*dwmon.ClosedDays, error) {
	texts, err := store.Texts(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		if t.Name != name {
			continue
		}
		if c, _ := checkfile.Parse(t.File, t.Name, t.Text); c != nil {
			all := newCalendars(cfg.Calendars, slog.New(slog.DiscardHandler))
			all.refresh(now)
			closed, _ := all.closed(c.Options.Calendar)
			return closed, nil
		}
	}
	return nil, nil
}

// followCalendars brings the checkers' closed days up to date. One whose days have
// changed gets a new job.
func (c *catalog) followCalendars(now time.Time) {
	c.calendars.refresh(now)
	for _, e := range c.entries {
		if e.checker == nil || e.off == dwmon.OffAway {
			e.calendarFaults = nil
			continue
		}
		closed, faults := c.calendars.closed(e.checker.Options.Calendar)
		e.calendarFaults = append(c.calendars.unknown(e.checker), faults...)
		if closed != e.closed {
			e.closed, e.wired = closed, nil
		}
	}
}

// allFaults are those of a checker's file and of its calendars.
func (e *checkerEntry) allFaults() []dwmon.FileFault {
	return append(slices.Clone(e.faults), e.calendarFaults...)
}
