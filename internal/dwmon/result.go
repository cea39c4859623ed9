package dwmon

import (
	"encoding/json"
	"strconv"
	"time"
)

// LocalTimeLayout is how minute_local_time is written.
const LocalTimeLayout = "2006-01-02 15:04:05"

// Result is the verdict on one minute of one line, with everything that people
// and check handlers are told of it.
type Result struct {
	CheckerName string
	EventCount  int64
	Min, Max    Bound
	Status      Status
	// Minute is the minute judged, seconds since the epoch.
	Minute          int64
	LookbackSeconds int64

	// Reason is empty when Good.
	Reason Reason
	// Requirement is the line's identity, RequirementIndex its place in the file
	// when it was judged (0 = first).
	Requirement      string
	RequirementIndex int
	// TimeZone is an IANA name or "Local".
	TimeZone string
	Source   string
	Owner    string
	Labels   map[string]string
	CatchUp  bool
	// EvaluatedAt is the start of the fetch, microseconds since the epoch.
	EvaluatedAt int64
	// Previous is the status of the line's result before this one.
	Previous Status
	// ConsecutiveBad includes this result; 0 when Good, unchanged by Unknown.
	ConsecutiveBad int64

	// LocalTime is the minute in the checker's zone, in LocalTimeLayout.
	LocalTime string

	// Corrected is what late rows have made of it since; nil for nothing, and where
	// a check handler is told.
	Corrected *Correction
}

// LocalTime writes a minute (seconds since the epoch) in a zone.
func LocalTime(minute int64, zone *time.Location) string {
	return time.Unix(minute, 0).In(zone).Format(LocalTimeLayout)
}

// Seconds writes microseconds since the epoch as a JSON number of seconds,
// without rounding.
func Seconds(micros int64) json.Number {
	sec, frac := micros/1e6, micros%1e6
	if frac < 0 {
		sec, frac = sec-1, frac+1e6
	}
	if frac == 0 {
		return json.Number(strconv.FormatInt(sec, 10))
	}
	return json.Number(strconv.FormatFloat(float64(micros)/1e6, 'f', 6, 64))
}

// MarshalJSON writes the fields of SPEC 5 under the names that handlers and
// `history --json` use.
func (r Result) MarshalJSON() ([]byte, error) {
	labels := r.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return json.Marshal(struct {
		CheckerName      string            `json:"checker_name"`
		EventCount       int64             `json:"event_count"`
		MinRequired      *int64            `json:"min_required"`
		MaxAllowed       *int64            `json:"max_allowed"`
		CheckStatus      string            `json:"check_status"`
		MinuteEpoch      int64             `json:"minute_epoch"`
		MinuteLocalTime  string            `json:"minute_local_time"`
		LookbackSeconds  int64             `json:"lookback_seconds"`
		Reason           *string           `json:"reason"`
		Requirement      string            `json:"requirement"`
		RequirementIndex int               `json:"requirement_index"`
		TimeZone         string            `json:"time_zone"`
		Source           string            `json:"source"`
		Owner            string            `json:"owner"`
		Labels           map[string]string `json:"labels"`
		CatchUp          bool              `json:"catch_up"`
		EvaluatedAt      json.Number       `json:"evaluated_at"`
		PreviousStatus   *string           `json:"previous_status"`
		ConsecutiveBad   int64             `json:"consecutive_bad"`
		Corrected        *Correction       `json:"corrected"`
	}{
		r.CheckerName, r.EventCount, r.Min.Ptr(), r.Max.Ptr(), r.Status.String(), r.Minute, r.LocalTime,
		r.LookbackSeconds, textOrNull(string(r.Reason)), r.Requirement, r.RequirementIndex, r.TimeZone,
		r.Source, r.Owner, labels, r.CatchUp, Seconds(r.EvaluatedAt), textOrNull(r.Previous.String()), r.ConsecutiveBad, r.Corrected,
	})
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// On says of which results a handler is told.
type On string

const (
	OnEvery  On = "every"
	OnBad    On = "bad"
	OnChange On = "change"
)

// CatchUp is what a handler is told of results that were caught up unless it says
// otherwise: all where it wants every result, else a digest.
func (o On) CatchUp() CatchUpPolicy {
	if o == OnEvery {
		return CatchUpAll
	}
	return CatchUpDigest
}

// HandlerWants is what the plugin of a handler says that it wants, as far as the
// configuration does not say otherwise.
type HandlerWants struct {
	Plugin  string `json:"plugin"`
	On      On     `json:"on"`
	Unknown bool   `json:"unknown"`
	Notices bool   `json:"notices"`
}

// Route is one handler that a checker's results may go to.
type Route struct {
	// Handler is the handler's name in the configuration.
	Handler string
	On      On
	// Unknown says that the handler takes UNKNOWN results, and is told of incidents
	// that are about what cannot be evaluated.
	Unknown bool
	// Notices says that the handler takes notices: with OnChange it is told of
	// incidents instead of results.
	Notices bool
	// CatchUp is what it is told of results that were caught up; empty: all.
	CatchUp CatchUpPolicy
	// Corrections says that it is told of corrected verdicts.
	Corrections bool
}

// Told is what decides whether a handler is told of a result.
type Told struct {
	// Before and After are the line's streak before and after the result.
	Before, After Streak
	// Old says that the minute lies before the checker was first seen: such
	// results go only to handlers that want every one.
	Old bool
	// CatchUp says that the result was caught up. Since is set for the last of its
	// line that was: it is the streak before the first.
	CatchUp bool
	Since   *Streak
}

// Wants says whether the handler is told of a result.
func (rt Route) Wants(t Told) bool {
	before := t.Before
	if t.CatchUp && rt.CatchUp != "" && rt.CatchUp != CatchUpAll {
		digested := rt.CatchUp == CatchUpDigest && rt.Notices
		if t.Since == nil || rt.CatchUp == CatchUpNone || digested {
			return false
		}
		before = *t.Since
	}
	switch status := t.After.Last; {
	case status == Unknown && !rt.Unknown:
		return false
	case rt.On == OnEvery:
		return true
	case t.Old || rt.Incidents():
		return false
	case rt.On == OnBad:
		return status == Bad
	}
	if rt.Unknown && (before.Last == Unknown) != (t.After.Last == Unknown) {
		return true
	}
	return (before.Incident != 0) != (t.After.Incident != 0)
}

// Incidents says whether the handler is told of incidents, by notices.
func (rt Route) Incidents() bool { return rt.On == OnChange && rt.Notices }
