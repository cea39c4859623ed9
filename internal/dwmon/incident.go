package dwmon

// Subject is what an incident is about. The values are stored.
type Subject string

const (
	// SubjectCount: counts of a requirement line are out of range.
	SubjectCount Subject = "count"
	// SubjectChecker: a checker, or one line of it, cannot be evaluated: UNKNOWN.
	SubjectChecker Subject = "checker"
	// SubjectSource: a whole source is down.
	SubjectSource Subject = "source"
	// SubjectDwmon: dwmon itself is behind.
	SubjectDwmon Subject = "dwmon"
)

// IncidentEnd is how an incident ended. The values are stored.
type IncidentEnd string

const (
	// EndRecovered: the trouble is over.
	EndRecovered IncidentEnd = "recovered"
	// EndLineChanged: the line was edited or removed.
	EndLineChanged IncidentEnd = "line_changed"
	// EndOff: the checker was switched off, or its file went away.
	EndOff IncidentEnd = "off"
	// EndForgotten: `dwmon forget` removed the checker.
	EndForgotten IncidentEnd = "forgotten"
)
