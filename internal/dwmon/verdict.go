package dwmon

// Verdict is what is recorded of one (minute, line).
type Verdict struct {
	Minute int64
	// LineID is the store's name for the line, LineIndex its place in the file.
	LineID    int64
	LineIndex int
	Count     int64
	Status    Status
	Reason    Reason
	CatchUp   bool
	// Previous and ConsecutiveBad are as in Result.
	Previous       Status
	ConsecutiveBad int64
}

// Evidence is what limits the claims that a count can support.
type Evidence struct {
	// PurgeMark, seconds since the epoch: older rows were purged; nil for none.
	PurgeMark *int64
	// KnownFrom, microseconds since the epoch: rows of assumed timestamps were not
	// observed before; nil where that does not matter.
	KnownFrom *int64
	// Missed are spans in which rows of assumed timestamps may have been given a
	// time other than their own.
	Missed []Span
	// Holes are spans, in order and apart, in which rows may be missing.
	Holes []Span
	// QueryFrom, microseconds since the epoch, is when the first fetch of the present
	// QUERY and SOURCE began, where others have brought rows before; else nil.
	QueryFrom *int64
}

// Span is a stretch of time, microseconds since the epoch, both ends included.
type Span struct{ From, Until int64 }

// Weigh turns a count over a window into a verdict: UNKNOWN where the stored rows
// cannot prove what GOOD or BAD would claim. A window that reaches below the
// purge mark, or before anything was observed, cannot be low; one that touches a
// missed span proves nothing. One that touches a hole cannot be low either. A high
// count over a window of which Mixed is true is for the caller to look into.
func (e Evidence) Weigh(r Requirement, w Window, count int64) (Status, Reason) {
	for _, s := range e.Missed {
		if w.From <= s.Until && s.From < w.Until {
			return Unknown, AssumedTime
		}
	}
	status, reason := r.Judge(count)
	if reason == Low && e.KnownFrom != nil && w.From < *e.KnownFrom {
		return Unknown, AssumedTime
	}
	if reason == Low && e.PurgeMark != nil && w.From < *e.PurgeMark*1e6 {
		return Unknown, Purged
	}
	if reason == Low && Touches(e.Holes, w) {
		return Unknown, Truncated
	}
	return status, reason
}

// Mixed says that rows of a window may have been brought by another QUERY or
// SOURCE than the present one.
func (e Evidence) Mixed(w Window) bool { return e.QueryFrom != nil && w.From < *e.QueryFrom }

// WeighOwn judges a window of which Mixed is true and that is high, by the rows of
// the present QUERY and SOURCE alone.
func (e Evidence) WeighOwn(r Requirement, own int64) (Status, Reason) {
	if _, reason := r.Judge(own); reason != High {
		return Unknown, QueryChanged
	}
	return Bad, High
}

// ClampCutoff keeps a purger's cut-off (seconds since the epoch) out of the
// windows of minutes that are not settled yet. clamped says that it was later
// than that.
func ClampCutoff(cutoff, settled, longestLookback int64) (at int64, clamped bool) {
	keep := settled - longestLookback
	if cutoff > keep {
		return keep, true
	}
	return cutoff, false
}
