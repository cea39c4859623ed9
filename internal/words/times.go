package words

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Layouts of times for people.
const (
	DayLayout    = "2006-01-02"
	MinuteLayout = "15:04"
	SecondLayout = "15:04:05"
)

// TimeOfDay leaves the seconds out where there are none.
func TimeOfDay(t time.Time) string {
	if t.Second() == 0 {
		return t.Format(MinuteLayout)
	}
	return t.Format(SecondLayout)
}

// Stamp is a local time: "2026-11-02 14:10", with the offset where the clock shows
// that time twice.
func Stamp(t time.Time) string {
	text := t.Format(DayLayout) + " " + TimeOfDay(t)
	if Twice(t) {
		text += " " + Offset(t)
	}
	return text
}

// Twice says that the clock shows the time of day twice on that day, because it
// is set back.
func Twice(t time.Time) bool {
	const layout = DayLayout + " " + SecondLayout
	for _, shift := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour} {
		if text := t.Format(layout); t.Add(shift).Format(layout) == text || t.Add(-shift).Format(layout) == text {
			return true
		}
	}
	return false
}

// Offset is how far the local time is from UTC: "UTC+1", "UTC-3:30".
func Offset(t time.Time) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		return "UTC"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	text := "UTC" + sign + strconv.Itoa(seconds/3600)
	if minutes := seconds % 3600 / 60; minutes != 0 {
		text += fmt.Sprintf(":%02d", minutes)
	}
	return text
}

// Zone is a zone's name; "local time" for the machine's, which has none.
func Zone(zone *time.Location) string {
	if name := zone.String(); name != "" && name != "Local" {
		return name
	}
	return "local time"
}

// ClockChange is a moment at which the clocks of a zone are set.
type ClockChange struct {
	// At is the first second of the new time; Before and After are what the clocks
	// show then, by the old time and by the new.
	At, Before, After time.Time
}

// Back says that the clocks are set back: local times come twice.
func (c ClockChange) Back() bool { return c.Shift() < 0 }

// Shift is by how much the clocks are set forward; negative: back.
func (c ClockChange) Shift() time.Duration {
	_, before := c.Before.Zone()
	_, after := c.After.Zone()
	return time.Duration(after-before) * time.Second
}

// First and Until bound the local times that come twice, or not at all, as the old
// time's clock (skipped) or the new one's (twice) shows them: First is among them,
// Until is not.
func (c ClockChange) First() time.Time {
	if c.Back() {
		return c.After
	}
	return c.Before
}

// Until: see First.
func (c ClockChange) Until() time.Time { return c.First().Add(c.Shift().Abs()) }

// String says what happens: "2026-10-25: the clocks are set back from 3:00 to 2:00".
func (c ClockChange) String() string {
	how := "forward"
	if c.Back() {
		how = "back"
	}
	return fmt.Sprintf("%s: the clocks are set %s from %s to %s", c.Before.Format(DayLayout), how, hourMinute(c.Before), hourMinute(c.After))
}

// ClockChanges are the changes of a zone's clocks in from < change ≤ until, oldest
// first. A change of the zone's name alone is none.
func ClockChanges(zone *time.Location, from, until time.Time) []ClockChange {
	var changes []ClockChange
	for at := from.In(zone); ; {
		end := dwmon.ZoneEnd(at)
		if end.IsZero() || end.After(until) {
			return changes
		}
		name, offset := at.Zone()
		c := ClockChange{At: end, Before: end.In(time.FixedZone(name, offset)), After: end.In(zone)}
		if c.Shift() != 0 {
			changes = append(changes, c)
		}
		at = end.In(zone)
	}
}

// hourMinute is a time of day as people write it: "9:00".
func hourMinute(t time.Time) string { return fmt.Sprintf("%d:%02d", t.Hour(), t.Minute()) }
