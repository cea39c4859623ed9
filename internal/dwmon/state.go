package dwmon

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// State is what a checker as a whole is in.
type State string

const (
	StateGood    State = "GOOD"
	StatePending State = "PENDING" // none of its lines was checked yet
	StateUnknown State = "UNKNOWN"
	StateBad     State = "BAD"
)

// rank orders states from best to worst. A line that was not checked yet says
// nothing: what the others say counts.
func (s State) rank() int {
	switch s {
	case StateBad:
		return 3
	case StateUnknown:
		return 2
	case StateGood:
		return 1
	default:
		return 0
	}
}

// Worse says whether s is worse than another state.
func (s State) Worse(other State) bool { return s.rank() > other.rank() }

// StateOf is the state that a line's last verdict stands for.
func StateOf(last Status) State {
	if last == NoStatus {
		return StatePending
	}
	return State(last.String())
}

// CheckerRecord is what the store knows of a checker for people to look at.
type CheckerRecord struct {
	Name string
	// Progress is nil for a file that never was good.
	Progress *Progress
	// File, Owner, Source and Labels are those of the text in use.
	File, Owner, Source string
	Labels              map[string]string
	// Last are the last results of Progress.Lines; nil where there is none.
	Last []*Result
	// Fetch is the last fetch, failed or not; nil for none.
	Fetch *FetchRecord
	// Faults are those of the file as it was last read, if it is bad.
	Faults []FileFault
}

// Subject is the checker as matchers see it.
func (r *CheckerRecord) Subject() SilenceSubject {
	return SilenceSubject{Checker: r.Name, Owner: r.Owner, Source: r.Source, Labels: r.Labels}
}

// StateAt is the time at which a state is asked for.
type StateAt struct {
	// Now is the clock, in seconds since the epoch, Minute the M of a pass made now.
	Now, Minute int64
	// Zone is the zone of the checker.
	Zone *time.Location
	// Closed are the days on which the checker owes nothing; nil for none.
	Closed *ClosedDays
	// CatchUp is as in Walk.
	CatchUp int64
	// Running says that a dwmon holds the database: passes are made.
	Running bool
}

// CheckerStatus is one line of `dwmon status`.
type CheckerStatus struct {
	CheckerName string
	State       State
	// Since is since when, seconds since the epoch; nil where it is not known.
	Since *int64
	// Cause is empty where there is nothing to say.
	Cause string
	// Silenced and Acknowledged say why its trouble is not told, or not again; nil
	// where it is, and where there is none.
	Silenced     *Silenced
	Acknowledged *Ack
	// Settled is the minute through which the walk has settled; nil at first.
	Settled *int64
	// Pending is how many (minute, line) pairs are owed.
	Pending             int64
	File, Owner, Source string
	Lines               []LineStatus
	// Lateness is nil where it was not asked for.
	Lateness *LatenessStatus
}

// LineStatus is the last result of a line.
type LineStatus struct {
	Requirement string
	Index       int
	// Last is nil where there is none.
	Last *Result
}

// MarshalJSON writes the last result; its check_status is null where there is none.
func (l LineStatus) MarshalJSON() ([]byte, error) {
	if l.Last != nil {
		return json.Marshal(l.Last)
	}
	return json.Marshal(struct {
		Requirement string  `json:"requirement"`
		Index       int     `json:"requirement_index"`
		CheckStatus *string `json:"check_status"`
	}{l.Requirement, l.Index, nil})
}

// MarshalJSON writes the object of `status --json`.
func (s CheckerStatus) MarshalJSON() ([]byte, error) {
	lines := s.Lines
	if lines == nil {
		lines = []LineStatus{}
	}
	return json.Marshal(struct {
		CheckerName string          `json:"checker_name"`
		State       State           `json:"state"`
		Since       *int64          `json:"since_epoch"`
		Cause       *string         `json:"cause"`
		Silenced    *Silenced       `json:"silenced"`
		Ack         *Ack            `json:"acknowledged"`
		Settled     *int64          `json:"settled_minute_epoch"`
		Pending     int64           `json:"pending_minutes"`
		File        string          `json:"file"`
		Owner       string          `json:"owner"`
		Source      string          `json:"source"`
		Lines       []LineStatus    `json:"lines"`
		Lateness    *LatenessStatus `json:"lateness,omitempty"`
	}{s.CheckerName, s.State, s.Since, textOrNull(s.Cause), s.Silenced, s.Acknowledged, s.Settled, s.Pending, s.File, s.Owner, s.Source, lines, s.Lateness})
}

