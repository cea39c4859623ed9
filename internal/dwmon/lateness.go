package dwmon

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Limits of measuring lateness.
const (
	// LatenessRows is how many of the newest rows are looked at.
	LatenessRows = 2000
	// latenessStep is how far apart two fetches may have begun for the second to tell
	// when its new rows arrived.
	latenessStep = 2 * time.Minute
	// graceRows is how many rows must be measured for a grace to be proposed.
	graceRows = 20
	// gracePercent is how many in a hundred of them it should have waited for.
	gracePercent = 99
)

// Arrival is a row and the fetch that brought it. Times are microseconds since the
// epoch.
type Arrival struct {
	Micros    int64
	FirstSeen int64
	QueryID   int64
}

// Asked is a successful fetch, as far as lateness hangs on it. Times are
// microseconds since the epoch.
type Asked struct {
	Started int64
	QueryID int64
	// Complete is the time from which on the result held every row; nil: all of them,
	// as far as is known.
	Complete *int64
}

// Lateness tells how long after their timestamps the rows of a checker were first
// seen. Rows tell it only where the fetch before theirs began at most two minutes
// earlier and asked the same; what was there before is not measured.
type Lateness struct {
	// Rows is how many rows were measured; 0: not measurable.
	Rows int
	// Median, P90, P99 and Max are by nearest rank.
	Median, P90, P99, Max time.Duration
	// Grace is the smallest grace that 99 % of the rows would have needed to be in
	// time; 0 for none, and where too few rows were measured.
	Grace time.Duration
}

// MeasureLateness measures rows. fetches are those that succeeded, oldest first.
func MeasureLateness(rows []Arrival, fetches []Asked) Lateness {
	var late, needed []time.Duration
	for _, r := range rows {
		if !measurable(r, fetches) {
			continue
		}
		late = append(late, time.Duration(max(0, r.FirstSeen-r.Micros))*time.Microsecond)
		needed = append(needed, graceNeeded(r))
	}
	if len(late) == 0 {
		return Lateness{}
	}
	slices.Sort(late)
	slices.Sort(needed)
	l := Lateness{
		Rows: len(late), Median: rank(late, 50), P90: rank(late, 90), P99: rank(late, 99), Max: late[len(late)-1],
	}
	if len(needed) >= graceRows {
		l.Grace = rank(needed, gracePercent)
	}
	return l
}

// measurable says whether the row would have been seen by the fetch before its own,
// had it been there, and that one was not long before.
func measurable(r Arrival, fetches []Asked) bool {
	i := sort.Search(len(fetches), func(i int) bool { return fetches[i].Started >= r.FirstSeen })
	if i == 0 || i == len(fetches) || fetches[i].Started != r.FirstSeen {
		return false
	}
	own, before := fetches[i], fetches[i-1]
	return own.QueryID == r.QueryID && before.QueryID == r.QueryID &&
		own.Started-before.Started <= latenessStep.Microseconds() &&
		(before.Complete == nil || r.Micros >= *before.Complete)
}

// graceNeeded is the grace with which the row would have been there when the first
// minute that counts it was judged.
func graceNeeded(r Arrival) time.Duration {
	counted := FloorMinute(floorDiv(r.Micros, 1e6)) + 60
	pass := FloorMinute(floorDiv(r.FirstSeen, 1e6))
	return time.Duration(max(0, pass-counted)) * time.Second
}

// rank is a quantile by nearest rank; sorted is not empty.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}

// Propose is the grace to propose where another is set; 0 where that one is enough.
func (l Lateness) Propose(set time.Duration) time.Duration {
	if l.Grace <= set {
		return 0
	}
	return l.Grace
}

// Text is the lateness for people, with a proposal where the grace that is set is
// too short.
func (l Lateness) Text(set time.Duration) string {
	if l.Rows == 0 {
		return "not measurable: no recent row came by a fetch that began within two minutes of the one before it"
	}
	text := fmt.Sprintf("50 %% of rows within %s, 90 %% within %s, 99 %% within %s, all within %s (%d rows)",
		roundSeconds(l.Median), roundSeconds(l.P90), roundSeconds(l.P99), roundSeconds(l.Max), l.Rows)
	if grace := l.Propose(set); grace > 0 {
		text += fmt.Sprintf("; `grace: %s` in OPTIONS would have waited for 99 %% of them", FormatDuration(grace))
	}
	return text
}

// roundSeconds writes a duration in whole seconds, rounded up.
func roundSeconds(d time.Duration) string {
	return FormatDuration((d + time.Second - 1).Truncate(time.Second))
}

// LatenessStatus is a Lateness beside the grace that is set.
type LatenessStatus struct {
	Lateness
	Set time.Duration
}

// MarshalJSON writes the object in `status --json`: durations in seconds, null where
// nothing was measured or there is nothing to propose.
func (l LatenessStatus) MarshalJSON() ([]byte, error) {
	seconds := func(d time.Duration) *json.Number {
		if l.Rows == 0 {
			return nil
		}
		n := durationSeconds(d)
		return &n
	}
	var grace *json.Number
	if propose := l.Propose(l.Set); propose > 0 {
		grace = seconds(propose)
	}
	return json.Marshal(struct {
		Rows   int          `json:"rows"`
		Median *json.Number `json:"median_seconds"`
		P90    *json.Number `json:"p90_seconds"`
		P99    *json.Number `json:"p99_seconds"`
		Max    *json.Number `json:"max_seconds"`
		Grace  *json.Number `json:"proposed_grace_seconds"`
	}{l.Rows, seconds(l.Median), seconds(l.P90), seconds(l.P99), seconds(l.Max), grace})
}
