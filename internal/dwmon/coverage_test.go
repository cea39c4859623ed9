package dwmon_test

import (
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestIsCut(t *testing.T) {
	rows := func(n, skipped int64) dwmon.Tally { return dwmon.Tally{Rows: n, Skipped: skipped} }
	for _, c := range []struct {
		name    string
		query   string
		summary dwmon.FetchSummary
		tally   dwmon.Tally
		want    bool
	}{
		{"fewer rows than the limit", "SELECT a FROM t LIMIT 10", dwmon.FetchSummary{}, rows(9, 0), false},
		{"as many", "SELECT a FROM t LIMIT 10", dwmon.FetchSummary{}, rows(10, 0), true},
		{"as many with those without a timestamp", "SELECT a FROM t LIMIT 10", dwmon.FetchSummary{SkippedNull: 4}, rows(6, 0), true},
		{"as many with those of the far future", "SELECT a FROM t LIMIT 10", dwmon.FetchSummary{}, rows(10, 3), true},
		{"more, for ties", "SELECT TOP 10 WITH TIES a FROM t ORDER BY a", dwmon.FetchSummary{}, rows(12, 0), true},
		{"no limit", "SELECT a FROM t", dwmon.FetchSummary{}, rows(10, 0), false},
		{"no limit, but the source says so", "SELECT a FROM t", dwmon.FetchSummary{Cut: true}, rows(10, 0), true},
		{"an empty result", "SELECT a FROM t LIMIT 10", dwmon.FetchSummary{}, rows(0, 0), false},
	} {
		if got := dwmon.IsCut(c.query, c.summary, c.tally); got != c.want {
			t.Errorf("%s: IsCut = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestHolesOfAFetch(t *testing.T) {
	since := int64(500e6)
	rows := func(oldest int64) dwmon.Tally { return dwmon.Tally{Rows: 10, Oldest: oldest, Newest: 600e6} }
	unordered := rows(100e6)
	unordered.Unordered = true
	for _, c := range []struct {
		name     string
		coverage dwmon.Coverage
		hole     dwmon.Span
		open     bool
		complete int64 // 0: not known
	}{
		{"a result that is whole", dwmon.Coverage{Tally: rows(100e6), Since: &since}, dwmon.Span{}, false, 100e6},
		{"a whole one in no order", dwmon.Coverage{Tally: unordered, Since: &since}, dwmon.Span{}, false, 100e6},
		{"an empty one", dwmon.Coverage{Since: &since}, dwmon.Span{}, false, 0},
		{"cut, but it reaches back before the fetch before", dwmon.Coverage{Cut: true, Tally: rows(499_999_999), Since: &since}, dwmon.Span{}, false, 500e6},
		{"cut at the very start of the fetch before", dwmon.Coverage{Cut: true, Tally: rows(500e6), Since: &since}, dwmon.Span{From: 500e6, Until: 500e6}, true, 500e6 + 1},
		{"cut after the fetch before", dwmon.Coverage{Cut: true, Tally: rows(550e6), Since: &since}, dwmon.Span{From: 500e6, Until: 550e6}, true, 550e6 + 1},
		{"rows may have been late", dwmon.Coverage{Cut: true, Tally: rows(450e6), Since: &since, Grace: time.Minute}, dwmon.Span{From: 440e6, Until: 450e6}, true, 450e6 + 1},
		{"they reach back behind that too", dwmon.Coverage{Cut: true, Tally: rows(430e6), Since: &since, Grace: time.Minute}, dwmon.Span{}, false, 430e6 + 1},
		{"cut in no order", dwmon.Coverage{Cut: true, Tally: unordered, Since: &since, Ended: 601e6}, dwmon.Span{From: 500e6, Until: 601e6}, true, 0},
		{"cut, and no row is an event yet", dwmon.Coverage{Cut: true, Tally: dwmon.Tally{Rows: 5, Skipped: 5}, Since: &since, Ended: 601e6}, dwmon.Span{From: 500e6, Until: 601e6}, true, 0},
		{"cut, all of one time, in an order that the query does not give", dwmon.Coverage{Cut: true, Tally: rows(600e6), Since: &since, Ended: 601e6}, dwmon.Span{From: 500e6, Until: 601e6}, true, 0},
		{"cut, all of one time, newest first", dwmon.Coverage{Cut: true, NewestFirst: true, Tally: rows(600e6), Since: &since, Ended: 601e6}, dwmon.Span{From: 500e6, Until: 600e6}, true, 600e6 + 1},
		{"the first fetch", dwmon.Coverage{Cut: true, Tally: rows(550e6)}, dwmon.Span{From: dwmon.Forever, Until: 550e6}, true, 550e6 + 1},
		{"the first fetch, whole", dwmon.Coverage{Tally: rows(550e6)}, dwmon.Span{}, false, 550e6},
	} {
		hole, open := c.coverage.Hole()
		if open != c.open || open && hole != c.hole {
			t.Errorf("%s: Hole = %v, %v; want %v, %v", c.name, hole, open, c.hole, c.open)
		}
		if complete, ok := c.coverage.CompleteFrom(); ok != (c.complete != 0) || ok && complete != c.complete {
			t.Errorf("%s: CompleteFrom = %d, %v; want %d", c.name, complete, ok, c.complete)
		}
	}
}

func TestTouches(t *testing.T) {
	spans := []dwmon.Span{{From: 10, Until: 20}, {From: 30, Until: 30}, {From: 50, Until: 60}}
	for _, c := range []struct {
		from, until int64
		want        bool
	}{
		{0, 10, false}, {0, 11, true}, {20, 21, true}, {21, 30, false}, {21, 31, true}, {30, 31, true},
		{31, 50, false}, {31, 51, true}, {60, 70, true}, {61, 70, false}, {0, 100, true}, {15, 16, true},
	} {
		if got := dwmon.Touches(spans, dwmon.Window{From: c.from, Until: c.until}); got != c.want {
			t.Errorf("a window from %d until before %d: Touches = %v, want %v", c.from, c.until, got, c.want)
		}
	}
}

func TestWeighHolesAndEdits(t *testing.T) {
	change := int64(100)
	e := dwmon.Evidence{Holes: []dwmon.Span{{From: 40, Until: 50}}, QueryFrom: &change}
	r := dwmon.Requirement{Min: dwmon.At(2), Max: dwmon.At(5)}
	for _, c := range []struct {
		name   string
		window dwmon.Window
		count  int64
		want   string
	}{
		{"low, beside the hole", dwmon.Window{From: 51, Until: 90}, 1, "BAD low"},
		{"low, in the hole", dwmon.Window{From: 50, Until: 90}, 1, "UNKNOWN truncated"},
		{"good, in the hole", dwmon.Window{From: 50, Until: 90}, 2, "GOOD "},
		{"high, in the hole", dwmon.Window{From: 50, Until: 90}, 6, "BAD high"},
	} {
		status, reason := e.Weigh(r, c.window, c.count)
		if got := status.String() + " " + string(reason); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if !e.Mixed(dwmon.Window{From: 99, Until: 200}) || e.Mixed(dwmon.Window{From: 100, Until: 200}) || (dwmon.Evidence{}).Mixed(dwmon.Window{}) {
		t.Error("a window is mixed where it reaches behind the change, and only there")
	}
	if s, why := e.WeighOwn(r, 6); s != dwmon.Bad || why != dwmon.High {
		t.Errorf("high by its own rows: %s %s", s, why)
	}
	if s, why := e.WeighOwn(r, 5); s != dwmon.Unknown || why != dwmon.QueryChanged {
		t.Errorf("not high by its own rows: %s %s", s, why)
	}
}

func TestSkewReachAndJudgeable(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		name string
		said *int64
		want int64
	}{
		{"nothing was said", nil, 0},
		{"within the fetch", at(105e6), 0},
		{"two seconds behind", at(98e6), 0},
		{"more than that behind", at(98e6 - 1), -2e6 - 1},
		{"two seconds ahead", at(112e6), 0},
		{"an hour ahead", at(3710e6), 3600e6},
	} {
		if got := dwmon.Skew(c.said, 100e6, 110e6); got != c.want {
			t.Errorf("%s: Skew = %d, want %d", c.name, got, c.want)
		}
	}
	for want, got := range map[int64]int64{
		100: dwmon.Reach(100, nil, nil), 90: dwmon.Reach(100, at(90), at(95)), 80: dwmon.Reach(100, at(200), at(80)), 101: dwmon.Reach(101, at(200), at(300)),
	} {
		if got != want {
			t.Errorf("Reach = %d, want %d", got, want)
		}
	}
	for want, got := range map[int64]int64{
		600: dwmon.Judgeable(600, nil, 0), 540: dwmon.Judgeable(600, at(599_999_999), 0), 480: dwmon.Judgeable(600, at(540e6), time.Minute),
		660: dwmon.Judgeable(660, at(1e9), 0), 60: dwmon.Judgeable(660, at(60e6), 0),
	} {
		if got != want {
			t.Errorf("Judgeable = %d, want %d", got, want)
		}
	}
}

func TestCorrect(t *testing.T) {
	low := dwmon.LowVerdict{Minute: 600, LineID: 3, LineIndex: 1, RevisionID: 9, Count: 1, Requirement: dwmon.Requirement{Lookback: 60}}
	const at = 700e6
	for _, c := range []struct {
		name   string
		status dwmon.Status
		reason dwmon.Reason
		at     int64
		want   bool
	}{
		{"good now", dwmon.Good, "", at, true},
		{"high now", dwmon.Bad, dwmon.High, at, true},
		{"still low", dwmon.Bad, dwmon.Low, at, false},
		{"not to be known", dwmon.Unknown, dwmon.QueryChanged, at, false},
		{"a day later", dwmon.Good, "", (600 + 86400) * 1e6, true},
		{"more than a day later", dwmon.Good, "", (601 + 86400) * 1e6, false},
	} {
		got, ok := low.Correct(4, c.status, c.reason, c.at)
		want := dwmon.Correction{
			LineID: 3, LineIndex: 1, RevisionID: 9, Minute: 600, CountBefore: 1, CountAfter: 4, Status: c.status, Reason: c.reason, At: c.at,
		}
		if ok != c.want || ok && got != want {
			t.Errorf("%s: Correct = %+v, %v; want %v", c.name, got, ok, c.want)
		}
	}
	if got := dwmon.CorrectFor(86400); got != 864000 {
		t.Errorf("a look-back of a day is counted again for %d s, want ten days", got)
	}
}
