package dwmon

import "fmt"

// Status is the verdict on one minute of one requirement line.
type Status uint8

const (
	// NoStatus: there is no verdict yet.
	NoStatus Status = iota
	// Good: the count lies in the range.
	Good
	// Bad: the count is too low or too high.
	Bad
	// Unknown: the stored rows cannot prove what Good or Bad would claim.
	Unknown
)

func (s Status) String() string {
	switch s {
	case Good:
		return "GOOD"
	case Bad:
		return "BAD"
	case Unknown:
		return "UNKNOWN"
	default:
		return ""
	}
}

// ParseStatus reads what String writes.
func ParseStatus(text string) (Status, error) {
	for _, s := range []Status{Good, Bad, Unknown} {
		if s.String() == text {
			return s, nil
		}
	}
	return NoStatus, fmt.Errorf("%q is no status: GOOD, BAD or UNKNOWN", text)
}

// Reason says why a verdict is not Good.
type Reason string

const (
	Low          Reason = "low"
	High         Reason = "high"
	Truncated    Reason = "truncated"
	Purged       Reason = "purged"
	AssumedTime  Reason = "assumed"
	QueryChanged Reason = "query_changed"
)
