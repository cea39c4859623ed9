package dwmon

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// every is a line that is due at each minute.
func every(lookback int64) Requirement {
	return Requirement{Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: Weekdays | Weekends, Min: At(1), Lookback: lookback}
}

func epoch(t testing.TB, text string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}

func ptr(n int64) *int64 { return &n }

// walked is everything that a plan gives out.
type walked struct {
	Due     []Due
	Gaps    map[int][3]int64 // by line: first, last, minutes
	Settled int64
}

// walkAll takes a plan's pieces and checks what holds of each.
func walkAll(t interface{ Fatalf(string, ...any) }, w Walk, m int64, limit int) walked {
	got := walked{Gaps: map[int][3]int64{}, Settled: -1}
	if w.Settled != nil {
		got.Settled = *w.Settled
	}
	plan := w.Plan(m, GapNotRunning)
	last := int64(-1 << 62)
	for piece, ok := plan.Next(limit); ok; piece, ok = plan.Next(limit) {
		if piece.Settled <= last || piece.Settled > m {
			t.Fatalf("a piece settles %d after %d on the way to %d", piece.Settled, last, m)
		}
		minutes := map[int64]bool{}
		for _, d := range piece.Due {
			minutes[d.Minute] = true
			if d.Minute > piece.Settled || d.Minute <= last {
				t.Fatalf("minute %d lies outside its piece %d..%d", d.Minute, last, piece.Settled)
			}
		}
		if len(piece.Due) > limit && len(minutes) > 1 {
			t.Fatalf("a piece of %d pairs over %d minutes; the limit is %d", len(piece.Due), len(minutes), limit)
		}
		for _, g := range piece.Gaps {
			if g.To > piece.Settled {
				t.Fatalf("a gap to %d lies beyond its piece, which settles %d", g.To, piece.Settled)
			}
			if w.Judged != nil && slices.ContainsFunc(w.Judged[g.Line], func(m int64) bool { return g.From <= m && m <= g.To }) {
				t.Fatalf("line %d has a verdict within the gap from %d to %d", g.Line, g.From, g.To)
			}
			sum, exists := got.Gaps[g.Line]
			if !exists {
				sum[0] = g.From
			}
			got.Gaps[g.Line] = [3]int64{sum[0], g.To, sum[2] + g.Minutes}
		}
		got.Due = append(got.Due, piece.Due...)
		last, got.Settled = piece.Settled, piece.Settled
	}
	return got
}

// naiveWalk looks at every minute and asks time.Time what it is.
func naiveWalk(w Walk, m int64) walked {
	want := walked{Gaps: map[int][3]int64{}, Settled: m}
	if w.Settled != nil && *w.Settled >= m {
		want.Settled = *w.Settled
		return want
	}
	rewind := func(l Line) int64 {
		r := (l.Lookback + 59) / 60 * 10
		if r > 14400 {
			r = 14400
		}
		return r
	}
	long := func(l Line) int64 { return min(max(rewind(l), w.CatchUp), 14400) }
	start := m
	for _, l := range w.Lines {
		if w.Settled == nil {
			start = min(start, w.Origin-60*(rewind(l)-1))
		}
	}
	if w.Settled != nil {
		start = *w.Settled + 60
	}
	for minute := start; minute <= m; minute += 60 {
		for i, l := range w.Lines {
			if !l.Matches(time.Unix(minute, 0).In(w.Zone)) || minute <= l.OwesAfter {
				continue
			}
			if w.Closed != nil && w.Closed.names[dayOf(time.Unix(minute, 0).In(w.Zone))] != "" {
				continue
			}
			if w.Settled == nil && minute < w.Origin-60*(rewind(l)-1) {
				continue
			}
			if w.Blind || minute < m-60*(long(l)-1) {
				if w.Judged != nil && slices.Contains(w.Judged[i], minute) {
					continue
				}
				sum, exists := want.Gaps[i]
				if !exists {
					sum[0] = minute
				}
				want.Gaps[i] = [3]int64{sum[0], minute, sum[2] + 1}
				continue
			}
			want.Due = append(want.Due, Due{minute, i})
		}
	}
	return want
}

// dayOf reads a wall calendar.
func dayOf(local time.Time) Day {
	midnight, err := time.Parse(time.DateOnly, local.Format(time.DateOnly))
	if err != nil {
		panic(err)
	}
	return Day(midnight.Sub(time.Unix(0, 0)).Hours() / 24)
}