// Status turns a record into what is shown: the worst of the lines, but UNKNOWN
// where nothing can be said now. While a checker owes nothing its state is that
// of its last results.
func (r *CheckerRecord) Status(at StateAt) CheckerStatus {
	s := CheckerStatus{CheckerName: r.Name, File: r.File, Owner: r.Owner, Source: r.Source}
	var causes []string
	say := func(format string, args ...any) { causes = append(causes, fmt.Sprintf(format, args...)) }
	p := r.Progress
	if p == nil {
		s.State = StateUnknown
		say("it was never checked, for its file is bad")
	} else {
		s.Settled = p.Settled
		s.State, s.Since = p.linesState()
		for i, l := range p.Lines {
			line := LineStatus{Requirement: l.Identity(), Index: l.Index}
			if i < len(r.Last) {
				line.Last = r.Last[i]
			}
			s.Lines = append(s.Lines, line)
		}
		lines := r.linesCause(s.State, at.Zone)
		switch {
		case p.Off != nil:
			say("off since %s: %s", LocalTime(p.Off.Since, at.Zone), p.Off.Reason.explain())
		case p.Settled != nil && *p.Settled > at.Now+MaxAhead:
			s.State, s.Since = StateUnknown, nil
			say("checks are settled through %s, ahead of the clock; `dwmon settle %s --to TIME` moves them back",
				LocalTime(*p.Settled, at.Zone), p.Name)
		case p.Failing != nil:
			// The cause of the failures is why the walk is behind.
			before := s.State
			since := floorDiv(p.Failing.Since, 1e6)
			s.State, s.Since = StateUnknown, &since
			say("fetches fail since %s (%d in a row): %s", LocalTime(since, at.Zone), p.Failing.Count, oneLine(p.Failing.Cause))
			if before == StateBad {
				lines = "BAD before: " + lines
			} else {
				lines = ""
			}
		case p.RevisionID == 0 && len(p.Lines) == 0:
			say("it was taken over from an original's database; no file of its name was seen yet")
		case p.behind(at.Minute) && r.lags(at):
			say("the data of its source reach only to %s: later minutes are pending", LocalTime(floorDiv(*r.Fetch.DataAsOf, 1e6), at.Zone))
		case p.behind(at.Minute) && at.Running:
			say("not checked since %s: its source or plugin has not answered yet", LocalTime(p.last(), at.Zone))
		case p.behind(at.Minute):
			say("not checked since %s: no dwmon runs on this database", LocalTime(p.last(), at.Zone))
		}
		if lines != "" {
			causes = append(causes, lines)
		}
		if text := skewText(p.Skew); text != "" && p.Off == nil {
			causes = append(causes, text)
		}
		if p.Off == nil {
			w := p.Walk(at.Zone, at.CatchUp)
			w.Closed = at.Closed
			s.Pending = w.Pending(at.Minute)
			if name, closed := at.Closed.Name(DayAt(at.Minute, at.Zone)); closed {
				say("closed on %s: %s", DayAt(at.Minute, at.Zone), name)
			}
		}
	}
	if text := firstFault(r.Faults); text != "" {
		causes = append(causes, text)
	}
	s.Cause = strings.Join(causes, "; ")
	return s
}

// recently is how many seconds old a fetch may be that speaks of the present.
const recently = 300

// lags says that the last fetch was made just now, and that its source's data did
// not reach as far.
func (r *CheckerRecord) lags(at StateAt) bool {
	f := r.Fetch
	return f != nil && f.OK && f.DataAsOf != nil && *f.DataAsOf < f.Started && floorDiv(f.Started, 1e6) >= at.Now-recently
}

