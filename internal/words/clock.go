package words

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// mostSkipped is up to how many checks that a clock change leaves out are named.
const mostSkipped = 4

// Effect says what a change of the clocks does to a line: its minutes in the hour
// that comes twice are checked twice, those in the one that does not come are left
// out. It is empty where the line has none there.
func (c ClockChange) Effect(r dwmon.Requirement, closed *dwmon.ClosedDays) string {
	var times []string
	for t := c.First(); t.Before(c.Until()); t = t.Add(time.Minute) {
		if _, off := closed.Name(dwmon.DayOf(t.Date())); !off && r.Matches(t) {
			times = append(times, t.Format(MinuteLayout))
		}
	}
	if len(times) == 0 {
		return ""
	}
	what := And(times)
	if len(times) > mostSkipped {
		what = fmt.Sprintf("%d minutes from %s to %s", len(times), times[0], times[len(times)-1])
	}
	switch one := len(times) == 1; {
	case c.Back() && one:
		return what + " comes twice, and is checked both times"
	case c.Back():
		return what + " come twice, and are checked both times"
	case one:
		return what + " does not come, and is not checked"
	default:
		return what + " do not come, and are not checked"
	}
}
