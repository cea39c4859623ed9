package dwmon

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// IncidentRecord is an incident as it is shown at a time.
type IncidentRecord struct {
	Incident
	// Key is what it is called outside; see IncidentKey.
	Key string
	// Zone is that of the times in Why; the checker's where there is one.
	Zone *time.Location
	// Now is the time, microseconds since the epoch.
	Now int64
	// Result is of a line's incident: the last result while it lasts, else the one
	// that opened it; nil for none.
	Result *Result
	// Checks and Bad count the line's results since it was opened, and those of them
	// that were not GOOD.
	Checks, Bad int64
	// Told is what handlers were told, by their names.
	Told map[string]Announcement
	// Silenced is the silence that holds while the incident lasts; nil for none.
	Silenced *Silenced
}

// State is what the incident is about: BAD, or UNKNOWN.
func (i *Incident) State() State {
	if i.Subject == SubjectCount {
		return StateBad
	}
	return StateUnknown
}

// About names what the incident is about, for people.
func (i *Incident) About() string {
	switch {
	case i.Checker != "" && i.LineID != 0:
		return fmt.Sprintf("%s, line %d", i.Checker, i.LineIndex+1)
	case i.Checker != "":
		return i.Checker
	case i.Source != "":
		return "source " + i.Source
	default:
		return "dwmon itself"
	}
}

// Lasted is for how long it lasts, or has lasted.
func (r *IncidentRecord) Lasted() time.Duration {
	end := r.Now / 1e6
	if r.Closed != nil {
		end = *r.Closed
	}
	return time.Duration(max(end-r.Opened, 0)) * time.Second
}

// Why says what is wrong, for people; empty where that is not known any more.
func (r *IncidentRecord) Why() string {
	switch {
	case r.Cause != "":
		return oneLine(r.Cause)
	case r.Result == nil:
		return ""
	case r.Result.Status == Good && r.Closed == nil:
		return fmt.Sprintf("%d rows in the %d s before %s: GOOD, but not for long enough yet", r.Result.EventCount, r.Result.LookbackSeconds, LocalTime(r.Result.Minute, r.Zone))
	default:
		return r.Result.Cause(r.Zone)
	}
}

// Acknowledged is who knows of it: of one that lasts as long as that holds.
func (r *IncidentRecord) Acknowledged() *Ack {
	if r.Closed == nil && !r.Ack.Holds(r.Now) {
		return nil
	}
	return r.Ack
}

// toldRecord is what a handler was told of an incident.
type toldRecord struct {
	Handler string       `json:"handler"`
	Times   int          `json:"times"`
	Last    *json.Number `json:"last_epoch"`
	Ended   bool         `json:"ended"`
}

// MarshalJSON writes the object of `incidents --json`.
func (r IncidentRecord) MarshalJSON() ([]byte, error) {
	told := []toldRecord{}
	for _, name := range slices.Sorted(maps.Keys(r.Told)) {
		if a := r.Told[name]; a.Told > 0 {
			told = append(told, toldRecord{name, a.Told, secondsUnlessZero(a.At), a.Ended})
		}
	}
	var index *int
	if r.LineID != 0 {
		index = &r.LineIndex
	}
	return json.Marshal(struct {
		ID           int64        `json:"id"`
		Key          string       `json:"key"`
		Subject      Subject      `json:"subject"`
		Checker      *string      `json:"checker_name"`
		Requirement  *string      `json:"requirement"`
		Index        *int         `json:"requirement_index"`
		Source       *string      `json:"source"`
		State        State        `json:"state"`
		Opened       int64        `json:"opened_epoch"`
		Closed       *int64       `json:"closed_epoch"`
		End          *string      `json:"end"`
		Lasted       int64        `json:"lasted_seconds"`
		CatchUp      bool         `json:"catch_up"`
		Cause        *string      `json:"cause"`
		Result       *Result      `json:"result"`
		Checks       int64        `json:"checks"`
		Bad          int64        `json:"bad_checks"`
		Checkers     int64        `json:"checkers"`
		Told         []toldRecord `json:"told"`
		Acknowledged *Ack         `json:"acknowledged"`
		Silenced     *Silenced    `json:"silenced"`
	}{
		r.ID, r.Key, r.Subject, textOrNull(r.Checker), textOrNull(r.Requirement), index, textOrNull(r.Source), r.State(), r.Opened, r.Closed,
		textOrNull(string(r.End)), int64(r.Lasted() / time.Second), r.CatchUp, textOrNull(r.Why()), r.Result, r.Checks, r.Bad, r.Checkers,
		told, r.Acknowledged(), r.Silenced,
	})
}
