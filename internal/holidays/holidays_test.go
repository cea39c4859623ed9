package holidays

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// today is when the tests look at calendars.
var today = dwmon.DayOf(2026, time.June, 1)

// calendar makes a file of the lines of events.
func calendar(events ...string) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n")
	for _, e := range events {
		b.WriteString("BEGIN:VEVENT\r\n" + strings.ReplaceAll(strings.TrimSpace(e), "\n", "\r\n") + "\r\nEND:VEVENT\r\n")
	}
	return b.String() + "END:VCALENDAR\r\n"
}

// list is closed days as text, in order.
func list(days map[dwmon.Day]string) string {
	var all []string
	for day, name := range days {
		all = append(all, day.String()+" "+name)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func messages(faults []dwmon.FileFault) string {
	var all []string
	for _, f := range faults {
		all = append(all, f.Error())
	}
	return strings.Join(all, "\n")
}

func TestEventsCloseDays(t *testing.T) {
	tests := []struct {
		name   string
		events []string
		want   string
	}{
		{"an all-day event closes its day", []string{"DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261226\nSUMMARY:Christmas Day"}, "2026-12-25 Christmas Day"},
		{"DTEND is not included", []string{"DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227\nSUMMARY:X"}, "2026-12-24 X\n2026-12-25 X\n2026-12-26 X"},
		{"without an end it is one day", []string{"DTSTART;VALUE=DATE:20261225\nSUMMARY:X"}, "2026-12-25 X"},
		{"an end on the same day, as some write it, is that day", []string{"DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261225\nSUMMARY:X"}, "2026-12-25 X"},
		{"a duration of days", []string{"DTSTART;VALUE=DATE:20261225\nDURATION:P2D\nSUMMARY:X"}, "2026-12-25 X\n2026-12-26 X"},
		{"a duration of weeks", []string{"DTSTART;VALUE=DATE:20260601\nDURATION:P1W\nSUMMARY:X"}, "2026-06-01 X\n2026-06-02 X\n2026-06-03 X\n2026-06-04 X\n2026-06-05 X\n2026-06-06 X\n2026-06-07 X"},
		{"a date without VALUE=DATE is a date all the same", []string{"DTSTART:20261225\nSUMMARY:X"}, "2026-12-25 X"},
		{"VALUE=DATE among other parameters", []string{`DTSTART;X-A="b:c;d";VALUE=DATE;TZID=Europe/Berlin:20261225` + "\nSUMMARY:X"}, "2026-12-25 X"},
		{"transparent events count", []string{"DTSTART;VALUE=DATE:20261225\nTRANSP:TRANSPARENT\nSUMMARY:X"}, "2026-12-25 X"},
		{"cancelled events do not", []string{"DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED\nSUMMARY:X", "DTSTART;VALUE=DATE:20261226\nSUMMARY:Y"}, "2026-12-26 Y"},
		{"names and values in lower case", []string{"dtstart;value=date:20261225\nsummary:X"}, "2026-12-25 X"},
		{"a folded line", []string{"DTSTART;VALUE=DA\n TE:2026\n\t1225\nSUMMARY:Christ\n mas"}, "2026-12-25 Christmas"},
		{"an escaped name", []string{`DTSTART;VALUE=DATE:20261225` + "\n" + `SUMMARY:Noël\, le\njour\; \\`}, `2026-12-25 Noël, le jour; \`},
		{"no name", []string{"DTSTART;VALUE=DATE:20261225"}, "2026-12-25 an event without a name"},
		{"an alarm within the event has properties of its own", []string{"DTSTART;VALUE=DATE:20261225\nSUMMARY:X\nBEGIN:VALARM\nSUMMARY:no\nDURATION:PT5M\nTRIGGER:-PT5M\nEND:VALARM"}, "2026-12-25 X"},
		{"of two events on a day the first names it", []string{"DTSTART;VALUE=DATE:20261225\nSUMMARY:X", "DTSTART;VALUE=DATE:20261225\nSUMMARY:Y"}, "2026-12-25 X"},
		{"each year", []string{"DTSTART;VALUE=DATE:19701003\nRRULE:FREQ=YEARLY\nSUMMARY:Unity"}, "2024-10-03 Unity\n2025-10-03 Unity\n2026-10-03 Unity\n2027-10-03 Unity\n2028-10-03 Unity\n2029-10-03 Unity\n2030-10-03 Unity"},
		{"the fourth Thursday in November, four times", []string{"DTSTART;VALUE=DATE:20241128\nRRULE:FREQ=YEARLY;COUNT=4;BYMONTH=11;BYDAY=4TH\nSUMMARY:Thanks"}, "2024-11-28 Thanks\n2025-11-27 Thanks\n2026-11-26 Thanks\n2027-11-25 Thanks"},
		{"the last Monday in May, until a date", []string{"DTSTART;VALUE=DATE:20000529\nRRULE:FREQ=YEARLY;BYDAY=-1MO;BYMONTH=5;UNTIL=20270531\nSUMMARY:M"}, "2025-05-26 M\n2026-05-25 M\n2027-05-31 M"},
		{"until a time, as some write it", []string{"DTSTART;VALUE=DATE:20250101\nRRULE:FREQ=YEARLY;UNTIL=20260101T000000Z;\nSUMMARY:M"}, "2025-01-01 M\n2026-01-01 M"},
		{"a leap day", []string{"DTSTART;VALUE=DATE:20000229\nRRULE:FREQ=YEARLY\nSUMMARY:L"}, "2028-02-29 L"},
		{"from the year 1604, as Outlook writes them", []string{"DTSTART;VALUE=DATE:16040229\nRRULE:FREQ=YEARLY;INTERVAL=4\nSUMMARY:L"}, "2028-02-29 L"},
		{"a rule with a time of day", []string{"DTSTART;VALUE=DATE:20261225\nRRULE:FREQ=YEARLY;BYHOUR=9;BYMINUTE=0;COUNT=2\nSUMMARY:X"}, "2026-12-25 X\n2027-12-25 X"},
		{"but one date", []string{"DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20260112\nSUMMARY:X"}, "2026-01-05 X\n2026-01-19 X"},
		{"but dates with times, as some write them", []string{"DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=4\nEXDATE:20260112T000000,20260119T000000Z\nSUMMARY:X"}, "2026-01-05 X\n2026-01-26 X"},
		{"and other dates", []string{"DTSTART;VALUE=DATE:20260105\nRDATE;VALUE=DATE:20260107,20260109\nRDATE;VALUE=PERIOD:20260111T000000Z/P1D\nSUMMARY:X"}, "2026-01-05 X\n2026-01-07 X\n2026-01-09 X\n2026-01-11 X"},
		{"but by a rule", []string{"DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=4\nEXRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2\nSUMMARY:X"}, "2026-01-12 X\n2026-01-26 X"},
		{"an occurrence is moved", []string{
			"UID:1\nDTSTART;VALUE=DATE:20250101\nRRULE:FREQ=YEARLY;COUNT=3\nSUMMARY:X",
			"UID:1\nRECURRENCE-ID;VALUE=DATE:20260101\nDTSTART;VALUE=DATE:20260105\nSUMMARY:Y",
		}, "2025-01-01 X\n2026-01-05 Y\n2027-01-01 X"},
		{"an occurrence is called off, before the event itself is told", []string{
			"UID:1\nRECURRENCE-ID;VALUE=DATE:20260101\nDTSTART;VALUE=DATE:20260101\nSTATUS:CANCELLED",
			"UID:1\nDTSTART;VALUE=DATE:20250101\nRRULE:FREQ=YEARLY;COUNT=3\nSUMMARY:X",
			"UID:2\nDTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20260102\nSTATUS:CANCELLED\nSUMMARY:Z",
		}, "2025-01-01 X\n2027-01-01 X"},
		{"an event that began long before what is looked at", []string{"DTSTART;VALUE=DATE:20000101\nDTEND;VALUE=DATE:20240603\nSUMMARY:X"}, "2024-06-01 X\n2024-06-02 X"},
		{"an event of 28 days each year, from before what is looked at into it", []string{"DTSTART;VALUE=DATE:20000506\nDURATION:P4W\nRRULE:FREQ=YEARLY;UNTIL=20240601\nSUMMARY:X"}, "2024-06-01 X\n2024-06-02 X"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			days, faults := Parse("a.ics", []byte(calendar(tt.events...)), today)
			if diff := cmp.Diff(tt.want, list(days)); diff != "" {
				t.Errorf("closed days (-want +got):\n%s", diff)
			}
			if dwmon.AnyError(faults) {
				t.Errorf("faults:\n%s", messages(faults))
			}
		})
	}
}

func TestFaults(t *testing.T) {
	good := "DTSTART;VALUE=DATE:20261225\nSUMMARY:X"
	tests := []struct {
		name string
		text string
		days int // -1: the text is of no use
		want string
	}{
		{"nothing", "", -1, "a.ics: this is no iCalendar file"},
		{"a web page", "<!DOCTYPE html>\n<p>Sign in</p>\n", -1, "a.ics: this is no iCalendar file"},
		{"no calendar around the event", "BEGIN:VEVENT\nEND:VEVENT\n", -1, "a.ics:1:1: this is no iCalendar file"},
		{"cut off within an event", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261225\n", -1, "a.ics:2:1: the VEVENT that begins here has no end"},
		{"cut off behind an event", strings.TrimSuffix(calendar(good), "END:VCALENDAR\r\n"), -1, "a.ics:1:1: the VCALENDAR that begins here has no end"},
		{"ends that do not match", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", -1, "a.ics:3:1: END:VCALENDAR ends the VEVENT of line 2"},
		{"components without end", strings.Repeat("BEGIN:VCALENDAR\n", 100_000), -1, "a.ics:21:1: components lie more than 20 deep in each other"},
		{"too large", strings.Repeat(" ", MaxBytes+1), -1, "a.ics: it is larger than 8388608 bytes"},
		{"no event", calendar(), 0, "a.ics: warning: the calendar closes no day: it has no all-day event that takes place"},
		{"events with a time", calendar(good, "DTSTART:20261225T100000Z", "DTSTART;TZID=X:20261225T100000"), 1, "a.ics:8:1: warning: events with a time of day close nothing; this is the first of 2"},
		{"one event with a time", calendar(good, "DTSTART:20261225T100000Z"), 1, "a.ics:8:1: warning: an event with a time of day closes nothing"},
		{"past events", calendar("DTSTART;VALUE=DATE:20251224\nDTEND;VALUE=DATE:20251227"), 3, "a.ics: warning: the calendar ends 2025-12-26"},
		{"events that repeated until long ago", calendar("DTSTART;VALUE=DATE:20001225\nRRULE:FREQ=YEARLY;UNTIL=20101231"), 0, "a.ics: warning: the calendar ends 2010-12-25"},
		{"a bad date costs its event", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261325"), 1, `a.ics:9:1: DTSTART is "20261325", which is no date`},
		{"a bad end", calendar(good, "DTSTART;VALUE=DATE:20261226\nDTEND;VALUE=DATE:2026"), 1, `a.ics:9:1: DTEND is "2026", which is no date`},
		{"an end before the start", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nDTEND;VALUE=DATE:20261224"), 1, "a.ics:10:1: the event Y ends 2026-12-24, before it begins (2026-12-26)"},
		{"a duration of hours", calendar(good, "DTSTART;VALUE=DATE:20261226\nDURATION:PT5H"), 1, `a.ics:9:1: DURATION is "PT5H", not whole days or weeks`},
		{"a bad excluded date", calendar(good, "DTSTART;VALUE=DATE:20261226\nEXDATE:tomorrow"), 1, `a.ics:9:1: EXDATE is "tomorrow", which is no date`},
		{"no start", calendar(good, "SUMMARY:Y"), 1, "a.ics:7:1: the event Y has no DTSTART"},
		{"no colon", calendar(good, "DTSTART;VALUE=DATE:20261226\nRRULE;FREQ=YEARLY"), 2, "a.ics:9:1: RRULE has no value"},
		{"a year of another calendar", calendar(good, "DTSTART;VALUE=DATE:10661014"), 1, `a.ics:8:1: DTSTART is "10661014"; years from 1583 to 9000 can be looked at`},
		{"the line of a folded property is its first", calendar(good, "SUMMARY:a\n b\nRRULE:FREQ=\n NEVER\nDTSTART;VALUE=DATE:20261226"), 1, "a.ics:10:1: the event ab is left out: its rule cannot be read: undefined frequency: NEVER"},
		{"hours", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=1"), 1, "a.ics:10:1: the event Y is left out: its rule is HOURLY, which days cannot follow: YEARLY, MONTHLY, WEEKLY or DAILY can"},
		{"a 53rd Monday of December", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nRRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=53MO"), 1, "a.ics:10:1: the event Y is left out: its rule names days that there cannot be"},
		{"an interval beyond reason", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nRRULE:FREQ=YEARLY;INTERVAL=9223372036854775807"), 1, "a.ics:10:1: the event Y is left out: INTERVAL is 9223372036854775807; 1 to 1000 can be followed"},
		{"another calendar's rule", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nRRULE:RSCALE=CHINESE;FREQ=YEARLY"), 1, "a.ics:10:1: the event Y is left out: its rule cannot be read: unknown RRULE property: RSCALE"},
		{"an extension of the library", calendar(good, "SUMMARY:Y\nDTSTART;VALUE=DATE:20261226\nRRULE:FREQ=YEARLY;BYEASTER=9999"), 1, "a.ics:10:1: the event Y is left out: BYEASTER is no part of a rule: list the dates in RDATE"},
		{"this and future", calendar("UID:1\nSUMMARY:X\nDTSTART;VALUE=DATE:20260101\nRRULE:FREQ=YEARLY;COUNT=3", "UID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20270101\nDTSTART;VALUE=DATE:20270104"), 3, "a.ics:11:1: RANGE=THISANDFUTURE is not followed: only this occurrence is replaced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			days, faults := Parse("a.ics", []byte(tt.text), today)
			if got := messages(faults); got != tt.want {
				t.Errorf("faults:\n%s\nwant:\n%s", got, tt.want)
			}
			if (days == nil) != (tt.days < 0) || len(days) != max(0, tt.days) {
				t.Errorf("closed days:\n%s\nwant %d", list(days), tt.days)
			}
		})
	}
}

func TestManyFaultsAreNotAllTold(t *testing.T) {
	_, faults := Parse("a.ics", []byte(calendar(slices.Repeat([]string{"SUMMARY:Y"}, 5000)...)), today)
	if len(faults) != maxFaults {
		t.Errorf("%d faults are told, want %d", len(faults), maxFaults)
	}
}

// TestEffortIsBounded: rules that never come true are looked for until the year
// 9999, and a file may hold a hundred thousand of them.
func TestEffortIsBounded(t *testing.T) {
	rule := "DTSTART;VALUE=DATE:16000101\nSUMMARY:never\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"
	days, faults := Parse("a.ics", []byte(calendar(append(slices.Repeat([]string{rule}, 50_000), "DTSTART;VALUE=DATE:20261225\nSUMMARY:X")...)), today)
	if !strings.Contains(messages(faults), "the event never is left out: the events of the file repeat too often") {
		t.Errorf("faults:\n%s", messages(faults))
	}
	if list(days) != "2026-12-25 X" {
		t.Errorf("closed days:\n%s", list(days))
	}
}

func TestPublishedCalendars(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.ics")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range paths {
		days, faults := Read(path, today)
		want, err := os.ReadFile(strings.TrimSuffix(path, ".ics") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(list(days)+"\n"+messages(faults))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.ics"): "the holiday calendar cannot be read: no such file or directory",
		dir:                            "the holiday calendar cannot be read: it is no regular file",
	} {
		days, faults := Read(path, today)
		if days != nil || len(faults) != 1 || faults[0].Message != want || faults[0].File != path {
			t.Errorf("%s: %d days, faults %v; want %s", path, len(days), faults, want)
		}
	}
}

// TestRulesEqualAWalkOverEveryDay holds recurrences against a walk that knows
// each frequency by its meaning.
func TestRulesEqualAWalkOverEveryDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := dwmon.DayOf(rapid.IntRange(1900, 2032).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"))
		length := rapid.SampledFrom([]int{1, 1, 2, 40}).Draw(t, "length")
		interval := rapid.IntRange(1, 3).Draw(t, "interval")
		count := rapid.SampledFrom([]int{0, 0, 1, 5, 60}).Draw(t, "count")
		freq := rapid.SampledFrom([]string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY"}).Draw(t, "freq")
		var excluded []dwmon.Day
		until := start + dwmon.Day(rapid.IntRange(0, 40_000).Draw(t, "until"))
		first := start.Midnight()
		occurs := func(day dwmon.Day) bool {
			at := day.Midnight()
			months := (at.Year()-first.Year())*12 + int(at.Month()-first.Month())
			switch freq {
			case "YEARLY":
				return at.Day() == first.Day() && at.Month() == first.Month() && months/12%interval == 0
			case "MONTHLY":
				return at.Day() == first.Day() && months%interval == 0
			case "WEEKLY":
				return int(day-start)%(7*interval) == 0
			default:
				return int(day-start)%interval == 0
			}
		}
		want := map[dwmon.Day]string{}
		s := around(today)
		n := 0
		for day := start; day <= min(s.until, until); day++ {
			if !occurs(day) {
				continue
			}
			if n++; count > 0 && n > count {
				break
			}
			if rapid.IntRange(0, 300).Draw(t, "exclude") == 0 {
				excluded = append(excluded, day)
				continue
			}
			for d := day; d < day+dwmon.Day(length); d++ {
				if d >= s.from && d <= s.until {
					want[d] = "X"
				}
			}
		}
		basic := func(d dwmon.Day) string { return strings.ReplaceAll(d.String(), "-", "") }
		event := fmt.Sprintf("SUMMARY:X\nDTSTART;VALUE=DATE:%s\nDURATION:P%dD\nRRULE:FREQ=%s;INTERVAL=%d;UNTIL=%s", basic(start), length, freq, interval, basic(until))
		if count > 0 {
			event += fmt.Sprintf(";COUNT=%d", count)
		}
		for _, day := range excluded {
			event += "\nEXDATE;VALUE=DATE:" + basic(day)
		}
		days, faults := Parse("a.ics", []byte(calendar(event)), today)
		if dwmon.AnyError(faults) {
			t.Fatal(messages(faults))
		}
		if diff := cmp.Diff(list(want), list(days)); diff != "" {
			t.Fatalf("%s\n(-walk +got):\n%s", event, diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.ics")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(calendar("DTSTART;VALUE=DATE:20261226\nRRULE:FREQ=YEARLY;BYMONTH=12;BYDAY=53MO")))
	f.Fuzz(func(t *testing.T, text []byte) {
		days, faults := Parse("a.ics", text, today)
		s := around(today)
		for day, name := range days {
			if day < s.from || day > s.until || name == "" {
				t.Errorf("%s is closed by %q", day, name)
			}
		}
		for _, fault := range faults {
			if fault.Message == "" || fault.Line < 0 || fault.Line > len(text) || fault.Severity == "" {
				t.Errorf("fault %+v", fault)
			}
		}
		if days == nil && !dwmon.AnyError(faults) {
			t.Error("a text is of no use, and nobody says why")
		}
	})
}
