package soak

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// eachMinute is a requirement line that is GOOD whenever its source is well.
const eachMinute = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 MAXNUM100000 LOOKBACKSECONDS%d"

// steady are the checkers that nothing ever happens to: each of their minutes must have
// its verdict. Each is due when its minute of the hour, modulo its every, is 0.
var steady = []struct {
	name  string
	every int64
}{{"steady/one", 1}, {"steady/two", 2}, {"steady/five", 5}, {"steady/again", 1}}

// changing are the checkers that everything happens to.
var changing = []string{
	"shaky/a", "shaky/b", "shaky/c", "shaky/d", "shaky/e", "shaky/f",
	"events/a", "events/b", "events/c", "events/d",
}

// queries is how many queries a checker has in turn: of each that it ever had, a
// small row stays (docs/reliability.md), and is not to be found anew by each soak.
const queries = 4

// text is a checker's, one for each number. Those that differ by a multiple of three
// have the same line, those that differ by a multiple of queries the same query.
func text(name string, number int, options ...string) string {
	source, query := "SHAKY", fmt.Sprintf("60 20 of text %d", number%queries)
	if strings.HasPrefix(name, "events/") {
		source = "EVENTS"
		query = fmt.Sprintf("SELECT id AS dwmon_unique_key, at AS dwmon_timestamp FROM events -- text %d", number%queries)
	}
	out := "__QUERY__\n" + query + "\n__REQUIREMENTS__\n" + fmt.Sprintf("# %d\n"+eachMinute, number, 120+60*(number%3)) + "\n__SOURCE__\n" + source + "\n__OPTIONS__\nowner: soak\n"
	for _, o := range options {
		out += o + "\n"
	}
	return out
}

// steadyText is the text of a checker that is due each so many minutes.
func steadyText(every int64) string {
	minutes := "0-59"
	if every > 1 {
		minutes = fmt.Sprintf("*/%d", every)
	}
	return "__QUERY__\n60 20\n__REQUIREMENTS__\nCHECKHOURS0-23 CHECKMINUTES" + minutes + " WEEKENDS WEEKDAYS MINNUM1 MAXNUM100 LOOKBACKSECONDS180\n__SOURCE__\nSTEADY\n"
}

// closedDays writes the calendar; the day that it closes is long past.
func (s *site) closedDays(number int) error {
	return s.put("work/closed.ics", fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//soak//\r\nBEGIN:VEVENT\r\nUID:%d\r\nDTSTAMP:%s\r\nDTSTART;VALUE=DATE:20200101\r\nDTEND;VALUE=DATE:20200102\r\nRRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		number, time.Now().UTC().Format("20060102T150405Z")))
}

func checkerFile(name string) string { return "checks/" + name + ".dwmon" }

// writeCheckers puts all checkers there as they are when samples are taken.
func (s *site) writeCheckers() error {
	var errs []error
	for _, dir := range []string{"checks/steady", "checks/shaky", "checks/events"} {
		errs = append(errs, os.MkdirAll(s.path(dir), 0o700))
	}
	for _, c := range steady {
		errs = append(errs, s.restore(c.name, steadyText(c.every)))
	}
	for _, name := range changing {
		errs = append(errs, s.restore(name, text(name, 0, "calendar: [closed]")))
	}
	return errors.Join(errs...)
}

// restore writes a checker unless it is as it should be.
func (s *site) restore(name, text string) error {
	if was, err := os.ReadFile(s.path(checkerFile(name))); err == nil && string(was) == text {
		return nil
	}
	return s.put(checkerFile(name), text)
}
