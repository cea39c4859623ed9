package dwmon

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// ErrNoChecker says that no checker of a name was ever seen.
var ErrNoChecker = errors.New("no checker of that name was ever seen")

// HistoryQuery chooses what History gives.
type HistoryQuery struct {
	// Name is one checker; empty: all.
	Name string
	// Since and Until bound the minutes, seconds since the epoch: Since is included,
	// Until is not; nil: no bound. Gaps and off spans count where they overlap.
	Since, Until *int64
	// Limit is how many of the newest entries are given; 0: all.
	Limit int
}

// Entry is one line of a history: exactly one of its fields is set.
type Entry struct {
	Result *Result
	Gap    *GapEntry
	Off    *OffEntry
}

// MarshalJSON writes the one that is set.
func (e Entry) MarshalJSON() ([]byte, error) {
	switch {
	case e.Gap != nil:
		return json.Marshal(e.Gap)
	case e.Off != nil:
		return json.Marshal(e.Off)
	default:
		return json.Marshal(e.Result)
	}
}

// GapEntry is a gap as it is shown: minutes of a line that were never judged.
type GapEntry struct {
	CheckerName      string
	Requirement      string
	RequirementIndex int
	// From and To are minutes, both included; Minutes counts the eligible ones.
	From, To int64
	Minutes  int64
	Reason   GapReason
}

// MarshalJSON writes the object of `history --json`.
func (g GapEntry) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Gap              bool      `json:"gap"`
		CheckerName      string    `json:"checker_name"`
		RequirementIndex int       `json:"requirement_index"`
		From             int64     `json:"from_minute_epoch"`
		To               int64     `json:"to_minute_epoch"`
		Minutes          int64     `json:"minutes"`
		Reason           GapReason `json:"reason"`
	}{true, g.CheckerName, g.RequirementIndex, g.From, g.To, g.Minutes, g.Reason})
}

// OffEntry is a span in which a checker owed nothing.
type OffEntry struct {
	CheckerName string
	// From is the first minute of the span, To the first one after it; nil while it
	// lasts.
	From   int64
	To     *int64
	Reason OffReason
}

// MarshalJSON writes the object of `history --json`.
func (o OffEntry) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Off         bool      `json:"off"`
		CheckerName string    `json:"checker_name"`
		From        int64     `json:"from_minute_epoch"`
		To          *int64    `json:"to_minute_epoch"`
		Reason      OffReason `json:"reason"`
	}{true, o.CheckerName, o.From, o.To, o.Reason})
}

// FetchRecord is a fetch as it is shown. Times are microseconds since the epoch.
type FetchRecord struct {
	CheckerName string
	// Slot is the M of the pass, in seconds since the epoch.
	Slot           int64
	Started, Ended int64
	Plugin         string
	// SourceTime is what the source itself took, in microseconds; 0: not known.
	SourceTime int64
	OK         bool
	Baseline   bool
	Cut        bool
	// Rows were given, Fresh of them were new; SkippedNull had no timestamp, Skipped
	// one that is too far in the future, Ignored were unknown and older than the
	// purge mark.
	Rows, Fresh, SkippedNull, Skipped, Ignored int64
	// Oldest and Newest are timestamps of rows; nil where there are none.
	Oldest, Newest *int64
	// Skew and DataAsOf are as in Fetch.
	Skew     int64
	DataAsOf *int64
	// Fault and Error are empty for a successful fetch.
	Fault, Error string
}

// MarshalJSON writes times in seconds.
func (f FetchRecord) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		CheckerName string       `json:"checker_name"`
		Slot        int64        `json:"slot_epoch"`
		Started     json.Number  `json:"started_epoch"`
		Ended       json.Number  `json:"ended_epoch"`
		Plugin      string       `json:"plugin"`
		SourceTime  json.Number  `json:"source_seconds"`
		OK          bool         `json:"ok"`
		Baseline    bool         `json:"baseline"`
		Cut         bool         `json:"cut"`
		Rows        int64        `json:"rows"`
		Fresh       int64        `json:"new"`
		Skipped     int64        `json:"skipped"`
		Ignored     int64        `json:"ignored"`
		Oldest      *json.Number `json:"oldest_epoch"`
		Newest      *json.Number `json:"newest_epoch"`
		ClockAhead  json.Number  `json:"clock_ahead_seconds"`
		DataAsOf    *json.Number `json:"data_as_of_epoch"`
		Fault       *string      `json:"fault"`
		Error       *string      `json:"error"`
	}{
		f.CheckerName, f.Slot, Seconds(f.Started), Seconds(f.Ended), f.Plugin, Seconds(f.SourceTime), f.OK, f.Baseline, f.Cut,
		f.Rows, f.Fresh, f.Skipped + f.SkippedNull, f.Ignored, secondsOrNull(f.Oldest), secondsOrNull(f.Newest), Seconds(f.Skew), secondsOrNull(f.DataAsOf),
		textOrNull(f.Fault), textOrNull(f.Error),
	})
}

func secondsOrNull(micros *int64) *json.Number {
	if micros == nil {
		return nil
	}
	n := Seconds(*micros)
	return &n
}

