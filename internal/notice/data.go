// Package notice words what people are told: an incident that opens, goes on and
// ends, a verdict that late rows corrected, and what was made up for after an
// outage. It is given all that it tells, the time included, and says the same of
// the same.
package notice

import (
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Data is everything that a notice may tell.
type Data struct {
	Kind         dwmon.NoticeKind
	Installation string
	// Incident is zero for corrections, digests and tests.
	Incident dwmon.Incident
	// Checker is nil for a source, for dwmon itself and for a test.
	Checker *dwmon.Checker
	// Result is the last result that the notice speaks of, of a correction the one
	// that was corrected; nil for none. Opening is the one that opened the
	// incident; nil where it is Result or not known.
	Result, Opening *dwmon.Result
	// Checks and Bad count the line's checks since the incident began, and those of
	// them that were not GOOD.
	Checks, Bad int64
	// Names are the checkers that a source's incident is about.
	Names []string
	// Windows are the line's last ones, oldest first.
	Windows []dwmon.NoticeWindow
	// Former are the counts of the same minute in former weeks, nearest first.
	Former []Former
	// Newest and Oldest are keys of rows in the window, shown as text, the newest
	// and the oldest first. They are left out where the checker hides its keys.
	Newest, Oldest []string
	// Times is how often the incident was told before.
	Times int
	// Ack is what `dwmon ack` takes; empty: the checker's name.
	Ack string
	// Correction belongs to a correction, CatchUp to a digest; else nil.
	Correction *Correction
	CatchUp    *CatchUp
	// Handler is the name of the handler that a test tries.
	Handler string
	// Zone is the checker's; nil: UTC.
	Zone *time.Location
	// Now is when the notice is made, microseconds since the epoch.
	Now int64
}

// Former is the count of the same minute so many weeks ago.
type Former struct {
	WeeksAgo int
	Count    int64
}

// Correction is what late rows have made of a result that was BAD low.
type Correction struct {
	// Count is what is counted now, Status what it is judged by that.
	Count  int64
	Status dwmon.Status
	// At is the start of the fetch that brought the rows, microseconds since the
	// epoch.
	At int64
}

// CatchUp is what was made up for.
type CatchUp struct {
	dwmon.CatchUp
	// State is the checker's state now; empty where it is not known.
	State dwmon.State
}

func (d *Data) zone() *time.Location {
	if d.Zone == nil {
		return time.UTC
	}
	return d.Zone
}

// now is when the notice is made, seconds since the epoch.
func (d *Data) now() int64 { return floor(d.Now) }

// floor turns microseconds into seconds.
func floor(micros int64) int64 {
	s := micros / 1e6
	if micros%1e6 < 0 {
		s--
	}
	return s
}

// name is what the notice is about.
func (d *Data) name() string {
	switch {
	case d.Checker != nil:
		return d.Checker.Name
	case d.Incident.Checker != "":
		return d.Incident.Checker
	case d.CatchUp != nil && d.CatchUp.Checker != "":
		return d.CatchUp.Checker
	case d.Result != nil:
		return d.Result.CheckerName
	default:
		return ""
	}
}

// source is the source without a password; empty for none.
func (d *Data) source() string {
	switch {
	case d.Checker != nil:
		return d.Checker.ShownSource()
	case d.Incident.Source != "":
		return (&dwmon.Checker{Source: d.Incident.Source}).ShownSource()
	case d.Result != nil:
		return d.Result.Source
	default:
		return ""
	}
}

// open says that the notice tells of trouble that lasts.
func (d *Data) open() bool { return d.Kind == dwmon.NoticeOpened || d.Kind == dwmon.NoticeRepeated }

// ofIncident says that the notice tells of an incident.
func (d *Data) ofIncident() bool { return d.open() || d.Kind == dwmon.NoticeRecovered }

// ended is the minute in which the incident ended; that of now while it lasts.
func (d *Data) ended() int64 {
	if d.Incident.Closed != nil {
		return *d.Incident.Closed
	}
	return dwmon.FloorMinute(d.now())
}

// lasted is for how many seconds the incident lasts or has lasted.
func (d *Data) lasted() int64 { return since(d.Incident.Opened, d.ended()) }

// since is the seconds from one time to another, 0 where that is the earlier.
func since(from, until int64) int64 {
	if until <= from || until-from < 0 { // or so far apart that it does not fit
		return 0
	}
	return until - from
}

// cause says why, on one line and without the source's password.
func (d *Data) cause() string {
	text := d.Incident.Cause
	if text == "" && d.Result != nil {
		text = d.Result.Cause(d.zone())
	}
	return oneLine(d.mask(text))
}
