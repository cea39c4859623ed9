// Package dryrun looks at the rows of one fetch for somebody who writes a checker: what
// came, how it was understood, and what the requirement lines would say of it. It counts
// and judges by the rules of a pass, for a checker whose first fetch this is. It stores
// nothing.
package dryrun

import (
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Question is what is tried.
type Question struct {
	Checker *dwmon.Checker
	// Zone is that in which the checker is judged.
	Zone *time.Location
	// Closed are the days on which it owes nothing; nil for none.
	Closed *dwmon.ClosedDays
	// Rows is how many of the first rows are kept for people, Windows how many of the
	// last due windows of each line are judged.
	Rows, Windows int
	// Now is the start of the fetch. Stands says that it is not the real clock.
	Now    time.Time
	Stands bool
}

// keySum stands for a key. Keys may be long, and there may be millions; two that
// share 128 bits of SHA-256 do not happen.
type keySum [16]byte

func sumOf(key []byte) keySum {
	sum := sha256.Sum256(key)
	return keySum(sum[:16])
}

// Intake takes the rows of a fetch as they come, and keeps of each no more than its
// time and a digest of its key.
type Intake struct {
	q      Question
	latest int64
	rows   atomic.Int64
	tally  dwmon.Tally
	last   int64 // timestamp of the row before
	// first is where in micros the first row of each key stands.
	first  map[keySum]uint32
	micros []int64
	sample []Row
	// again is how many more rows the key of a place in micros had.
	again map[uint32]int64
	// examples are keys that were repeated, in the order in which they were; otherTime
	// says that a repeated key came with another time.
	examples  []example
	otherTime bool
}

type example struct {
	key string
	at  uint32
}

// maxExamples is how many repeated keys are shown.
const maxExamples = 5

// NewIntake is ready for the rows of a fetch that begins now.
func NewIntake(q Question) *Intake {
	return &Intake{
		q: q, latest: q.Now.Add(dwmon.FarFuture).UnixMicro(), first: map[keySum]uint32{}, again: map[uint32]int64{}, sample: []Row{},
	}
}

// Rows is how many rows have come; any goroutine may ask.
func (in *Intake) Rows() int64 { return in.rows.Load() }

// Add takes a batch: it is the sink of a fetch.
func (in *Intake) Add(b *dwmon.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	at := 0
	for i, n := range b.Lengths {
		key := b.Keys[at : at+int(n)]
		at += int(n)
		in.add(key, b.Micros[i])
	}
	in.rows.Add(int64(b.Rows()))
	return nil
}

func (in *Intake) add(key []byte, micros int64) {
	future := micros > in.latest
	if len(in.sample) < in.q.Rows {
		in.sample = append(in.sample, rowOf(key, micros, in.q, future))
	}
	t := &in.tally
	t.Bytes += int64(len(key)) + 8
	if t.Rows++; future { // no event yet, and its key is not used up
		t.Skipped++
		return
	}
	if t.Rows-t.Skipped == 1 {
		t.Oldest, t.Newest, in.last = micros, micros, micros
	}
	t.Unordered = t.Unordered || micros > in.last
	in.last = micros
	t.Oldest, t.Newest = min(t.Oldest, micros), max(t.Newest, micros)
	in.keep(key, micros)
}

// keep takes the first row of a key, and counts the others.
func (in *Intake) keep(key []byte, micros int64) {
	sum := sumOf(key)
	at, known := in.first[sum]
	if !known {
		in.first[sum] = uint32(len(in.micros))
		in.micros = append(in.micros, micros)
		return
	}
	if in.again[at]++; in.again[at] == 1 && len(in.examples) < maxExamples {
		in.examples = append(in.examples, example{dwmon.ShownKey(key), at})
	}
	in.otherTime = in.otherTime || in.micros[at] != micros
}

// Report says what came and what the lines make of it. It is for after the last batch
// of a fetch that succeeded, once; ended is the fetch's end.
func (in *Intake) Report(summary dwmon.FetchSummary, ended time.Time) *Report {
	r := &Report{
		FirstRows: in.sample, Rows: in.tally.Rows, SkippedNull: summary.SkippedNull, SkippedFuture: in.tally.Skipped,
		Keys: int64(len(in.micros)), RepeatedKeys: int64(len(in.again)), RepeatedRows: in.tally.Rows - in.tally.Skipped - int64(len(in.micros)),
		Repeated: []Repeat{}, Cut: dwmon.IsCut(in.q.Checker.Query, summary, in.tally), Lines: []Line{},
	}
	for _, e := range in.examples {
		r.Repeated = append(r.Repeated, Repeat{Key: e.key, Rows: in.again[e.at] + 1, Time: rfc3339(in.micros[e.at])})
	}
	if len(in.micros) > 0 {
		r.Oldest, r.Newest = stamp(in.tally.Oldest), stamp(in.tally.Newest)
		age := in.q.Now.Sub(time.UnixMicro(in.tally.Newest)).Seconds()
		r.NewestAge = &age
	}
	if limit, ok := dwmon.RowLimit(in.q.Checker.Query); ok {
		r.RowLimit = &limit
	}
	slices.Sort(in.micros)
	j := in.judge(summary, r.Cut, ended)
	if from, ok := j.coverage.CompleteFrom(); ok && r.Cut {
		r.WholeFrom = stamp(from)
	}
	for i, line := range in.q.Checker.Lines {
		r.Lines = append(r.Lines, j.line(i, line))
	}
	r.Warnings = in.doubts(r, j, summary, ended)
	return r
}
