package dwmon

// NoticeKind is what a notice says.
type NoticeKind string

const (
	// NoticeOpened: an incident began.
	NoticeOpened NoticeKind = "opened"
	// NoticeRepeated: it goes on.
	NoticeRepeated NoticeKind = "repeated"
	// NoticeRecovered: it has ended, in whichever way.
	NoticeRecovered NoticeKind = "recovered"
	// NoticeCorrected: late rows overturned a low verdict.
	NoticeCorrected NoticeKind = "corrected"
	// NoticeDigest: what was not told one by one.
	NoticeDigest NoticeKind = "digest"
	// NoticeTest: somebody tries the handler.
	NoticeTest NoticeKind = "test"
)

// Notice is what is said about an incident, or about several results or none. It
// is stored as JSON, whole, so that every attempt to tell it says the same.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	// Checker, File and Revision are empty where it is about no single checker.
	Checker  string `json:"checker,omitempty"`
	File     string `json:"file,omitempty"`
	Revision string `json:"revision,omitempty"`
	// Extra is the EXTRA section, byte for byte.
	Extra []byte `json:"extra,omitempty"`
	// Summary is one line, Detail several: the facts, or, where Templated, what the
	// user's template made of them.
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	Templated bool   `json:"templated,omitempty"`
	Facts     []Fact `json:"facts,omitempty"`
	// Incident is nil for a digest, a correction and a test.
	Incident *IncidentView `json:"incident,omitempty"`
	// Results are those that the notice speaks of, oldest first, at most 100.
	Results []Result `json:"-"`
	// Windows are the line's last ones, oldest first.
	Windows []NoticeWindow `json:"windows,omitempty"`
	// Items are several things that are told together; Checker, Incident and
	// Results are empty then.
	Items       []NoticeItem      `json:"items,omitempty"`
	Source      string            `json:"source,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Description string            `json:"description,omitempty"`
	Runbook     string            `json:"runbook,omitempty"`
	// Keys are some keys of the rows counted, newest first.
	Keys []string `json:"keys,omitempty"`
	// Created is when the notice was made, seconds since the epoch.
	Created int64 `json:"created"`
}

// Fact is a line of a notice as people read it: "Count", "4, at least 5".
type Fact struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// NoticeWindow is one window of a line, for a small chart.
type NoticeWindow struct {
	Minute int64 `json:"minute"`
	Count  int64 `json:"count"`
	// Status is NoStatus where the window was counted but never judged.
	Status Status `json:"status"`
}

// NoticeItem is one of several things that a notice tells.
type NoticeItem struct {
	Kind     NoticeKind        `json:"kind"`
	Checker  string            `json:"checker,omitempty"`
	Summary  string            `json:"summary"`
	Incident *IncidentView     `json:"incident,omitempty"`
	Source   string            `json:"source,omitempty"`
	Owner    string            `json:"owner,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// NoticeRequest is a notice on its way to a check handler.
type NoticeRequest struct {
	Notice
	RequestID      string
	IdempotencyKey string
}

// IncidentView is an incident as notices tell of it. Times are seconds since the
// epoch; the local ones are in the checker's zone, as LocalTime writes them.
type IncidentView struct {
	// ID is the same in all notices of the incident, and in no other's.
	ID          string  `json:"id"`
	Subject     Subject `json:"subject"`
	Cause       string  `json:"cause"`
	Opened      int64   `json:"opened"`
	OpenedLocal string  `json:"opened_local"`
	// Closed is nil while it lasts, End is empty then.
	Closed      *int64      `json:"closed,omitempty"`
	ClosedLocal string      `json:"closed_local,omitempty"`
	End         IncidentEnd `json:"end,omitempty"`
	// Checks are the line's checks since the incident began, Bad those of them that
	// were not GOOD.
	Checks int64 `json:"checks,omitempty"`
	Bad    int64 `json:"bad,omitempty"`
	// Checkers is how many checkers a source's incident is about.
	Checkers int64 `json:"checkers,omitempty"`
}
