package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/bench/svgplot"
)

// surveys measure what is drawn: how a cost goes with a size.
var surveys = []survey{
	{plots: []string{costByHistory}, measure: surveyHistory},
	{plots: []string{costByCheckers, minuteByCheckers}, measure: surveyCheckers},
}

// The plots, as their files are named.
const (
	costByHistory    = "cost-by-history"
	costByCheckers   = "cost-by-checkers"
	minuteByCheckers = "minute-by-checkers"
)

// survey is a measurement that makes plots.
type survey struct {
	plots   []string
	measure func(context.Context, *bench) ([]chart, error)
}

// chart is a plot that was measured.
type chart struct {
	name, title string
	x, y        quantity
	curves      []*curve
	levels      []svgplot.Level
}

// quantity is what an axis measures.
type quantity struct {
	what, unit string // the unit may be empty: things are counted
	log        bool
}

func (q quantity) axis() svgplot.Axis {
	label := q.what
	if q.unit != "" {
		label += ", " + q.unit
	}
	return svgplot.Axis{Label: label, Log: q.log}
}

// curve is a line of a chart, or why it is not there.
type curve struct {
	name   string
	points []svgplot.Point
	strong bool // it is what the chart is about
	err    error
}

// ladder is the sizes from one to another, about three to a decade of ten; where only the
// working is to be seen, to a tenth of it.
func (b *bench) ladder(from, to int) (rungs []int) {
	for n := from; n <= b.size(to); n *= 10 {
		rungs = append(rungs, n)
		if 3*n <= b.size(to) {
			rungs = append(rungs, 3*n)
		}
	}
	return rungs
}

// draw makes the picture, with the lines that there are.
func (c *chart) draw(quick bool) ([]byte, error) {
	p := svgplot.Plot{Title: c.title, X: c.x.axis(), Y: c.y.axis(), Levels: c.levels}
	p.Notes = []string{machine()}
	if quick {
		p.Notes[0] += "; quick, and judges nothing"
	}
	for _, l := range c.curves {
		if l.err != nil {
			p.Notes = append(p.Notes, fmt.Sprintf("%s: %v", l.name, l.err))
			continue
		}
		p.Lines = append(p.Lines, svgplot.Line{Name: l.name, Points: l.points, Strong: l.strong})
	}
	return p.SVG()
}

// machine names what was measured on.
func machine() string {
	raw, _ := os.ReadFile("/proc/cpuinfo")
	model := runtime.GOARCH
	for line := range strings.Lines(string(raw)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", model, runtime.GOMAXPROCS(0), runtime.GOOS, runtime.Version())
}

// plotFolder makes the folder for plots, and tries it: to fail after the measuring would be
// too late.
func plotFolder(dir string) error {
	err := os.MkdirAll(dir, 0o777)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(dir, ".bench-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("--plots %s: %w; it names the folder into which the SVG files are written", dir, err)
	}
	return nil
}

// write draws a chart into a file of a folder, as a whole or not at all.
func (c *chart) write(dir string, quick bool) (path string, err error) {
	svg, err := c.draw(quick)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, c.name+".svg")
	hidden := filepath.Join(dir, "."+c.name+".svg")
	if err := os.WriteFile(hidden, svg, 0o666); err != nil {
		_ = os.Remove(hidden)
		return "", err
	}
	return path, os.Rename(hidden, path)
}

// chart prints what was drawn, and where it is.
func (p *printer) chart(c chart, file string) {
	for _, l := range c.curves {
		p.seen[verdictOf(l.err)]++
	}
	if p.json {
		p.chartObjects(c, file)
		return
	}
	fmt.Fprintf(p.out, "\n%s: %s\n", c.name, c.y.axis().Label)
	xs := c.rungs()
	const name, cell = "  %-42s", " %9s"
	fmt.Fprintf(p.out, name, c.x.axis().Label)
	for _, x := range xs {
		fmt.Fprintf(p.out, cell, number(x))
	}
	fmt.Fprintln(p.out)
	for _, l := range c.curves {
		fmt.Fprintf(p.out, name, l.name)
		if l.err != nil {
			fmt.Fprintf(p.out, " %s: %v\n", verdictOf(l.err), l.err)
			continue
		}
		for _, pt := range l.points { // they begin at the first rung, and leave none out
			fmt.Fprintf(p.out, cell, precise(pt.Y))
		}
		fmt.Fprintln(p.out)
	}
	fmt.Fprintf(p.out, "  written: %s\n", file)
}

// rungs are all places at which a curve has a point.
func (c chart) rungs() (xs []float64) {
	for _, l := range c.curves {
		for _, pt := range l.points {
			xs = append(xs, pt.X)
		}
	}
	slices.Sort(xs)
	return slices.Compact(xs)
}

// plotLine is an object of --json: a point, a line that is not there, or where a plot is.
type plotLine struct {
	Plot    string   `json:"plot"`
	Line    string   `json:"line,omitempty"`
	X       *float64 `json:"x,omitempty"`
	XUnit   string   `json:"x_unit,omitempty"`
	Y       *float64 `json:"y,omitempty"`
	Unit    string   `json:"unit,omitempty"`
	File    string   `json:"file,omitempty"`
	Verdict string   `json:"verdict,omitempty"`
	Detail  string   `json:"detail,omitempty"`
}

func (p *printer) chartObjects(c chart, file string) {
	for _, l := range c.curves {
		if l.err != nil {
			p.encode(plotLine{Plot: c.name, Line: l.name, Verdict: verdictOf(l.err), Detail: l.err.Error()})
		}
		for _, pt := range l.points {
			p.encode(plotLine{Plot: c.name, Line: l.name, X: &pt.X, XUnit: cmp.Or(c.x.unit, c.x.what), Y: &pt.Y, Unit: c.y.unit})
		}
	}
	p.encode(plotLine{Plot: c.name, File: file})
}

// noChart says that a plot could not be made, and why.
func (p *printer) noChart(name string, err error) {
	v := verdictOf(err)
	p.seen[v]++
	if p.json {
		p.encode(plotLine{Plot: name, Verdict: v, Detail: err.Error()})
		return
	}
	fmt.Fprintf(p.out, "\n%s: %s: %v\n", name, v, err)
}

// drawAll measures and writes all plots.
func drawAll(ctx context.Context, b *bench, dir string, out *printer) {
	for _, s := range surveys {
		if ctx.Err() != nil {
			return
		}
		charts, err := s.measure(ctx, b)
		b.say("")
		if err != nil {
			for _, name := range s.plots {
				out.noChart(name, err)
			}
			continue
		}
		for _, c := range charts {
			if file, err := c.write(dir, b.quick); err != nil {
				out.noChart(c.name, err)
			} else {
				out.chart(c, file)
			}
		}
	}
}

// precise writes a cost with three digits.
func precise(v float64) string {
	digits := 2 - int(math.Floor(math.Log10(v)))
	return fmt.Sprintf("%.*f", max(digits, 0), v)
}
