package dwmon

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// MaxLookback is the longest look-back, in seconds: 366 days.
const MaxLookback = 31_622_400

// Sets of hours (bit 0 to 23), minutes (bit 0 to 59) and days (bit
// time.Sunday to time.Saturday).
type (
	HourSet   uint32
	MinuteSet uint64
	DaySet    uint8
)

// Days as the tokens WEEKDAYS and WEEKENDS mean them.
const (
	Weekends DaySet = 1<<time.Saturday | 1<<time.Sunday
	Weekdays DaySet = 1<<time.Monday | 1<<time.Tuesday | 1<<time.Wednesday | 1<<time.Thursday | 1<<time.Friday
)

// Bound is one end of a range; not set means none on that side.
type Bound struct {
	N   int64
	Set bool
}

// At gives the bound n.
func At(n int64) Bound { return Bound{N: n, Set: true} }

// Ptr gives the bound as JSON and protobuf have it: nil for none.
func (b Bound) Ptr() *int64 {
	if !b.Set {
		return nil
	}
	return &b.N
}

// Requirement is one requirement line. It is comparable; FileLine aside, equal
// requirements have equal identities.
type Requirement struct {
	Hours   HourSet
	Minutes MinuteSet
	Days    DaySet
	Min     Bound
	Max     Bound
	// Lookback is the length of the window in seconds.
	Lookback int64
	// HalfOpen closes the lower end of the window.
	HalfOpen bool
	// FileLine is where the line stands in its file, counted from 1; 0 for none.
	FileLine int
}

// Identity is the line's normalised tokens. Streaks, deliveries and incidents
// belong to it: two spellings of one requirement share it.
func (r Requirement) Identity() string {
	var b strings.Builder
	b.WriteString("CHECKHOURS" + formatSet(uint64(r.Hours), 24))
	b.WriteString(" CHECKMINUTES" + formatSet(uint64(r.Minutes), 60))
	switch {
	case r.Days == Weekdays|Weekends:
		b.WriteString(" WEEKENDS WEEKDAYS")
	case r.Days == Weekdays:
		b.WriteString(" WEEKDAYS")
	case r.Days == Weekends:
		b.WriteString(" WEEKENDS")
	default:
		b.WriteString(" CHECKDAYS" + formatDays(r.Days))
	}
	if r.Min.Set {
		fmt.Fprintf(&b, " MINNUM%d", r.Min.N)
	}
	if r.Max.Set {
		fmt.Fprintf(&b, " MAXNUM%d", r.Max.N)
	}
	fmt.Fprintf(&b, " LOOKBACKSECONDS%d", r.Lookback)
	if r.HalfOpen {
		b.WriteString(" HALFOPEN")
	}
	return b.String()
}

// formatSet writes the members of a set of 0..size-1 in the shortest of the
// grammar's forms: */n where that is what they are, else ranges and numbers.
func formatSet(set uint64, size int) string {
	for n := 2; n < size; n++ {
		if set == StepSet(n, size) && bits.OnesCount64(set) > 1 {
			return "*/" + strconv.Itoa(n)
		}
	}
	return formatRuns(set, size, func(i int) string { return strconv.Itoa(i) })
}

// formatRuns writes the runs of members as "a-b" or "a", separated by commas.
func formatRuns(set uint64, size int, name func(int) string) string {
	var parts []string
	for i := 0; i < size; i++ {
		if set&(1<<i) == 0 {
			continue
		}
		first := i
		for i+1 < size && set&(1<<(i+1)) != 0 {
			i++
		}
		if first == i {
			parts = append(parts, name(i))
		} else {
			parts = append(parts, name(first)+"-"+name(i))
		}
	}
	return strings.Join(parts, ",")
}

// StepSet is the set of the multiples of n below size: the grammar's */n.
func StepSet(n, size int) uint64 {
	var set uint64
	for i := 0; i < size; i += n {
		set |= 1 << i
	}
	return set
}

// DayNames are the grammar's names of days, Monday first.
var DayNames = [7]string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}

func formatDays(days DaySet) string {
	var mondayFirst uint64
	for i := range DayNames {
		if days&(1<<((i+1)%7)) != 0 {
			mondayFirst |= 1 << i
		}
	}
	return formatRuns(mondayFirst, 7, func(i int) string { return DayNames[i] })
}

// Matches says whether the line is checked at the local minute t.
func (r Requirement) Matches(t time.Time) bool {
	return r.matches(int(t.Weekday()), t.Hour(), t.Minute())
}

func (r Requirement) matches(day, hour, minute int) bool {
	return r.Days&(1<<day) != 0 && r.Hours&(1<<hour) != 0 && r.Minutes&(1<<minute) != 0
}

// Window is the span that is counted for a minute: From ≤ timestamp < Until, in
// microseconds since the epoch.
type Window struct{ From, Until int64 }

// Window gives the span that the line counts for a minute (seconds since the
// epoch): minute−Lookback < timestamp < minute, lower end closed with HalfOpen.
func (r Requirement) Window(minute int64) Window {
	w := Window{From: (minute-r.Lookback)*1e6 + 1, Until: minute * 1e6}
	if r.HalfOpen {
		w.From--
	}
	return w
}

// Judge turns a count into a verdict.
func (r Requirement) Judge(count int64) (Status, Reason) {
	switch {
	case r.Min.Set && count < r.Min.N:
		return Bad, Low
	case r.Max.Set && count > r.Max.N:
		return Bad, High
	default:
		return Good, ""
	}
}
