package svgplot

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// Lengths, in units of which the width has 800: about the pixels of a page on GitHub.
const (
	width      = 800.0
	plotHeight = 300.0
	left       = 66.0
	top        = 72.0
	nameGap    = 12.0 // from the field to the lines' names
	nameLine   = 15.0
	noteLine   = 17.0
	letter     = 7.4 // a letter of 13 units, on the average and a bit more
	nameWidth  = 25  // letters of a name in one line
)

// style has the colours of both schemes. They are told apart by those who see few colours,
// and the shapes of the points say the same again.
const style = `
  svg { color-scheme: light dark; }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .small { font-size: 12px; fill: #59636e; }
  .paper { fill: #ffffff; stroke: #d1d9e0; }
  .grid { stroke: #e4e8ec; }
  .axis { stroke: #818b98; }
  .level { stroke: #59636e; stroke-dasharray: 5 4; }
  .line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
  .strong { stroke-width: 3.5; }
  .lead { stroke: currentColor; stroke-dasharray: 1 5; stroke-linecap: round; }
  .name { fill: currentColor; }
  .point { fill: currentColor; }
  .c0 { color: #0860ca; } .c1 { color: #bc4c00; } .c2 { color: #1a7f37; }
  .c3 { color: #8250df; } .c4 { color: #9a6700; } .c5 { color: #bf3989; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .paper { fill: #0d1117; stroke: #3d444d; }
    .grid { stroke: #262c34; }
    .axis { stroke: #656c76; }
    .level { stroke: #9198a1; }
    .name { fill: currentColor; }
    .c0 { color: #58a6ff; } .c1 { color: #f0883e; } .c2 { color: #3fb950; }
    .c3 { color: #be8fff; } .c4 { color: #d29922; } .c5 { color: #f778ba; }
  }
`

// shapes are those of the lines' points, each drawn round 0,0.
var shapes = []string{
	`<circle class="point" r="3.5"`,
	`<rect class="point" x="-3.2" y="-3.2" width="6.4" height="6.4"`,
	`<path class="point" d="M0-4.4 4.2 3.2H-4.2Z"`,
	`<path class="point" d="M0-4.6 4.6 0 0 4.6-4.6 0Z"`,
	`<path class="point" d="M0 4.4 4.2-3.2H-4.2Z"`,
	`<rect class="point" x="-5" y="-1.6" width="10" height="3.2"`,
}

// canvas is a plot being drawn.
type canvas struct {
	Plot
	x, y          scale
	right, bottom float64 // of the field between the axes
	height        float64
	names         [][]string // of the lines, each broken into lines of text
	out           bytes.Buffer
}

func newCanvas(p Plot) *canvas {
	c := &canvas{Plot: p, bottom: top + plotHeight}
	var xs, ys []float64
	longest := 0
	for _, l := range p.Lines {
		for _, pt := range l.Points {
			xs, ys = append(xs, pt.X), append(ys, pt.Y)
		}
		c.names = append(c.names, broken(l.Name))
		for _, part := range c.names[len(c.names)-1] {
			longest = max(longest, len([]rune(part)))
		}
	}
	_, highest := extent(ys)
	for _, l := range p.Levels {
		if l.Y <= 20*highest { // one that is far away would flatten the lines
			ys = append(ys, l.Y)
		}
	}
	c.x, c.y = newScale(p.X, xs), newScale(p.Y, ys)
	c.right = width - nameGap - letter*float64(longest) - 12
	c.height = c.bottom + 54 + noteLine*float64(len(p.Notes))
	return c
}