// drawClosed closes some of the days around a minute.
func drawClosed(t *rapid.T, zone *time.Location, m int64) *ClosedDays {
	names := map[Day]string{}
	for range rapid.SampledFrom([]int{0, 0, 1, 2, 5}).Draw(t, "closed days") {
		names[dayOf(time.Unix(m, 0).In(zone))-Day(rapid.IntRange(-1, 6).Draw(t, "days ago"))] = "a holiday"
	}
	return NewClosedDays(names)
}

func zones(t testing.TB) []*time.Location {
	var all []*time.Location
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca", "America/St_Johns"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, z)
	}
	return all
}

// drawRequirement makes a line that is eligible now and then.
func drawRequirement(t *rapid.T) Requirement {
	r := Requirement{
		Hours:    HourSet(rapid.OneOf(rapid.Just(uint32(1<<24-1)), rapid.Uint32Range(1, 1<<24-1)).Draw(t, "hours")),
		Minutes:  MinuteSet(rapid.OneOf(rapid.Just(uint64(1<<60-1)), rapid.Uint64Range(1, 1<<60-1), rapid.Just(uint64(1))).Draw(t, "minutes")),
		Days:     DaySet(rapid.OneOf(rapid.Just(uint8(127)), rapid.Uint8Range(1, 127)).Draw(t, "days")),
		Lookback: rapid.OneOf(rapid.Int64Range(1, 400), rapid.Int64Range(1, 100_000), rapid.Just(int64(MaxLookback))).Draw(t, "lookback"),
		Min:      At(rapid.Int64Range(0, 3).Draw(t, "min")),
	}
	if rapid.Bool().Draw(t, "has max") {
		r.Max = At(r.Min.N + rapid.Int64Range(0, 5).Draw(t, "max"))
	}
	r.HalfOpen = rapid.Bool().Draw(t, "half open")
	return r
}

func TestPlanEqualsAWalkOverEveryMinute(t *testing.T) {
	all := zones(t)
	changes := []string{ // daylight saving, a day that is missing, a leap day, ends of years
		"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z", "2026-03-08T07:00:00Z", "2026-04-04T15:00:00Z",
		"2011-12-30T10:00:00Z", "2024-02-29T00:00:00Z", "2026-12-31T23:30:00Z", "2026-02-15T02:00:00Z", "2040-12-31T00:00:00Z",
	}
	rapid.Check(t, func(t *rapid.T) {
		at, _ := time.Parse(time.RFC3339, rapid.SampledFrom(changes).Draw(t, "near"))
		m := FloorMinute(at.Unix() + 60*rapid.Int64Range(-600, 1500).Draw(t, "minutes on"))
		w := Walk{
			Zone:    rapid.SampledFrom(all).Draw(t, "zone"),
			Origin:  m - 60*rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 4000)).Draw(t, "age"),
			CatchUp: rapid.SampledFrom([]int64{1, 60, 1440, 20_000}).Draw(t, "catch up"),
			Blind:   rapid.IntRange(0, 9).Draw(t, "blind") == 0,
		}
		w.Closed = drawClosed(t, w.Zone, m)
		if rapid.Bool().Draw(t, "settled before") {
			w.Settled = ptr(m - 60*rapid.OneOf(rapid.Int64Range(-3, 5), rapid.Int64Range(0, 6000)).Draw(t, "behind"))
		}
		for range rapid.IntRange(1, 3).Draw(t, "lines") {
			l := Line{Requirement: drawRequirement(t), OwesAfter: OwesAll}
			if rapid.IntRange(0, 3).Draw(t, "new line") == 0 {
				l.OwesAfter = m - 60*rapid.Int64Range(0, 3000).Draw(t, "owes after")
			}
			w.Lines = append(w.Lines, l)
		}
		if w.Settled != nil && rapid.IntRange(0, 3).Draw(t, "moved back") == 0 {
			w.Judged = make([][]int64, len(w.Lines))
			for i := range w.Judged {
				for _, n := range rapid.SliceOfN(rapid.Int64Range(1, 6000), 0, 30).Draw(t, "judged before") {
					w.Judged[i] = append(w.Judged[i], *w.Settled+60*n)
				}
				slices.Sort(w.Judged[i])
				w.Judged[i] = slices.Compact(w.Judged[i])
			}
		}
		limit := rapid.SampledFrom([]int{1, 7, 500, PieceLimit}).Draw(t, "limit")
		want := naiveWalk(w, m)
		got := walkAll(t, w, m, limit)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("the walk differs from the naive one (-naive +plan):\n%s", diff)
		}
		if pending := w.Pending(m); pending != int64(len(want.Due)) {
			t.Fatalf("%d pairs are pending, the naive walk says %d", pending, len(want.Due))
		}
	})
}

