package main

import "github.com/dwmon/dwmon/internal/suggest/proof"

// measures are the rows in order. Their numbers are kept when a row goes.
var measures = []measure{
	{row: 1, what: "fetch of 10,000 rows over a raw unix-socket frame", reach: []reach{atMost(4, "×")}, measure: fetchOverRaw},
	{row: 2, what: "allocations of that fetch in the daemon", reach: []reach{atMost(150, "")}, measure: fetchAllocations},
	{row: 3, what: "dedupe, nothing new, 1M rows, faster than C", parts: keyKinds, reach: []reach{atLeast(50, "×")}, measure: dedupeNothingNew},
	{row: 4, what: "dedupe, 1 % new, 1M rows, faster than C", parts: keyKinds, reach: []reach{atLeast(10, "×")}, measure: dedupeSomeNew},
	{row: 5, what: "first batch after a start over C", parts: keyKinds, reach: []reach{atMost(2.5, "×")}, measure: firstBatch},
	{row: 6, what: "a pass on 10M rows of history over one on 100k", reach: []reach{atMost(1.15, "×")}, measure: growth},
	{row: 7, what: "walk of 14,400 minutes over one index scan in C", reach: []reach{atMost(2.5, "×")}, measure: walkOverScan},
	{row: 8, what: "that walk faster than a COUNT per minute", reach: []reach{atLeast(250, "×")}, measure: walkOverCounts},
	{
		row: 9, what: "checkers a minute, 10,000 rows each", parts: []string{"1 % new", "nothing new"},
		reach: []reach{atLeast(45_000, ""), atLeast(90_000, "")}, measure: checkersAMinute,
	},
	{row: 10, what: "memory for 100 checkers of 10,000 keys", reach: []reach{atMost(60, " MiB")}, measure: memoryOfMany},
	{row: 11, what: "peak memory on 1M rows of history over 100k", reach: []reach{atMost(1.1, "×")}, measure: peakByHistory},
	{row: 12, what: "a result of 1M rows: peak memory above idle", parts: []string{"daemon", "plugin"}, reach: []reach{atMost(64, " MiB")}, measure: largeResult},
	{
		row: 13, what: "plugin: start to ready; small call over raw trip", parts: []string{"start", "call"},
		reach: []reach{atMost(80, " ms"), atMost(10, "×")}, measure: startAndCall,
	},
	{row: 14, what: "back after a day: 1,000 checkers, 1.44M checks", reach: []reach{atMost(90, " s")}, measure: backAfterADay},
	{row: 15, what: "at rest, 100 small checkers a minute: CPU of a core", reach: []reach{atMost(0.5, " %")}, measure: atRest},
	{row: 16, what: "backtest of a year: every minute, 10,000 rows a day", reach: []reach{atMost(5, " s")}, measure: backtestOfAYear},
	{row: 17, what: "suggest on a year, 10,000 rows a day", reach: []reach{atMost(10, " s")}, measure: suggestOnAYear},
	{row: 18, what: "suggest: false alarms a week in later weeks, for 1", parts: shapeNames(), reach: []reach{atMost(2, "")}, measure: falseAlarmsOfSuggest},
	{row: 19, what: "suggest: outages found, an hour at 40 %", parts: shapeNames(), reach: []reach{atLeast(100*proof.Findable, " %")}, measure: outagesFoundBySuggest},
	{row: 20, what: "10,000 checkers: start until all are loaded, CPU", parts: []string{"new", "again"}, reach: []reach{atMost(3, " s")}, measure: startOfFleet},
	{row: 21, what: "10,000 checkers: one file changes, CPU", reach: []reach{atMost(200, " ms")}, measure: reloadOfFleet},
	{
		row: 22, what: "10,000 checkers: the last is told after the minute", parts: []string{"500 due", "all due"},
		reach: []reach{atMost(15, " s"), atMost(60, " s")}, measure: minuteOfFleet,
	},
	{row: 23, what: "10,000 checkers, 500 due a minute: CPU of a core", reach: []reach{atMost(6, " %")}, measure: loadOfFleet},
	{row: 24, what: "10,000 checkers: memory", reach: []reach{atMost(256, " MiB")}, measure: memoryOfFleet},
	{row: 25, what: "10,000 checkers: CPU of a look", parts: []string{"status", "metrics"}, reach: []reach{atMost(1.5, " s"), atMost(0.5, " s")}, measure: looksAtFleet},
	{
		row: 26, what: "100M rows (10M without --scale) over 100k", parts: []string{"pass", "first batch", "count"},
		reach: []reach{atMost(1.15, "×"), atMost(2, "×"), atMost(1.25, "×")}, measure: passesOnMany,
	},
	{row: 27, what: "those rows: bytes on disk for each", reach: []reach{atMost(100, "")}, measure: sizeOfMany},
	{row: 28, what: "those rows: to open, and to purge a thousand", parts: []string{"open", "purge"}, reach: []reach{atMost(100, " ms"), atMost(30, " ms")}, measure: openAndPurgeMany},
	{
		row: 29, what: "a year of 1,000 checkers (100) over a month of them", parts: []string{"pass", "pass, of a day", "status", "history"},
		reach: []reach{atMost(1.15, "×"), atMost(1.5, "×"), atMost(1.25, "×"), atMost(1.5, "×")}, measure: looksAtYear,
	},
	{
		row: 30, what: "that year is swept: GOOD beyond a month; by the hour", parts: []string{"results/s", "by the hour"},
		reach: []reach{atLeast(50_000, ""), atMost(1, " ms")}, measure: sweepOfYear,
	},
}