// broken breaks a name into lines of nameWidth letters, at spaces.
func broken(name string) (lines []string) {
	for word := range strings.FieldsSeq(name) {
		last := len(lines) - 1
		if last >= 0 && len([]rune(lines[last]))+1+len([]rune(word)) <= nameWidth {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

func (c *canvas) placeX(v float64) float64 { return left + (c.right-left)*c.x.at(v) }
func (c *canvas) placeY(v float64) float64 { return c.bottom - (c.bottom-top)*c.y.at(v) }

func (c *canvas) draw() []byte {
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-labelledby="title desc">`+"\n",
		width, c.height, width, c.height)
	c.printf("<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n<style>%s</style>\n", escaped(c.Title), escaped(c.inWords()), style)
	c.printf(`<rect class="paper" x="0.5" y="0.5" width="%.0f" height="%.0f" rx="6"/>`+"\n", width-1, c.height-1)
	c.text(16, 28, "title", "start", c.Title)
	c.axes()
	c.levels()
	for i := range c.Lines {
		c.line(i)
	}
	c.lineNames()
	for i, note := range c.Notes {
		c.text(16, c.bottom+62+noteLine*float64(i), "small", "start", note)
	}
	c.printf("</svg>\n")
	return c.out.Bytes()
}

// inWords is the plot for those who do not see it: where each line begins and ends.
func (c *canvas) inWords() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s against %s.", c.Y.Label, c.X.Label)
	for _, l := range c.Lines {
		first, last := l.Points[0], l.Points[len(l.Points)-1]
		fmt.Fprintf(&b, " %s: %s at %s, %s at %s.", l.Name, number(first.Y), number(first.X), number(last.Y), number(last.X))
	}
	return b.String()
}

func (c *canvas) axes() {
	for _, v := range c.y.ticks {
		y := c.placeY(v)
		c.stroke("grid", left, y, c.right, y)
		c.text(left-8, y+4.5, "small", "end", number(v))
	}
	for _, v := range c.x.ticks {
		x := c.placeX(v)
		c.stroke("axis", x, c.bottom, x, c.bottom+5)
		c.text(x, c.bottom+20, "small", "middle", number(v))
	}
	c.stroke("axis", left, c.bottom, c.right, c.bottom)
	c.text((left+c.right)/2, c.bottom+40, "small", "middle", c.X.Label)
	c.text(16, top-20, "small", "start", c.Y.Label)
}

// levels draws those that lie in the field.
func (c *canvas) levels() {
	for _, l := range c.Levels {
		if at := c.y.at(l.Y); at < 0 || at > 1 {
			continue
		}
		y := c.placeY(l.Y)
		c.stroke("level", left, y, c.right, y)
		c.text(left+6, y-6, "small", "start", l.Name)
	}
}

func (c *canvas) line(i int) {
	class := "line"
	if c.Lines[i].Strong {
		class += " strong"
	}
	var path strings.Builder
	for n, pt := range c.Lines[i].Points {
		if n > 0 {
			path.WriteByte(' ')
		}
		fmt.Fprintf(&path, "%.1f,%.1f", c.placeX(pt.X), c.placeY(pt.Y))
	}
	c.printf(`<g class="c%d"><polyline class="%s" points="%s"/>`+"\n", i, class, path.String())
	for _, pt := range c.Lines[i].Points {
		c.printf(`%s transform="translate(%.1f %.1f)"/>`+"\n", shapes[i], c.placeX(pt.X), c.placeY(pt.Y))
	}
	c.printf("</g>\n")
}

// lineNames writes each line's name to the right of the field, at the height of its last point or
// as near to it as the other names allow. From a line that ends early a thin one leads there.
func (c *canvas) lineNames() {
	type label struct {
		line        int
		top, height float64
	}
	var labels []label
	for i, l := range c.Lines {
		height := nameLine * float64(len(c.names[i]))
		labels = append(labels, label{i, c.placeY(l.Points[len(l.Points)-1].Y) - height/2, height})
	}
	slices.SortStableFunc(labels, func(a, b label) int { return cmp.Compare(a.top, b.top) })
	const gap = 4
	floor := c.bottom + 8 // the lowest that a name may reach
	for i := range labels {
		if i > 0 {
			labels[i].top = max(labels[i].top, labels[i-1].top+labels[i-1].height+gap)
		}
	}
	for i, l := range slices.Backward(labels) {
		labels[i].top = min(l.top, floor-l.height)
		floor = labels[i].top - gap
	}
	for _, l := range labels {
		c.lead(l.line, l.top+l.height/2)
		for n, part := range c.names[l.line] {
			c.printf(`<text class="name c%d" x="%.1f" y="%.1f">%s</text>`+"\n", l.line, c.right+nameGap, l.top+nameLine*float64(n)+nameLine-3.5, escaped(part))
		}
	}
}

// lead draws the way from a line's last point to its name at a height, where that is far.
func (c *canvas) lead(line int, height float64) {
	points := c.Lines[line].Points
	last := points[len(points)-1]
	if x := c.placeX(last.X); x < c.right-1 {
		c.stroke(fmt.Sprintf("lead c%d", line), x+6, c.placeY(last.Y), c.right+nameGap-4, height)
	}
}

func (c *canvas) stroke(class string, x1, y1, x2, y2 float64) {
	c.printf(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, x1, y1, x2, y2)
}

func (c *canvas) text(x, y float64, class, anchor, text string) {
	c.printf(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, escaped(text))
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }

func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}
