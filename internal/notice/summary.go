package notice

import (
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// Words that a summary begins with.
const (
	wordBad       = "BAD"
	wordUnknown   = "UNKNOWN"
	wordBehind    = "BEHIND"
	wordRecovered = "RECOVERED"
	wordClosed    = "CLOSED"
	wordCorrected = "CORRECTED"
	wordCaughtUp  = "CAUGHT UP"
	wordTest      = "TEST"
)

// word is the state that the notice tells of: the first word of its summary.
func (d *Data) word() string {
	switch d.Kind {
	case dwmon.NoticeCorrected:
		return wordCorrected
	case dwmon.NoticeDigest:
		return wordCaughtUp
	case dwmon.NoticeTest:
		return wordTest
	case dwmon.NoticeRecovered:
		if d.Incident.End != "" && d.Incident.End != dwmon.EndRecovered {
			return wordClosed
		}
		return wordRecovered
	}
	switch d.Incident.Subject {
	case dwmon.SubjectChecker, dwmon.SubjectSource:
		return wordUnknown
	case dwmon.SubjectDwmon:
		return wordBehind
	default:
		return wordBad
	}
}

// summary is one line of at most maxSummary characters, the state first.
func (d *Data) summary() string {
	switch d.Kind {
	case dwmon.NoticeCorrected:
		return d.correctedSummary()
	case dwmon.NoticeDigest:
		return d.caughtUpSummary()
	case dwmon.NoticeTest:
		return fit(wordTest+": dwmon tries the handler ", name(d.Handler), "; nothing has happened")
	case dwmon.NoticeRecovered:
		return d.recoveredSummary()
	default:
		return d.troubleSummary()
	}
}

// who is what an incident is about, in a summary.
func (d *Data) who() string {
	switch d.Incident.Subject {
	case dwmon.SubjectSource:
		return words.Count(max(d.Incident.Checkers, 1), "checker", "checkers")
	case dwmon.SubjectDwmon:
		return "dwmon"
	default:
		return name(d.name())
	}
}

func (d *Data) troubleSummary() string {
	head := d.word() + " " + d.who()
	tail := ""
	if d.Kind == dwmon.NoticeRepeated {
		head = "STILL " + head
		tail = fmt.Sprintf(" (since %s, %s)", d.clock(d.Incident.Opened), words.About(d.lasted()))
	} else if text := d.late(); text != "" {
		tail = " (" + text + ")"
	}
	why := d.why()
	if d.Incident.Subject == dwmon.SubjectSource {
		head += ": source " + name(d.source())
	}
	if why == "" {
		return fit(head, "", tail)
	}
	return fit(head+": ", why, tail)
}

// why says what is wrong now.
func (d *Data) why() string {
	r := d.Result
	if d.Incident.Subject != dwmon.SubjectCount || d.Incident.Cause != "" || r == nil || r.Status == dwmon.Unknown {
		return d.cause()
	}
	text := d.counted(r)
	if r.Status == dwmon.Good {
		text += "; GOOD, but not for long enough yet"
	}
	return text
}

// late says that what opened the incident was caught up.
func (d *Data) late() string {
	if text := late(d.Result); text != "" {
		return text
	}
	if d.Incident.CatchUp && d.Kind == dwmon.NoticeOpened {
		return "caught up"
	}
	return ""
}

func (d *Data) recoveredSummary() string {
	after := " after " + words.About(d.lasted())
	switch {
	case d.word() == wordClosed && d.Incident.Subject == dwmon.SubjectSource:
		return fit(wordClosed+" "+d.who()+": source ", name(d.source()), after+": no checker asks it any more")
	case d.word() == wordClosed:
		return fit(wordClosed+" ", d.who(), after+": "+ending(d.Incident.End))
	case d.Incident.Subject == dwmon.SubjectChecker:
		return fit(wordRecovered+" ", d.who(), after+": it can be checked again"+d.still())
	case d.Incident.Subject == dwmon.SubjectSource:
		return fit(wordRecovered+" "+d.who()+": source ", name(d.source()), " answers again"+after)
	case d.Incident.Subject == dwmon.SubjectDwmon:
		return wordRecovered + " dwmon" + after + ": it keeps up again"
	default:
		return fit(wordRecovered+" ", d.who(), after)
	}
}

// still warns that what can be checked again is BAD.
func (d *Data) still() string {
	if d.Result != nil && d.Result.Status == dwmon.Bad {
		return ", and is " + wordBad
	}
	return ""
}

// ending says how an incident ended that did not recover.
func ending(end dwmon.IncidentEnd) string {
	switch end {
	case dwmon.EndLineChanged:
		return "its requirement line was changed or removed"
	case dwmon.EndOff:
		return "the checker was switched off, or its file is gone"
	case dwmon.EndForgotten:
		return "the checker was forgotten"
	default:
		return oneLine(string(end))
	}
}

func (d *Data) correctedSummary() string {
	head := wordCorrected + " " + name(d.name())
	if d.Result == nil || d.Correction == nil {
		return fit(head, "", ": late rows came")
	}
	return fit(head, fmt.Sprintf(": %s → %s rows %s", words.Number(d.Result.EventCount), words.Number(d.Correction.Count), d.before(d.Result)), ": late rows came, "+d.was())
}

// was says what a corrected result would have been.
func (d *Data) was() string {
	if d.Correction.Status == dwmon.Bad {
		return fmt.Sprintf("it was %s: %s wanted", wordBad, words.Range(d.Result.Min, d.Result.Max))
	}
	return fmt.Sprintf("it was %s", d.Correction.Status)
}

func (d *Data) caughtUpSummary() string {
	head := wordCaughtUp + " " + name(d.name())
	c := d.CatchUp
	if c == nil {
		return fit(head, "", "")
	}
	when := d.clocks(c.From, c.To)
	text := ": of the checks of " + when + ", made late, "
	if c.Down != "" {
		text = ": while " + name(c.Down) + " was down " + when + ", "
	}
	tail := ""
	if c.State != "" {
		tail = "; now " + string(c.State)
	}
	return fit(head, text+d.caughtUpCounts(), tail)
}

// caughtUpCounts says how the checks ended that were made up for.
func (d *Data) caughtUpCounts() string {
	c := d.CatchUp
	checks := words.Count(c.Checks, "check", "checks")
	if c.Bad == 0 && c.Unknown == 0 {
		return "all of " + checks + " were GOOD"
	}
	text := ""
	if c.Bad > 0 {
		text = fmt.Sprintf("%d of %s %s %s", c.Bad, checks, wereOr(c.Bad), wordBad)
		if c.LastBad != 0 {
			text += ", last " + d.clock(c.LastBad)
		}
	}
	switch {
	case c.Unknown == 0:
		return text
	case c.Bad == 0:
		return fmt.Sprintf("%d of %s %s %s", c.Unknown, checks, wereOr(c.Unknown), wordUnknown)
	default:
		return fmt.Sprintf("%s, and %d %s", text, c.Unknown, wordUnknown)
	}
}

func wereOr(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
