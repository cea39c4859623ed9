// Package svgplot draws lines over two axes as an SVG file that can be read in a
// document: named at the lines' ends, in light and in dark, and the same bytes for the
// same points. It is no more than what docs/performance.md shows; the plotting libraries
// there are bring fonts and rasterisers, and none follows the reader's colour scheme.
package svgplot

import (
	"errors"
	"fmt"
	"math"
)

// Plot is a drawing of lines over two axes.
type Plot struct {
	Title  string
	X, Y   Axis
	Lines  []Line
	Levels []Level
	Notes  []string // small print below, a line each
}

// Axis is how one direction is measured.
type Axis struct {
	Label string // what it is, with its unit
	Log   bool
}

// Line is one curve. At most six can be told apart.
type Line struct {
	Name   string
	Points []Point // from left to right
	Strong bool    // it is what the plot is about
}

// Point is a place in the units of the axes.
type Point struct{ X, Y float64 }

// Level is a height that is worth a line of its own, such as a limit. It is drawn where
// the points come near it.
type Level struct {
	Name string
	Y    float64
}

// SVG draws the plot. There must be a line, each with points from left to right, all of them
// numbers and, on a logarithmic axis, above zero.
func (p Plot) SVG() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("plot %q: %w", p.Title, err)
	}
	return newCanvas(p).draw(), nil
}

func (p Plot) check() error {
	switch {
	case len(p.Lines) == 0:
		return errors.New("there is no line to draw")
	case len(p.Lines) > len(shapes):
		return fmt.Errorf("%d lines; more than %d cannot be told apart", len(p.Lines), len(shapes))
	}
	for _, l := range p.Lines {
		if err := p.checkLine(l); err != nil {
			return fmt.Errorf("line %q: %w", l.Name, err)
		}
	}
	for _, l := range p.Levels {
		if err := p.Y.check(l.Y); err != nil {
			return fmt.Errorf("level %q: %w", l.Name, err)
		}
	}
	return nil
}

func (p Plot) checkLine(l Line) error {
	if len(l.Points) == 0 {
		return errors.New("it has no points")
	}
	for i, pt := range l.Points {
		if err := errors.Join(p.X.check(pt.X), p.Y.check(pt.Y)); err != nil {
			return fmt.Errorf("point %d: %w", i+1, err)
		}
		if i > 0 && pt.X <= l.Points[i-1].X {
			return fmt.Errorf("point %d: %v does not lie to the right of %v", i+1, pt.X, l.Points[i-1].X)
		}
	}
	return nil
}

func (a Axis) check(v float64) error {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return fmt.Errorf("%v has no place on an axis", v)
	case a.Log && v <= 0:
		return fmt.Errorf("%v has no place on the logarithmic axis %q", v, a.Label)
	}
	return nil
}
