package dryrun

import (
	"encoding/json"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Report is what came of one fetch. Times are seconds since the epoch where the name
// says epoch, else RFC 3339 in UTC.
type Report struct {
	// FirstRows are the first rows, in the source's order.
	FirstRows []Row `json:"first_rows"`
	// Rows is all rows that came. Those that are no events yet, because their time is
	// NULL (they do not come) or more than a day ahead, are skipped.
	Rows          int64 `json:"rows"`
	SkippedNull   int64 `json:"skipped_null"`
	SkippedFuture int64 `json:"skipped_future"`
	// Keys is how many different keys there were: what is counted.
	Keys int64 `json:"keys"`
	// RepeatedRows are rows whose key had come before; RepeatedKeys is how many keys
	// they share. Repeated are some of those.
	RepeatedRows int64    `json:"repeated_rows"`
	RepeatedKeys int64    `json:"repeated_keys"`
	Repeated     []Repeat `json:"repeated"`
	// Oldest and Newest are nil where no row counts. NewestAge is negative where the
	// newest row lies ahead of the clock.
	Oldest    *Stamp   `json:"oldest_epoch"`
	Newest    *Stamp   `json:"newest_epoch"`
	NewestAge *float64 `json:"newest_age_seconds"`
	// RowLimit is the most rows that the query asks for; nil for no limit, or none that
	// can be told from its text.
	RowLimit *int64 `json:"row_limit"`
	// Cut says that the source may have more rows than it gave. WholeFrom is from when
	// on a cut result holds them all; nil where that cannot be told.
	Cut       bool      `json:"cut"`
	WholeFrom *Stamp    `json:"whole_from_epoch"`
	Warnings  []Warning `json:"warnings"`
	Lines     []Line    `json:"lines"`
}

// Row is a row for people.
type Row struct {
	// Key is as people see it: what is no text is written as \xHH.
	Key string `json:"key"`
	// Time is as it was understood, in UTC; LocalTime in the checker's zone.
	Time      string  `json:"time"`
	LocalTime string  `json:"local_time"`
	Epoch     Stamp   `json:"timestamp_epoch"`
	Age       float64 `json:"age_seconds"`
	// Future says that it is no event yet.
	Future bool `json:"future"`
}

// Repeat is a key that several rows had.
type Repeat struct {
	Key  string `json:"key"`
	Rows int64  `json:"rows"`
	// Time is that of the first, which counts.
	Time string `json:"time"`
}

// Warning is something that deserves a look.
type Warning struct {
	// Code is for programs: one of the Warn constants.
	Code string `json:"code"`
	// Message says what, Hint what to do; Hint may be empty.
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// Codes of warnings.
const (
	WarnNoRows      = "no_rows"
	WarnAllSkipped  = "all_skipped"
	WarnConstant    = "constant_timestamps"
	WarnNotConstant = "assumed_not_constant"
	WarnBaseline    = "assumed_baseline"
	WarnZone        = "zone_shift"
	WarnAhead       = "ahead_of_clock"
	WarnRepeated    = "repeated_keys"
	WarnUnordered   = "limit_unordered"
	WarnLimit       = "limit_look_back"
	WarnOldest      = "before_oldest_row"
	WarnSourceClock = "source_clock"
	WarnSourceData  = "source_data"
	WarnNeverDue    = "never_due"
	WarnPlugin      = "plugin"
	WarnDisabled    = "disabled"
)

// Line is what a requirement line makes of the rows.
type Line struct {
	Requirement string `json:"requirement"`
	// Index counts from 0, FileLine from 1.
	Index    int    `json:"requirement_index"`
	FileLine int    `json:"file_line"`
	Min      *int64 `json:"min_required"`
	Max      *int64 `json:"max_allowed"`
	Lookback int64  `json:"lookback_seconds"`
	// Words is the line in words.
	Words string `json:"words"`
	// Windows are the last that were due, oldest first.
	Windows []Window `json:"windows"`
	// NextDue is the next due minute; nil: none within five years.
	NextDue *int64 `json:"next_due_epoch"`
	// Rule is the line itself.
	Rule dwmon.Requirement `json:"-"`
}

// Last is the newest window; false where the line was never due.
func (l *Line) Last() (Window, bool) {
	if len(l.Windows) == 0 {
		return Window{}, false
	}
	return l.Windows[len(l.Windows)-1], true
}

// Window is the verdict on one due minute.
type Window struct {
	Minute    int64
	LocalTime string
	Count     int64
	Status    dwmon.Status
	Reason    dwmon.Reason
}

// MarshalJSON uses the names of results (SPEC 5).
func (w Window) MarshalJSON() ([]byte, error) {
	var reason *string
	if w.Reason != "" {
		text := string(w.Reason)
		reason = &text
	}
	return json.Marshal(struct {
		Minute    int64   `json:"minute_epoch"`
		LocalTime string  `json:"minute_local_time"`
		Count     int64   `json:"event_count"`
		Status    string  `json:"check_status"`
		Reason    *string `json:"reason"`
	}{w.Minute, w.LocalTime, w.Count, w.Status.String(), reason})
}

func rowOf(key []byte, micros int64, q Question, future bool) Row {
	at := time.UnixMicro(micros)
	return Row{
		Key: dwmon.ShownKey(key), Time: rfc3339(micros), LocalTime: at.In(q.Zone).Format(localLayout),
		Epoch: Stamp(micros), Age: q.Now.Sub(at).Seconds(), Future: future,
	}
}

// localLayout has the zone's own abbreviation: an hour that comes twice is told apart.
const localLayout = dwmon.LocalTimeLayout + " MST"

func rfc3339(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano) }

// Stamp is a time in microseconds since the epoch, and in JSON in seconds.
type Stamp int64

// MarshalJSON writes seconds, without rounding.
func (s Stamp) MarshalJSON() ([]byte, error) { return json.Marshal(dwmon.Seconds(int64(s))) }

// In is the time in a zone.
func (s Stamp) In(zone *time.Location) time.Time { return time.UnixMicro(int64(s)).In(zone) }

func stamp(micros int64) *Stamp {
	s := Stamp(micros)
	return &s
}
