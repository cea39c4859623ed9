package dwmon

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func window(t *testing.T, text, in string) *Recurrence {
	t.Helper()
	r, err := ParseRecurrence(text, zone(t, in))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each case lists every opening and closing between two times.
func TestWindowsAtChangesOfTheClocks(t *testing.T) {
	tests := []struct {
		what, every, zone string
		from, until       string
		changes           []string
	}{
		{
			"an ordinary Sunday", "SUN 02:00-04:00", "Europe/Berlin", "2026-06-06T00:00:00Z", "2026-06-08T00:00:00Z",
			[]string{"2026-06-07T02:00:00+02:00", "2026-06-07T04:00:00+02:00"},
		},
		{
			"forward: the clocks go from 02:00 to 03:00, the window has one hour", "SUN 02:00-04:00", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"},
		},
		{
			"forward: a window within the skipped hour does not come", "SUN 02:15-02:45", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z",
			nil,
		},
		{
			"forward: a window that ends within the skipped hour ends where the clocks jump", "SUN 01:30-02:30", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"},
		},
		{
			"back: the hour from 02:00 comes twice, the window has three", "SUN 02:00-04:00", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T04:00:00+01:00"},
		},
		{
			"back: a window within the doubled hour comes twice", "SUN 02:15-02:45", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z",
			[]string{"2026-10-25T02:15:00+02:00", "2026-10-25T02:45:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T02:45:00+01:00"},
		},
		{
			"back: a window that ends within the doubled hour closes, and opens again when the clocks go back", "SUN 01:30-02:30", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z",
			[]string{"2026-10-25T01:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00"},
		},
		{
			"past midnight into a day that is not named", "SAT 23:00-01:30", "Europe/Berlin", "2026-06-05T00:00:00Z", "2026-06-12T00:00:00Z",
			[]string{"2026-06-06T23:00:00+02:00", "2026-06-07T01:30:00+02:00"},
		},
		{
			"a whole day", "SUN 00:00-24:00", "America/New_York", "2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z",
			[]string{"2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
		},
		{
			"a change of half an hour", "SUN 01:00-02:00", "Australia/Lord_Howe", "2026-04-03T00:00:00Z", "2026-04-06T00:00:00Z",
			[]string{"2026-04-05T01:00:00+11:00", "2026-04-05T02:00:00+10:30"},
		},
		{
			"a day that a zone left out", "FRI 10:00-11:00", "Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z",
			nil,
		},
	}
	for _, tt := range tests {
		s := Silence{Starts: 0, Recurrence: window(t, tt.every, tt.zone)}
		at, until := epoch(t, tt.from)*1e6, epoch(t, tt.until)*1e6
		var got []int64
		for at = s.Next(at); at < until && at != 0; at = s.Next(at) {
			got = append(got, at)
		}
		if len(got) != len(tt.changes) {
			t.Errorf("%s: %d changes, want %d: %v", tt.what, len(got), len(tt.changes), got)
			continue
		}
		for i, text := range tt.changes {
			if want := epoch(t, text) * 1e6; got[i] != want {
				t.Errorf("%s: change %d at %s, want %s", tt.what, i, time.UnixMicro(got[i]).In(s.Recurrence.Zone).Format(time.RFC3339), text)
			}
			if open := i%2 == 0; s.Covers(got[i]) != open || s.Covers(got[i]-1) == open {
				t.Errorf("%s: at %s covers %v", tt.what, text, s.Covers(got[i]))
			}
		}
	}
}

// naiveCovers asks the clock on the wall.
func naiveCovers(s *Silence, minute int64) bool {
	if minute*1e6 < s.Starts || s.Ends != 0 && minute*1e6 >= s.Ends || s.Ended != nil && minute*1e6 >= *s.Ended {
		return false
	}
	if s.Recurrence == nil {
		return true
	}
	r := s.Recurrence
	at := time.Unix(minute, 0).In(r.Zone)
	clock := at.Format("15:04")
	for day := range 7 {
		if r.Days&(1<<day) == 0 {
			continue
		}
		for m := r.From; m < r.To; m++ {
			wall := time.Date(2000, 1, 2+day, 0, m, 0, 0, time.UTC) // 2 January 2000 was a Sunday
			if wall.Weekday() == at.Weekday() && wall.Format("15:04") == clock {
				return true
			}
		}
	}
	return false
}

func TestCoversAndNextAgainstAWalkOverEveryMinute(t *testing.T) {
	starts := []string{"2026-03-27T12:00:00Z", "2026-10-23T12:00:00Z", "2026-11-06T00:00:00Z", "2026-04-03T06:00:00Z"}
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"}
	rapid.Check(t, func(rt *rapid.T) {
		// Silences begin, end and are ended at whole minutes here, as the walk goes by them.
		from := epoch(t, rapid.SampledFrom(starts).Draw(rt, "from"))
		const minutes = 3 * dayMinutes
		moment := func(name string) int64 { return (from + 60*rapid.Int64Range(-100, minutes+100).Draw(rt, name)) * 1e6 }
		s := Silence{Starts: moment("starts")}
		if rapid.Bool().Draw(rt, "has an end") {
			s.Ends = moment("ends")
		}
		if rapid.IntRange(0, 3).Draw(rt, "ended") == 0 {
			at := moment("ended at")
			s.Ended = &at
		}
		if rapid.IntRange(0, 3).Draw(rt, "recurs") > 0 {
			r := &Recurrence{
				Days: DaySet(rapid.IntRange(1, 127).Draw(rt, "days")), From: rapid.IntRange(0, dayMinutes-1).Draw(rt, "begin"),
				Zone: zone(t, rapid.SampledFrom(zones).Draw(rt, "zone")),
			}
			if rapid.Bool().Draw(rt, "near the change") {
				r.From = rapid.IntRange(60, 200).Draw(rt, "begin near")
			}
			r.To = r.From + rapid.OneOf(rapid.IntRange(1, 90), rapid.IntRange(1, dayMinutes)).Draw(rt, "length")
			s.Recurrence = r
		}
		var changes []int64
		before := naiveCovers(&s, from)
		for m := from; m <= from+60*minutes; m += 60 {
			now := naiveCovers(&s, m)
			if now != s.Covers(m*1e6) || now != s.Covers(m*1e6+59_999_999) {
				rt.Fatalf("at %s it covers: %v, want %v", time.Unix(m, 0).UTC().Format(time.RFC3339), s.Covers(m*1e6), now)
			}
			if now != before {
				changes = append(changes, m*1e6)
				before = now
			}
		}
		at := from * 1e6
		for _, want := range changes {
			if got := s.Next(at); got != want {
				rt.Fatalf("after %d it changes at %d, want %d", at, got, want)
			}
			if got := s.Next(want - 1); got != want {
				rt.Fatalf("just before %d it changes at %d", want, got)
			}
			at = want
		}
		if got := s.Next(at); got != 0 && got <= (from+60*minutes)*1e6 {
			rt.Fatalf("after %d it changes at %d, and should not", at, got)
		}
	})
}

func TestOneOffSilences(t *testing.T) {
	s := Silence{Starts: 1_500_001, Ends: 9_000_000}
	for at, want := range map[int64]bool{1_500_000: false, 1_500_001: true, 8_999_999: true, 9_000_000: false} {
		if s.Covers(at) != want {
			t.Errorf("at %d it covers: %v", at, !want)
		}
	}
	if a, b, c := s.Next(0), s.Next(1_500_001), s.Next(9_000_000); a != 1_500_001 || b != 9_000_000 || c != 0 {
		t.Errorf("it changes at %d, %d, %d", a, b, c)
	}
	ended := int64(4)
	s.Ended = &ended
	if s.Next(0) != 0 || s.State(0) != SilenceEnded {
		t.Errorf("ended before it began, it changes at %d and is %s", s.Next(0), s.State(0))
	}
	endless := Silence{Starts: 5}
	if !endless.Covers(1<<60) || endless.Next(5) != 0 || endless.State(6) != SilenceActive || endless.State(4) != SilenceWaiting {
		t.Error("a silence without an end does not last")
	}
}

func TestStateOfAWindowThatWillNotComeAgain(t *testing.T) {
	s := Silence{Ends: epoch(t, "2026-06-10T00:00:00Z") * 1e6, Recurrence: window(t, "SUN 02:00-04:00", "UTC")}
	if got := s.State(epoch(t, "2026-06-07T03:00:00Z") * 1e6); got != SilenceActive {
		t.Errorf("in its window it is %s", got)
	}
	if got := s.State(epoch(t, "2026-06-06T03:00:00Z") * 1e6); got != SilenceWaiting {
		t.Errorf("before its window it is %s", got)
	}
	if got := s.State(epoch(t, "2026-06-08T03:00:00Z") * 1e6); got != SilenceEnded {
		t.Errorf("after its last window it is %s", got)
	}
}

func TestParseRecurrence(t *testing.T) {
	for text, want := range map[string]string{
		"SUN 02:00-04:00":                 "SUN 02:00-04:00",
		"sun 2:00–4:00":                   "SUN 02:00-04:00",
		"MON,WED-FRI 22:00-06:00":         "MON,WED-FRI 22:00-06:00",
		"WEEKENDS 00:00-24:00":            "SAT-SUN 00:00-24:00",
		"weekdays 22:00-0:00":             "MON-FRI 22:00-24:00",
		"02:00-02:30":                     "MON-SUN 02:00-02:30",
		"MON, TUE 08:00-09:00":            "MON-TUE 08:00-09:00",
		"MON TUE 08:00-09:00":             "MON-TUE 08:00-09:00",
		"MON-SUN,MON 23:59-23:58":         "MON-SUN 23:59-23:58",
		"  SAT\t12:00-13:00  ":            "SAT 12:00-13:00",
		"MON,TUE,WED,THU 00:01-00:02":     "MON-THU 00:01-00:02",
		"WEEKDAYS,SAT 10:00-11:00":        "MON-SAT 10:00-11:00",
		"WEEKDAYS,WEEKENDS,SUN 1:00-2:00": "MON-SUN 01:00-02:00",
	} {
		r, err := ParseRecurrence(text, time.UTC)
		if err != nil || r.Every() != want {
			t.Errorf("%q is read as %v, %v; want %s", text, r, err, want)
		}
	}
	form := "; write days and times such as 'SUN 02:00-04:00', 'MON-FRI 22:00-06:00' or, for every day, '02:00-02:30'"
	for text, want := range map[string]string{
		"":                          "no days and no times: " + form[2:],
		"SUN":                       `"SUN": "SUN" are no times` + form,
		"SUN 2-4":                   `"SUN 2-4": "2-4" are no times` + form,
		"SUNDAY 02:00-04:00":        `"SUNDAY 02:00-04:00": "SUNDAY" is no day; did you mean SUN?`,
		"SUNN 02:00-04:00":          `"SUNN 02:00-04:00": "SUNN" is no day; did you mean SUN?`,
		"DAILY 02:00-04:00":         `"DAILY 02:00-04:00": "DAILY" is no day: MON, TUE, WED, THU, FRI, SAT, SUN` + form,
		"WEEKDAY 02:00-04:00":       `"WEEKDAY 02:00-04:00": "WEEKDAY" is no day; did you mean WEEKDAYS?`,
		"SAT-MON 02:00-04:00":       `"SAT-MON 02:00-04:00": the days SAT-MON run backwards: a week begins with MON; write SAT-SUN,MON-MON`,
		"SUN 02:00-02:00":           `"SUN 02:00-02:00": it begins and ends at 02:00; a whole day is 00:00-24:00`,
		"SUN 24:00-02:00":           `"SUN 24:00-02:00": a window cannot begin at 24:00; write 00:00 of the next day`,
		"SUN 02:60-04:00":           `"SUN 02:60-04:00": "02:60" is no time of day, 00:00 to 24:00`,
		"SUN 02:00-24:01":           `"SUN 02:00-24:01": "24:01" is no time of day, 00:00 to 24:00`,
		"SUN 02:00-+4:00":           `"SUN 02:00-+4:00": "+4:00" is no time of day, 00:00 to 24:00`,
		"SUN 02:00-04:00 UTC":       `"SUN 02:00-04:00 UTC": UTC stands behind the times: a silence has one window, and its time zone is said apart (--zone)`,
		"02:00-03:00 05:00-06:00":   `"02:00-03:00 05:00-06:00": 05:00-06:00 stands behind the times: a silence has one window, and its time zone is said apart (--zone)`,
		"SUN 02:00":                 `"SUN 02:00": "02:00" are no times` + form,
		"SUN 02:00-04:00-05:00":     `"SUN 02:00-04:00-05:00": "04:00-05:00" is no time of day, 00:00 to 24:00`,
		"MON-FRI-SUN 02:00-04:00":   `"MON-FRI-SUN 02:00-04:00": "FRI-SUN" is no day; did you mean FRI?`,
		"SUN 00:00-002:00":          `"SUN 00:00-002:00": "002:00" is no time of day, 00:00 to 24:00`,
		"SUN 99999999999:00-002:00": `"SUN 99999999999:00-002:00": "99999999999:00" is no time of day, 00:00 to 24:00`,
	} {
		_, err := ParseRecurrence(text, time.UTC)
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestParseRecurrenceReadsWhatEveryWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Recurrence{Days: DaySet(rapid.IntRange(1, 127).Draw(t, "days")), From: rapid.IntRange(0, dayMinutes-1).Draw(t, "from"), Zone: time.UTC}
		r.To = r.From + rapid.IntRange(1, dayMinutes-1).Draw(t, "length")
		if rapid.IntRange(0, 9).Draw(t, "whole day") == 0 {
			r.From, r.To = 0, dayMinutes
		}
		got, err := ParseRecurrence(r.Every(), time.UTC)
		if err != nil || *got != r {
			t.Fatalf("%s is read as %v, %v", r.Every(), got, err)
		}
	})
}

func TestCheckSilence(t *testing.T) {
	now := epoch(t, "2026-06-01T12:00:00Z") * 1e6
	good := Silence{Starts: now, Ends: now + 1, Created: now, Comment: "why"}
	tests := []struct {
		change func(*Silence)
		want   string
	}{
		{func(*Silence) {}, ""},
		{func(s *Silence) { s.Comment = "" }, "say why, for those who wonder about the quiet: --comment TEXT"},
		{func(s *Silence) { s.Ends = 0 }, "say how long: --for 2h, --until TIME, or --every 'SUN 02:00-04:00'"},
		{func(s *Silence) { s.Ends = s.Starts }, "it ends at 2026-06-01T12:00:00Z, no later than it begins"},
		{func(s *Silence) { s.Starts, s.Ends = now-5e6, now-2e6 }, "it ends at 2026-06-01T11:59:58Z, and that is over"},
		{func(s *Silence) { s.Ends, s.Recurrence = 0, window(t, "SUN 02:00-04:00", "UTC") }, ""},
		{func(s *Silence) { s.Recurrence = window(t, "SUN 02:00-04:00", "UTC") }, "SUN 02:00-04:00 UTC never comes before its end"},
	}
	for _, tt := range tests {
		s := good
		tt.change(&s)
		if err := s.Check(); (err == nil) != (tt.want == "") || err != nil && err.Error() != tt.want {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestSilenceAsJSON(t *testing.T) {
	now := epoch(t, "2026-06-01T12:00:00Z") * 1e6
	s := Silence{ID: 7, Matchers: Matchers{{Key: "name", Value: "a/*"}}, Starts: now, Recurrence: window(t, "SUN 02:00-04:00", "Europe/Berlin"), Comment: "c", By: "b", Created: now}
	text, err := json.Marshal(SilenceView{Silence: s, Now: now})
	want := `{"id":7,"state":"waiting","matchers":["name=a/*"],"starts_epoch":1780315200,"ends_epoch":null,"every":"SUN 02:00-04:00","time_zone":"Europe/Berlin",` +
		`"next_change_epoch":1780790400,"comment":"c","by":"b","created_epoch":1780315200,"ended_epoch":null,"covers":[]}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}
