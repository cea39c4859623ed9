package histogram

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func mustZone(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return zone
}

func micros(t time.Time) int64 { return t.UnixMicro() }

func TestHoursOfTheWeek(t *testing.T) {
	berlin := mustZone("Europe/Berlin")
	at := func(text string) time.Time {
		parsed, err := time.ParseInLocation("2006-01-02 15:04:05", text, berlin)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	// From a Monday, 8:30, to the Monday after the next, 10:00.
	from, until := at("2026-06-01 08:30:00"), at("2026-06-15 10:00:00")
	c := NewCounter(berlin, micros(from), micros(until), []dwmon.Span{
		{From: micros(at("2026-06-08 09:59:59")), Until: micros(at("2026-06-08 10:00:00"))},
		{From: micros(at("2026-06-09 11:00:00")), Until: micros(at("2026-06-09 11:30:00"))},
	})
	c.Add([]int64{
		micros(at("2026-06-01 08:31:00")), // in an hour that is not all there
		micros(at("2026-06-01 09:00:00")), micros(at("2026-06-01 09:59:59")),
		micros(at("2026-06-08 09:30:00")), // beside a hole
		micros(at("2026-06-15 09:00:00")),
	})
	h := c.Histogram()
	if got, want := h.Cells[0][9], (Cell{Times: 2, Rows: 3, Min: 1, Max: 2}); got != want {
		t.Errorf("Monday 9: %+v, want %+v", got, want)
	}
	if got, want := h.Cells[0][10], (Cell{Times: 1}); got != want { // once in a hole, and not yet on the 15th
		t.Errorf("Monday 10: %+v, want %+v", got, want)
	}
	if got, want := h.Cells[6][23], (Cell{Times: 2}); got != want {
		t.Errorf("Sunday 23: %+v, want %+v", got, want)
	}
	if h.Cells[1][10].Times != 2 || h.Cells[1][11].Times != 1 {
		t.Errorf("Tuesday 10 came %d times, and 11 %d times", h.Cells[1][10].Times, h.Cells[1][11].Times)
	}
	if h.Rows != 3 || h.LeftHoles != 3 || h.LeftClock != 0 || h.Hours != 14*24+1-3 {
		t.Errorf("%d rows in %d hours, left out: %d and %d", h.Rows, h.Hours, h.LeftHoles, h.LeftClock)
	}
}

// On the Sunday on which the clocks are set back, two o'clock comes twice; in spring it
// does not come.
func TestHoursOfClockChanges(t *testing.T) {
	berlin := mustZone("Europe/Berlin")
	day := func(y int, m time.Month, d int) *Histogram {
		from := time.Date(y, m, d, 0, 0, 0, 0, berlin)
		c := NewCounter(berlin, micros(from), micros(from.AddDate(0, 0, 1)), nil)
		c.Add([]int64{micros(from.Add(2 * time.Hour)), micros(from.Add(3 * time.Hour))})
		return c.Histogram()
	}
	autumn, spring := day(2026, 10, 25), day(2026, 3, 29)
	if got, want := autumn.Cells[6][2], (Cell{Times: 2, Rows: 2, Min: 1, Max: 1}); got != want || autumn.Hours != 25 {
		t.Errorf("autumn: %+v in %d hours", got, autumn.Hours)
	}
	if got := spring.Cells[6][2]; got != (Cell{}) || spring.Cells[6][3].Rows != 1 || spring.Hours != 23 {
		t.Errorf("spring: %+v in %d hours", got, spring.Hours)
	}
	// What zones have at the end of 32 bits is no change.
	kathmandu := mustZone("Asia/Kathmandu")
	last := time.Date(2038, 1, 19, 0, 0, 0, 0, kathmandu)
	if h := NewCounter(kathmandu, micros(last), micros(last.AddDate(0, 0, 1)), nil).Histogram(); h.Hours != 24 || h.LeftClock != 0 {
		t.Errorf("Kathmandu: %d hours, %d left out", h.Hours, h.LeftClock)
	}
	// Half an hour is no hour: where the clocks are set back to 1:30, what comes twice is
	// left out.
	lord := mustZone("Australia/Lord_Howe")
	from := time.Date(2026, 4, 5, 0, 0, 0, 0, lord)
	c := NewCounter(lord, micros(from), micros(from.AddDate(0, 0, 1)), nil)
	if h := c.Histogram(); h.Hours != 24 || h.LeftClock != 1 {
		t.Errorf("Lord Howe: %d hours, %d left out", h.Hours, h.LeftClock)
	}
}

// naive counts minute by minute: an hour counts where sixty minutes in a row bear its
// name and none lies outside of the span or in a hole.
func naive(zone *time.Location, from, until int64, holes []dwmon.Span, rows []int64) (cells [7][24]Cell) {
	for m := from/60e6 - 120; m < until/60e6+120; m++ {
		t := time.Unix(m*60, 0).In(zone)
		if t.Minute() != 0 || time.Unix(m*60+3599, 0).In(zone).Format("15:04:05") != t.Add(3599*time.Second).Format("15:04:05") {
			continue
		}
		if last := time.Unix(m*60+3599, 0).In(zone); last.Minute() != 59 || last.Hour() != t.Hour() {
			continue
		}
		a, b := m*60e6, (m+60)*60e6
		if a < from || b > until || slices.ContainsFunc(holes, func(s dwmon.Span) bool { return s.From < b && s.Until >= a }) {
			continue
		}
		var n int64
		for _, r := range rows {
			if a <= r && r < b {
				n++
			}
		}
		c := &cells[(int(t.Weekday())+6)%7][t.Hour()]
		if c.Times == 0 || n < c.Min {
			c.Min = n
		}
		c.Max = max(c.Max, n)
		c.Times++
		c.Rows += n
	}
	return cells
}

// endOfLeapYear is the last day of one in which zones have their rules only.
var endOfLeapYear = time.Date(2040, time.December, 31, 0, 0, 0, 0, time.UTC).Unix()

func TestCountsAsTheNaiveWay(t *testing.T) {
	zones := []*time.Location{mustZone("Europe/Berlin"), mustZone("America/St_Johns"), mustZone("Australia/Lord_Howe"), mustZone("Asia/Kathmandu"), time.UTC}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		start := rapid.OneOf(rapid.Int64Range(1_700_000_000, 1_900_000_000), rapid.Just(endOfLeapYear)).Draw(t, "start")
		if _, change := time.Unix(start, 0).In(zone).ZoneBounds(); rapid.Bool().Draw(t, "near a change") && !change.IsZero() {
			start = change.Unix() - rapid.Int64Range(0, 7200).Draw(t, "before")
		}
		if rapid.Bool().Draw(t, "on the hour") {
			at := time.Unix(start, 0).In(zone)
			start -= int64(at.Minute()*60 + at.Second())
		}
		from := start*1e6 + rapid.SampledFrom([]int64{0, 0, 1, 999_999}).Draw(t, "fraction")
		until := from + rapid.Int64Range(0, 8*86400e6).Draw(t, "length")
		at := rapid.Int64Range(from-7200e6, until+7200e6)
		rows := rapid.SliceOfN(at, 0, 60).Draw(t, "rows")
		slices.Sort(rows)
		var holes []dwmon.Span
		for a := from; rapid.IntRange(0, 2).Draw(t, "hole") == 0 && len(holes) < 4; {
			a += rapid.OneOf(rapid.Int64Range(1, 86400e6), rapid.Map(rapid.Int64Range(1, 24), func(n int64) int64 { return n * 3600e6 })).Draw(t, "gap")
			b := a + rapid.OneOf(rapid.Int64Range(0, 7200e6), rapid.Just(int64(3600e6-1))).Draw(t, "hole's length")
			holes = append(holes, dwmon.Span{From: a, Until: b})
			a = b
		}
		c := NewCounter(zone, from, until, holes)
		var inSpan []int64
		for _, r := range rows {
			if from <= r && r < until {
				inSpan = append(inSpan, r)
			}
		}
		cut := rapid.IntRange(0, len(inSpan)).Draw(t, "first chunk")
		c.Add(inSpan[:cut])
		c.Add(inSpan[cut:])
		if diff := cmp.Diff(naive(zone, from, until, holes, rows), c.Histogram().Cells); diff != "" {
			t.Fatalf("%s from %s to %s (-naive +got):\n%s", zone, time.UnixMicro(from).In(zone), time.UnixMicro(until).In(zone), diff)
		}
	})
}
