package chart

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/golden"
)

func isGolden(t *testing.T, name string, lines []string) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".txt"), strings.Join(lines, "\n")+"\n")
}

// judged gives windows 20 minutes apart, with the verdicts on their counts.
func judged(low, high dwmon.Bound, counts ...int64) []Point {
	points := make([]Point, len(counts))
	for i, n := range counts {
		status, _ := dwmon.Requirement{Min: low, Max: high}.Judge(n)
		points[i] = Point{Label: fmt.Sprintf("%02d:%02d", (9+i/3)%24, i%3*20), Count: n, Status: status}
	}
	return points
}

// dayAndNight is a wave of counts with two outages and a burst.
func dayAndNight(n int) []int64 {
	counts := make([]int64, n)
	for i := range counts {
		counts[i] = int64(12 - 6*math.Cos(float64(i)/float64(n)*4*math.Pi))
		if i == n/3 || i == n/3+1 {
			counts[i] = 0
		}
		if i == n*3/4 {
			counts[i] = 45
		}
	}
	return counts
}

func TestBand(t *testing.T) {
	low, high, none := dwmon.At(5), dwmon.At(20), dwmon.Bound{}
	all := judged(low, high, 0, 4, 5, 8, 12, 20, 21, 31, 7, 9)
	all[8].Status = dwmon.Unknown
	tests := []struct {
		name      string
		points    []Point
		low, high dwmon.Bound
		width     int
	}{
		{"below within above", all, low, high, 80},
		{"narrow", all, low, high, 20},
		{"no upper bound", judged(low, none, 3, 1e12, 12, 5e10, 2), low, none, 60},
		{"no lower bound", judged(none, high, 3, 0, 12, 20, 21), none, high, 60},
		{"none wanted", judged(none, dwmon.At(0), 0, 0, 3, 0), none, dwmon.At(0), 60},
		{"all zero", judged(low, high, 0, 0, 0), low, high, 60},
		{"one window", judged(low, high, 7), low, high, 80},
		{"exactly", judged(dwmon.At(3), dwmon.At(3), 3, 2, 4, 3), dwmon.At(3), dwmon.At(3), 60},
		{"more than fit", judged(low, high, dayAndNight(300)...), low, high, 80},
		{"wide", judged(low, high, dayAndNight(90)...), low, high, 200},
		{"no windows", nil, low, high, 80},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { isGolden(t, "band "+tt.name, Band(tt.points, tt.low, tt.high, tt.width)) })
	}
}

func drawBound(t *rapid.T, label string) dwmon.Bound {
	return dwmon.Bound{N: drawCount(t, label), Set: rapid.Bool().Draw(t, label+" is set")}
}

func drawCount(t *rapid.T, label string) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 30), rapid.Int64Range(0, 1e12), rapid.Int64Range(0, math.MaxInt64)).Draw(t, label)
}

// columnsAt gives the row's cells behind the axis, one rune for each column.
func columnsAt(line string, from, cell, n int) []rune {
	runes := []rune(line + strings.Repeat(" ", MaxWidth))
	columns := make([]rune, n)
	for i := range columns {
		columns[i] = runes[from+i*cell]
	}
	return columns
}