func TestWalk(t *testing.T) {
	m := epoch(t, "2026-06-01T12:00:00Z")
	tests := []struct {
		name     string
		walk     Walk
		lookback int64
		due      int64 // minutes, the last of them M
		gap      int64
	}{
		{"the first pass rewinds ten look-backs", Walk{Origin: m, CatchUp: 1440}, 180, 30, 0},
		{"a look-back below a minute rewinds ten minutes", Walk{Origin: m, CatchUp: 1440}, 30, 10, 0},
		{"a minute later one minute is due", Walk{Origin: m - 60, Settled: ptr(m - 60), CatchUp: 1440}, 180, 1, 0},
		{"an outage of an hour is made up for", Walk{Origin: 0, Settled: ptr(m - 3600), CatchUp: 1440}, 180, 60, 0},
		{"an outage beyond catch-up leaves a gap", Walk{Origin: 0, Settled: ptr(m - 2*86400), CatchUp: 1440}, 180, 1440, 1440},
		{"ten look-backs may reach further than catch-up", Walk{Origin: 0, Settled: ptr(m - 2*86400), CatchUp: 60}, 6*3600 + 1, 2880, 0},
		{"the rewind has an end", Walk{Origin: m, CatchUp: 1440}, MaxLookback, MaxRewind, 0},
		{"fetches failed since the origin: nothing is lost", Walk{Origin: m - 600, CatchUp: 1440}, 60, 20, 0},
		{"fetches failed for longer than catch-up: the rest is a gap", Walk{Origin: m - 86400, CatchUp: 60}, 60, 60, 1440 + 10 - 60},
		{"a clock set back makes no check run twice", Walk{Origin: 0, Settled: ptr(m + 60), CatchUp: 1440}, 60, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.walk.Zone = time.UTC
			tt.walk.Lines = []Line{{Requirement: every(tt.lookback), OwesAfter: OwesAll}}
			got := walkAll(t, tt.walk, m, PieceLimit)
			if int64(len(got.Due)) != tt.due {
				t.Errorf("%d minutes are due, want %d", len(got.Due), tt.due)
			}
			if tt.due > 0 && got.Due[len(got.Due)-1].Minute != m {
				t.Errorf("the walk ends at %d, want %d", got.Due[len(got.Due)-1].Minute, m)
			}
			if got.Gaps[0][2] != tt.gap {
				t.Errorf("%d minutes are a gap, want %d", got.Gaps[0][2], tt.gap)
			}
		})
	}
}

func TestDaylightSaving(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	half2 := Requirement{Hours: 1 << 2, Minutes: 1 << 30, Days: Weekdays | Weekends, Min: At(1), Lookback: 60}
	tests := []struct {
		name string
		from string
		want []string
	}{
		{"an hour that occurs twice is checked twice", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		{"an hour that is left out is not checked", "2026-03-28T00:00:00Z", []string{"2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, m := range half2.NextDue(berlin, nil, epoch(t, tt.from), 3) {
				got = append(got, time.Unix(m, 0).UTC().Format(time.RFC3339))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("next due minutes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlotHoldsGraceBack(t *testing.T) {
	tests := []struct {
		now   string
		grace time.Duration
		want  string
	}{
		{"2026-06-01T12:00:00Z", 0, "2026-06-01T12:00:00Z"},
		{"2026-06-01T12:00:59.999Z", 0, "2026-06-01T12:00:00Z"},
		{"2026-06-01T12:00:01Z", time.Second, "2026-06-01T12:00:00Z"},
		{"2026-06-01T12:00:01Z", 2 * time.Second, "2026-06-01T11:59:00Z"},
		{"2026-06-01T12:00:01Z", 15 * time.Minute, "2026-06-01T11:45:00Z"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.now, " ", tt.grace), func(t *testing.T) {
			now, _ := time.Parse(time.RFC3339, tt.now)
			if got := Slot(now, tt.grace); got != epoch(t, tt.want) {
				t.Errorf("M is %s", time.Unix(got, 0).UTC())
			}
		})
	}
}
