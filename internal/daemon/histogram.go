package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/histogram"
	"github.com/dwmon/dwmon/internal/words"
)

// HistogramQuery asks for a histogram.
type HistogramQuery struct {
	Name string
	// Since and Until bound the rows' timestamps, seconds since the epoch: Since is
	// included, Until is not; nil: no bound.
	Since, Until *int64
	// Progress is told now and then which share has been read; may be nil.
	Progress func(share float64)
}

// WeekHistogram is the counts of a checker by hour of the week.
type WeekHistogram struct {
	*histogram.Histogram
	CheckerName string
	Zone        *time.Location
	// From and Until are what was looked at, microseconds since the epoch.
	From, Until int64
	// Notes say what of that could not be counted, and why.
	Notes []string
}

// Weeks is how many weeks the counted hours make.
func (h *WeekHistogram) Weeks() float64 { return float64(h.Hours) / (7 * 24) }

// Histogram counts the recorded rows of a checker by hour of the week, in its zone. Only
// hours of which every row is known to be there count. The errors are
// dwmon.ErrNoChecker and dwmon.ErrNothingRecorded.
func (r *Reader) Histogram(ctx context.Context, q HistogramQuery) (*WeekHistogram, error) {
	whole, err := r.Wholeness(ctx, q.Name)
	if errors.Is(err, dwmon.ErrNothingRecorded) {
		return nil, fmt.Errorf("%w: let `dwmon daemon` run, or `dwmon once`, and ask again", err)
	}
	if err != nil {
		return nil, err
	}
	zone := r.cfg.Timezone
	good, err := lastGood(ctx, r, q.Name)
	if err != nil {
		return nil, err
	}
	if good != nil {
		zone = good.Zone(zone)
	}
	h := &WeekHistogram{CheckerName: q.Name, Zone: zone, From: whole.From, Until: max(whole.Until, whole.From)}
	h.bound(q, &whole)
	holes := whole.Holes
	if whole.Assumed {
		holes = whole.Missed
	}
	c := histogram.NewCounter(zone, h.From, h.Until, holes)
	told := progressOf(q.Progress, h.From, h.Until)
	err = r.Timestamps(ctx, whole.CheckerID, h.From, h.Until, func(micros []int64) error {
		c.Add(micros)
		told(micros[len(micros)-1])
		return ctx.Err()
	})
	h.Histogram = c.Histogram()
	h.leftOut(&whole)
	return h, err
}

// bound keeps to what was asked for, as far as rows are whole.
func (h *WeekHistogram) bound(q HistogramQuery, whole *dwmon.Wholeness) {
	asked := int64(0)
	if q.Since != nil {
		asked = *q.Since * 1e6
	}
	if asked > h.From {
		h.From = asked
	} else if q.Since != nil || whole.PurgeMark != nil {
		why := "before, the source may have had more rows than are stored"
		if whole.PurgeMark != nil && *whole.PurgeMark*1e6 >= whole.From {
			why = "older rows were purged"
		}
		h.note("rows are counted from %s on: %s", h.stamp(whole.From), why)
	}
	if q.Until != nil {
		h.Until = min(h.Until, *q.Until*1e6)
	}
	h.Until = max(h.Until, h.From)
}

// leftOut says which hours do not count.
func (h *WeekHistogram) leftOut(whole *dwmon.Wholeness) {
	if h.LeftHoles > 0 {
		why := "rows of theirs may be missing (a result that was cut, or failed fetches, left a hole)"
		if whole.Assumed {
			why = "timestamps are assumed, and fetches were missed"
		}
		h.note("%s left out: %s", words.Count(h.LeftHoles, "hour is", "hours are"), why)
	}
	if h.LeftClock > 0 {
		h.note("%s left out: a change of the clocks makes it no whole hour", words.Count(h.LeftClock, "hour is", "hours are"))
	}
	for _, c := range words.ClockChanges(h.Zone, time.UnixMicro(h.From), time.UnixMicro(h.Until)) {
		effect := "these hours do not come"
		if c.Back() {
			effect = "hours that come twice count twice"
		}
		h.note("%s; %s", c, effect)
	}
	if h.Hours == 0 {
		h.note("there is no whole hour yet between %s and %s", h.stamp(h.From), h.stamp(h.Until))
	}
}

func (h *WeekHistogram) note(format string, args ...any) {
	h.Notes = append(h.Notes, fmt.Sprintf(format, args...))
}

// stamp writes a time, microseconds since the epoch, to the second.
func (h *WeekHistogram) stamp(micros int64) string {
	return words.Stamp(time.UnixMicro(micros).In(h.Zone).Truncate(time.Second))
}

// progressOf tells which share of a span is done, in steps of a hundredth.
func progressOf(tell func(float64), from, until int64) func(at int64) {
	last := -1
	return func(at int64) {
		if tell == nil || until <= from {
			return
		}
		share := float64(at-from) / float64(until-from)
		if percent := int(share * 100); percent > last {
			last = percent
			tell(share)
		}
	}
}
