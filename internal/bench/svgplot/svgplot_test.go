package svgplot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/golden"
)

// sample has what plots have: axes over many decades, a line that ends where another does, a
// level, a long name, and letters that mean something in XML.
var sample = Plot{
	Title: "Cost of a pass, by <stored> rows",
	X:     Axis{Label: "rows of history & more", Log: true}, Y: Axis{Label: "CPU, ms", Log: true},
	Lines: []Line{
		{Name: "dwmon", Strong: true, Points: []Point{{10_000, 0.11}, {100_000, 0.12}, {1e6, 0.11}, {1e7, 0.12}}},
		{Name: "a count that reads every row, in C", Points: []Point{{10_000, 0.8}, {100_000, 8}, {1e6, 85}, {1e7, 900}}},
		{Name: "beside it", Points: []Point{{10_000, 0.3}, {1e7, 0.13}}},
	},
	Levels: []Level{{Name: "a tenth of a second", Y: 100}, {Name: "far away", Y: 1e9}},
	Notes:  []string{"a machine", "a tool was not there"},
}

func TestGolden(t *testing.T) {
	linear := sample
	linear.Y.Log, linear.Levels, linear.Notes = false, nil, nil
	linear.Lines = []Line{{Name: "a", Points: []Point{{10, 0.5}, {100, 0.31}, {1000, 0.3}}}, {Name: "b", Points: []Point{{10, 1.72}}}}
	for name, p := range map[string]Plot{"log": sample, "linear": linear} {
		got, err := p.SVG()
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "testdata/"+name+".svg", string(got))
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	one := []Point{{1, 1}}
	for want, change := range map[string]func(*Plot){
		"no line":                  func(p *Plot) { p.Lines = nil },
		"cannot be told apart":     func(p *Plot) { p.Lines = make([]Line, 7) },
		"no points":                func(p *Plot) { p.Lines = []Line{{Name: "x"}} },
		"0 has no place":           func(p *Plot) { p.Lines = []Line{{Points: []Point{{0, 1}}}} },
		"NaN has no place":         func(p *Plot) { p.Lines = []Line{{Points: []Point{{1, math.NaN()}}}} },
		"to the right of 2":        func(p *Plot) { p.Lines = []Line{{Points: []Point{{2, 1}, {2, 2}}}} },
		`level "l": -1 has no`:     func(p *Plot) { p.Lines, p.Levels = []Line{{Points: one}}, []Level{{"l", -1}} },
		`plot "t": there is no`:    func(p *Plot) { p.Title, p.Lines = "t", nil },
		`line "n": it has no poin`: func(p *Plot) { p.Lines = []Line{{Name: "n"}} },
	} {
		p := sample
		change(&p)
		if got, err := p.SVG(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %d bytes; want %q", err, len(got), want)
		}
	}
}

func TestScales(t *testing.T) {
	for _, tt := range []struct {
		what   string
		axis   Axis
		values []float64
		want   []string // the marks
	}{
		{"decades where there are many", Axis{Log: true}, []float64{10_000, 1e7}, []string{"10k", "100k", "1M", "10M"}},
		{"steps where there are few", Axis{Log: true}, []float64{0.3, 4}, []string{"0.2", "0.5", "1", "2", "5"}},
		{"one value", Axis{Log: true}, []float64{10}, []string{"10", "20"}},
		{"from zero", Axis{}, []float64{0.31, 0.9}, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"below zero", Axis{}, []float64{-1, 3}, []string{"-1", "0", "1", "2", "3"}},
		{"nothing", Axis{}, []float64{0}, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"thousands", Axis{}, []float64{4_200}, []string{"0", "1,000", "2,000", "3,000", "4,000", "5,000"}},
	} {
		var got []string
		for _, v := range newScale(tt.axis, tt.values).ticks {
			got = append(got, number(v))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
}

// TestEveryPlotIsWhole: whatever the points, the file is XML, a point lies between the axes, and
// no name lies over another.
func TestEveryPlotIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		svg, err := p.SVG()
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, svg)
		for _, at := range coordinates(t, svg, `translate\(([-\d.]+) ([-\d.]+)\)`) {
			if at.X < left-0.1 || at.X > width || at.Y < top-0.1 || at.Y > top+plotHeight+0.1 {
				t.Fatalf("a point lies at %v", at)
			}
		}
		names := coordinates(t, svg, `class="name c\d" x="([-\d.]+)" y="([-\d.]+)"`)
		slices.SortFunc(names, func(a, b Point) int { return int(10 * (a.Y - b.Y)) })
		for i := 1; i < len(names); i++ {
			if names[i].Y-names[i-1].Y < nameLine-0.2 {
				t.Fatalf("names lie at %v and %v", names[i-1], names[i])
			}
		}
	})
}

func draw(t *rapid.T) Plot {
	p := Plot{Title: rapid.String().Draw(t, "title"), X: Axis{Log: rapid.Bool().Draw(t, "log x")}, Y: Axis{Log: rapid.Bool().Draw(t, "log y")}}
	for range rapid.IntRange(1, len(shapes)).Draw(t, "lines") {
		l := Line{Name: rapid.StringMatching(`[a-z<&]{1,9}( [a-z]{1,9}){0,3}`).Draw(t, "name")}
		for _, x := range rapid.SliceOfNDistinct(rapid.IntRange(1, 1_000_000), 1, 5, rapid.ID).Draw(t, "x") {
			l.Points = append(l.Points, Point{float64(x), rapid.Float64Range(1e-6, 1e6).Draw(t, "y")})
		}
		slices.SortFunc(l.Points, func(a, b Point) int { return int(a.X - b.X) })
		p.Lines = append(p.Lines, l)
	}
	return p
}

func wellFormed(t *rapid.T, svg []byte) {
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

// coordinates are the places that a pattern finds.
func coordinates(t *rapid.T, svg []byte, pattern string) (places []Point) {
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(svg, -1) {
		x, err1 := strconv.ParseFloat(string(m[1]), 64)
		y, err2 := strconv.ParseFloat(string(m[2]), 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		places = append(places, Point{x, y})
	}
	if len(places) == 0 {
		t.Fatalf("nothing like %s in\n%s", pattern, svg)
	}
	return places
}
