package words

import (
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestDurationsInFullWords(t *testing.T) {
	tests := map[int64]string{
		0: "0 seconds", 1: "1 second", 60: "1 minute", 90: "90 seconds", 120: "2 minutes", 121: "2 minutes and 1 second", 180: "3 minutes",
		3600: "1 hour", 5400: "90 minutes", 86400: "1 day", 129600: "36 hours", 150 * 3600: "6 days and 6 hours",
		90061: "1 day, 1 hour, 1 minute and 1 second", dwmon.MaxLookback: "366 days",
	}
	for seconds, want := range tests {
		if got := Duration(seconds); got != want {
			t.Errorf("Duration(%d) = %q, want %q", seconds, got, want)
		}
	}
}

func TestTimesSeenFromNow(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	tests := map[time.Duration]string{
		0: "now", -30 * time.Second: "now", 30 * time.Second: "within a minute", 12 * time.Minute: "in 12 min",
		-(26*time.Hour + 5*time.Minute): "26 h 5 min ago", 72 * time.Hour: "in 3 days",
	}
	for d, want := range tests {
		if got := FromNow(now, now.Add(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestClockChanges(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		zone                   string
		change                 string
		first, until           string
		back                   bool
		beforeOffset, atOffset string
	}{
		{"Europe/Berlin", "2026-03-29: the clocks are set forward from 2:00 to 3:00", "02:00", "03:00", false, "UTC+1", "UTC+2"},
		{"Europe/Berlin", "2026-10-25: the clocks are set back from 3:00 to 2:00", "02:00", "03:00", true, "UTC+2", "UTC+1"},
		{"Australia/Lord_Howe", "2026-04-05: the clocks are set back from 2:00 to 1:30", "01:30", "02:00", true, "UTC+11", "UTC+10:30"},
	}
	for _, tt := range tests {
		found := false
		for _, c := range ClockChanges(mustZone(tt.zone), from, from.AddDate(1, 0, 0)) {
			if c.String() != tt.change {
				continue
			}
			found = true
			first, until := c.First().Format(MinuteLayout), c.Until().Format(MinuteLayout)
			if first != tt.first || until != tt.until || c.Back() != tt.back {
				t.Errorf("%s: %s to %s, back %v", c, first, until, c.Back())
			}
			if Offset(c.Before) != tt.beforeOffset || Offset(c.After) != tt.atOffset {
				t.Errorf("%s: from %s to %s", c, Offset(c.Before), Offset(c.After))
			}
		}
		if !found {
			t.Errorf("%s has not: %s", tt.zone, tt.change)
		}
	}
	// In October 1968 summer time became standard time in London, and no clock was set.
	summer := time.Date(1968, 6, 1, 0, 0, 0, 0, time.UTC)
	if got := ClockChanges(mustZone("Europe/London"), summer, summer.AddDate(1, 0, 0)); got != nil {
		t.Errorf("London: %v", got)
	}
	if got := ClockChanges(mustZone("Asia/Kolkata"), from, from.AddDate(5, 0, 0)); got != nil {
		t.Errorf("Kolkata: %v", got)
	}
}

func TestEffectsOfClockChanges(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	changes := ClockChanges(mustZone("Europe/Berlin"), from, from.AddDate(1, 0, 0))
	if len(changes) != 2 {
		t.Fatalf("%v", changes)
	}
	closed := dwmon.NewClosedDays(map[dwmon.Day]string{dwmon.DayOf(2026, 3, 29): "holiday"})
	tests := []struct {
		line          string
		closed        *dwmon.ClosedDays
		forward, back string
	}{
		{
			"CHECKHOURS0-23 CHECKMINUTES*/20 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS60", nil,
			"02:00, 02:20 and 02:40 do not come, and are not checked", "02:00, 02:20 and 02:40 come twice, and are checked both times",
		},
		{
			"CHECKHOURS2 CHECKMINUTES30 WEEKENDS MINNUM1 LOOKBACKSECONDS60", closed,
			"", "02:30 comes twice, and is checked both times",
		},
		{
			"CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSSUN MINNUM1 LOOKBACKSECONDS60", nil,
			"60 minutes from 02:00 to 02:59 do not come, and are not checked", "60 minutes from 02:00 to 02:59 come twice, and are checked both times",
		},
		{"CHECKHOURS0-1,3-23 CHECKMINUTES0-59 WEEKENDS MINNUM1 LOOKBACKSECONDS60", nil, "", ""},
		{"CHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM1 LOOKBACKSECONDS60", nil, "", ""},
	}
	for _, tt := range tests {
		r := mustLine(t, tt.line)
		if got := changes[0].Effect(r, tt.closed); got != tt.forward {
			t.Errorf("%s: %q, want %q", changes[0], got, tt.forward)
		}
		if got := changes[1].Effect(r, tt.closed); got != tt.back {
			t.Errorf("%s: %q, want %q", changes[1], got, tt.back)
		}
	}
}

func TestAlertRulesInWords(t *testing.T) {
	tests := []struct {
		rule dwmon.AlertRule
		want string
	}{
		{
			dwmon.DefaultAlertRule,
			"an incident opens with the first BAD result of a line; it closes with the first GOOD result; " +
				"it is told once, and not again while it lasts; 3 failed passes, or 3 UNKNOWN results, in a row are an incident of their own",
		},
		{
			dwmon.AlertRule{After: 2, Of: 3, Recover: 5, Repeat: time.Hour, Growth: 1, UnknownAfter: 1},
			"an incident opens when 2 of the last 3 results of a line are BAD; it closes after 5 GOOD results in a row; " +
				"while it lasts it is told again every hour; a pass that fails, or an UNKNOWN result, is an incident of its own at once",
		},
		{
			dwmon.AlertRule{After: 2, Of: 2, Recover: 1, Repeat: time.Minute, Growth: 2, UnknownAfter: 2},
			"an incident opens when 2 results of a line in a row are BAD; it closes with the first GOOD result; " +
				"while it lasts it is told again after 1 minute, then each time after twice as long, at most 31 days; " +
				"2 failed passes, or 2 UNKNOWN results, in a row are an incident of their own",
		},
		{
			dwmon.AlertRule{After: 3, Of: 3, Recover: 1, Repeat: 90 * time.Minute, Growth: 1.5, UnknownAfter: 3},
			"an incident opens when 3 results of a line in a row are BAD; it closes with the first GOOD result; " +
				"while it lasts it is told again after 90 minutes, then each time after 1.5 times as long, at most 31 days; " +
				"3 failed passes, or 3 UNKNOWN results, in a row are an incident of their own",
		},
	}
	for _, tt := range tests {
		if got := strings.Join(AlertRule(tt.rule), "; "); got != tt.want {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
	}
}

// TestClockChangesOfFarYears: the zone's rule goes on where its table has ended.
func TestClockChangesOfFarYears(t *testing.T) {
	from := time.Date(2039, 1, 1, 0, 0, 0, 0, time.UTC)
	if n := len(ClockChanges(mustZone("Europe/Berlin"), from, from.AddDate(10, 0, 0))); n != 20 {
		t.Errorf("%d changes in ten years", n)
	}
}
