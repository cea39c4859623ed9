package dwmon

import (
	"maps"
	"time"
)

// Day is a civil day: how many days it lies after 1970-01-01, in whatever zone
// the calendar on the wall hangs.
type Day int64

// DayOf is a day by its date.
func DayOf(year int, month time.Month, day int) Day {
	return Day(floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), 86400))
}

// DayAt is the day on which a second since the epoch falls in a zone.
func DayAt(second int64, zone *time.Location) Day {
	return DayOf(time.Unix(second, 0).In(zone).Date())
}

// Midnight is the begin of the day in UTC.
func (d Day) Midnight() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String gives YYYY-MM-DD.
func (d Day) String() string { return d.Midnight().Format(time.DateOnly) }

// ClosedDays are the days on which a checker owes nothing, each with the name of
// what closes it. It does not change once it is made; nil closes nothing.
type ClosedDays struct{ names map[Day]string }

// NewClosedDays makes a set of the days; nil where there are none.
func NewClosedDays(names map[Day]string) *ClosedDays {
	if len(names) == 0 {
		return nil
	}
	return &ClosedDays{maps.Clone(names)}
}

// Name is the name of what closes a day; false where nothing does.
func (c *ClosedDays) Name(d Day) (string, bool) {
	if c == nil {
		return "", false
	}
	name, closed := c.names[d]
	return name, closed
}

// Len is how many days are closed.
func (c *ClosedDays) Len() int {
	if c == nil {
		return 0
	}
	return len(c.names)
}

// Equal says whether two sets hold the same days with the same names.
func (c *ClosedDays) Equal(other *ClosedDays) bool {
	if c == nil || other == nil {
		return c.Len() == other.Len()
	}
	return maps.Equal(c.names, other.names)
}
