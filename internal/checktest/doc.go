// Package checktest runs unit tests of checkers: a small YAML file says which rows
// come when, and which verdicts are expected. No source, plugin or database is
// needed.
//
// A test is lived through by the engine itself, pass after pass, on a store in
// memory: the walk, grace, holes, corrections and incidents are the product's. Only
// the row getter is ours (source.go), and the clock, which is an argument.
package checktest

import (
	"github.com/dwmon/dwmon/internal/dwmon"
)

// Ending is how the name of a file with unit tests ends.
const Ending = ".dwmontest.yaml"

// Limits of a test file, and of each of its tests.
const (
	MaxBytes = 1 << 20
	MaxRows  = 200_000
	MaxDays  = 92
	// MaxKeyBytes bounds the keys of a test together: a long pattern stands for many.
	MaxKeyBytes = 64 << 20
)

// Suite is the tests of one file.
type Suite struct {
	File    string
	Checker *dwmon.Checker
	Tests   []Test
	// Progress is told now and then how many of a test's passes are done; nil: nobody.
	Progress func(t *Test, done, all int)
}

// Test is one test, every time in it resolved. Times are microseconds since the
// epoch, minutes seconds.
type Test struct {
	Name  string
	place place
	clock clock
	// start is when dwmon first sees the checker, end when the test ends.
	start, end int64
	rows       []row
	keyBytes   int // of all rows
	firsts     []firstRow
	source     sourceScript
	down       []span // dwmon does not run
	closed     *dwmon.ClosedDays
	alert      dwmon.AlertRule
	catchUp    int64 // minutes

	expect    []expectation
	incidents []incident
	// allIncidents says that incidents are all that there are.
	allIncidents bool
}

// row is an event of the source, there from seen on.
type row struct {
	key      string
	at, seen int64
	unkeyed  bool // the test gives no key: it is numbered by us
}

// firstRow is the first row of an entry, with its place.
type firstRow struct {
	place place
	at    int64
}

// sourceScript says what the source does other than giving its rows.
type sourceScript struct {
	down  []span
	limit int64 // 0: none but the query's
	lag   int64 // how far its data are behind
}

// span is a stretch of time: from ≤ t < until.
type span struct{ from, until int64 }

func (s span) holds(t int64) bool { return s.from <= t && t < s.until }

func within(spans []span, t int64) bool {
	for _, s := range spans {
		if s.holds(t) {
			return true
		}
	}
	return false
}

// outcome is what became of a (minute, line), as tests name it.
type outcome string

// The outcomes that are no verdict.
const (
	pending outcome = "PENDING"
	gap     outcome = "GAP"
	notDue  outcome = "NOT_DUE"
)

// outcomes are all of them, as they are written.
var outcomes = []string{"GOOD", "BAD", "UNKNOWN", string(pending), string(gap), string(notDue)}

// expectation is what is expected of the minutes from ≤ m < until; a single one is
// a span of a minute.
type expectation struct {
	place place
	span
	single bool
	line   int // from 0; -1: whichever is due
	status outcome
	reason dwmon.Reason
	count  *int64
	// corrected is what late rows must have made of it; NoStatus: it is not asked.
	corrected dwmon.Status
	caughtUp  *bool
}

// incident is one that is expected.
type incident struct {
	place  place
	opened int64 // a minute
	closed *int64
	line   int // from 0; -1: whichever
	about  dwmon.Subject
}

// place is where something stands in the test file.
type place struct {
	line, column int
	text         string
}
