package message

import (
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// OfResult is the message of one check result, for handlers that are told every
// result, or every BAD one.
func OfResult(ev *pluginsdk.CheckEvent) *Message {
	m := &Message{
		Word: string(ev.CheckStatus), Tone: toneOf(ev.CheckStatus), Summary: oneLine(resultSummary(&ev.Result)),
		Checker: ev.CheckerName, Key: ev.IdempotencyKey, Created: ev.EvaluatedAt,
	}
	m.add("Minute", shortTime(ev.MinuteLocalTime)+zone(ev.TimeZone))
	m.add("Count", fmt.Sprintf("%d, %s", ev.EventCount, wanted(&ev.Result)))
	m.add("Line", ev.Requirement)
	if ev.Bad() && ev.ConsecutiveBad > 1 {
		m.add("In a row", fmt.Sprintf("%d times BAD", ev.ConsecutiveBad))
	}
	if ev.CatchUp {
		m.add("Judged late", "caught up at "+ev.EvaluatedAt.UTC().Format("2006-01-02 15:04")+" UTC")
	}
	m.add("Owner", ev.Owner)
	m.add("Source", ev.Source)
	return m
}

func toneOf(s pluginsdk.Status) Tone {
	switch s {
	case pluginsdk.Good:
		return Good
	case pluginsdk.Bad:
		return Bad
	default:
		return Unknown
	}
}

func resultSummary(r *pluginsdk.Result) string {
	at := shortTime(r.MinuteLocalTime)
	if _, clock, ok := strings.Cut(at, " "); ok {
		at = clock
	}
	text := fmt.Sprintf("%s: %s in the %s before %s", r.CheckerName, rows(r.EventCount), Lasted(time.Duration(r.LookbackSeconds)*time.Second), at)
	switch {
	case r.Bad() && r.MinRequired != nil && r.EventCount < *r.MinRequired:
		return fmt.Sprintf("%s, fewer than %d", text, *r.MinRequired)
	case r.Bad() && r.MaxAllowed != nil:
		return fmt.Sprintf("%s, more than %d", text, *r.MaxAllowed)
	case !r.Good() && r.Reason != "":
		return fmt.Sprintf("%s, which proves nothing: %s", text, r.Reason)
	}
	return text
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

func wanted(r *pluginsdk.Result) string {
	switch low, high := r.MinRequired, r.MaxAllowed; {
	case low == nil && high == nil:
		return "any number"
	case high == nil:
		return fmt.Sprintf("at least %d", *low)
	case low == nil:
		return fmt.Sprintf("at most %d", *high)
	case *low == *high:
		return fmt.Sprintf("exactly %d", *low)
	default:
		return fmt.Sprintf("%d to %d", *low, *high)
	}
}

// Lasted writes a duration for people, in its two largest units: 42 min, 3 h 5 min,
// 2 d 4 h.
func Lasted(d time.Duration) string {
	type unit struct {
		name string
		long time.Duration
	}
	units := []unit{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.long {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.long, u.name)
		if i+1 < len(units) {
			if rest := d % u.long / units[i+1].long; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}
