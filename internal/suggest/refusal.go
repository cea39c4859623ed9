package suggest

import (
	"fmt"
	"slices"
	"time"
)

// Refusal says why no lines can be made of a history, and what to do.
type Refusal struct {
	// Reason is a word for programs.
	Reason RefusalReason
	// Why and Do are for people.
	Why, Do string
}

func (r *Refusal) Error() string { return r.Why + ": " + r.Do }

// RefusalReason is a word for why nothing is proposed. The values are shown in JSON.
type RefusalReason string

// Reasons to propose nothing.
const (
	RefuseAssumed RefusalReason = "assumed"
	RefuseEmpty   RefusalReason = "empty"
	RefuseThin    RefusalReason = "thin"
	RefusePurged  RefusalReason = "purged"
	RefuseHoles   RefusalReason = "holes"
	RefuseFew     RefusalReason = "few_rows"
	RefuseChanged RefusalReason = "level_changed"
)

const (
	// leastRows must have come in the history in use.
	leastRows = 50
	// leastKnown is the share of it of which everything must be known.
	leastKnown = 0.5
)

// refuse looks at what can be said before anything is counted.
func (o *Options) refuse(in Past) error {
	span := in.Counts.Until - in.Counts.From
	switch {
	case o.Since && !o.Assumed && span < leastWeeks*weekSeconds:
		return &Refusal{
			RefuseThin, fmt.Sprintf("there are %s of whole history since then, and %d weeks are needed: a week must have been seen twice", days(span), leastWeeks),
			"name an earlier --since, or none",
		}
	case o.Assumed:
		return &Refusal{
			RefuseAssumed, "its rows have no time of their own: `timestamps: assumed` says when dwmon saw them",
			"set the bounds by hand, or give dwmon_timestamp the time of the event",
		}
	case in.Purged && span < leastWeeks*weekSeconds:
		return &Refusal{
			RefusePurged, fmt.Sprintf("older rows were purged, and only %s of whole history are left; %d weeks are needed", days(span), leastWeeks),
			"let the purger keep more",
		}
	case span < leastWeeks*weekSeconds:
		return &Refusal{
			RefuseThin, fmt.Sprintf("there are %s of whole history, and %d weeks are needed: a week must have been seen twice", days(span), leastWeeks),
			o.later(in.Counts.From) + ", or fetch older rows with `dwmon backfill`",
		}
	case in.Counts.Rows() == 0:
		return &Refusal{RefuseEmpty, fmt.Sprintf("in %s not a single row came", days(span)), "look with `dwmon try` whether the query finds what it is meant to"}
	}
	return nil
}

// later says when there will be enough history that begins at a time.
func (o *Options) later(from int64) string {
	return "ask again after " + time.Unix(from+leastWeeks*weekSeconds, 0).In(o.Zone).Format("2006-01-02 15:04")
}

// refuseThin looks at what is left of the history when all has been left out.
func (b *builder) refuseThin() error {
	p := b.past
	span, rows := p.counts.Until-p.from, p.counts.between(p.from, p.counts.Until)
	known := b.covered / weeks(span)
	switch {
	case span < leastWeeks*weekSeconds:
		return &Refusal{
			RefuseChanged, fmt.Sprintf("the number of rows changed for good at about %s, %s ago; what was before says nothing about now, and %d weeks are needed",
				time.Unix(p.from, 0).In(b.o.Zone).Format("2006-01-02"), days(span), leastWeeks),
			b.o.later(p.from),
		}
	case known < leastKnown:
		return &Refusal{
			RefuseHoles, fmt.Sprintf("of %s of history only %.0f %% can be used; most of the rest is left out for one reason: %s", days(span), 100*known, b.mostOut()),
			"a larger LIMIT in QUERY or `dwmon backfill` closes holes",
		}
	case rows < leastRows:
		return &Refusal{
			RefuseFew, fmt.Sprintf("only %d rows came in %s; %d are needed to tell chance from change", rows, days(span), leastRows),
			"ask again when more have come, or set the bounds by hand",
		}
	}
	return nil
}

// mostOut names what leaves out most of the history.
func (b *builder) mostOut() string {
	by := map[Why]int64{}
	for _, s := range b.in.Out {
		by[s.Why] += max(0, min(s.Until, b.past.counts.Until)-max(s.From, b.past.from))
	}
	whys := []Why{WhyHole, WhyOff, WhyIncident, WhyClosed}
	most := slices.MaxFunc(whys, func(x, y Why) int { return int(min(1, max(-1, by[x]-by[y]))) })
	return string(most)
}

// refuseBlind looks at what was made.
func (b *builder) refuseBlind() error {
	if len(b.lines) > 0 {
		return nil
	}
	return &Refusal{RefuseThin, "no minute that the lines check has a history that can be used", "check at other hours, or ask again later"}
}

// days writes a length of time in days.
func days(seconds int64) string {
	if d := seconds / 86400; d != 1 {
		return fmt.Sprintf("%d days", d)
	}
	return "1 day"
}
