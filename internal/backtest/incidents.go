package backtest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// incidents follows those of a replay, and beside each line what its incidents would be
// had all rows been there in time. An incident that hindsight would not have had open at
// any time of its life is there for late rows alone.
type incidents struct {
	rule  dwmon.AlertRule
	lines []lineIncidents
	// late: hindsight is looked at.
	late bool
	// told is the first minute to tell of: what was closed before is not.
	told    int64
	summary *Summary
	opened  int64 // so many, which is the id of the last
}

// lineIncidents is what is followed of one line.
type lineIncidents struct {
	live []*live
	// whole is the trouble of the line in hindsight.
	whole dwmon.Trouble
}

// live is an incident that is open, or was closed in the present piece.
type live struct {
	Incident
	id    int64
	whole bool // hindsight has one too
}

// open begins an incident.
func (n *incidents) open(i dwmon.Incident) int64 {
	line := n.lineOf(i.LineID)
	n.opened++
	l := &live{id: n.opened, Incident: Incident{
		Subject: i.Subject, LineIndex: int(i.LineID - 1), Opened: i.Opened, OpenedAt: i.OpenedAt, CatchUp: i.CatchUp,
	}}
	line.live = append(line.live, l)
	return l.id
}

func (n *incidents) lineOf(lineID int64) *lineIncidents { return &n.lines[lineID-1] }

// close ends one. What is counted of it is known only when its verdicts are recorded.
func (n *incidents) close(id, closed int64, end dwmon.IncidentEnd) {
	for i := range n.lines {
		for _, l := range n.lines[i].live {
			if l.id == id {
				closed = max(l.Opened, closed)
				l.Closed, l.End = &closed, end
			}
		}
	}
}

// judged counts a verdict for the incidents of its line that it is part of.
func (n *incidents) judged(v *dwmon.Verdict, whole dwmon.Status, old bool) {
	line := n.lineOf(v.LineID)
	opened := false // in hindsight, by this very verdict or before
	if !old && n.late {
		trouble, turn := line.whole.Then(n.rule, whole)
		opened = line.whole.Incident != 0 || turn.Opens
		switch {
		case turn.Opens:
			trouble.Incident = 1
		case turn.Closes:
			trouble.Incident = 0
		}
		line.whole = trouble
	}
	for _, l := range line.live {
		if v.Minute < l.Opened || l.Closed != nil && v.Minute > *l.Closed {
			continue
		}
		l.whole = l.whole || opened
		if v.Status == dwmon.Bad && l.Subject == dwmon.SubjectCount || v.Status == dwmon.Unknown && l.Subject == dwmon.SubjectChecker {
			l.add(v)
		}
	}
}

func (l *live) add(v *dwmon.Verdict) {
	if l.Bad == 0 {
		l.Lowest, l.Highest, l.Reason = v.Count, v.Count, v.Reason
	}
	l.Bad++
	l.Lowest, l.Highest = min(l.Lowest, v.Count), max(l.Highest, v.Count)
}

// committed ends what was closed in a piece, whose verdicts are all counted now.
func (n *incidents) committed() {
	for i := range n.lines {
		line := &n.lines[i]
		if len(line.live) == 0 {
			continue
		}
		open := line.live[:0]
		for _, l := range line.live {
			if l.Closed == nil {
				open = append(open, l)
			} else {
				n.keep(l)
			}
		}
		line.live = open
	}
}

// keep counts an incident, and lists it where there is room.
func (n *incidents) keep(l *live) {
	if l.Closed != nil && *l.Closed < n.told {
		return
	}
	line := &n.summary.Lines[l.LineIndex]
	if l.Subject == dwmon.SubjectCount {
		l.Late = n.late && !l.whole
		line.Incidents++
		if l.Late {
			line.Late++
		}
	} else {
		line.UnknownIncidents++
	}
	if len(n.summary.Incidents) < MaxKept {
		l.Requirement = line.Requirement
		n.summary.Incidents = append(n.summary.Incidents, l.Incident)
	}
}

// off ends everything that is open: the checker owes nothing for a while.
func (n *incidents) off() {
	n.committed()
	for i := range n.lines {
		n.lines[i].whole = dwmon.Trouble{}
	}
}

// finish lists what is still open, and puts the list in order.
func (n *incidents) finish() {
	n.committed()
	for i := range n.lines {
		for _, l := range n.lines[i].live {
			n.keep(l)
		}
		n.lines[i].live = nil
	}
	var all int64
	for _, l := range n.summary.Lines {
		all += l.Incidents + l.UnknownIncidents
	}
	if all > int64(len(n.summary.Incidents)) {
		n.summary.Notes = append(n.summary.Notes, fmt.Sprintf("of %d incidents %d are listed; all are counted", all, len(n.summary.Incidents)))
	}
	slices.SortStableFunc(n.summary.Incidents, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(a.Opened, b.Opened), cmp.Compare(a.LineIndex, b.LineIndex), cmp.Compare(a.Subject, b.Subject))
	})
}
