package notice

import (
	"fmt"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// factList gathers facts; those without a value are left out.
type factList []dwmon.Fact

func (l *factList) add(label, value string) {
	if value != "" {
		*l = append(*l, dwmon.Fact{Label: label, Value: clip(value, maxFact)})
	}
}

// facts are what is known, in an order that is always the same.
func (d *Data) facts() []dwmon.Fact {
	var l factList
	d.catchUpFacts(&l)
	d.causeFacts(&l)
	d.countFacts(&l)
	d.correctionFacts(&l)
	d.keyFacts(&l)
	d.incidentFacts(&l)
	d.checkerFacts(&l)
	d.commandFacts(&l)
	return l
}

// causeFacts say what a summary has room for in part only.
func (d *Data) causeFacts(l *factList) {
	switch {
	case !d.ofIncident():
	case d.Incident.Subject == dwmon.SubjectCount:
		if d.Result != nil && d.Result.Status == dwmon.Unknown {
			l.add("Cause", d.cause())
		}
	default:
		l.add("Cause", d.cause())
	}
	if d.Incident.Subject == dwmon.SubjectSource && d.ofIncident() {
		l.add("Checkers", list(d.Names))
	}
}

func (d *Data) countFacts(l *factList) {
	r := d.Result
	if r == nil {
		return
	}
	if d.Opening != nil && d.Kind != dwmon.NoticeOpened {
		l.add("Began with", d.counted(d.Opening))
	}
	count := words.Number(r.EventCount)
	if d.Correction != nil {
		count += " → " + words.Number(d.Correction.Count)
	}
	l.add("Count", count+", "+words.Range(r.Min, r.Max)+" wanted")
	from := r.Minute - r.LookbackSeconds
	window := d.span(from, r.Minute) + ", " + d.zoneName(r.Minute)
	if strings.HasSuffix(r.Requirement, " HALFOPEN") {
		window += ", beginning included"
	}
	l.add("Window", window)
	l.add("Late", late(r))
	l.add("Last windows", d.lastWindows())
	l.add("Former weeks", d.formerWeeks())
}

// chart is how many windows are drawn, figures how many are written out.
const (
	chart   = 40
	figures = 5
)

// lastWindows draws the last windows: "▄▅▆▂▂, 2 to 17, last 9, 3, 2".
func (d *Data) lastWindows() string {
	windows := last(d.Windows, chart)
	if len(windows) < 2 {
		return ""
	}
	low, high := windows[0].Count, windows[0].Count
	for _, w := range windows {
		low, high = min(low, w.Count), max(high, w.Count)
	}
	var counts []string
	for _, w := range last(windows, figures) {
		counts = append(counts, words.Number(w.Count))
	}
	return fmt.Sprintf("%s  %s to %s, last %s", Sparkline(windows, d.Result.Min, d.Result.Max), words.Number(low), words.Number(high), strings.Join(counts, ", "))
}

// formerWeeks is the same minute's count in former weeks: "12 (1 week ago), 14 (2
// weeks ago)".
func (d *Data) formerWeeks() string {
	var weeks []string
	for _, f := range first(d.Former, maxKeys) {
		weeks = append(weeks, fmt.Sprintf("%s (%s ago)", words.Number(f.Count), words.Count(int64(f.WeeksAgo), "week", "weeks")))
	}
	return strings.Join(weeks, ", ")
}

func (d *Data) keyFacts(l *factList) {
	l.add("Newest keys", strings.Join(d.newest(), ", "))
	l.add("Oldest key", strings.Join(first(d.keys(d.Oldest), 1), ""))
}

func (d *Data) incidentFacts(l *factList) {
	if !d.ofIncident() {
		return
	}
	i := &d.Incident
	zone := ""
	if d.Result == nil { // else the window names it
		zone = ", " + d.zoneName(i.Opened)
	}
	if i.Closed != nil {
		l.add("Lasted", words.About(d.lasted())+", "+d.span(i.Opened, *i.Closed)+zone)
		if i.End != "" && i.End != dwmon.EndRecovered {
			l.add("Ended", ending(i.End))
		}
	} else {
		since := d.stamp(i.Opened)
		if d.lasted() >= 60 {
			since += ", " + words.About(d.lasted())
		}
		l.add("Since", since+zone)
	}
	if d.Checks > 1 {
		l.add("Checks", fmt.Sprintf("%d of %d since then not GOOD", d.Bad, d.Checks))
	}
	if i.Subject == dwmon.SubjectSource && len(d.Names) == 0 && i.Checkers > 0 {
		l.add("Checkers", fmt.Sprint(i.Checkers))
	}
	if a := i.Ack; a != nil && d.open() {
		l.add("Acknowledged", d.acknowledged(a))
	}
}

// acknowledged says by whom, until when and why.
func (d *Data) acknowledged(a *dwmon.Ack) string {
	text := d.stamp(floor(a.At))
	if a.By != "" {
		text = "by " + oneLine(a.By) + ", " + text
	}
	if a.Until != 0 {
		text += ", until " + d.stamp(floor(a.Until))
	}
	if a.Comment != "" {
		text += ": " + oneLine(a.Comment)
	}
	return text
}

func (d *Data) checkerFacts(l *factList) {
	r := d.Result
	if c := d.Checker; c != nil {
		l.add("Owner", oneLine(c.Options.Owner))
		l.add("Runbook", oneLine(c.Options.Runbook))
		l.add("Description", oneLine(c.Options.Description))
	} else if r != nil {
		l.add("Owner", oneLine(r.Owner))
	}
	l.add("Source", oneLine(d.source()))
	switch {
	case r != nil:
		l.add("Line", oneLine(r.Requirement))
	case d.ofIncident():
		l.add("Line", oneLine(d.Incident.Requirement))
	}
}

// commandFacts say how to be told no more.
func (d *Data) commandFacts(l *factList) {
	if !d.open() {
		return
	}
	switch {
	case d.Times == 1:
		l.add("Told", "once before")
	case d.Times > 1:
		l.add("Told", fmt.Sprintf("%d times before", d.Times))
	}
	ack := d.Ack
	switch {
	case d.Incident.Subject == dwmon.SubjectSource && d.source() != "":
		l.add("Silence", "dwmon silence add --source "+argument(d.source())+" --for 2h --comment WHY")
	case d.Incident.Subject != dwmon.SubjectDwmon && d.name() != "":
		l.add("Silence", "dwmon silence add --name "+argument(d.name())+" --for 2h --comment WHY")
		if ack == "" {
			ack = d.name()
		}
	}
	if ack != "" && !d.Incident.Ack.Holds(d.Now) {
		l.add("Acknowledge", "dwmon ack "+argument(ack))
	}
}

// argument quotes a word for a shell where it needs that.
func argument(text string) string {
	text = oneLine(text)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,=", r)
	}
	if text != "" && strings.TrimFunc(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func (d *Data) correctionFacts(l *factList) {
	c, r := d.Correction, d.Result
	if c == nil || r == nil {
		return
	}
	text := "late rows came"
	if after := since(r.Minute, floor(c.At)); after >= 60 {
		text = fmt.Sprintf("%s, %s after the window's end", d.stamp(floor(c.At)), words.About(after))
	}
	l.add("Correction", text+"; told as "+r.Status.String()+", "+d.was())
}

func (d *Data) catchUpFacts(l *factList) {
	c := d.CatchUp
	if c == nil {
		return
	}
	at := d.zoneName(c.To)
	l.add("Minutes", d.span(c.From, c.To)+", "+at)
	if c.Down != "" {
		l.add("Was down", oneLine(c.Down))
	}
	l.add("Checks", words.Count(c.Checks, "check", "checks")+" made late: "+fmt.Sprintf("%s GOOD, %s BAD, %s UNKNOWN", words.Number(c.Checks-c.Bad-c.Unknown), words.Number(c.Bad), words.Number(c.Unknown)))
	if c.LastBad != 0 {
		l.add("Last BAD", d.stamp(c.LastBad))
	}
	if c.State != "" {
		l.add("Now", string(c.State))
	}
}

// list joins names, and says how many more there are.
func list(names []string) string {
	var shown []string
	for _, n := range first(names, maxNames) {
		shown = append(shown, name(n))
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text = clip(text, maxFact-20) + fmt.Sprintf(" and %d more", more)
	}
	return text
}
