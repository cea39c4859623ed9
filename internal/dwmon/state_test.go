package dwmon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// lineWith is a line that is due at every minute, with a streak.
func lineWith(last Status, since int64) LineProgress {
	l := LineProgress{Streak: Streak{Last: last, Since: since, LastMinute: since}}
	l.Requirement = Requirement{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: Weekdays | Weekends, Min: At(5), Lookback: 60}
	l.OwesAfter = OwesAll
	return l
}

func TestStateOfAChecker(t *testing.T) {
	const now = int64(1_750_032_000)
	minute := func(n int64) int64 { return now - 60*n }
	settled := func(n int64) *int64 { m := minute(n); return &m }
	lines := func(l ...LineProgress) *Progress {
		return &Progress{ID: 1, Name: "a", Origin: minute(100), Settled: settled(0), Lines: l}
	}
	with := func(p *Progress, change func(*Progress)) *Progress { change(p); return p }
	fails := &Failing{Since: minute(7)*1e6 + 5, Count: 4, Cause: "refused"}
	cases := []struct {
		name    string
		p       *Progress
		state   State
		since   int64 // 0: not known
		pending int64
		cause   string // contained
	}{
		{"all lines good, since the last became so", lines(lineWith(Good, minute(9)), lineWith(Good, minute(3))), StateGood, minute(3), 0, ""},
		{"one bad", lines(lineWith(Good, minute(9)), lineWith(Bad, minute(3)), lineWith(Unknown, minute(2))), StateBad, minute(3), 0, ""},
		{"two bad, since the first", lines(lineWith(Bad, minute(9)), lineWith(Bad, minute(3))), StateBad, minute(9), 0, ""},
		{"unknown before pending", lines(lineWith(Unknown, minute(4)), lineWith(NoStatus, 0)), StateUnknown, minute(4), 0, ""},
		{"a line not checked yet says nothing", lines(lineWith(Good, minute(4)), lineWith(NoStatus, 0)), StateGood, minute(4), 0, ""},
		{
			"a fetch that fails hides what was good", with(lines(lineWith(Good, minute(9))), func(p *Progress) { p.Failing, p.Settled = fails, settled(8) }),
			StateUnknown, minute(7), 8, "(4 in a row): refused",
		},
		{"and what was bad is told", with(lines(lineWith(Bad, minute(9))), func(p *Progress) { p.Failing = fails }), StateUnknown, minute(7), 0, "BAD before"},
		{"settled five minutes ahead is nothing", with(lines(lineWith(Good, minute(9))), func(p *Progress) { p.Settled = settled(-5) }), StateGood, minute(9), 0, ""},
		{"settled further ahead is", with(lines(lineWith(Good, minute(9))), func(p *Progress) { p.Settled = settled(-6) }), StateUnknown, 0, 0, "dwmon settle a --to TIME"},
		{
			"while it is off nothing is pending", with(lines(lineWith(Good, minute(90))), func(p *Progress) { p.Off, p.Settled = &Off{minute(80), OffAway}, settled(85) }),
			StateGood, minute(90), 0, "off since 2025-06-15 22:40:00: its file is not there",
		},
		{"a walk that is one minute behind is on its way", with(lines(lineWith(Good, minute(9))), func(p *Progress) { p.Settled = settled(1) }), StateGood, minute(9), 1, ""},
		{
			"two minutes behind want an explanation", with(lines(lineWith(Unknown, minute(9))), func(p *Progress) { p.Settled = settled(2) }),
			StateUnknown, minute(9), 2, "not checked since 2025-06-15 23:58:00: its source or plugin has not answered yet",
		},
		{
			"never checked, and late", with(lines(lineWith(NoStatus, 0)), func(p *Progress) { p.Settled, p.Origin = nil, minute(1) }),
			StatePending, minute(1), 11, "not checked since 2025-06-15 23:58:00",
		},
		{
			"an error of several lines is one", with(lines(lineWith(Good, minute(9))), func(p *Progress) { p.Failing = &Failing{Since: minute(7) * 1e6, Count: 1, Cause: "no\nwonder\n"} }),
			StateUnknown, minute(7), 0, "(1 in a row): no; wonder",
		},
		{"without a first result", with(lines(lineWith(NoStatus, 0)), func(p *Progress) { p.Settled, p.Origin = nil, minute(2) }), StatePending, minute(2), 12, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := CheckerRecord{Name: "a", Progress: c.p, Last: make([]*Result, len(c.p.Lines))}
			for i, l := range c.p.Lines {
				if l.Last == Bad {
					r.Last[i] = &Result{Status: Bad, Reason: Low, Min: At(5), EventCount: 2, LookbackSeconds: 60, Minute: now}
				}
			}
			s := r.Status(StateAt{Now: now, Minute: now, Zone: time.UTC, CatchUp: 1440, Running: true})
			if s.State != c.state || s.Pending != c.pending || !strings.Contains(s.Cause, c.cause) {
				t.Errorf("state %s, pending %d, cause %q; want %s, %d, %q", s.State, s.Pending, s.Cause, c.state, c.pending, c.cause)
			}
			if (s.Since == nil) != (c.since == 0) || s.Since != nil && *s.Since != c.since {
				t.Errorf("since %v, want %d", s.Since, c.since)
			}
			if s.State == StateGood && c.cause == "" && s.Cause != "" {
				t.Errorf("GOOD because of %q", s.Cause)
			}
		})
	}
}