// Whatever the counts are: every line keeps to the width, a column crosses a bound's
// line exactly where its count does, and what is BAD has its mark.
func TestBandShowsWhatIsOutside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, high := drawBound(t, "low"), drawBound(t, "high")
		if low.Set && high.Set {
			low.N, high.N = min(low.N, high.N), max(low.N, high.N)
		}
		width := rapid.IntRange(MinWidth, MaxWidth).Draw(t, "width")
		counts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 { return drawCount(t, "count") }), 1, 500).Draw(t, "counts")
		points := judged(low, high, counts...)
		lines := Band(points, low, high, width)
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("%d cells in a width of %d:\n%s", n, width, strings.Join(lines, "\n"))
			}
		}
		base := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "0 ┴") })
		from := utf8.RuneCountInString(lines[base][:strings.Index(lines[base], "┴")]) + 1
		room := width - from
		if len(points) > room {
			marked := strings.ContainsAny(lines[base], "▼▲")
			bad := slices.ContainsFunc(points, func(p Point) bool { return p.Status == dwmon.Bad })
			if marked != bad {
				t.Fatalf("BAD windows: %v; a mark: %v", bad, marked)
			}
			return
		}
		cell := min(room/len(points), widest)
		var borders [][]rune
		for _, line := range lines {
			if strings.Contains(line, "┼") {
				borders = append(borders, columnsAt(line, from, cell, len(points)))
			}
		}
		marks := columnsAt(lines[base], from, cell, len(points))
		for i, p := range points {
			isLow, isHigh := low.Set && p.Count < low.N, high.Set && p.Count > high.N
			if (marks[i] == '▼') != isLow || (marks[i] == '▲') != isHigh {
				t.Fatalf("%d is marked %c", p.Count, marks[i])
			}
			if high.Set && (borders[0][i] == '█') != isHigh {
				t.Fatalf("%d of at most %d: at the line stands %c", p.Count, high.N, borders[0][i])
			}
			if low.Set && low.N > 0 && (borders[len(borders)-1][i] == '█') == isLow {
				t.Fatalf("%d of at least %d: at the line stands %c", p.Count, low.N, borders[len(borders)-1][i])
			}
		}
	})
}

func TestPaintChangesNothingThatIsRead(t *testing.T) {
	low, high := dwmon.At(5), dwmon.At(20)
	points := judged(low, high, dayAndNight(60)...)
	var painted int
	paint := func(status dwmon.Status, text string) string {
		painted++
		return "<" + status.String() + ">" + text + "</>"
	}
	lines := PaintedBand(points, low, high, 80, paint)
	plain := strings.NewReplacer("<GOOD>", "", "<BAD>", "", "<UNKNOWN>", "", "</>", "")
	for i, line := range lines {
		lines[i] = plain.Replace(line)
	}
	if diff := cmp.Diff(Band(points, low, high, 80), lines); diff != "" || painted == 0 {
		t.Errorf("painted %d times: %s", painted, diff)
	}
}

func TestShortNeverRoundsUp(t *testing.T) {
	tests := map[int64]string{
		0: "0", 999: "999", 1000: "1k", 1999: "1.9k", 99_999: "99.9k", 999_999: "999k", 1_000_000: "1M", 1e12: "1T", math.MaxInt64: "9.2E",
	}
	for n, want := range tests {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %q, want %q", n, got, want)
		}
	}
}

// office is a week of working hours, with a quiet Saturday and an hour that never came.
func office() Week {
	var w Week
	for d := range w {
		for h := range w[d] {
			mean := 0.0
			switch {
			case d < 5:
				mean = 400 * math.Exp(-math.Pow(float64(h)-13, 2)/18)
			case d == 5 && h > 8 && h < 20:
				mean = 12.5
			}
			w[d][h] = Cell{Mean: math.Floor(mean*10) / 10, Times: 4}
		}
	}
	w[6][2].Times = 0
	return w
}

func TestHeatMap(t *testing.T) {
	isGolden(t, "heat map", HeatMap(office(), 0, nil))
	isGolden(t, "heat map of one cell an hour", HeatMap(office(), 40, nil))
	isGolden(t, "heat map without rows", HeatMap(Week{0: {0: {Times: 1}}}, 0, nil))
	for _, line := range HeatMap(office(), 0, nil) {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d cells: %s", n, line)
		}
	}
}

// A cell's shade follows its mean, and nothing but none at all looks like none.
func TestShadesFollowMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mean := func(label string) float64 {
			return rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 10), rapid.Float64Range(0, 1e12)).Draw(t, label)
		}
		a, b := Cell{mean("a"), 1}, Cell{mean("b"), 1}
		most := max(a.Mean, b.Mean)
		if a.Mean <= b.Mean && a.level(most) > b.level(most) || a.Mean > 0 != (a.level(most) > 0) {
			t.Fatalf("%v is %d, %v is %d", a, a.level(most), b, b.level(most))
		}
		if most > 0 && max(a.level(most), b.level(most)) != Shades-1 {
			t.Fatalf("the highest mean %v has not the darkest shade", most)
		}
	})
}
