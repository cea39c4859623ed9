package daemon

import (
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// line chooses the line that a made-up incident is about, an index into the
// checker's lines: the first whose last result is of the status, else the first
// that was ever checked, else the first. It must be one that can be BAD for a
// reason; empty: for any.
func (p *previewer) line(status dwmon.Status, reason dwmon.Reason) (int, error) {
	chosen, best := -1, -1
	for i, r := range p.checker.Lines {
		if !canBe(r, reason) {
			continue
		}
		rank := 0
		if l := p.known(i); l != nil && l.Last != dwmon.NoStatus {
			rank = 1
			if l.Last == status {
				rank = 2
			}
		}
		if rank > best {
			chosen, best = i, rank
		}
	}
	switch {
	case chosen >= 0:
		return chosen, nil
	case reason == dwmon.Low:
		return 0, &ErrPreview{fmt.Errorf("no line of %s can be too low, and late rows correct no other verdict", p.checker.Name)}
	default:
		return 0, &ErrPreview{fmt.Errorf("no line of %s can be BAD", p.checker.Name)}
	}
}

// canBe says whether a line can be BAD for a reason; empty: for any.
func canBe(r dwmon.Requirement, reason dwmon.Reason) bool {
	low := r.Min.Set && r.Min.N > 0
	return low || reason == "" && r.Max.Set
}

// known is what is stored of a line; nil where it was never seen.
func (p *previewer) known(line int) *dwmon.LineProgress {
	identity := p.checker.Lines[line].Identity()
	for k := range p.progress.Lines {
		if l := &p.progress.Lines[k]; l.Identity() == identity {
			return l
		}
	}
	return nil
}

// begin makes up an incident of a line that its last check opened, and gives the
// minute of that.
func (p *previewer) begin(line int) (minute int64) {
	minute = dwmon.FloorMinute(p.now.Unix())
	i := dwmon.Incident{
		Subject: dwmon.SubjectCount, CheckerID: p.progress.ID, Checker: p.checker.Name, LineIndex: line,
		Requirement: p.checker.Lines[line].Identity(), OpenedAt: p.d.Now,
	}
	if l := p.known(line); l != nil {
		i.LineID = l.ID
		if l.Last != dwmon.NoStatus {
			minute = l.LastMinute
		}
	}
	i.Opened = minute
	p.d.Incident = i
	return minute
}

// pretend gathers what is stored of the line of a made-up incident, and makes up
// what is missing. Its last result is of the status then.
func (p *previewer) pretend(line int, minute int64, status dwmon.Status) error {
	if p.r != nil {
		if err := alerting.Gather(p.ctx, p.r, &p.d, minute); err != nil {
			return err
		}
	}
	p.d.Checks, p.d.Bad = 0, 0 // it was none of these
	if p.d.Result == nil {
		p.makeUp(line, minute, status)
	} else if p.d.Result.Status != status {
		p.alter(line, status)
	}
	return nil
}

// alter makes the last result another one.
func (p *previewer) alter(line int, status dwmon.Status) {
	was := *p.d.Result
	r := madeUpResult(p.checker, p.checker.Lines[line], status, was.Minute, p.d.Zone, p.now)
	r.RequirementIndex, r.EvaluatedAt, r.CatchUp = was.RequirementIndex, was.EvaluatedAt, was.CatchUp
	p.d.Result = &r
	if n := len(p.d.Windows); n > 0 {
		p.d.Windows[n-1].Count, p.d.Windows[n-1].Status = r.EventCount, status
	}
	p.note("line %d was last checked at %s, and was %s with %d rows: the count %d is made up",
		line+1, dwmon.LocalTime(was.Minute, p.d.Zone), was.Status, was.EventCount, r.EventCount)
}

// makeUp makes up all that would be stored.
func (p *previewer) makeUp(line int, minute int64, status dwmon.Status) {
	r := madeUpResult(p.checker, p.checker.Lines[line], status, minute, p.d.Zone, p.now)
	r.RequirementIndex = line
	p.d.Result = &r
	good := someCount(p.checker.Lines[line], dwmon.Good)
	for ago := int64(9); ago > 0; ago-- {
		p.d.Windows = append(p.d.Windows, dwmon.NoticeWindow{Minute: minute - ago*60, Count: good + ago%3, Status: dwmon.Good})
	}
	p.d.Windows = append(p.d.Windows, dwmon.NoticeWindow{Minute: minute, Count: r.EventCount, Status: status})
	p.d.Former = []notice.Former{{WeeksAgo: 1, Count: good + 1}, {WeeksAgo: 2, Count: good}, {WeeksAgo: 3, Count: good + 2}}
	if r.EventCount > 0 {
		p.d.Newest = []string{"KEY"}
	}
	p.note("nothing is recorded of it yet: counts, windows and keys are made up")
}

// madeUpResult is a result that a line of a checker might have.
func madeUpResult(c *dwmon.Checker, line dwmon.Requirement, status dwmon.Status, minute int64, zone *time.Location, now time.Time) dwmon.Result {
	r := resultOf(line, status, minute, zone, now)
	r.CheckerName, r.Source, r.Owner, r.Labels = c.Name, c.ShownSource(), c.Options.Owner, c.Options.Labels
	return r
}

// resultOf is a result of a line, with a count that it judges so where it can.
func resultOf(line dwmon.Requirement, status dwmon.Status, minute int64, zone *time.Location, now time.Time) dwmon.Result {
	r := dwmon.Result{
		Status: status, Previous: dwmon.Good, EventCount: someCount(line, status),
		Min: line.Min, Max: line.Max, LookbackSeconds: line.Lookback, Requirement: line.Identity(),
		Minute: minute, TimeZone: zone.String(), LocalTime: dwmon.LocalTime(minute, zone), EvaluatedAt: now.UnixMicro(),
	}
	switch status {
	case dwmon.Bad:
		if _, r.Reason = line.Judge(r.EventCount); r.Reason == "" {
			r.Reason = dwmon.Low // of a line that nothing makes BAD
		}
		r.ConsecutiveBad = 1
	case dwmon.Unknown:
		r.Reason = dwmon.Truncated
	}
	return r
}
