package dwmon

import (
	"math/bits"
	"strconv"
	"time"
)

// Subject is what an incident is about. The values are stored.
type Subject string

const (
	// SubjectCount: counts of a requirement line are out of range.
	SubjectCount Subject = "count"
	// SubjectChecker: a checker, or one line of it, cannot be evaluated: UNKNOWN.
	SubjectChecker Subject = "checker"
	// SubjectSource: a whole source is down.
	SubjectSource Subject = "source"
	// SubjectDwmon: dwmon itself is behind.
	SubjectDwmon Subject = "dwmon"
)

// IncidentEnd is how an incident ended. The values are stored.
type IncidentEnd string

const (
	// EndRecovered: the trouble is over.
	EndRecovered IncidentEnd = "recovered"
	// EndLineChanged: the line was edited or removed.
	EndLineChanged IncidentEnd = "line_changed"
	// EndOff: the checker was switched off, or its file went away.
	EndOff IncidentEnd = "off"
	// EndForgotten: `dwmon forget` removed the checker.
	EndForgotten IncidentEnd = "forgotten"
)

// Incident is a stretch of trouble. It belongs to a line's identity, to a checker,
// to a source or to dwmon itself; each has at most one that is open of a kind.
type Incident struct {
	ID      int64
	Subject Subject
	// CheckerID and Checker are 0 and empty for a source and for dwmon.
	CheckerID int64
	Checker   string
	// LineID, LineIndex and Requirement are those of the line; LineID is 0 where the
	// incident is about no line.
	LineID      int64
	LineIndex   int
	Requirement string
	// Source is the source, without a password, of a source's incident.
	Source string
	// Opened is the minute whose verdict opened it, else the minute in which it was
	// noticed; seconds since the epoch. OpenedAt is when that was, microseconds.
	Opened, OpenedAt int64
	// CatchUp says that a verdict that was caught up opened it.
	CatchUp bool
	// Cause is why it is not GOOD, for people; of a count's incident it is empty: its
	// results say it.
	Cause string
	// Checkers is how many checkers a source's incident was about when it was opened.
	Checkers int64
	// Closed and ClosedAt are as Opened and OpenedAt; Closed is nil while it lasts.
	Closed   *int64
	ClosedAt int64
	End      IncidentEnd
	// Ack is nil where nobody has acknowledged it.
	Ack *Ack
}

// Ack says that somebody knows of an incident: it is not told again until then.
type Ack struct {
	By, Comment string
	// At and Until are microseconds since the epoch; Until is 0 for as long as the
	// incident lasts.
	At, Until int64
}

// Holds says whether the acknowledgement is in force at a time, microseconds since
// the epoch.
func (a *Ack) Holds(now int64) bool { return a != nil && (a.Until == 0 || now < a.Until) }

// IncidentKey is what an incident is called outside: installation/.incident/ID.
func IncidentKey(installation string, id int64) string {
	return installation + "/.incident/" + strconv.FormatInt(id, 10)
}

// AlertRule says when an incident opens, is told again, and closes.
type AlertRule struct {
	// After of the last Of results must be BAD for an incident to open: 1 of 1.
	After, Of int
	// Recover is how many GOOD results in a row close it: 1.
	Recover int
	// Repeat is how long after it was told it is told again; 0: never.
	Repeat time.Duration
	// Growth is by what each further wait is longer than the one before: 1.
	Growth float64
	// UnknownAfter is how many failed passes, or UNKNOWN results, in a row are an
	// incident of their own: 3.
	UnknownAfter int
}

// DefaultAlertRule is that of a checker for which nobody has said anything else.
var DefaultAlertRule = AlertRule{After: 1, Of: 1, Recover: 1, Growth: 1, UnknownAfter: 3}

const (
	// MaxAlertOf bounds AlertRule.Of and Recover: so many results are remembered.
	MaxAlertOf = 64
	// MaxRepeat bounds the wait until an incident is told again, grown or not.
	MaxRepeat = 31 * 24 * time.Hour
)

// AlertSettings are the parts of an AlertRule that somebody has set; the others are
// zero. Growth is at least 1 where it is set, and so are all others.
type AlertSettings AlertRule

// Over gives the rule with the settings laid over it. Of follows After where only
// that is set.
func (s AlertSettings) Over(r AlertRule) AlertRule {
	if s.After != 0 {
		r.After = s.After
		r.Of = max(r.Of, s.After)
	}
	if s.Of != 0 {
		r.Of = s.Of
		r.After = min(r.After, s.Of)
	}
	if s.Recover != 0 {
		r.Recover = s.Recover
	}
	if s.Repeat != 0 {
		r.Repeat = s.Repeat
	}
	if s.Growth != 0 {
		r.Growth = s.Growth
	}
	if s.UnknownAfter != 0 {
		r.UnknownAfter = s.UnknownAfter
	}
	return r
}

