package notice

import (
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Samples of notices, for previews and for trying templates.

// sampleMinute is the minute that samples tell of.
var sampleMinute = time.Date(2026, 11, 2, 13, 10, 0, 0, time.UTC).Unix()

// Sample is what a notice of a kind may tell. The subject counts for those of
// incidents; empty, it is SubjectCount.
func Sample(kind dwmon.NoticeKind, subject dwmon.Subject) Data {
	d := Data{Kind: kind, Installation: "5f1c9a", Now: (sampleMinute + 3) * 1e6, Zone: time.UTC}
	switch kind {
	case dwmon.NoticeTest:
		d.Handler = "mail"
		return d
	case dwmon.NoticeDigest:
		d.Checker = sampleChecker()
		d.CatchUp = &CatchUp{CatchUp: dwmon.CatchUp{
			Checker: d.Checker.Name, From: sampleMinute - 9000, To: sampleMinute - 60, Checks: 150, Bad: 3, LastBad: sampleMinute - 5880, Down: "dwmon",
		}, State: dwmon.StateGood}
		return d
	case dwmon.NoticeCorrected:
		sampleCount(&d)
		d.Correction = &Correction{Count: 7, Status: dwmon.Good, At: (sampleMinute + 480) * 1e6}
		d.Now = (sampleMinute + 481) * 1e6
		return d
	}
	sampleIncident(&d, subject)
	switch kind {
	case dwmon.NoticeRepeated:
		d.Times = 1
		if d.Result != nil {
			d.Checks, d.Bad = 31, 31
		}
		d.Incident.Opened -= 1800
	case dwmon.NoticeRecovered:
		sampleRecovery(&d)
	}
	return d
}

// sampleIncident fills in an incident that has just opened.
func sampleIncident(d *Data, subject dwmon.Subject) {
	d.Incident = dwmon.Incident{ID: 42, Subject: subject, Opened: sampleMinute, OpenedAt: d.Now}
	switch subject {
	case dwmon.SubjectSource:
		d.Incident.Source, d.Incident.Checkers = "WAREHOUSE", 12
		d.Incident.Cause = "connection refused"
		d.Names = []string{"billing/new_invoices", "new_orders"}
	case dwmon.SubjectDwmon:
		d.Incident.Cause = "the last passes ended 12 min late"
	case dwmon.SubjectChecker:
		d.Checker = sampleChecker()
		d.Incident.Checker, d.Incident.Cause = d.Checker.Name, `relation "orders" does not exist`
	default:
		d.Incident.Subject = dwmon.SubjectCount
		sampleCount(d)
		d.Incident.Checker, d.Incident.Requirement = d.Checker.Name, d.Result.Requirement
		d.Checks, d.Bad = 1, 1
	}
}

// sampleRecovery ends the incident after 26 minutes.
func sampleRecovery(d *Data) {
	d.Incident.Opened -= 26 * 60
	d.Incident.Closed, d.Incident.ClosedAt, d.Incident.End = new(sampleMinute), d.Now, dwmon.EndRecovered
	d.Times = 1
	if d.Result == nil {
		return
	}
	opening := *d.Result
	opening.Minute -= 26 * 60
	d.Opening = &opening
	d.Result.EventCount, d.Result.Status, d.Result.Reason, d.Result.ConsecutiveBad = 8, dwmon.Good, "", 0
	d.Result.Previous = dwmon.Bad
	d.Checks, d.Bad = 27, 26
	for i := range d.Windows {
		d.Windows[i].Count, d.Windows[i].Status = 3, dwmon.Bad
	}
	end := &d.Windows[len(d.Windows)-1]
	end.Count, end.Status = 8, dwmon.Good
}

func sampleChecker() *dwmon.Checker {
	return &dwmon.Checker{
		Name: "new_orders", File: "checks/new_orders.dwmon", Revision: "0123456789abcdef", Source: "WAREHOUSE", Extra: []byte(`{"alert": "shop@example.com"}`),
		Options: dwmon.Options{
			Owner: "shop", Description: "orders of the web shop", Runbook: "https://wiki.example.com/orders", Labels: map[string]string{"team": "shop"},
		},
	}
}

// sampleCount fills in a checker and a count that is too low.
func sampleCount(d *Data) {
	c := sampleChecker()
	d.Checker = c
	d.Result = &dwmon.Result{
		CheckerName: c.Name, EventCount: 4, Min: dwmon.At(5), Max: dwmon.At(20), Status: dwmon.Bad, Reason: dwmon.Low,
		Minute: sampleMinute, LookbackSeconds: 180, TimeZone: "UTC", Source: c.Source, Owner: c.Options.Owner, Labels: c.Options.Labels,
		Requirement: "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 MAXNUM20 LOOKBACKSECONDS180",
		EvaluatedAt: (sampleMinute + 2) * 1e6, Previous: dwmon.Good, ConsecutiveBad: 1, LocalTime: dwmon.LocalTime(sampleMinute, time.UTC),
	}
	for i, count := range []int64{9, 12, 8, 11, 10, 13, 9, 7, 6, 4} {
		status := dwmon.Good
		if count < 5 {
			status = dwmon.Bad
		}
		d.Windows = append(d.Windows, dwmon.NoticeWindow{Minute: sampleMinute - int64(9-i)*60, Count: count, Status: status})
	}
	d.Former = []Former{{1, 11}, {2, 9}, {3, 12}}
	d.Newest, d.Oldest = []string{"10481", "10480", "10479", "10478"}, []string{"10478"}
}

// samples are the data that templates are tried with: of each kind what it may
// tell, and as little of it as there may be.
func samples() []Data {
	var all []Data
	for _, kind := range kinds {
		subjects := []dwmon.Subject{""}
		if slices.Contains([]dwmon.NoticeKind{dwmon.NoticeOpened, dwmon.NoticeRepeated, dwmon.NoticeRecovered}, kind) {
			subjects = []dwmon.Subject{dwmon.SubjectCount, dwmon.SubjectChecker, dwmon.SubjectSource, dwmon.SubjectDwmon}
		}
		for _, subject := range subjects {
			all = append(all, Sample(kind, subject), sparse(Sample(kind, subject)))
		}
	}
	return all
}

// sparse takes out what need not be there.
func sparse(d Data) Data {
	d.Windows, d.Former, d.Newest, d.Oldest, d.Names, d.Opening, d.Checks, d.Bad = nil, nil, nil, nil, nil, nil, 0, 0
	if d.Checker != nil {
		d.Checker.Options = dwmon.Options{}
	}
	if d.Result != nil {
		d.Result.Max, d.Result.Owner, d.Result.Labels = dwmon.Bound{}, "", nil
	}
	return d
}
