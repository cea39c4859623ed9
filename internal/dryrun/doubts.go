package dryrun

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// doubts are what deserves a look, the most telling first.
func (in *Intake) doubts(r *Report, j *judge, summary dwmon.FetchSummary, ended time.Time) []Warning {
	d := doubter{in: in, r: r, judge: j, list: []Warning{}}
	d.rows()
	d.timestamps(summary)
	d.clock(summary, ended)
	d.keys()
	d.order()
	d.reach()
	d.before()
	d.lines()
	for _, text := range summary.Warnings {
		d.warn(WarnPlugin, "", "the row getter says: %s", text)
	}
	return d.list
}

type doubter struct {
	in    *Intake
	r     *Report
	judge *judge
	list  []Warning
}

func (d *doubter) warn(code, hint, format string, args ...any) {
	d.list = append(d.list, Warning{Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// counted says that there are rows that count.
func (d *doubter) counted() bool { return len(d.in.micros) > 0 }

func (d *doubter) options() *dwmon.Options { return &d.in.q.Checker.Options }

func (d *doubter) rows() {
	switch {
	case d.counted():
	case d.r.Rows+d.r.SkippedNull == 0:
		d.warn(WarnNoRows, "where rows were expected, look at the query's WHERE, and whether SOURCE is the right database", "the query gave no rows: every count is 0")
	default:
		d.warn(WarnAllSkipped, "look at the column that is given as dwmon_timestamp", "none of the rows counts: their timestamps are NULL, or more than a day ahead of the clock")
	}
	if d.options().Disabled {
		d.warn(WarnDisabled, "remove `enabled` from OPTIONS to switch it on", "OPTIONS has `enabled: false`: a daemon does not check this checker")
	}
}

// steady is how far apart the times of `timestamps: assumed` may lie within one result:
// a query that asks for the time row by row gets a later one each time.
const steady = time.Minute

// timestamps looks at the times as a whole.
func (d *doubter) timestamps(summary dwmon.FetchSummary) {
	t := &d.in.tally
	if !d.counted() {
		return
	}
	spread := time.Duration(t.Newest-t.Oldest) * time.Microsecond
	switch assumed := d.options().Assumed; {
	case assumed && spread > steady:
		d.warn(WarnNotConstant, "remove `timestamps` from OPTIONS: the rows have times of their own",
			"OPTIONS has `timestamps: assumed`, but the timestamps span %s", about(spread))
	case assumed:
		d.warn(WarnBaseline, "", "with `timestamps: assumed` the first fetch is only a baseline: its rows count in no window, and nothing before it can be judged")
		return
	case t.Rows-t.Skipped > 1 && spread == 0:
		d.warn(WarnConstant, "where the query gives the present time, say `timestamps: assumed` in OPTIONS: outages are then not mistaken for low counts",
			"all rows bear one and the same timestamp, %s", rfc3339(t.Newest))
	}
	d.zone(dwmon.Reach(d.in.q.Now.UnixMicro(), nil, summary.DataAsOf))
}

// aheadAtMost is how far a row may lie ahead of the clock without being spoken of.
const aheadAtMost = time.Minute

// zone looks at how old the newest row was when the source's data end.
func (d *doubter) zone(reach int64) {
	age := time.Duration(reach-d.in.tally.Newest) * time.Microsecond
	shift := dwmon.NearZoneShift(age)
	const hint = "if the source is not just quiet, its times are of another zone than was assumed: say which with `timezone` under `sources` in dwmon.yaml, or give times with their zone"
	switch {
	case shift > 0 && d.expectedWithin() < shift:
		d.warn(WarnZone, hint, "the newest row is almost exactly %s old, as if its timestamps were of another time zone", exactly(shift))
	case shift < 0:
		d.warn(WarnZone, hint, "the newest row is almost exactly %s ahead of the clock, as if its timestamps were of another time zone", exactly(-shift))
	case age < -aheadAtMost:
		d.warn(WarnAhead, "a row counts when the minutes of its timestamp have come; is the timestamp the time of the event?",
			"the newest row lies %s ahead of the clock", about(-age))
	}
}

// recentRows are those that tell how often rows come at the moment.
const recentRows = 20

// expectedWithin is how long after the newest row the next would have been expected:
// three times the mean distance of the last rows. A forever where too few tell it.
func (d *doubter) expectedWithin() time.Duration {
	recent := d.in.micros[max(0, len(d.in.micros)-recentRows):]
	if len(recent) < 3 {
		return 1<<63 - 1
	}
	mean := (recent[len(recent)-1] - recent[0]) / int64(len(recent)-1)
	return 3 * time.Duration(mean) * time.Microsecond
}

// clock looks at what the source says of its clock and of its data.
func (d *doubter) clock(summary dwmon.FetchSummary, ended time.Time) {
	started := d.in.q.Now.UnixMicro()
	if skew := dwmon.Skew(summary.SourceNow, started, ended.UnixMicro()); skew != 0 && !d.in.q.Stands {
		direction := "ahead of"
		if skew < 0 {
			direction, skew = "behind", -skew
		}
		d.warn(WarnSourceClock, "set both clocks by NTP; a `grace` in OPTIONS makes up for a source that is behind",
			"the source's clock is %s %s ours", about(time.Duration(skew)*time.Microsecond), direction)
	}
	if as := summary.DataAsOf; as != nil && d.judge.until < dwmon.Slot(d.in.q.Now, d.options().Grace) {
		d.warn(WarnSourceData, "later minutes are judged when the data have got there", "the source's data reach to %s only, %s ago: the windows below end there",
			rfc3339(*as), about(d.in.q.Now.Sub(time.UnixMicro(*as))))
	}
}

func (d *doubter) keys() {
	if d.r.RepeatedRows == 0 {
		return
	}
	message := fmt.Sprintf("%s repeated a key that had come before (%s): only the first row of a key counts",
		words.Count(d.r.RepeatedRows, "row", "rows"), words.Count(d.r.RepeatedKeys, "key", "keys"))
	if d.in.otherTime {
		message += ", with the time of that one; others had another time"
	}
	d.warn(WarnRepeated, "give each event a dwmon_unique_key of its own, such as its id; a join that doubles rows does no harm", "%s", message)
}

const newestFirst = "end the query in ORDER BY dwmon_timestamp DESC LIMIT …: then the newest rows are all there"

// order looks at which rows a LIMIT leaves out.
func (d *doubter) order() {
	limited := d.r.RowLimit != nil
	switch whole := d.r.WholeFrom != nil; {
	case !d.counted(), !d.r.Cut && (!limited || !d.in.tally.Unordered):
	case !d.r.Cut:
		d.warn(WarnUnordered, newestFirst, "the rows do not come newest first: as soon as there are %d of them, LIMIT leaves out any", *d.r.RowLimit)
	case !whole && limited:
		d.warn(WarnUnordered, newestFirst, "LIMIT %d has cut the result, and the rows do not come newest first: any may be missing, so no count can be called too low", *d.r.RowLimit)
	case !whole:
		d.warn(WarnUnordered, "let the query give the newest rows first, or fewer rows", "the source gave only part of the result, and not newest first: any row may be missing, so no count can be called too low")
	}
}

// Rows from which on a rate is spoken of, and the shortest span that they may have.
const (
	rateRows = 10
	rateSpan = time.Minute
)

// reach looks at whether the result reaches back as far as the lines look.
func (d *doubter) reach() {
	t, longest := &d.in.tally, time.Duration(d.in.q.Checker.LongestLookback())*time.Second
	if !d.counted() || d.options().Assumed {
		return
	}
	span := time.Duration(t.Newest-t.Oldest) * time.Microsecond
	back := d.in.q.Now.Sub(time.UnixMicro(t.Oldest))
	needed, known := d.rowsWithin(longest, span)
	switch {
	case d.r.Cut && d.r.WholeFrom != nil && back < longest:
		hint := fmt.Sprintf("low counts are UNKNOWN until dwmon has run for that long, and after each pause of more than %s", about(back))
		if known {
			hint += "; " + enough(needed)
		}
		d.warn(WarnLimit, hint, "the result is cut after %s and reaches back %s only; the longest look-back is %s",
			words.Count(t.Rows, "row", "rows"), about(back), exactly(longest))
	case !d.r.Cut && d.r.RowLimit != nil && known && span < longest && needed > *d.r.RowLimit:
		d.warn(WarnLimit, enough(needed), "at the rate of these rows, about %d come within the longest look-back, %s: more than LIMIT %d lets through",
			needed, exactly(longest), *d.r.RowLimit)
	}
}

// before looks at windows that are low because they begin before the oldest row. Where
// the query itself leaves older rows out, nothing can be told from that.
func (d *doubter) before() {
	if !d.counted() || d.r.Cut || d.in.tally.Oldest >= d.judge.until*1e6 {
		return
	}
	low := int64(0)
	for i := range d.r.Lines {
		l := &d.r.Lines[i]
		for _, w := range l.Windows {
			if w.Reason == dwmon.Low && l.Rule.Window(w.Minute).From < d.in.tally.Oldest {
				low++
			}
		}
	}
	if low > 0 {
		d.warn(WarnOldest, "if the query's WHERE leaves older rows out, that proves nothing; a dwmon that runs keeps the rows that it has seen",
			"%s before the oldest row, which is %s old", words.Count(low, "window that is too low begins", "windows that are too low begin"), about(d.in.q.Now.Sub(time.UnixMicro(d.in.tally.Oldest))))
	}
}

// rowsWithin is how many rows would come within a time at the rate of the result.
func (d *doubter) rowsWithin(within, span time.Duration) (rows int64, known bool) {
	if d.in.tally.Rows < rateRows || span < rateSpan {
		return 0, false
	}
	return int64(float64(d.in.tally.Rows)*float64(within)/float64(span)) + 1, true
}

// enough names a LIMIT with room for a busier time.
func enough(rows int64) string {
	limit := roundUp(rows + rows/2)
	if limit > dwmon.DefaultMaxRows {
		return "a WHERE that keeps to the look-back needs no LIMIT"
	}
	return "at this rate LIMIT " + strconv.FormatInt(limit, 10) + " is enough, with room for half as many again"
}

// roundUp gives two digits and zeros.
func roundUp(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}

func (d *doubter) lines() {
	for i := range d.r.Lines {
		if l := &d.r.Lines[i]; len(l.Windows) == 0 && l.NextDue == nil {
			d.warn(WarnNeverDue, "look at its days and hours, and at the `calendar` in OPTIONS", "the requirement in line %d is never due", l.FileLine)
		}
	}
}

// about says a duration in one unit, exactly says it without rounding.
func about(d time.Duration) string {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return exactly(d.Round(unit))
		}
	}
	if d < time.Second {
		return "less than a second"
	}
	return exactly(d)
}

func exactly(d time.Duration) string { return words.Duration(int64(d / time.Second)) }
