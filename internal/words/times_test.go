package words

import (
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
		0: "now", -30 * time.Second: "now", 30 * time.Second: "in less than a minute", 12 * time.Minute: "in 12 min",
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
	if got := ClockChanges(mustZone("Asia/Kolkata"), from, from.AddDate(5, 0, 0)); got != nil {
		t.Errorf("Kolkata: %v", got)
	}
}