func TestStatusJSONOfALineWithoutResult(t *testing.T) {
	r := CheckerRecord{Name: "a", Progress: &Progress{ID: 1, Name: "a", Origin: 60, Lines: []LineProgress{lineWith(NoStatus, 0)}}}
	text, err := json.Marshal(r.Status(StateAt{Now: 120, Minute: 60, Zone: time.UTC}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"checker_name":"a","state":"PENDING","since_epoch":60,"cause":null,"silenced":null,"acknowledged":null,"settled_minute_epoch":null,"pending_minutes":10,` +
		`"file":"","owner":"","source":"","lines":[{"requirement":"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 LOOKBACKSECONDS60","requirement_index":0,"check_status":null}]}`
	if string(text) != want {
		t.Errorf("got\n%s, want\n%s", text, want)
	}
}

func TestDigestNamesTheWorstFirst(t *testing.T) {
	var d Digest
	for i := range 60 {
		d.Add(string(rune('A'+i)), 600, Good, 1)
	}
	d.Add("Z", 300, Bad, 3)
	d.Add("Y", 900, Unknown, 2)
	n := d.Notice()
	if want := "65 results of 60 checkers were not sent one by one, from 1970-01-01T00:05Z to 1970-01-01T00:15Z: 3 BAD, 2 UNKNOWN, 60 GOOD"; n.Summary != want {
		t.Errorf("summary %q, want %q", n.Summary, want)
	}
	lines := strings.Split(strings.TrimSpace(n.Detail), "\n")
	if lines[0] != "Z: 3 BAD, 0 UNKNOWN, 1 GOOD" || lines[1] != "Y: 0 BAD, 2 UNKNOWN, 1 GOOD" || lines[2][0] != 'A' || lines[50] != "and 10 more" || len(lines) != 51 {
		t.Errorf("detail\n%s", n.Detail)
	}
	if n.Checker != "" || n.Kind != "digest" {
		t.Errorf("notice %+v", n)
	}
}

func TestSlowSumsUpDurations(t *testing.T) {
	took := []time.Duration{5, 1, 4, 2, 3}
	if got, want := Durations(took), (SlowChecker{Count: 5, Total: 15, Max: 5, Mean: 3, Median: 3, P95: 5, Last: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Durations(nil); got != (SlowChecker{}) {
		t.Errorf("of nothing: %+v", got)
	}
	owners := SlowByOwner([]SlowChecker{
		{CheckerName: "a", Owner: "x", Count: 2, Total: 5, Max: 4, Failures: 1}, {CheckerName: "b", Owner: "y", Count: 1, Total: 7, Max: 7}, {CheckerName: "c", Owner: "x", Count: 1, Total: 4, Max: 4},
	})
	if len(owners) != 2 || owners[0] != (SlowOwner{Owner: "x", Checkers: 2, Count: 3, Failures: 1, Total: 9, Max: 4, Slowest: "a"}) || owners[1].Owner != "y" {
		t.Errorf("owners %+v", owners)
	}
}

func TestDeliveryStatesAsText(t *testing.T) {
	for s := DeliveryWaiting; s <= DeliveryCollapsed; s++ {
		if got, err := ParseDeliveryState(s.String()); got != s || err != nil {
			t.Errorf("%v reads back as %v, %v", s, got, err)
		}
	}
	if _, err := ParseDeliveryState("lost"); err == nil {
		t.Error("an unknown state was read")
	}
}
