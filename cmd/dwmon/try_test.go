package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dryrun"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// tryNow is a Monday.
var tryNow = time.Date(2026, 6, 1, 12, 0, 30, 0, time.UTC)

// triedRows is n rows, the first so long ago, each the next step before it.
func triedRows(n int, ago, step time.Duration) (rows []triedRow) {
	for i := range n {
		rows = append(rows, triedRow{fmt.Sprintf("order-%d", i), tryNow.Add(-ago - time.Duration(i)*step).UnixMicro()})
	}
	return rows
}

type triedRow struct {
	key    string
	micros int64
}

// TestTryAsItsReaderSeesIt keeps what `dwmon try` prints in a terminal of 80 columns.
func TestTryAsItsReaderSeesIt(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	always := dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(5), Max: dwmon.At(9), Lookback: 120, FileLine: 4,
	}
	daily := dwmon.Requirement{Hours: 1 << 9, Minutes: 1, Days: dwmon.Weekdays, Min: dwmon.At(100), Lookback: 86400, FileLine: 5}
	closed := map[dwmon.Day]string{}
	for d := dwmon.DayOf(2020, 1, 1); d < dwmon.DayOf(2032, 1, 1); d++ {
		closed[d] = "moved out"
	}
	const newest = "SELECT id AS dwmon_unique_key, ts AS dwmon_timestamp FROM orders ORDER BY ts DESC LIMIT 25"
	replica, fast := tryNow.Add(-3*time.Hour).UnixMicro(), tryNow.Add(time.Minute).UnixMicro()
	for _, c := range []struct {
		name    string
		query   string
		lines   []dwmon.Requirement
		options dwmon.Options
		rows    []triedRow
		summary dwmon.FetchSummary
		failure *pluginhost.Failure
		closed  *dwmon.ClosedDays
	}{
		{name: "good", lines: []dwmon.Requirement{always, daily}, rows: append(triedRows(40, 10*time.Second, 17*time.Second), triedRow{"\x1b[2J\xff", tryNow.Add(-13 * time.Minute).UnixMicro()})},
		{name: "cut", query: newest, lines: []dwmon.Requirement{always, daily}, rows: triedRows(25, 10*time.Second, 17*time.Second)},
		{name: "limit_soon", query: newest, lines: []dwmon.Requirement{daily}, rows: triedRows(12, 0, time.Minute)},
		{name: "cut_in_any_order", query: newest, lines: []dwmon.Requirement{always}, rows: append(triedRows(24, time.Minute, time.Minute), triedRow{"z", tryNow.UnixMicro()})},
		{name: "any_order_with_a_limit", query: newest, lines: []dwmon.Requirement{always}, rows: append(triedRows(9, time.Minute, time.Minute), triedRow{"z", tryNow.UnixMicro()})},
		{name: "cut_by_the_source_in_any_order", lines: []dwmon.Requirement{always}, rows: append(triedRows(9, time.Minute, time.Minute), triedRow{"z", tryNow.UnixMicro()}), summary: dwmon.FetchSummary{Cut: true}},
		{name: "no_rows", lines: []dwmon.Requirement{always}},
		{name: "all_skipped", lines: []dwmon.Requirement{always}, rows: triedRows(1, -48*time.Hour, 0), summary: dwmon.FetchSummary{SkippedNull: 7}},
		{name: "constant", lines: []dwmon.Requirement{always}, rows: triedRows(3, time.Second, 0)},
		{name: "assumed", lines: []dwmon.Requirement{always}, rows: triedRows(3, 0, 0), options: dwmon.Options{Assumed: true}},
		{name: "assumed_not_constant", lines: []dwmon.Requirement{always}, rows: triedRows(3, 0, time.Hour), options: dwmon.Options{Assumed: true}},
		{name: "another_zone", lines: []dwmon.Requirement{always}, rows: triedRows(30, 2*time.Hour+5*time.Second, 20*time.Second)},
		{name: "another_zone_ahead", lines: []dwmon.Requirement{always}, rows: triedRows(30, -2*time.Hour+5*time.Second, 20*time.Second)},
		{name: "ahead", lines: []dwmon.Requirement{always}, rows: triedRows(30, -7*time.Minute, 20*time.Second)},
		{name: "repeated", lines: []dwmon.Requirement{always}, rows: append(triedRows(9, 0, time.Minute), triedRows(7, 0, 2*time.Minute)...)},
		{name: "source_clock_and_data", lines: []dwmon.Requirement{always}, rows: triedRows(30, 3*time.Hour+70*time.Second, 20*time.Second), summary: dwmon.FetchSummary{DataAsOf: &replica, SourceNow: &fast}},
		{name: "never_due_and_off", lines: []dwmon.Requirement{always}, closed: dwmon.NewClosedDays(closed), options: dwmon.Options{Disabled: true}, rows: triedRows(9, 0, time.Minute), summary: dwmon.FetchSummary{Warnings: []string{"column 3 was ignored"}}},
		{name: "failed", lines: []dwmon.Requirement{always}, failure: &pluginhost.Failure{
			Text: `plugin postgres: GetRows: postgres localhost:5432/shop: ERROR: relation "ordres" does not exist (SQLSTATE 42P01)`,
			Code: "INVALID_ARGUMENT", Reason: "CHECKER", Fault: "checker", Then: "the checker is UNKNOWN; its fetch is tried again after 1, 2, 4, then every 5 minutes",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			checker := &dwmon.Checker{Name: "orders", Query: c.query, Source: "SHOP", Options: c.options, Lines: c.lines}
			tried := &daemon.Tried{CheckerName: "orders", Source: "SHOP", Plugin: "postgres", Version: "0.1.0", Seconds: 0.042, Failure: c.failure, Zone: berlin}
			if c.failure == nil {
				in := dryrun.NewIntake(dryrun.Question{Checker: checker, Zone: berlin, Closed: c.closed, Now: tryNow, Rows: 3, Windows: 12})
				for _, r := range c.rows {
					if err := in.Add(&dwmon.Batch{Keys: []byte(r.key), Lengths: []uint32{uint32(len(r.key))}, Micros: []int64{r.micros}}); err != nil {
						t.Fatal(err)
					}
				}
				tried.Result = in.Report(c.summary, tryNow.Add(42*time.Millisecond))
			}
			var out bytes.Buffer
			printTried(&out, tried)
			for line := range strings.Lines(out.String()) {
				if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			isGolden(t, "try "+c.name, out.String())
		})
	}
}

func TestTryIsNotAskedForMoreThanCanBeRead(t *testing.T) {
	for _, c := range []struct {
		rows, windows int
		says          string // empty: nothing is wrong
	}{
		{10, 20, ""},
		{0, 1, ""},
		{-1, 20, "--rows -1 is not a number from 0 to 1000"},
		{1001, 20, "--rows 1001"},
		{10, 0, "--windows 0 is not a number from 1 to 1000"},
		{10, 1001, "--windows 1001"},
	} {
		err := checkTry(&daemon.TryOptions{Rows: c.rows, Windows: c.windows})
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d rows, %d windows: error %v, want %q", c.rows, c.windows, err, c.says)
		}
	}
}