// SlowChecker sums up how long the fetches of one checker took.
type SlowChecker struct {
	CheckerName string
	Owner       string
	Source      string
	Count       int64
	Failures    int64
	// Total is over all fetches, failed ones included, as are the others; Median
	// and P95 are durations that a fetch took, by nearest rank.
	Total, Max, Mean, Median, P95, Last time.Duration
}

// MarshalJSON writes durations in seconds.
func (s SlowChecker) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		CheckerName string      `json:"checker_name"`
		Owner       string      `json:"owner"`
		Source      string      `json:"source"`
		Count       int64       `json:"fetches"`
		Failures    int64       `json:"failures"`
		Total       json.Number `json:"total_seconds"`
		Max         json.Number `json:"max_seconds"`
		Mean        json.Number `json:"mean_seconds"`
		Median      json.Number `json:"median_seconds"`
		P95         json.Number `json:"p95_seconds"`
		Last        json.Number `json:"last_seconds"`
	}{
		s.CheckerName, s.Owner, s.Source, s.Count, s.Failures,
		durationSeconds(s.Total), durationSeconds(s.Max), durationSeconds(s.Mean), durationSeconds(s.Median),
		durationSeconds(s.P95), durationSeconds(s.Last),
	})
}

func durationSeconds(d time.Duration) json.Number { return Seconds(d.Microseconds()) }

// SlowOwner sums up the checkers of one owner.
type SlowOwner struct {
	Owner    string
	Checkers int
	Count    int64
	Failures int64
	Total    time.Duration
	Max      time.Duration
	// Slowest is the checker of Max.
	Slowest string
}

// MarshalJSON writes durations in seconds.
func (s SlowOwner) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Owner    string      `json:"owner"`
		Checkers int         `json:"checkers"`
		Count    int64       `json:"fetches"`
		Failures int64       `json:"failures"`
		Total    json.Number `json:"total_seconds"`
		Max      json.Number `json:"max_seconds"`
		Slowest  string      `json:"slowest_checker"`
	}{s.Owner, s.Checkers, s.Count, s.Failures, durationSeconds(s.Total), durationSeconds(s.Max), s.Slowest})
}

// Durations sums up how long fetches took. It sorts what it is given.
func Durations(took []time.Duration) (s SlowChecker) {
	if len(took) == 0 {
		return s
	}
	s.Count, s.Last = int64(len(took)), took[len(took)-1]
	slices.Sort(took)
	for _, d := range took {
		s.Total += d
	}
	s.Max = took[len(took)-1]
	s.Mean = s.Total / time.Duration(len(took))
	rank := func(percent int) time.Duration { return took[max((len(took)*percent+99)/100, 1)-1] }
	s.Median, s.P95 = rank(50), rank(95)
	return s
}

// SortSlow puts those who take most time in all first.
func SortSlow(checkers []SlowChecker) {
	slices.SortFunc(checkers, func(a, b SlowChecker) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(b.Max, a.Max), cmp.Compare(a.CheckerName, b.CheckerName))
	})
}

// SlowByOwner sums up checkers by owner, those who take most time first.
func SlowByOwner(checkers []SlowChecker) []SlowOwner {
	index := map[string]int{}
	var owners []SlowOwner
	for _, c := range checkers {
		i, ok := index[c.Owner]
		if !ok {
			i = len(owners)
			index[c.Owner] = i
			owners = append(owners, SlowOwner{Owner: c.Owner})
		}
		o := &owners[i]
		o.Checkers++
		o.Count += c.Count
		o.Failures += c.Failures
		o.Total += c.Total
		if c.Max > o.Max || o.Slowest == "" {
			o.Max, o.Slowest = c.Max, c.CheckerName
		}
	}
	slices.SortFunc(owners, func(a, b SlowOwner) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Owner, b.Owner))
	})
	return owners
}

// LastGood is the last good text of a checker: what goes on when its file has
// become bad, after a restart too.
type LastGood struct {
	Name     string
	File     string
	Text     []byte
	Revision string
	// Off and Missing are as in Progress.
	Off     *Off
	Missing *int64
}

// FaultyFile is the faults of a checker file as it was last read.
type FaultyFile struct {
	// Name is the checker's; File is where it was read.
	Name   string
	File   string
	Faults []FileFault
	// Since is when the file became bad, microseconds since the epoch.
	Since int64
}

// Retention says how long things are kept. Zero keeps for ever.
type Retention struct {
	// Keep is for results, gaps, off spans and silences that are over; KeepGood is
	// for GOOD results.
	Keep, KeepGood time.Duration
	// SentDeliveries is for deliveries that were made, or that a digest told of;
	// DeadDeliveries for those that were given up. Waiting ones are always kept.
	SentDeliveries, DeadDeliveries time.Duration
	Fetches                        time.Duration
	// PurgedKeys is how long a purged key is remembered after the last fetch that
	// returned it, counted up to the checker's last successful fetch.
	PurgedKeys time.Duration
}

// DefaultRetention is that of SPEC 6.
var DefaultRetention = Retention{
	Keep: 400 * 24 * time.Hour, KeepGood: 30 * 24 * time.Hour, SentDeliveries: 7 * 24 * time.Hour,
	DeadDeliveries: 30 * 24 * time.Hour, Fetches: 90 * 24 * time.Hour, PurgedKeys: 7 * 24 * time.Hour,
}
