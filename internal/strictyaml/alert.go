package strictyaml

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"go.yaml.in/yaml/v3"
)

// Alert reads `alert`, which checker files and the configuration have in common.
func (r *Reader) Alert(n *yaml.Node, what string) (s dwmon.AlertSettings) {
	count := func(name string, most int64, to *int) Field {
		return Field{Name: name, Read: func(n *yaml.Node) {
			v, _ := r.Int(n, what+"."+name, 1, most)
			*to = int(v)
		}}
	}
	r.Fields(n, what, []Field{
		count("after", dwmon.MaxAlertOf, &s.After),
		count("of", dwmon.MaxAlertOf, &s.Of),
		count("recover", dwmon.MaxAlertOf, &s.Recover),
		count("unknown_after", 100_000, &s.UnknownAfter),
		{Name: "repeat", Read: func(n *yaml.Node) { s.Repeat, _ = r.Duration(n, what+".repeat", time.Minute, dwmon.MaxRepeat) }},
		{Name: "growth", Read: func(n *yaml.Node) { s.Growth = r.factor(n, what+".growth") }},
	})
	if s.After > s.Of && s.Of != 0 {
		r.At(n, fmt.Sprintf("%s: %d BAD results of %d can never be", what, s.After, s.Of), "after is at most of: {after: 2, of: 3} means two of the last three")
	}
	return s
}

// factor reads a number from 1 to 100.
func (r *Reader) factor(n *yaml.Node, what string) float64 {
	text, ok := r.Text(n, what)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 1 && v <= 100) {
		r.At(n, fmt.Sprintf("%s is %s, not a number from 1 to 100", what, quote(text)), "2 doubles the wait each time")
		return 0
	}
	return v
}
