package dryrun

import (
	"sort"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// judge judges windows by the rows of a result, by the rules of the pass.
type judge struct {
	q        Question
	micros   []int64 // of the rows that count, sorted
	coverage dwmon.Coverage
	evidence dwmon.Evidence
	// until is the newest minute that can be judged.
	until int64
}

func (in *Intake) judge(summary dwmon.FetchSummary, cut bool, ended time.Time) *judge {
	c := in.q.Checker
	j := &judge{q: in.q, micros: in.micros}
	j.until = dwmon.Judgeable(dwmon.Slot(in.q.Now, c.Options.Grace), summary.DataAsOf, c.Options.Grace)
	j.coverage = dwmon.Coverage{
		Cut: cut, NewestFirst: cut && dwmon.NewestFirst(c.Query), Tally: in.tally, Ended: ended.UnixMicro(), Grace: c.Options.Grace,
	}
	if c.Options.Assumed { // the first fetch is a baseline: its rows count in no window
		j.micros = nil
		j.evidence.Missed = []dwmon.Span{{From: dwmon.Forever, Until: ended.UnixMicro()}}
	} else if hole, ok := j.coverage.Hole(); ok {
		j.evidence.Holes = []dwmon.Span{hole}
	}
	return j
}

// line judges the last due windows of a line.
func (j *judge) line(index int, r dwmon.Requirement) Line {
	l := Line{
		Requirement: r.Identity(), Index: index, FileLine: r.FileLine, Min: r.Min.Ptr(), Max: r.Max.Ptr(), Lookback: r.Lookback,
		Words: words.Line(r, j.q.Zone), Windows: []Window{}, Rule: r,
	}
	for _, minute := range r.PrevDue(j.q.Zone, j.q.Closed, j.until, j.q.Windows) {
		w := r.Window(minute)
		count := j.count(w)
		status, reason := j.evidence.Weigh(r, w, count)
		l.Windows = append(l.Windows, Window{minute, dwmon.LocalTime(minute, j.q.Zone), count, status, reason})
	}
	if next := r.NextDue(j.q.Zone, j.q.Closed, j.until, 1); len(next) > 0 {
		l.NextDue = &next[0]
	}
	return l
}

func (j *judge) count(w dwmon.Window) int64 {
	return int64(j.before(w.Until) - j.before(w.From))
}

// before is how many rows are older than a time.
func (j *judge) before(micros int64) int {
	return sort.Search(len(j.micros), func(i int) bool { return j.micros[i] >= micros })
}
