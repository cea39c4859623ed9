// Package noticetest has notices for the tests of handlers: one of each kind that
// people get to see, and some that a handler must survive.
package noticetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Sample is a notice with a name that is fit for a file.
type Sample struct {
	Name   string
	Notice pluginsdk.Notice
}

// opened is when the samples' incidents began: 2026-03-02 14:10 in Berlin.
const opened = 1_772_457_000

// All are the samples as people get to see them.
func All() []Sample {
	return []Sample{
		{"opened_low", OpenedLow()},
		{"opened_high_catch_up", openedHigh()},
		{"repeated", repeated()},
		{"recovered", Recovered()},
		{"line_changed", lineChanged()},
		{"checker_unknown", checkerUnknown()},
		{"source_down", SourceDown()},
		{"source_up", sourceUp()},
		{"dwmon_behind", behind()},
		{"corrected", corrected()},
		{"digest", digest()},
		{"grouped", Grouped(4)},
		{"templated", templated()},
		{"test", Test()},
	}
}

func ptr(n int64) *int64 { return &n }

func result(count int64, minute int64) pluginsdk.Result {
	status, reason := pluginsdk.Good, ""
	if count < 5 {
		status, reason = pluginsdk.Bad, "low"
	} else if count > 20 {
		status, reason = pluginsdk.Bad, "high"
	}
	return pluginsdk.Result{
		CheckerName: "shop/orders", EventCount: count, MinRequired: ptr(5), MaxAllowed: ptr(20), CheckStatus: status, Reason: reason,
		MinuteEpoch: minute, MinuteLocalTime: local(minute), LookbackSeconds: 180, TimeZone: "Europe/Berlin", PreviousStatus: pluginsdk.Good,
		Requirement: "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180",
		Source:      "AWS", Owner: "payments", Labels: map[string]string{"team": "payments", "severity": "page"},
		EvaluatedAt: time.Unix(minute+2, 0), ConsecutiveBad: 1,
	}
}

// local is a time of the samples' day in Berlin, an hour ahead of UTC.
func local(epoch int64) string { return time.Unix(epoch+3600, 0).UTC().Format(time.DateTime) }

func windows(counts ...int64) (ws []pluginsdk.Window) {
	for i, n := range counts {
		minute := int64(opened) - 60*int64(len(counts)-1-i)
		ws = append(ws, pluginsdk.Window{MinuteEpoch: minute, EventCount: n, CheckStatus: result(n, minute).CheckStatus})
	}
	return ws
}

func incident(id string) *pluginsdk.Incident {
	return &pluginsdk.Incident{
		ID: id, Subject: pluginsdk.SubjectCount, Cause: "4 rows in the 3 min before 14:10, fewer than 5",
		OpenedEpoch: opened, OpenedLocalTime: local(opened), Checks: 1, BadChecks: 1,
	}
}

func end(i *pluginsdk.Incident, after time.Duration, how string) {
	at := i.OpenedEpoch + int64(after/time.Second)
	i.ClosedEpoch, i.ClosedLocalTime, i.End = &at, local(at), how
}

// detail writes the facts as the core does.
func detail(facts []pluginsdk.Fact) string {
	lines := make([]string, len(facts))
	for i, f := range facts {
		lines[i] = f.Label + ": " + f.Value
	}
	return strings.Join(lines, "\n")
}

// base is a notice of the checker shop/orders.
func base(kind pluginsdk.NoticeKind, at int64, summary string, facts ...pluginsdk.Fact) pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: kind, IdempotencyKey: fmt.Sprintf("9f2c/shop/orders/%d/0/%s", at, kind),
		Checker: pluginsdk.Checker{Name: "shop/orders", Path: "checks/shop/orders.dwmon", Revision: strings.Repeat("ab", 32)},
		Summary: summary, Facts: facts, Detail: detail(facts),
		ExtraJSON: []byte(`{"alert": "orders@example.com", "slack_channel": "#orders"}`),
		Source:    "AWS", Owner: "payments", Labels: map[string]string{"team": "payments", "severity": "page"},
		Description: "Orders that customers have placed in the shop", Runbook: "https://wiki.example.com/runbooks/orders",
		Created: time.Unix(at+3, 0),
	}
}

