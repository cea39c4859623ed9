package dwmon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDays(t *testing.T) {
	tests := []struct {
		date string
		want Day
	}{
		{"1970-01-01", 0}, {"1969-12-31", -1}, {"1970-02-01", 31}, {"2000-02-29", 11016}, {"2026-12-25", 20812},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.DateOnly, tt.date)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayOf(at.Date()); got != tt.want || got.String() != tt.date || DayAt(at.Unix()+86399, time.UTC) != tt.want {
			t.Errorf("%s is day %d, shown as %s; want %d", tt.date, got, got, tt.want)
		}
	}
}

func TestNothingIsDueOnAClosedDay(t *testing.T) {
	load := func(name string) *time.Location {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return zone
	}
	tests := []struct {
		name   string
		zone   string
		closed string
		from   string // settled
		to     string
		due    int64
		first  string // due minute
	}{
		{"a day closes from midnight to midnight of the checker's zone", "Europe/Berlin", "2026-12-25", "2026-12-24T22:00:00Z", "2026-12-25T23:30:00Z", 59 + 31, "2026-12-24T22:01:00Z"},
		{"the same date is another span far from there", "Asia/Kolkata", "2026-12-25", "2026-12-24T18:30:00Z", "2026-12-25T18:29:00Z", 0, ""},
		{"the next minute is owed again", "Asia/Kolkata", "2026-12-25", "2026-12-24T18:30:00Z", "2026-12-25T18:30:00Z", 1, "2026-12-25T18:30:00Z"},
		{"a day of 25 hours is closed for all of them", "Europe/Berlin", "2026-10-25", "2026-10-24T21:59:00Z", "2026-10-25T23:00:00Z", 1, "2026-10-25T23:00:00Z"},
		{"a day of 23 hours is closed for all of them", "Europe/Berlin", "2026-03-29", "2026-03-28T22:59:00Z", "2026-03-29T22:00:00Z", 1, "2026-03-29T22:00:00Z"},
		{"a date that a zone leaves out closes nothing", "Pacific/Apia", "2011-12-30", "2011-12-30T09:00:00Z", "2011-12-30T11:00:00Z", 120, "2011-12-30T09:01:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.DateOnly, tt.closed)
			if err != nil {
				t.Fatal(err)
			}
			w := Walk{
				Settled: ptr(epoch(t, tt.from)), Zone: load(tt.zone), CatchUp: 2000,
				Lines:  []Line{{Requirement: every(60), OwesAfter: OwesAll}},
				Closed: NewClosedDays(map[Day]string{DayOf(at.Date()): "a holiday"}),
			}
			m := epoch(t, tt.to)
			got := walkAll(t, w, m, PieceLimit)
			if int64(len(got.Due)) != tt.due || w.Pending(m) != tt.due {
				t.Errorf("%d minutes are due and %d pending, want %d", len(got.Due), w.Pending(m), tt.due)
			}
			if tt.first != "" && len(got.Due) > 0 && got.Due[0].Minute != epoch(t, tt.first) {
				t.Errorf("the first is %s, want %s", time.Unix(got.Due[0].Minute, 0).UTC(), tt.first)
			}
			if len(got.Gaps) != 0 || got.Settled != m {
				t.Errorf("gaps %v, settled through %d; want none, and %d", got.Gaps, got.Settled, m)
			}
		})
	}
}

func TestNextDuePassesOverClosedDays(t *testing.T) {
	noon := Requirement{Hours: 1 << 12, Minutes: 1, Days: Weekdays, Min: At(1), Lookback: 60}
	closed := NewClosedDays(map[Day]string{DayOf(2026, time.December, 25): "Christmas Day", DayOf(2026, time.December, 28): "bridge day"})
	var got []string
	for _, m := range noon.NextDue(time.UTC, closed, epoch(t, "2026-12-24T00:00:00Z"), 2) {
		got = append(got, time.Unix(m, 0).UTC().Format(time.RFC3339))
	}
	if diff := cmp.Diff([]string{"2026-12-24T12:00:00Z", "2026-12-29T12:00:00Z"}, got); diff != "" {
		t.Errorf("next due minutes (-want +got):\n%s", diff)
	}
}

func TestClosedDaysAreNoGapOfACheckerThatReturns(t *testing.T) {
	m := epoch(t, "2026-12-25T00:10:00Z")
	c := &Checker{Name: "a", Revision: "1", Lines: []Requirement{every(60)}}
	p := &Progress{
		ID: 1, Settled: ptr(m - 20*60), Revision: "1", Zone: "UTC", RevisionID: 1, Off: &Off{Since: m, Reason: OffAway},
		Lines: []LineProgress{{Line: Line{Requirement: every(60), OwesAfter: OwesAll}}},
	}
	for _, tt := range []struct {
		name   string
		closed *ClosedDays
		want   int64
	}{
		{"all was owed", nil, 19},
		{"midnight closed", NewClosedDays(map[Day]string{DayOf(2026, time.December, 25): "Christmas Day"}), 9},
	} {
		s, _ := Sight(p, c, time.UTC, tt.closed, m+86400)
		if len(s.Gaps) != 1 || s.Gaps[0].Minutes != tt.want {
			t.Errorf("%s: gaps %+v, want one of %d minutes", tt.name, s.Gaps, tt.want)
		}
	}
}

func TestClosedDaysAreEqualByWhatTheyHold(t *testing.T) {
	one := NewClosedDays(map[Day]string{1: "a"})
	for _, tt := range []struct {
		name string
		a, b *ClosedDays
		want bool
	}{
		{"nothing is nothing", nil, NewClosedDays(map[Day]string{}), true},
		{"nothing is not a day", nil, one, false},
		{"a day is not nothing", one, nil, false},
		{"the same day", one, NewClosedDays(map[Day]string{1: "a"}), true},
		{"the same day by another name", one, NewClosedDays(map[Day]string{1: "b"}), false},
	} {
		if got := tt.a.Equal(tt.b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStatusSaysThatADayIsClosed(t *testing.T) {
	m := epoch(t, "2026-12-25T12:00:00Z")
	r := &CheckerRecord{Name: "a", Progress: &Progress{
		ID: 1, Name: "a", Settled: ptr(m - 60), RevisionID: 1,
		Lines: []LineProgress{{Line: Line{Requirement: every(60), OwesAfter: OwesAll}}},
	}}
	s := r.Status(StateAt{Now: m, Minute: m, Zone: time.UTC, CatchUp: 1440, Running: true, Closed: NewClosedDays(map[Day]string{DayOf(2026, time.December, 25): "Christmas Day"})})
	if s.Pending != 0 || s.Cause != "closed on 2026-12-25: Christmas Day" {
		t.Errorf("%d pending, cause %q", s.Pending, s.Cause)
	}
}
