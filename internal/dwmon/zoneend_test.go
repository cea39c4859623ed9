package dwmon

import (
	"testing"
	"time"
)

// TestZoneEnd: an offset holds until the end that is said, which is always later; at
// the ends of leap years too, which are the rules' where no table reaches.
func TestZoneEnd(t *testing.T) {
	for _, zone := range zones(t) {
		for _, year := range []int{2011, 2024, 2027, 2028, 2040, 2041, 2096, 2100} {
			at := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
			for ; at.Year() == year; at = at.Add(30 * time.Minute) {
				local := at.In(zone)
				end := ZoneEnd(local)
				if end.IsZero() {
					break
				}
				if !end.After(local) {
					t.Fatalf("%v: its offset holds until %v", local, end)
				}
				_, now := local.Zone()
				if _, then := end.Add(-time.Second).Zone(); then != now {
					t.Fatalf("%v: its offset does not hold until %v", local, end)
				}
			}
		}
	}
}
