// Package storetest is what every dwmon.Store must do, as tests: tables of what
// the interface promises, and a property test that drives the store and a naive
// model of it side by side.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Reopener is a store that can be closed and opened again on the same data. A
// store that is not one is tested without.
type Reopener interface {
	dwmon.Store
	// Reopen closes the store and gives another on the same data.
	Reopen(t testing.TB) dwmon.Store
}

// Run tests a store. open gives a new, empty one, which it closes by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) dwmon.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, dwmon.Store)
	}{
		{"GivesNoIDForACheckerNeverSeen", testUnknown},
		{"KeepsASighting", testSight},
		{"GivesLinesTheirStreakBackWhenTheyReturn", testReturningLine},
		{"EndsOffSpans", testOff},
		{"SaysWhetherAWalkWasMoved", testStillAt},
		{"RefusesASecondFirstSight", testSecondSight},
		{"KeepsFetchesAndFailing", testFetch},
		{"FencesVerdicts", testFence},
		{"KeepsStreaksAndRecorded", testRecord},
		{"KeepsNothingOfAFailedTransaction", testRollback},
		{"KeepsNothingOfATransactionThatHidesAnError", testHiddenError},
		{"CommitsNeighboursOfAFailedTransaction", testNeighbours},
		{"SurvivesPanics", testPanic},
		{"GivesUpWaitingWithItsContext", testContext},
		{"LetsTheFirstRowOfAKeyCount", testFirstRow},
		{"SkipsRowsOfTheFarFuture", testFarFuture},
		{"RefusesMisshapenBatches", testMisshapen},
		{"KeepsCheckersApart", testApart},
		{"RemembersPurgedKeys", testPurge},
		{"CountsNoBaseline", testBaseline},
		{"KeepsMissedSpans", testMissed},
		{"KeepsTroubleAndIncidents", testTrouble},
		{"ForgetsTheTroubleOfALineThatLeft", testTroubleWithoutIncident},
		{"TellsWhetherRowsCameNewestFirst", testOrder},
		{"TellsTheOldestNewRow", testOldestFresh},
		{"MergesAndFillsHoles", testHoles},
		{"CountsWhatOneQueryBrought", testCountsOf},
		{"KnowsSinceWhenTheQueryIsAsked", testQueryFetched},
		{"CorrectsLowVerdictsOnce", testCorrections},
		{"TakesResultsBeyondItsMemory", testLarge},
		{"CountsAsANaiveCountDoes", testCounts},
		{"BehavesAsTheModel", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// T0 is a minute of the tests, seconds since the epoch.
const T0 = 1_700_000_040

var names atomic.Int64

// newName gives a checker's name that no test has used.
func newName() string { return fmt.Sprintf("folder/checker %d", names.Add(1)) }

// line makes a requirement that differs from others by its look-back.
func line(lookback int64) dwmon.Requirement {
	return dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends,
		Min: dwmon.At(1), Lookback: lookback,
	}
}

// checker makes a checker whose text, and so whose revision, is its lines.
func checker(name string, lines ...dwmon.Requirement) *dwmon.Checker {
	c := &dwmon.Checker{Name: name, File: name + ".dwmon", Query: "SELECT 1", Source: "AWS", Extra: []byte("{}")}
	var text strings.Builder
	for i := range lines {
		lines[i].FileLine = i + 1
		fmt.Fprintln(&text, lines[i].Identity())
	}
	c.Text = []byte(text.String())
	c.Revision = fmt.Sprintf("%x", c.Text)
	c.Lines = lines
	return c
}

// sighting is the first sight of a checker.
func sighting(c *dwmon.Checker) dwmon.Sighting {
	s := dwmon.Sighting{Checker: c, Zone: "UTC", Minute: T0, New: true}
	for range c.Lines {
		s.Owes = append(s.Owes, dwmon.OwesAll)
	}
	return s
}

// inTx is InTx that must succeed.
func inTx(t testing.TB, st dwmon.Store, fn func(tx dwmon.Tx) error) {
	t.Helper()
	if err := st.InTx(context.Background(), fn); err != nil {
		t.Fatalf("InTx: %v", err)
	}
}

func mustSight(t testing.TB, st dwmon.Store, s dwmon.Sighting) (p *dwmon.Progress) {
	t.Helper()
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		p, err = tx.Sight(s)
		return err
	})
	return p
}

// seen makes a new checker known to the store.
func seen(t testing.TB, st dwmon.Store, lines ...dwmon.Requirement) *dwmon.Progress {
	t.Helper()
	if len(lines) == 0 {
		lines = []dwmon.Requirement{line(60)}
	}
	return mustSight(t, st, sighting(checker(newName(), lines...)))
}

func progress(t testing.TB, st dwmon.Store, name string) *dwmon.Progress {
	t.Helper()
	p, err := st.Progress(context.Background(), name)
	if err != nil {
		t.Fatalf("Progress: %v", err)
	}
	return p
}

// row is one row of a result, its time in microseconds.
type row struct {
	key string
	ts  int64
}

// batch puts rows into a batch.
func batch(rows ...row) *dwmon.Batch {
	b := &dwmon.Batch{}
	for _, r := range rows {
		b.Keys = append(b.Keys, r.key...)
		b.Lengths = append(b.Lengths, uint32(len(r.key)))
		b.Micros = append(b.Micros, r.ts)
	}
	return b
}

// intake collects rows in batches of up to size.
func intake(t testing.TB, st dwmon.Store, p *dwmon.Progress, started int64, size int, rows []row) dwmon.Intake {
	t.Helper()
	in := st.NewIntake(p, started)
	for len(rows) > 0 {
		n := min(size, len(rows))
		b := batch(rows[:n]...)
		if err := in.Add(b); err != nil {
			t.Fatalf("Add: %v", err)
		}
		for i := range b.Keys {
			b.Keys[i] ^= 0xff // a batch may be reused once it was taken
		}
		rows = rows[n:]
	}
	return in
}

// store takes rows in and commits them.
func store(t testing.TB, st dwmon.Store, p *dwmon.Progress, rows ...row) (got dwmon.Ingested) {
	t.Helper()
	in := intake(t, st, p, T0*1e6, 3, rows)
	defer in.Close()
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		got, err = tx.Ingest(p, in, false)
		return err
	})
	return got
}

func counts(t testing.TB, st dwmon.Store, id int64, windows ...dwmon.Window) (got []int64) {
	t.Helper()
	inTx(t, st, func(tx dwmon.Tx) (err error) {
		got, err = tx.Counts(id, windows)
		return err
	})
	return got
}

// all is a window that holds every timestamp there is.
var all = dwmon.Window{From: -dwmon.MaxSeconds * 1e6, Until: dwmon.MaxSeconds * 1e6}

var errAbort = errors.New("the transaction is to be undone")
