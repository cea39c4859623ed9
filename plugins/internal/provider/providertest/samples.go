package providertest

import (
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// What is told in tests: the checker billing/new_invoices of the source AWS wants 5
// to 20 rows in three minutes, and gets 4 from 10:01 until 10:14 on 28 November
// 2026, in Berlin.
const (
	checker     = "billing/new_invoices"
	requirement = "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180"
	opened      = 1795856460 // 2026-11-28 09:01 UTC
	closed      = 1795857240 // 2026-11-28 09:14 UTC
)

func ptr(n int64) *int64 { return &n }

func labels() map[string]string { return map[string]string{"team": "payments", "tier": "1"} }

// Bad is a result below the range.
func Bad() pluginsdk.CheckEvent {
	return pluginsdk.CheckEvent{
		Result: pluginsdk.Result{
			CheckerName: checker, EventCount: 4, MinRequired: ptr(5), MaxAllowed: ptr(20), CheckStatus: pluginsdk.Bad,
			MinuteEpoch: opened, MinuteLocalTime: "2026-11-28 10:01:00", LookbackSeconds: 180,
			Reason: "low", Requirement: requirement, TimeZone: "Europe/Berlin", Source: "AWS", Owner: "payments", Labels: labels(),
			EvaluatedAt: time.Unix(opened+1, 500_000_000), PreviousStatus: pluginsdk.Good, ConsecutiveBad: 1,
		},
		IdempotencyKey: "K7QXA2/billing/new_invoices/1795856460/0",
		Checker:        pluginsdk.Checker{Name: checker, Path: "checks/billing/new_invoices.dwmon"},
		ExtraJSON:      []byte(`{"alert": "team@example.com"}`),
	}
}

// Good is the first result in the range after Bad.
func Good() pluginsdk.CheckEvent {
	ev := Bad()
	ev.EventCount, ev.CheckStatus, ev.Reason = 7, pluginsdk.Good, ""
	ev.MinuteEpoch, ev.MinuteLocalTime, ev.EvaluatedAt = closed, "2026-11-28 10:14:00", time.Unix(closed+1, 0)
	ev.PreviousStatus, ev.ConsecutiveBad = pluginsdk.Bad, 0
	ev.IdempotencyKey = "K7QXA2/billing/new_invoices/1795857240/0"
	return ev
}

// Unknown is a result that the stored rows cannot prove.
func Unknown() pluginsdk.CheckEvent {
	ev := Bad()
	ev.CheckStatus, ev.Reason, ev.ConsecutiveBad = pluginsdk.Unknown, "truncated", 0
	ev.MinuteEpoch, ev.MinuteLocalTime, ev.EvaluatedAt = opened+60, "2026-11-28 10:02:00", time.Unix(opened+61, 0)
	ev.PreviousStatus = pluginsdk.Bad
	ev.IdempotencyKey = "K7QXA2/billing/new_invoices/1795856520/0"
	return ev
}

// Opened tells that an incident of a checker's count began.
func Opened() pluginsdk.Notice {
	bad := Bad()
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: "K7QXA2/.opened/41", Checker: bad.Checker,
		Summary: "billing/new_invoices: 4 rows in 3m, fewer than 5",
		Detail:  "Count: 4, at least 5\nWindow: 09:58:00 to 10:01:00 Europe/Berlin\nRunbook: https://runbooks.example.com/invoices",
		Facts: []pluginsdk.Fact{
			{Label: "Count", Value: "4, at least 5"}, {Label: "Window", Value: "09:58:00 to 10:01:00 Europe/Berlin"},
		},
		Results: []pluginsdk.Result{bad.Result}, ExtraJSON: bad.ExtraJSON,
		Incident: &pluginsdk.Incident{
			ID: "K7QXA2-17", Subject: pluginsdk.SubjectCount, Cause: "4 rows in the 180 s before 10:01, fewer than 5",
			OpenedEpoch: opened, OpenedLocalTime: "2026-11-28 10:01:00", Checks: 1, BadChecks: 1,
		},
		Windows: []pluginsdk.Window{
			{MinuteEpoch: opened - 120, EventCount: 9, CheckStatus: pluginsdk.Good},
			{MinuteEpoch: opened - 60, EventCount: 6, CheckStatus: pluginsdk.Good},
			{MinuteEpoch: opened, EventCount: 4, CheckStatus: pluginsdk.Bad},
		},
		Source: "AWS", Owner: "payments", Labels: labels(),
		Description: "Invoices that the billing service has written", Runbook: "https://runbooks.example.com/invoices",
		Keys: []string{"inv-1009", "inv-1008"}, Created: time.Unix(opened+2, 0),
	}
}

