package dwmon

import "time"

// Announcement is what a handler was told of an incident.
type Announcement struct {
	// Told is how often it was told that the incident is open, At when last,
	// microseconds since the epoch.
	Told int
	At   int64
	// Ended: it was told of the end, or need not be.
	Ended bool
}

// Announcing is what decides about telling one handler of one incident.
type Announcing struct {
	Incident *Incident
	Before   Announcement
	Rule     AlertRule
	// Now is microseconds since the epoch.
	Now int64
	// Hidden says that a silence, or trouble that explains this one, covers it.
	Hidden bool
	// Behind says that its checker is still being caught up: what is open may be
	// closed in a moment.
	Behind bool
	// InTime says that a result that was not caught up was BAD in it, or that it is
	// about no results.
	InTime  bool
	CatchUp CatchUpPolicy
}

// NextNotice says what a handler is to be told of an incident next; empty for
// nothing now. done says that it is never to be told anything more of it.
//
// An end is told to exactly those who were told of the beginning, whatever is
// silenced by then. An incident that began and ended unseen, because dwmon was
// stopped in between, is told of both: that is nobody's policy, unless it was
// caught up.
func (a Announcing) NextNotice() (kind NoticeKind, done bool) {
	closed := a.Incident.Closed != nil
	switch {
	case a.Before.Ended:
		return "", true
	case closed && a.Before.Told > 0:
		return NoticeRecovered, false
	case closed && (a.Hidden || a.passed()):
		return "", true
	case a.Hidden || a.waits():
		return "", false
	case a.Before.Told == 0:
		return NoticeOpened, false
	case a.again() && !a.Incident.Ack.Holds(a.Now):
		return NoticeRepeated, false
	}
	return "", false
}

// again says that it is time to repeat what was told.
func (a Announcing) again() bool {
	next := a.Before.Next(a.Rule)
	return next != 0 && next <= a.Now
}

// caughtUp says that the incident came up while the checker was made up for, and
// that the handler does not want to hear of that as if it were news.
func (a Announcing) caughtUp() bool {
	return a.Incident.CatchUp && a.CatchUp != "" && a.CatchUp != CatchUpAll
}

// passed says that the incident was over before it was worth telling.
func (a Announcing) passed() bool { return a.caughtUp() && !a.InTime }

// waits says that it is too early to tell.
func (a Announcing) waits() bool {
	return a.caughtUp() && a.Before.Told == 0 && (a.Behind || a.CatchUp == CatchUpNone && !a.InTime)
}

// After is the announcement once the notice is told.
func (a Announcement) After(kind NoticeKind, now int64) Announcement {
	if kind == NoticeRecovered {
		a.Ended = true
		return a
	}
	a.Told++
	a.At = now
	return a
}

// Next is when what was told is to be told again by a rule, microseconds since the
// epoch; 0: never. It is the rule of now that counts, not the one of then.
func (a Announcement) Next(rule AlertRule) int64 {
	wait := rule.RepeatAfter(a.Told)
	if a.Told == 0 || wait == 0 {
		return 0
	}
	return a.At + wait.Microseconds()
}

// IncidentState is an incident that is not finished with, and what decides about
// telling it.
type IncidentState struct {
	Incident
	// Told is what handlers were told, by their names.
	Told map[string]Announcement
	// Settled is the minute through which the checker's walk has settled.
	Settled *int64
	// Lag: see FetchState.
	Lag int64
	// InTime: see Announcing.
	InTime bool
}

// Situation is what notices are made from.
type Situation struct {
	// Incidents are those that last, or whose end was not told to all; oldest first.
	Incidents []IncidentState
	// CatchUps were not told yet, oldest first.
	CatchUps []CatchUp
	// Corrections were not told yet, oldest first, a bounded number of them.
	Corrections []Correction
}

// FetchState is how the fetches of a checker that owes something fare.
type FetchState struct {
	CheckerID int64
	Checker   string
	// Settled is the minute through which the walk has settled.
	Settled *int64
	// Fetched is the start of the last successful fetch, microseconds since the
	// epoch; nil for none.
	Fetched *int64
	// Lag is by how many microseconds the source's data ended before the start of that
	// fetch. Nobody is behind for what a source does not have yet.
	Lag int64
	// Failing is nil where the last fetch succeeded.
	Failing *Failing
}

// IsBehind says that a walk which has settled through a minute is still being caught
// up at a time, though the source has the data: now and lag, as of FetchState, are
// microseconds.
func IsBehind(now, lag int64, grace time.Duration, settled int64) bool {
	return Slot(time.UnixMicro(now-lag), grace)-settled > LateAfter
}

// Closing ends an incident: Closed is a minute, At microseconds since the epoch.
type Closing struct {
	ID, Closed, At int64
	End            IncidentEnd
}

// NoticeDelivery is a notice for one handler, and what is settled by it.
type NoticeDelivery struct {
	Handler string
	// CheckerID is the lane; 0 for a notice about no single checker.
	CheckerID int64
	// Minute, LineID and LineIndex name the result that goes with it; LineID is 0
	// for none.
	Minute    int64
	LineID    int64
	LineIndex int
	Notice    Notice
	Marks     []Mark
}

// Mark changes what a handler was told of an incident.
type Mark struct {
	Incident      int64
	Before, After Announcement
}

// Tellings is what one look at the situation comes to: all of it is stored, or
// nothing.
type Tellings struct {
	Deliveries []NoticeDelivery
	// Finished are incidents with which nobody has anything to do any more.
	Finished []int64
	// CatchUps were told, or are nobody's business.
	CatchUps []int64
	// CorrectedThrough is the id of the last correction that was told; 0: none was.
	CorrectedThrough int64
}

// Empty says that there is nothing to store.
func (t *Tellings) Empty() bool {
	return len(t.Deliveries)+len(t.Finished)+len(t.CatchUps) == 0 && t.CorrectedThrough == 0
}

// LineQuery asks what notices tell of a line at a minute.
type LineQuery struct {
	CheckerID int64
	LineID    int64
	// Since is the first minute of the incident, Minute the last that the notice
	// speaks of.
	Since, Minute int64
	// Requirement gives the windows.
	Requirement Requirement
	// Windows is how many windows are wanted, Former of how many former weeks, Keys
	// how many keys at each end; 0 for none.
	Windows, Former, Keys int
}

// LineEvidence answers a LineQuery.
type LineEvidence struct {
	// Result is the line's result at the minute, else the last before it; nil for
	// none.
	Result *Result
	// Opening is the line's result at Since, where that is another minute.
	Opening *Result
	// Checks and Bad count the results from Since to Minute.
	Checks, Bad int64
	// Windows are oldest first, the one of Minute last.
	Windows []NoticeWindow
	// Former are the counts of the same window one week before, two, and so on, as
	// far as rows reach.
	Former []int64
	// Newest and Oldest are keys of rows in the window of Minute, the newest and the
	// oldest first. Oldest holds none that Newest holds.
	Newest, Oldest [][]byte
}