// OpenedLow is the notice of an incident that began with too few rows.
func OpenedLow() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeOpened, opened, "BAD shop/orders: 4 rows in the 3 min before 14:10, fewer than 5",
		pluginsdk.Fact{Label: "Count", Value: "4, want 5 to 20"},
		pluginsdk.Fact{Label: "Window", Value: "2026-03-02 14:07 to 14:10 Europe/Berlin"},
		pluginsdk.Fact{Label: "Same hour before", Value: "last week 11, two weeks ago 9, three weeks ago 12"},
		pluginsdk.Fact{Label: "Newest key", Value: "ord-20260302-88213"},
		pluginsdk.Fact{Label: "Owner", Value: "payments"},
		pluginsdk.Fact{Label: "Silence", Value: "dwmon silence add --name shop/orders --for 2h --comment WHY"},
		pluginsdk.Fact{Label: "Acknowledge", Value: "dwmon ack 17"},
	)
	n.Incident = incident("inc-01")
	n.Results = []pluginsdk.Result{result(4, opened)}
	n.Windows = windows(11, 9, 12, 10, 8, 9, 11, 12, 7, 6, 5, 4)
	n.Keys = []string{"ord-20260302-88213", "ord-20260302-88212"}
	return n
}

func openedHigh() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeOpened, opened, "BAD shop/orders: 61 rows in the 3 min before 14:10, more than 20 (caught up)",
		pluginsdk.Fact{Label: "Count", Value: "61, want 5 to 20"},
		pluginsdk.Fact{Label: "Window", Value: "2026-03-02 14:07 to 14:10 Europe/Berlin"},
		pluginsdk.Fact{Label: "Judged late", Value: "caught up at 16:02, 1 h 52 min after the minute"},
	)
	n.IdempotencyKey += "/high"
	n.Incident = incident("inc-02")
	n.Incident.Cause = "61 rows in the 3 min before 14:10, more than 20"
	r := result(61, opened)
	r.CatchUp = true
	n.Results = []pluginsdk.Result{r}
	n.Windows = windows(11, 9, 12, 10, 8, 9, 11, 12, 14, 19, 33, 61)
	n.Created = time.Unix(opened+6_720, 0)
	return n
}

func repeated() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeRepeated, opened+3600, "STILL BAD shop/orders: 0 rows in the 3 min before 15:10, fewer than 5 (since 14:10, 1 h)",
		pluginsdk.Fact{Label: "Count", Value: "0, want 5 to 20"},
		pluginsdk.Fact{Label: "Checks", Value: "61 since it began, 58 of them BAD"},
	)
	n.Incident = incident("inc-01")
	n.Incident.Checks, n.Incident.BadChecks = 61, 58
	n.Results = []pluginsdk.Result{result(0, opened+3600)}
	n.Windows = windows(2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return n
}

// Recovered is the notice that the incident of OpenedLow has ended.
func Recovered() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeRecovered, opened+2520, "RECOVERED shop/orders after 42 min: 9 rows in the 3 min before 14:52",
		pluginsdk.Fact{Label: "Count", Value: "9, want 5 to 20"},
		pluginsdk.Fact{Label: "Checks", Value: "43 while it lasted, 40 of them BAD"},
	)
	n.Incident = incident("inc-01")
	n.Incident.Checks, n.Incident.BadChecks = 43, 40
	end(n.Incident, 42*time.Minute, "recovered")
	n.Results = []pluginsdk.Result{result(9, opened+2520)}
	n.Windows = windows(4, 2, 0, 0, 1, 3, 4, 6, 7, 9, 8, 9)
	return n
}