// Repeated tells that the incident goes on.
func Repeated() pluginsdk.Notice {
	n := Opened()
	n.Kind, n.IdempotencyKey = pluginsdk.NoticeRepeated, "K7QXA2/.repeated/42"
	n.Summary = "billing/new_invoices: still too few after 10m, 3 rows in 3m, fewer than 5"
	n.Facts[0].Value = "3, at least 5"
	n.Incident.Checks, n.Incident.BadChecks = 11, 11
	n.Created = time.Unix(opened+602, 0)
	return n
}

// Recovered tells that it has ended.
func Recovered() pluginsdk.Notice {
	n := Opened()
	n.Kind, n.IdempotencyKey = pluginsdk.NoticeRecovered, "K7QXA2/.recovered/43"
	n.Summary = "billing/new_invoices: recovered after 13m, 7 rows in 3m"
	n.Detail, n.Results = "", []pluginsdk.Result{Good().Result}
	n.Facts = []pluginsdk.Fact{{Label: "Count", Value: "7, 5 to 20"}, {Label: "Lasted", Value: "13m"}}
	n.Incident.ClosedEpoch, n.Incident.ClosedLocalTime, n.Incident.End = ptr(closed), "2026-11-28 10:14:00", "recovered"
	n.Incident.Checks, n.Incident.BadChecks = 14, 13
	n.Created = time.Unix(closed+2, 0)
	return n
}

// SourceDown tells that a whole source is down.
func SourceDown() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: "K7QXA2/.opened/44",
		Summary: "12 checkers UNKNOWN because source AWS: connection refused",
		Detail:  "Source: AWS\nCause: connection refused",
		Facts:   []pluginsdk.Fact{{Label: "Source", Value: "AWS"}, {Label: "Cause", Value: "connection refused"}},
		Incident: &pluginsdk.Incident{
			ID: "K7QXA2-18", Subject: pluginsdk.SubjectSource, Cause: "connection refused",
			OpenedEpoch: opened, OpenedLocalTime: "2026-11-28 10:01:00", Checkers: 12,
		},
		Source: "AWS", Created: time.Unix(opened+180, 0),
	}
}

// Behind tells that dwmon itself is behind.
func Behind() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: "K7QXA2/.opened/45", Summary: "dwmon is 7 minutes behind", Detail: "3 of 40 passes done",
		Incident: &pluginsdk.Incident{
			ID: "K7QXA2-19", Subject: pluginsdk.SubjectDwmon, Cause: "7 minutes behind", OpenedEpoch: opened, OpenedLocalTime: "2026-11-28 10:01:00",
		},
		Created: time.Unix(opened+420, 0),
	}
}

// Grouped tells of three things together: one began, one goes on, one has ended.
func Grouped() pluginsdk.Notice {
	item := func(n pluginsdk.Notice, name, id string) pluginsdk.Item {
		i := n.Parts()[0]
		i.Summary = strings.Replace(i.Summary, checker, name, 1)
		i.Checker, i.Incident.ID = name, id
		return i
	}
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeOpened, IdempotencyKey: "K7QXA2/.group/46", Summary: "3 checkers: 1 began, 1 goes on, 1 recovered",
		Detail: "billing/new_invoices\nbilling/refunds\nbilling/payouts",
		Items: []pluginsdk.Item{
			item(Opened(), checker, "K7QXA2-17"), item(Repeated(), "billing/refunds", "K7QXA2-12"), item(Recovered(), "billing/payouts", "K7QXA2-9"),
		},
		Source: "AWS", Created: time.Unix(opened+30, 0),
	}
}

// Corrected tells that late rows overturned a low verdict.
func Corrected() pluginsdk.Notice {
	n := Opened()
	n.Kind, n.IdempotencyKey, n.Incident = pluginsdk.NoticeCorrected, "K7QXA2/.corrected/47", nil
	n.Summary, n.Detail = "billing/new_invoices: 4 → 7 at 10:14", ""
	return n
}

// Digest tells what was not told one by one.
func Digest() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeDigest, IdempotencyKey: "K7QXA2/.digest/48", Checker: Bad().Checker,
		Summary: "while dwmon was down 09:10–11:40, 3 of 150 checks of billing/new_invoices were BAD, last 10:02; now GOOD",
		Results: []pluginsdk.Result{Bad().Result}, Source: "AWS", Owner: "payments", Labels: labels(), Created: time.Unix(closed, 0),
	}
}

// Test tells nothing: somebody tries the handler.
func Test() pluginsdk.Notice {
	return pluginsdk.Notice{
		Kind: pluginsdk.NoticeTest, IdempotencyKey: "K7QXA2/.test/49", Summary: "a test of this handler; nothing happened", Created: time.Unix(closed, 0),
	}
}

// Notices are all of the above by a name for files of testdata.
func Notices() map[string]pluginsdk.Notice {
	return map[string]pluginsdk.Notice{
		"opened": Opened(), "repeated": Repeated(), "recovered": Recovered(), "source_down": SourceDown(), "behind": Behind(),
		"grouped": Grouped(), "corrected": Corrected(), "digest": Digest(), "test": Test(),
	}
}
