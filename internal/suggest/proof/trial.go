package proof

import (
	"math/rand/v2"
	"sort"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/suggest"
)

// Outcome is how lines fared in weeks that they were not made from.
type Outcome struct {
	Weeks int
	// FalseAlarms is how many incidents there were without any outage.
	FalseAlarms int
	// Planted is how many outages there were, Found how many an incident told of.
	Planted, Found int
	Lines          int
	Proposal       *suggest.Proposal
	// Missed are the beginnings of outages that were not found.
	Missed []time.Time
}

// Add adds up outcomes.
func (o *Outcome) Add(p Outcome) {
	o.Weeks += p.Weeks
	o.FalseAlarms += p.FalseAlarms
	o.Planted += p.Planted
	o.Found += p.Found
	o.Lines += p.Lines
}

// FalseAlarmsPerWeek is the mean.
func (o *Outcome) FalseAlarmsPerWeek() float64 { return float64(o.FalseAlarms) / float64(o.Weeks) }

// FoundShare is the part of the outages that was found.
func (o *Outcome) FoundShare() float64 { return float64(o.Found) / float64(max(o.Planted, 1)) }

// Findable is the part of the planted outages that must be found.
const Findable = 0.9

// Numbers of a trial.
const (
	// Held is how many weeks are held out.
	Held = 4
	// outages are planted in each of them.
	outages = 5
	// Drop is what is left of the rows.
	Drop = 0.4
	// LeastRows must be usual in the hour of an outage: of fewer, 40 % cannot be told
	// from chance with one false alarm a week.
	LeastRows = 80
)

// Present is the line that stands in the file before: a placeholder.
var Present = []dwmon.Requirement{{
	Hours: 1<<24 - 1, Minutes: dwmon.MinuteSet(dwmon.StepSet(5, 60)), Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(0), Lookback: 300,
}}

// Try makes lines from traffic and lets them judge the weeks after.
func (s Shape) Try(seed uint64, falseAlarms float64) (Outcome, error) {
	t := s.Generate(seed, s.Train+Held)
	cut := begin.AddDate(0, 0, 7*s.Train).Unix()
	present := Present
	if s.Office {
		present = append([]dwmon.Requirement(nil), Present...)
		present[0].Hours, present[0].Days = 1<<18-1<<9, dwmon.Weekdays
	}
	past := suggest.NewCounts(t.From, cut, present)
	past.Add(t.Micros)
	p, err := suggest.Propose(suggest.Options{
		Present: present, Zone: t.Zone, Closed: t.Closed, Alert: dwmon.DefaultAlertRule, FalseAlarms: falseAlarms,
	}, suggest.Past{Counts: past})
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Weeks: Held, Lines: len(p.Lines), Proposal: p}
	lines := p.Requirements()
	o.FalseAlarms = len(t.alarms(lines, t.Micros, cut))
	spans := s.plant(seed, t, cut)
	alarms := t.alarms(lines, thin(seed, t.Micros, spans), cut)
	for _, span := range spans {
		o.Planted++
		if told(alarms, lines, span) {
			o.Found++
		} else {
			o.Missed = append(o.Missed, time.Unix(span.From, 0).In(berlin))
		}
	}
	return o, nil
}

// alarms are the incidents of lines from a time on.
func (t *Traffic) alarms(lines []dwmon.Requirement, micros []int64, from int64) []suggest.Alarm {
	c := suggest.NewCounts(from, t.Until, lines)
	c.Add(micros)
	return suggest.Alarms(c, lines, t.Zone, t.Closed, dwmon.DefaultAlertRule)
}

// plant chooses the hours of outages, one on each of some days of a week: not on
// holidays, and where rows are usual that 40 % of can be told from chance.
func (s Shape) plant(seed uint64, t *Traffic, from int64) (spans []dwmon.Span) {
	rng := rand.New(rand.NewPCG(seed, 0x0f7))
	for w := range Held {
		days := rng.Perm(7)[:outages]
		sort.Ints(days)
		for _, d := range days {
			day := time.Unix(from, 0).In(berlin).AddDate(0, 0, 7*w+d)
			if t.special[dwmon.DayOf(day.Date())] {
				continue
			}
			for range 50 {
				at := day.Add(time.Duration(rng.IntN(12*23)) * 5 * time.Minute)
				if s.usual(at, t.From) >= LeastRows {
					spans = append(spans, dwmon.Span{From: at.Unix(), Until: at.Unix() + 3600})
					break
				}
			}
		}
	}
	return spans
}

// usual is how many rows are to be expected in the hour from a time on, by the lower
// rate of its ends.
func (s Shape) usual(at time.Time, begin int64) float64 {
	g := generator{Shape: s, traffic: &Traffic{From: begin}}
	first, last := g.rate(at), g.rate(at.Add(59*time.Minute))
	return 60 * min(first, last)
}

// thin leaves Drop of the rows within spans.
func thin(seed uint64, micros []int64, spans []dwmon.Span) []int64 {
	rng := rand.New(rand.NewPCG(seed, 0x7417))
	var kept []int64
	for _, ts := range micros {
		i := sort.Search(len(spans), func(i int) bool { return ts < spans[i].Until*1e6 })
		if i == len(spans) || ts < spans[i].From*1e6 || rng.Float64() < Drop {
			kept = append(kept, ts)
		}
	}
	return kept
}

// told says whether an incident for too few rows fell into an outage, or right after.
func told(alarms []suggest.Alarm, lines []dwmon.Requirement, span dwmon.Span) bool {
	for _, a := range alarms {
		if a.Low && a.Until > span.From && a.From <= span.Until+lines[a.Line].Lookback/2 {
			return true
		}
	}
	return false
}
