package notice

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// View is what templates see: docs/notices.md lists it. Times are in the
// checker's zone; the zero time stands for none.
type View struct {
	// Kind and Subject are as in dwmon.Notice and dwmon.Incident, State the first
	// word of the built-in summary.
	Kind, Subject, State string
	// Summary, Detail and Facts are the built-in text.
	Summary, Detail string
	Facts           []dwmon.Fact
	// ID is the incident's, empty for none.
	ID      string
	Checker string
	File    string
	Handler string

	// Count to Late tell of the last result.
	Count  int64
	Wanted string
	// Min and Max are an int64, or nil for no bound.
	Min, Max             any
	Status, Reason       string
	Minute, From, Until  time.Time
	Lookback             time.Duration
	Line                 string
	ConsecutiveBad       int64
	CatchUp              bool
	Late                 time.Duration
	Windows              []ViewWindow
	Former               []Former
	Newest, Oldest       []string
	Cause                string
	Opened, Closed       time.Time
	Lasted               time.Duration
	End                  string
	Checks, Bad, Unknown int64
	Checkers             int64
	Names                []string
	Told                 int
	CountNow             int64  // of a correction
	StatusNow            string // of a correction and of a digest
	Down                 string // of a digest
	Source, Owner        string
	Description, Runbook string
	Labels               map[string]string
	Extra                any
	Zone, Installation   string
	Created              time.Time
}

// ViewWindow is one of the last windows.
type ViewWindow struct {
	Minute time.Time
	Count  int64
	Status string
}

// view is what templates see of a notice.
func (d *Data) view(n *dwmon.Notice) *View {
	v := &View{
		Kind: string(n.Kind), State: d.word(), Summary: n.Summary, Detail: n.Detail, Facts: n.Facts,
		Checker: n.Checker, File: n.File, Handler: d.Handler, Former: d.Former, Newest: n.Keys, Oldest: d.keys(d.Oldest),
		Names: d.Names, Told: d.Times, Source: n.Source, Owner: n.Owner, Description: n.Description, Runbook: n.Runbook,
		Labels: n.Labels, Extra: extra(n.Extra), Zone: d.zone().String(), Installation: d.Installation, Created: d.at(n.Created),
	}
	for _, w := range n.Windows {
		v.Windows = append(v.Windows, ViewWindow{d.at(w.Minute), w.Count, w.Status.String()})
	}
	if d.Result != nil {
		d.viewResult(v)
	}
	if i := n.Incident; i != nil {
		d.viewIncident(v, i)
	}
	if c := d.Correction; c != nil {
		v.CountNow, v.StatusNow = c.Count, c.Status.String()
	}
	if c := d.CatchUp; c != nil {
		v.From, v.Until, v.Down, v.StatusNow = d.at(c.From), d.at(c.To), oneLine(c.Down), string(c.State)
		v.Checks, v.Bad, v.Unknown = c.Checks, c.Bad, c.Unknown
	}
	return v
}

func (d *Data) viewResult(v *View) {
	r := d.Result
	v.Count, v.Wanted, v.Min, v.Max = r.EventCount, words.Range(r.Min, r.Max), bound(r.Min), bound(r.Max)
	v.Status, v.Reason, v.Line, v.ConsecutiveBad, v.CatchUp = r.Status.String(), string(r.Reason), r.Requirement, r.ConsecutiveBad, r.CatchUp
	v.Minute, v.From, v.Until = d.at(r.Minute), d.at(r.Minute-r.LookbackSeconds), d.at(r.Minute)
	v.Lookback = seconds(r.LookbackSeconds)
	if r.CatchUp {
		v.Late = seconds(since(r.Minute, floor(r.EvaluatedAt)))
	}
}

func (d *Data) viewIncident(v *View, i *dwmon.IncidentView) {
	v.ID, v.Subject, v.Cause, v.End = i.ID, string(i.Subject), i.Cause, string(i.End)
	v.Opened, v.Lasted = d.at(i.Opened), seconds(d.lasted())
	v.Checks, v.Bad, v.Checkers = i.Checks, i.Bad, i.Checkers
	if i.Closed != nil {
		v.Closed = d.at(*i.Closed)
	}
}

// at is a time, seconds since the epoch, in the checker's zone.
func (d *Data) at(second int64) time.Time { return time.Unix(second, 0).In(d.zone()) }

// seconds is a duration, cut to what a duration holds.
func seconds(n int64) time.Duration {
	const most = 1 << 33
	return time.Duration(max(-most, min(n, most))) * time.Second
}

func bound(b dwmon.Bound) any {
	if !b.Set {
		return nil
	}
	return b.N
}

// extra is the EXTRA section decoded, numbers digit for digit; an empty object
// where there is none.
func extra(text []byte) any {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil || v == nil {
		return map[string]any{}
	}
	return v
}
