package dwmon

import (
	"encoding/json"
	"fmt"
	"time"
)

// Correction is a BAD low verdict that rows which came late have overturned. The
// verdict itself stays as it was recorded: as known then.
type Correction struct {
	// ID orders corrections; later ones have greater ones.
	ID int64
	// CheckerName, Requirement and RevisionID are those of the verdict; LineIndex is
	// the line's place in the file then.
	CheckerName string
	Requirement string
	LineID      int64
	LineIndex   int
	RevisionID  int64
	// Minute is the minute judged, seconds since the epoch.
	Minute int64
	// CountBefore is what was counted then, CountAfter what is counted now, Status and
	// Reason what it would be judged by that: GOOD, or BAD high.
	CountBefore, CountAfter int64
	Status                  Status
	Reason                  Reason
	// At is the start of the fetch that brought the rows, microseconds since the epoch.
	At int64
}

// MarshalJSON writes what `history --json` says of a corrected result.
func (c Correction) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		EventCount  int64       `json:"event_count"`
		CheckStatus string      `json:"check_status"`
		At          json.Number `json:"at_epoch"`
	}{c.CountAfter, c.Status.String(), Seconds(c.At)})
}

// Text is the correction in short, such as "4 → 7 at 10:14", with the day where it
// is another than the minute's, and with what it is now where that is not GOOD.
func (c Correction) Text(zone *time.Location) string {
	minute, at := time.Unix(c.Minute, 0).In(zone), time.UnixMicro(c.At).In(zone)
	layout := "15:04"
	if minute.Format(time.DateOnly) != at.Format(time.DateOnly) {
		layout = "2006-01-02 15:04"
	}
	text := fmt.Sprintf("%d → %d at %s", c.CountBefore, c.CountAfter, at.Format(layout))
	if c.Status != Good {
		text += fmt.Sprintf(", %s %s", c.Status, c.Reason)
	}
	return text
}

// LowVerdict is a BAD low verdict that late rows may still overturn.
type LowVerdict struct {
	Minute      int64
	LineID      int64
	LineIndex   int
	RevisionID  int64
	Count       int64
	Requirement Requirement
}

// correctAtLeast is how long a low verdict is counted again at the least, seconds.
const correctAtLeast = 24 * 3600

// CorrectFor is for how many seconds after its minute a low verdict with such a
// look-back is counted again.
func CorrectFor(lookback int64) int64 { return max(10*lookback, correctAtLeast) }

// Correct gives the correction of a low verdict whose window now has a count; false
// where it stays low, or where a fetch at a time (microseconds since the epoch) comes
// too late to count. status and reason are the verdict on the count.
func (l LowVerdict) Correct(count int64, status Status, reason Reason, at int64) (Correction, bool) {
	if status != Good && reason != High || floorDiv(at, 1e6) > l.Minute+CorrectFor(l.Requirement.Lookback) {
		return Correction{}, false
	}
	return Correction{
		LineID: l.LineID, LineIndex: l.LineIndex, RevisionID: l.RevisionID, Minute: l.Minute,
		CountBefore: l.Count, CountAfter: count, Status: status, Reason: reason, At: at,
	}, true
}