func lineChanged() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeRecovered, opened+600, "CLOSED shop/orders after 10 min: the line was changed",
		pluginsdk.Fact{Label: "Line", Value: "MINNUM5 MAXNUM20 LOOKBACKSECONDS180 is no longer in checks/shop/orders.dwmon"},
	)
	n.Incident = incident("inc-01")
	end(n.Incident, 10*time.Minute, "line_changed")
	return n
}

func checkerUnknown() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeOpened, opened, `UNKNOWN shop/orders: column "order_id" does not exist`,
		pluginsdk.Fact{Label: "Cause", Value: `AWS: the query was refused: column "order_id" does not exist (line 1, column 8 of the query)`},
		pluginsdk.Fact{Label: "Pending", Value: "3 minutes; they are judged when the source answers again"},
	)
	n.IdempotencyKey += "/unknown"
	n.Incident = incident("inc-03")
	n.Incident.Subject, n.Incident.Cause, n.Incident.Checks, n.Incident.BadChecks = pluginsdk.SubjectChecker, `column "order_id" does not exist`, 0, 0
	return n
}

// SourceDown is the notice that a source with 12 checkers is down; it is about no
// checker.
func SourceDown() pluginsdk.Notice {
	n := ofSource(pluginsdk.NoticeOpened, opened, "UNKNOWN 12 checkers: source AWS: connection refused")
	n.Facts = []pluginsdk.Fact{
		{Label: "Cause", Value: "dial tcp 192.0.2.7:5432: connect: connection refused"},
		{Label: "Checkers", Value: "shop/orders, shop/refunds, shop/carts, billing/invoices, billing/dunning and 7 more"},
	}
	n.Detail = detail(n.Facts)
	return n
}

func ofSource(kind pluginsdk.NoticeKind, at int64, summary string) pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: kind, IdempotencyKey: fmt.Sprintf("9f2c/source/AWS/%d/%s", at, kind), Summary: summary, Source: "AWS", Created: time.Unix(at+3, 0),
		Incident: &pluginsdk.Incident{
			ID: "inc-04", Subject: pluginsdk.SubjectSource, Cause: "connection refused",
			OpenedEpoch: opened, OpenedLocalTime: local(opened), Checkers: 12,
		},
	}
}

func sourceUp() pluginsdk.Notice {
	n := ofSource(pluginsdk.NoticeRecovered, opened+29_100, "RECOVERED 12 checkers after 8 h 5 min: source AWS")
	end(n.Incident, 8*time.Hour+5*time.Minute, "recovered")
	return n
}

func behind() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: "9f2c/dwmon/behind", Summary: "BEHIND dwmon: 40 passes were not done, 7 min behind", Created: time.Unix(opened, 0),
		Incident: &pluginsdk.Incident{ID: "inc-05", Subject: pluginsdk.SubjectDwmon, Cause: "40 passes were not done", OpenedEpoch: opened, OpenedLocalTime: local(opened)},
	}
}

func corrected() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeCorrected, opened+240, "CORRECTED shop/orders: 4 → 7 rows in the 3 min before 14:10: it was BAD, now GOOD",
		pluginsdk.Fact{Label: "Count", Value: "4, then 7 at 14:14"},
		pluginsdk.Fact{Label: "Lateness", Value: "half of the rows come within 20 s, 99 % within 3 min; grace: 3m would have waited for them"},
	)
	n.Results = []pluginsdk.Result{result(7, opened)}
	return n
}

func digest() pluginsdk.Notice {
	n := base(
		pluginsdk.NoticeDigest, opened, "CAUGHT UP shop/orders, 09:10 to 11:40: 3 of 150 checks were BAD, last 10:02; now GOOD",
		pluginsdk.Fact{Label: "BAD", Value: "10:00 (2), 10:01 (1), 10:02 (4)"},
		pluginsdk.Fact{Label: "Now", Value: "GOOD, 9 rows"},
	)
	n.Results = []pluginsdk.Result{result(2, opened-15_000), result(1, opened-14_940), result(4, opened-14_880)}
	return n
}

