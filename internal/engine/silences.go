package engine

import (
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// quiet says whether results are silenced. Handlers that want every result are
// told all the same, and so is what is GOOD: whoever was told of the trouble is
// waiting for it. The silences are read when they are first asked for.
type quiet struct {
	tx      dwmon.Tx
	subject dwmon.SilenceSubject
	now     int64 // microseconds since the epoch

	read     bool
	silences []dwmon.Silence // that are about the checker
	err      error
}

// covers looks at the present, and of what was caught up at its own minute too.
func (q *quiet) covers(v *dwmon.Verdict) bool {
	if !q.read {
		q.load()
	}
	for i := range q.silences {
		if s := &q.silences[i]; s.Covers(q.now) || v.CatchUp && s.Covers(v.Minute*1e6) {
			return true
		}
	}
	return false
}

func (q *quiet) load() {
	q.read = true
	all, err := q.tx.Silences()
	if err != nil {
		q.err = fmt.Errorf("read the silences: %w", err)
		return
	}
	for _, s := range all {
		if s.Matches(q.subject) {
			q.silences = append(q.silences, s)
		}
	}
}
