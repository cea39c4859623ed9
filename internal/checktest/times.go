package checktest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/strictyaml"
	"go.yaml.in/yaml/v3"
)

// clock reads the times of a test.
type clock struct {
	zone *time.Location
	// start is where times without a date, and +1h, are reckoned from; microseconds
	// since the epoch.
	start int64
}

var localTime = regexp.MustCompile(`^(?:([0-9]{4})-([0-9]{2})-([0-9]{2})[ T])?([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?$`)

const timeHint = `write 22:00, 22:00:30, 2026-03-28 22:00, +90m (after start), -2h (before it) or RFC 3339`

// textError is an error with a hint.
type textError struct{ message, hint string }

// after reads a time. One without a date is the first at or after anchor.
func (c clock) after(r *strictyaml.Reader, n *yaml.Node, what string, anchor int64) (int64, bool) {
	text, ok := r.Word(n, what)
	if !ok {
		return 0, false
	}
	at, fault := c.read(text, anchor)
	if fault != nil {
		r.At(n, what+": "+fault.message, fault.hint)
		return 0, false
	}
	return at, true
}

// read gives the time that a text means.
func (c clock) read(text string, anchor int64) (int64, *textError) {
	if at, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "T", 1)); err == nil {
		return at.UnixMicro(), nil
	}
	if text[0] == '+' || text[0] == '-' {
		d, err := dwmon.ParseDuration(text[1:])
		if err != nil {
			return 0, &textError{err.Error(), timeHint}
		}
		if text[0] == '-' {
			d = -d
		}
		return c.start + d.Microseconds(), nil
	}
	m := localTime.FindStringSubmatch(text)
	if m == nil {
		return 0, &textError{strconv.Quote(text) + " is no time", timeHint}
	}
	if m[1] != "" {
		return c.onDay(m, m[1], m[2], m[3])
	}
	day := time.UnixMicro(anchor).In(c.zone)
	for range 2 {
		at, fault := c.onDay(m, day.Format("2006"), day.Format("01"), day.Format("02"))
		if fault != nil || at >= anchor {
			return at, fault
		}
		y, month, d := day.Date()
		day = time.Date(y, month, d+1, 12, 0, 0, 0, c.zone)
	}
	return 0, &textError{fmt.Sprintf("no %s comes within a day of %s", text, c.show(anchor)), "write its date"}
}

// onDay gives the time of day of a match, on a day.
func (c clock) onDay(m []string, year, month, day string) (int64, *textError) {
	n := func(s string) int {
		v, _ := strconv.Atoi(s)
		return v
	}
	micros := n((m[7] + "000000")[:6])
	wall := time.Date(n(year), time.Month(n(month)), n(day), n(m[4]), n(m[5]), n(m[6]), micros*1000, time.UTC)
	switch {
	case n(m[4]) == 24 && n(m[5]) == 0 && n(m[6]) == 0:
		return 0, &textError{"a day has no hour 24", "write 00:00, of the next day where there is a date"}
	case wall.Format("15:04:05") != fmt.Sprintf("%02d:%02d:%02d", n(m[4]), n(m[5]), n(m[6])):
		return 0, &textError{fmt.Sprintf("a day has no %s:%s%s", m[4], m[5], prefixed(":", m[6])), ""}
	case wall.Format(time.DateOnly) != year+"-"+month+"-"+day:
		return 0, &textError{fmt.Sprintf("there is no day %s-%s-%s", year, month, day), ""}
	}
	return c.atWall(wall)
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// atWall gives the one instant at which the clocks of the zone show a time, which
// is given as if it were UTC. At a change of the clocks there may be none, or two.
func (c clock) atWall(wall time.Time) (int64, *textError) {
	var found []time.Time
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), c.zone)
	for _, apart := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := near.Add(apart).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(c.zone)
		if at.Format(wallLayout) == wall.Format(wallLayout) && (len(found) == 0 || !found[0].Equal(at)) {
			found = append(found, at)
		}
	}
	shown := wall.Format("2006-01-02 15:04")
	switch len(found) {
	case 1:
		return found[0].UnixMicro(), nil
	case 2:
		return 0, &textError{
			fmt.Sprintf("%s comes twice in %s: the clocks are put back", shown, c.zone),
			fmt.Sprintf("write %s or %s", found[0].Format(time.RFC3339), found[1].Format(time.RFC3339)),
		}
	default:
		return 0, &textError{fmt.Sprintf("%s does not exist in %s: the clocks are put forward", shown, c.zone), c.skipped(near)}
	}
}

const wallLayout = "2006-01-02 15:04:05.000000"

// skipped says what comes where a time is skipped near an instant.
func (c clock) skipped(near time.Time) string {
	start, end := near.ZoneBounds()
	change := start
	if start.IsZero() || !end.IsZero() && end.Sub(near) < near.Sub(start) {
		change = end
	}
	return fmt.Sprintf("after %s comes %s", change.Add(-time.Minute).In(c.zone).Format("15:04"), change.In(c.zone).Format("15:04"))
}

// show writes a time as test files do: with its date where that is not the start's,
// with seconds where they matter.
func (c clock) show(micros int64) string {
	at := time.UnixMicro(micros).In(c.zone)
	layout := "15:04:05.999999"
	if micros%60e6 == 0 {
		layout = "15:04"
	}
	if at.Format(time.DateOnly) != time.UnixMicro(c.start).In(c.zone).Format(time.DateOnly) {
		layout = "2006-01-02 " + layout
	}
	// In an hour that comes twice, only the offset tells which.
	_, before := at.Add(-3 * time.Hour).Zone()
	_, offset := at.Zone()
	_, after := at.Add(3 * time.Hour).Zone()
	if offset != before || offset != after {
		layout += " MST"
	}
	return at.Format(layout)
}