// RepeatAfter is how long after the nth telling (1 = the first) an incident is told
// again; 0: never.
func (r AlertRule) RepeatAfter(nth int) time.Duration {
	wait := float64(r.Repeat)
	for i := 1; i < nth && wait < float64(MaxRepeat); i++ {
		wait *= max(r.Growth, 1)
	}
	return time.Duration(min(wait, float64(MaxRepeat)))
}

// Trouble is what a line's incidents rest on. It goes with the line's Streak, but
// only results since the checker was first seen count for it.
type Trouble struct {
	// Recent has a bit for each of the last 64 results that were GOOD or BAD, the
	// newest in bit 0, set for BAD.
	Recent uint64
	// GoodRun counts the GOOD results in a row, UnknownRun the UNKNOWN ones.
	GoodRun, UnknownRun int64
	// Incident and UnknownIncident are the ids of the open incidents of the line; 0
	// for none.
	Incident, UnknownIncident int64
}

// Turn is what a result does to the incidents of its line.
type Turn struct {
	// Opens and Closes are about the count, UnknownOpens and UnknownCloses about
	// UNKNOWN results.
	Opens, Closes, UnknownOpens, UnknownCloses bool
}

// Then gives the trouble after one more result, and what it does. The ids of
// incidents are the caller's to set.
func (t Trouble) Then(r AlertRule, status Status) (Trouble, Turn) {
	var turn Turn
	if status == Unknown {
		t.UnknownRun++
		turn.UnknownOpens = t.UnknownIncident == 0 && t.UnknownRun >= int64(r.UnknownAfter)
		return t, turn
	}
	t.UnknownRun = 0
	turn.UnknownCloses = t.UnknownIncident != 0
	if status == Bad {
		t.Recent, t.GoodRun = t.Recent<<1|1, 0
		window := t.Recent << (MaxAlertOf - min(r.Of, MaxAlertOf))
		turn.Opens = t.Incident == 0 && bits.OnesCount64(window) >= r.After
		return t, turn
	}
	t.Recent <<= 1
	t.GoodRun++
	if t.Incident != 0 && t.GoodRun >= int64(r.Recover) {
		turn.Closes = true
		t.Recent = 0 // what is over does not help to open the next
	}
	return t, turn
}

// CatchUp is what a pass made up for, of one checker; it is told as a digest.
type CatchUp struct {
	ID        int64
	CheckerID int64
	Checker   string
	// From and To are the first and the last minute, seconds since the epoch, of
	// Checks results, of which so many were BAD and UNKNOWN.
	From, To             int64
	Checks, Bad, Unknown int64
	// LastBad is the minute of the last BAD one; 0 for none.
	LastBad int64
	// Down is what was down meanwhile: "dwmon", or "source " and its name; empty where
	// that is not known.
	Down string
	// Settled is the minute through which the checker's walk has settled by now, and Lag
	// is that of FetchState.
	Settled *int64
	Lag     int64
}

// Add counts a result that was made up for. Minutes come in order.
func (c *CatchUp) Add(minute int64, status Status) {
	if c.Checks == 0 {
		c.From = minute
	}
	c.To = minute
	c.Checks++
	switch status {
	case Bad:
		c.Bad++
		c.LastBad = minute
	case Unknown:
		c.Unknown++
	}
}

// Join adds what came after.
func (c *CatchUp) Join(after CatchUp) {
	c.From, c.To = min(c.From, after.From), max(c.To, after.To)
	c.Checks, c.Bad, c.Unknown = c.Checks+after.Checks, c.Bad+after.Bad, c.Unknown+after.Unknown
	c.LastBad = max(c.LastBad, after.LastBad)
}

// CatchUpPolicy says what a handler is told of results that were caught up.
type CatchUpPolicy string

const (
	// CatchUpAll: everything, as if it had been in time.
	CatchUpAll CatchUpPolicy = "all"
	// CatchUpDigest: one digest for each checker, and what still lasts.
	CatchUpDigest CatchUpPolicy = "digest"
	// CatchUpLatest: only what still lasts; of results the last of each line.
	CatchUpLatest CatchUpPolicy = "latest"
	// CatchUpNone: nothing, until a result in time says it again.
	CatchUpNone CatchUpPolicy = "none"
)
