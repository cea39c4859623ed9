package dwmon

import "time"

// ZoneEnd gives a time until which the offset of another one's zone holds: always a
// later one, the zero time where it holds for ever. There it may change, but need not.
//
// It is the end of time.ZoneBounds but for a mistake of that (Go 1.26): where a zone's
// table has ended and its rule holds, each year is taken to have 365 days, so that on
// the last day of a leap year the bounds end before they are asked for. A zone database
// without long tables, as the one that is linked in, has its rules from 2007 on.
func ZoneEnd(at time.Time) time.Time {
	_, end := at.ZoneBounds()
	if end.IsZero() || end.After(at) {
		return end
	}
	return time.Date(at.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).In(at.Location())
}