// Grouped is a notice of n things that are told together.
func Grouped(n int) pluginsdk.Notice {
	g := pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: fmt.Sprintf("9f2c/group/%d/%d", opened, n),
		Summary: "1 recovered, 1 BAD, 1 UNKNOWN, 1 still BAD: shop/carts, shop/orders, billing/invoices, shop/refunds", Owner: "payments", Created: time.Unix(opened+30, 0),
	}
	all := []pluginsdk.Item{
		{Kind: pluginsdk.NoticeRecovered, Checker: "shop/carts", Summary: "RECOVERED shop/carts after 12 min: 41 rows in the 5 min before 14:10", Owner: "payments", Incident: incident("inc-10")},
		{Kind: pluginsdk.NoticeOpened, Checker: "shop/orders", Summary: "BAD shop/orders: 4 rows in the 3 min before 14:10, fewer than 5", Owner: "payments", Incident: incident("inc-01")},
		{Kind: pluginsdk.NoticeOpened, Checker: "billing/invoices", Summary: "UNKNOWN billing/invoices: permission denied", Owner: "payments", Incident: incident("inc-11")},
		{Kind: pluginsdk.NoticeRepeated, Checker: "shop/refunds", Summary: "STILL BAD shop/refunds: 90 rows in the 1 h before 14:10, more than 50", Owner: "payments", Incident: incident("inc-12")},
	}
	end(all[0].Incident, 12*time.Minute, "recovered")
	all[2].Incident.Subject = pluginsdk.SubjectChecker
	for i := range n {
		item := all[i%len(all)]
		if i >= len(all) {
			item.Summary = fmt.Sprintf("%s (%d)", item.Summary, i)
		}
		g.Items = append(g.Items, item)
		g.Detail += item.Summary + "\n"
	}
	return g
}

func templated() pluginsdk.Notice {
	n := OpenedLow()
	n.IdempotencyKey += "/templated"
	n.Templated = true
	n.Detail = "Orders are <low> & the shop may be down.\n\n  1. Look at https://status.example.com\n  2. Call +49 30 5550100\n"
	return n
}

// Test is what `dwmon alert test` sends.
func Test() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeTest, IdempotencyKey: "9f2c/test/1", Summary: "TEST: dwmon tries the handler ops; nothing has happened", Created: time.Unix(opened, 0),
		Facts: []pluginsdk.Fact{{Label: "Handler", Value: "ops"}, {Label: "Asked by", Value: "dwmon alert test ops"}},
	}
}

// Hostile is a notice whose texts try to break out of wherever they are put:
// headers, markup, JSON, limits.
func Hostile() pluginsdk.Notice {
	const nasty = "x\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script> <!channel> <@U1> *b* _i_ `c` [l](http://evil.example.com) &amp; \x00\x1b[2J\u202e\u2028\"'\\"
	n := OpenedLow()
	n.IdempotencyKey, n.Summary, n.Description, n.Owner, n.Source = nasty, nasty, nasty, nasty, nasty
	n.Checker.Name = nasty
	n.Runbook = "javascript:alert(1)"
	n.Keys = []string{nasty}
	n.Facts = []pluginsdk.Fact{{Label: nasty, Value: nasty}}
	n.Incident.ID, n.Incident.OpenedLocalTime = nasty, nasty
	n.Labels = map[string]string{nasty: nasty}
	return n
}

// Huge is a notice of about 1 MiB.
func Huge() pluginsdk.Notice {
	n := OpenedLow()
	long := strings.Repeat("wörter ", 1<<10)
	n.IdempotencyKey += "/huge"
	n.Summary = "shop/orders: " + long
	n.Facts = nil
	for i := range 100 {
		n.Facts = append(n.Facts, pluginsdk.Fact{Label: fmt.Sprintf("Fact %d", i), Value: long})
	}
	n.Detail = detail(n.Facts)
	return n
}
