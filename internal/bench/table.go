package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// measure is a row of the table.
type measure struct {
	row  int
	what string
	// parts names the figures of the row, where there are several.
	parts   []string
	reach   []reach // one for each part, or one for all
	measure func(context.Context, *bench) ([]figure, error)
}

// reach is a bound that a figure means to keep.
type reach struct {
	bound   float64
	atLeast bool
	unit    string
}

func atMost(bound float64, unit string) reach  { return reach{bound, false, unit} }
func atLeast(bound float64, unit string) reach { return reach{bound, true, unit} }

func (r reach) String() string {
	sign := "≤"
	if r.atLeast {
		sign = "≥"
	}
	return sign + " " + number(r.bound) + r.unit
}

func (r reach) kept(v float64) bool {
	if r.atLeast {
		return v >= r.bound
	}
	return v <= r.bound
}

// figure is what was measured for a row, or for a part of it.
type figure struct {
	part  string
	value float64
	// detail says what the value was made of.
	detail string
	// bound, where set, takes the place of the row's: it depends on what was measured.
	bound *reach
	err   error
}

// errMissing is a comparison that cannot be made on this machine.
var errMissing = errors.New("not measured")

// withoutFigures is the row where measuring it ended with an error.
func (m measure) withoutFigures(err error) []figure {
	if len(m.parts) == 0 {
		return []figure{{err: err}}
	}
	var all []figure
	for _, p := range m.parts {
		all = append(all, figure{part: p, err: err})
	}
	return all
}

func (m measure) reachOf(f figure) reach {
	if f.bound != nil {
		return *f.bound
	}
	for i, p := range m.parts {
		if p == f.part && i < len(m.reach) {
			return m.reach[i]
		}
	}
	return m.reach[0]
}

// Verdicts of a figure.
const (
	ok      = "ok"
	short   = "short"
	missing = "missing" // what it is compared with is not there
	wrong   = "wrong"   // the answer, or the measuring, was
)

func (m measure) verdict(f figure) string {
	if v := verdictOf(f.err); v != ok {
		return v
	}
	if !m.reachOf(f).kept(f.value) {
		return short
	}
	return ok
}

// verdictOf is the verdict on what was measured, or was not, whatever the figure.
func verdictOf(err error) string {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, errMissing):
		return missing
	}
	return wrong
}

// printer prints figures as they come.
type printer struct {
	out  io.Writer
	json bool
	seen map[string]int
	row  int
}

func newPrinter(out io.Writer, asJSON bool) *printer {
	return &printer{out: out, json: asJSON, seen: map[string]int{}}
}

const line = "%2s  %-52s %-11s %12s %13s  %-7s  %s\n"

func (p *printer) begin(quick, table bool) {
	if p.json {
		return
	}
	if quick {
		fmt.Fprintln(p.out, "quick: smaller databases, few repetitions; the figures judge nothing")
	}
	if !table {
		return
	}
	fmt.Fprintf(p.out, line, "#", "measure", "", "figure", "reach", "", "")
}

func (p *printer) print(m measure, f figure) {
	v := m.verdict(f)
	p.seen[v]++
	if p.json {
		p.object(m, f, v)
		return
	}
	n, what := "", ""
	if m.row != p.row {
		n, what = fmt.Sprint(m.row), m.what
		p.row = m.row
	}
	value, detail := number(f.value)+m.reachOf(f).unit, f.detail
	if f.err != nil {
		value, detail = "–", f.err.Error()
	}
	fmt.Fprintf(p.out, line, n, what, f.part, value, m.reachOf(f), v, detail)
}

func (p *printer) object(m measure, f figure, verdict string) {
	r := m.reachOf(f)
	o := struct {
		Row     int      `json:"row"`
		Measure string   `json:"measure"`
		Part    string   `json:"part,omitempty"`
		Figure  *float64 `json:"figure"`
		Unit    string   `json:"unit"`
		Reach   float64  `json:"reach"`
		AtLeast bool     `json:"at_least"`
		Verdict string   `json:"verdict"`
		Detail  string   `json:"detail"`
	}{m.row, m.what, f.part, &f.value, r.unit, r.bound, r.atLeast, verdict, f.detail}
	if f.err != nil {
		o.Figure, o.Detail = nil, f.err.Error()
	}
	p.encode(o)
}

func (p *printer) encode(object any) {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	_ = e.Encode(object)
}

// end closes the table and gives the exit code: what falls short fails nothing,
// what could not be measured rightly does.
func (p *printer) end(took time.Duration, stopped error) int {
	if !p.json {
		fmt.Fprintf(p.out, "%d ok, %d short, %d missing, %d wrong; %s on %d cores\n",
			p.seen[ok], p.seen[short], p.seen[missing], p.seen[wrong], took.Round(time.Second), runtime.GOMAXPROCS(0))
	}
	if p.seen[wrong] > 0 || stopped != nil {
		return 1
	}
	return 0
}

// number writes a figure with about three digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.3g", v)
	case v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