// skewText tells of a source's clock that is off; empty where it is not.
func skewText(skew int64) string {
	off := time.Duration(skew) * time.Microsecond
	switch {
	case off == 0:
		return ""
	case off < 0:
		return fmt.Sprintf("the clock of its source is %s behind ours: the last rows of a minute may come too late for it", (-off).Round(time.Second))
	default:
		return fmt.Sprintf("the clock of its source is %s ahead of ours", off.Round(time.Second))
	}
}

// firstFault is the first error of a file, how to mend it, and how many more there
// are; empty for none.
func firstFault(faults []FileFault) string {
	text, more := "", 0
	for _, f := range faults {
		switch {
		case f.Severity == SeverityWarning:
		case text != "":
			more++
		case f.Hint != "":
			text = f.Error() + "; " + f.Hint
		default:
			text = f.Error()
		}
	}
	if more > 0 {
		text += fmt.Sprintf("; and %d more: see `dwmon validate`", more)
	}
	return text
}

// last is the last minute that needs no more looking at.
func (p *Progress) last() int64 {
	if p.Settled != nil {
		return *p.Settled
	}
	return p.Origin - 60
}

// behind says that a whole slot has gone by without the pass of minute m or of the
// one before having ended. The pass of m itself may still be on its way.
func (p *Progress) behind(m int64) bool { return m-p.last() >= 120 }

// oneLine keeps an error of several lines in its cell of a table.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

func (r OffReason) explain() string {
	switch r {
	case OffAway:
		return "its file is not there"
	case OffDisabled:
		return "`enabled: false`"
	default:
		return string(r)
	}
}

// linesState is the worst state of the lines, and since when: the earliest of
// the lines that are in it; for GOOD, since the last line became so.
func (p *Progress) linesState() (worst State, since *int64) {
	worst = StatePending
	for _, l := range p.Lines {
		if s := StateOf(l.Last); s.Worse(worst) {
			worst = s
		}
	}
	if worst == StatePending {
		return worst, &p.Origin
	}
	for _, l := range p.Lines {
		if StateOf(l.Last) != worst {
			continue
		}
		at := l.Since
		if since == nil || (worst == StateGood) == (at > *since) {
			since = &at
		}
	}
	return worst, since
}

// linesCause words the last results of the lines that are in the state.
func (r *CheckerRecord) linesCause(state State, zone *time.Location) string {
	if state != StateBad && state != StateUnknown {
		return ""
	}
	var causes []string
	for i, l := range r.Progress.Lines {
		if StateOf(l.Last) != state || i >= len(r.Last) || r.Last[i] == nil {
			continue
		}
		causes = append(causes, r.Last[i].Cause(zone))
	}
	return strings.Join(causes, "; ")
}

// Cause says in a few words why a result is not GOOD; empty where it is.
func (r *Result) Cause(zone *time.Location) string {
	window := fmt.Sprintf("in the %d s before %s", r.LookbackSeconds, LocalTime(r.Minute, zone))
	switch r.Reason {
	case Low:
		text := fmt.Sprintf("%d rows %s, fewer than %d", r.EventCount, window, r.Min.N)
		if c := r.Corrected; c != nil {
			text += fmt.Sprintf(" (corrected by late rows: %s)", c.Text(zone))
		}
		return text
	case High:
		return fmt.Sprintf("%d rows %s, more than %d", r.EventCount, window, r.Max.N)
	case Purged:
		return fmt.Sprintf("rows %s were purged", window)
	case AssumedTime:
		return fmt.Sprintf("rows %s cannot be counted on: their timestamps are assumed, and fetches do not cover all of that time", window)
	case Truncated:
		return fmt.Sprintf("the result was cut: rows %s may be missing; raise the LIMIT, or order by the timestamp, newest first", window)
	case QueryChanged:
		return fmt.Sprintf("QUERY or SOURCE was edited: %d rows %s are more than %d, but not all of them are of the present one", r.EventCount, window, r.Max.N)
	}
	if r.Status == Good {
		return ""
	}
	return fmt.Sprintf("%s at %s", r.Status, LocalTime(r.Minute, zone))
}
