package dwmon

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

var (
	// ErrNoSilence says that there is no silence of an id.
	ErrNoSilence = errors.New("there is no such silence")
	// ErrSilenceOver says that a silence cannot be ended, for it is over.
	ErrSilenceOver = errors.New("it is over already")
)

// Silence says of whose trouble nobody is told for a while. Checks go on, and so do
// incidents. All times are microseconds since the epoch.
type Silence struct {
	ID       int64
	Matchers Matchers
	// Starts is included, Ends is not; Ends is 0 for one that lasts until it is
	// ended by hand.
	Starts, Ends int64
	// Recurrence is nil for one that holds all the time between.
	Recurrence  *Recurrence
	Comment, By string
	Created     int64
	// Ended is when it was ended by hand; nil: it was not.
	Ended *int64
}

// Matches says whether the silence is about a subject.
func (s *Silence) Matches(subject SilenceSubject) bool { return s.Matchers.Match(subject) }

// Covers says whether the silence is in force at a time, microseconds since the
// epoch.
func (s *Silence) Covers(at int64) bool {
	return s.Starts <= at && at < s.over() && (s.Recurrence == nil || s.Recurrence.covers(at))
}

// over is from when on it covers nothing any more; math.MaxInt64: that is not known.
func (s *Silence) over() int64 {
	over := int64(math.MaxInt64)
	if s.Ends != 0 {
		over = s.Ends
	}
	if s.Ended != nil {
		over = min(over, *s.Ended)
	}
	return over
}

// Over says whether the silence covers nothing from a time on.
func (s *Silence) Over(at int64) bool { return at >= s.over() }

// Next gives the first time after another, microseconds since the epoch, from which
// on Covers says something else than just before; 0: never again.
func (s *Silence) Next(after int64) int64 {
	over := s.over()
	after = max(after, s.Starts-1)
	for after < over {
		at := over
		if s.Recurrence != nil {
			at = min(at, s.Recurrence.next(after))
		}
		if s.Starts > after {
			at = min(at, s.Starts)
		}
		switch {
		case at == math.MaxInt64:
			return 0
		case s.Covers(at) != s.Covers(at-1):
			return at
		}
		after = at
	}
	return 0
}

// Check says what is wrong with a silence that somebody asks for.
func (s *Silence) Check() error {
	switch {
	case s.Comment == "":
		return errors.New("say why, for those who wonder about the quiet: --comment TEXT")
	case s.Ends == 0 && s.Recurrence == nil:
		return errors.New("say how long: --for 2h, --until TIME, or --every 'SUN 02:00-04:00'")
	case s.Ends != 0 && s.Ends <= s.Starts:
		return fmt.Errorf("it ends at %s, no later than it begins", utcSecond(s.Ends))
	case s.Ends != 0 && s.Ends <= s.Created:
		return fmt.Errorf("it ends at %s, and that is over", utcSecond(s.Ends))
	case s.Recurrence != nil && s.Next(s.Starts-1) == 0:
		return fmt.Errorf("%s never comes before its end", s.Recurrence)
	}
	return nil
}

func utcSecond(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339) }

// SilenceState is what a silence does at a time.
type SilenceState string

const (
	// SilenceActive: it covers the time.
	SilenceActive SilenceState = "active"
	// SilenceWaiting: it will cover a later one.
	SilenceWaiting SilenceState = "waiting"
	// SilenceEnded: it will cover none any more.
	SilenceEnded SilenceState = "ended"
)

// State is what the silence does at a time, microseconds since the epoch.
func (s *Silence) State(at int64) SilenceState {
	switch {
	case s.Covers(at):
		return SilenceActive
	case s.Next(at) != 0:
		return SilenceWaiting
	default:
		return SilenceEnded
	}
}

// SilenceView is a silence as it is shown at a time.
type SilenceView struct {
	Silence
	// Now is the time, microseconds since the epoch.
	Now int64
	// Checkers names those that it is about.
	Checkers []string
}

// MarshalJSON writes the object of `silence list --json`.
func (v SilenceView) MarshalJSON() ([]byte, error) {
	matchers := make([]string, len(v.Matchers))
	for i, m := range v.Matchers {
		matchers[i] = m.String()
	}
	var every, zone *string
	if r := v.Recurrence; r != nil {
		every, zone = textOrNull(r.Every()), textOrNull(r.Zone.String())
	}
	covers := v.Checkers
	if covers == nil {
		covers = []string{}
	}
	return json.Marshal(struct {
		ID       int64        `json:"id"`
		State    SilenceState `json:"state"`
		Matchers []string     `json:"matchers"`
		Starts   json.Number  `json:"starts_epoch"`
		Ends     *json.Number `json:"ends_epoch"`
		Every    *string      `json:"every"`
		Zone     *string      `json:"time_zone"`
		Next     *json.Number `json:"next_change_epoch"`
		Comment  string       `json:"comment"`
		By       string       `json:"by"`
		Created  json.Number  `json:"created_epoch"`
		Ended    *json.Number `json:"ended_epoch"`
		Covers   []string     `json:"covers"`
	}{
		v.ID, v.State(v.Now), matchers, Seconds(v.Starts), secondsUnlessZero(v.Ends), every, zone, secondsUnlessZero(v.Next(v.Now)),
		v.Comment, v.By, Seconds(v.Created), secondsOrNull(v.Ended), covers,
	})
}

func secondsUnlessZero(micros int64) *json.Number {
	if micros == 0 {
		return nil
	}
	return secondsOrNull(&micros)
}
