package dwmon

import (
	"encoding/json"
	"math"
	"time"
)

// Silenced says which silence keeps trouble from being told at a time.
type Silenced struct {
	ID          int64
	By, Comment string
	// Until is when it stops to hold, microseconds since the epoch; 0: that is not
	// known.
	Until int64
}

// SilencedBy gives the silence that is about a subject and holds at a time,
// microseconds since the epoch; of several the one that holds longest. nil: none.
func SilencedBy(silences []Silence, subject SilenceSubject, at int64) *Silenced {
	var longest *Silenced
	for i := range silences {
		s := &silences[i]
		if !s.Covers(at) || !s.Matches(subject) {
			continue
		}
		found := &Silenced{ID: s.ID, By: s.By, Comment: s.Comment, Until: s.Next(at)}
		if longest == nil || found.end() > longest.end() {
			longest = found
		}
	}
	return longest
}

func (s *Silenced) end() int64 {
	if s.Until == 0 {
		return math.MaxInt64
	}
	return s.Until
}

// Text says it to people, in a zone: "silenced until 14:00 by anna: deploy".
func (s *Silenced) Text(now time.Time, zone *time.Location) string {
	return quietText("silenced", s.Until, s.By, s.Comment, now, zone)
}

// MarshalJSON writes the object of `status --json` and `incidents --json`.
func (s *Silenced) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID      int64        `json:"id"`
		By      string       `json:"by"`
		Comment string       `json:"comment"`
		Until   *json.Number `json:"until_epoch"`
	}{s.ID, s.By, s.Comment, secondsUnlessZero(s.Until)})
}

// AckOfAll gives the acknowledgement of a checker's open incidents that ends first;
// nil where there are none, or where one of them is not acknowledged at a time,
// microseconds since the epoch.
func AckOfAll(open []Incident, at int64) *Ack {
	var first *Ack
	for i := range open {
		a := open[i].Ack
		if !a.Holds(at) {
			return nil
		}
		if first == nil || a.Until != 0 && (first.Until == 0 || a.Until < first.Until) {
			first = a
		}
	}
	return first
}

// Text says it to people, in a zone: "acknowledged until 14:00 by anna: on it".
func (a *Ack) Text(now time.Time, zone *time.Location) string {
	return quietText("acknowledged", a.Until, a.By, a.Comment, now, zone)
}

// MarshalJSON writes the object of `status --json` and `incidents --json`.
func (a *Ack) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		By      string       `json:"by"`
		Comment string       `json:"comment"`
		At      json.Number  `json:"at_epoch"`
		Until   *json.Number `json:"until_epoch"`
	}{a.By, a.Comment, Seconds(a.At), secondsUnlessZero(a.Until)})
}

// quietText words why nobody is told. A time of the same day goes without its date.
func quietText(what string, until int64, by, comment string, now time.Time, zone *time.Location) string {
	text := what
	if until != 0 {
		layout, end := "2006-01-02 15:04", time.UnixMicro(until).In(zone)
		if DayAt(end.Unix(), zone) == DayAt(now.Unix(), zone) {
			layout = "15:04"
		}
		text += " until " + end.Format(layout)
	}
	if by != "" {
		text += " by " + oneLine(by)
	}
	if comment != "" {
		text += ": " + oneLine(comment)
	}
	return text
}
