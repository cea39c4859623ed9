package deliver

import (
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// window keeps calls within a rate by remembering when those of the last span
// began. A bucket that refills would let twice the rate through in the span after
// a quiet one, which is what receivers that count by the minute refuse.
type window struct {
	rate  dwmon.Rate
	began []time.Time // oldest first, none older than the span when last looked at
}

// room is how many calls may begin now. Without a rate it is more than anybody
// asks for.
func (w *window) room(now time.Time) int {
	if w.rate.Count == 0 {
		return int(^uint(0) >> 1)
	}
	gone := 0
	for gone < len(w.began) {
		// What began later than now did so before the clock was set back.
		if age := now.Sub(w.began[gone]); age >= 0 && age < w.rate.Per {
			break
		}
		gone++
	}
	w.began = slices.Delete(w.began, 0, gone)
	return max(w.rate.Count-len(w.began), 0)
}

// opens is when a call may begin next: not after now where there is room.
func (w *window) opens(now time.Time) time.Time {
	if w.room(now) > 0 {
		return now
	}
	return w.began[len(w.began)-w.rate.Count].Add(w.rate.Per)
}

// take counts a call that begins now.
func (w *window) take(now time.Time) {
	if w.rate.Count > 0 {
		w.began = append(w.began, now)
	}
}
