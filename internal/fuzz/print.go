package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dwmon/dwmon/internal/words"
)

// printer writes a line for each target.
type printer struct {
	w    io.Writer
	json *json.Encoder // nil for people
}

func (p printer) listed(t target) {
	if p.json != nil {
		_ = p.json.Encode(struct {
			Package string `json:"package"`
			Target  string `json:"target"`
			Inputs  int    `json:"inputs"`
			Bytes   int    `json:"bytes"`
		}{t.pkg, t.name, t.inputs, t.bytes})
		return
	}
	fmt.Fprintf(p.w, "%-30s %-26s %4d committed inputs, %7s bytes\n", t.pkg, t.name, t.inputs, words.Number(int64(t.bytes)))
}

func (p printer) tried(f finding) {
	if p.json != nil {
		_ = p.json.Encode(f)
		return
	}
	verdict := "ok  "
	if !f.OK {
		verdict = "FAIL"
	}
	fmt.Fprintf(p.w, "%s %-30s %-26s %6.1f s %12s inputs %5s new\n", verdict, f.Package, f.Target, f.Seconds, words.Number(f.Executions), words.Number(f.Interesting))
}

// explain says what failed, with what, and how to see it again.
func (f finding) explain(w io.Writer) {
	fmt.Fprintf(w, "\n%s.%s\n", f.Package, f.Target)
	if f.Input != "" {
		fmt.Fprintf(w, "  the input:  %s\n", f.Input)
	}
	fmt.Fprintf(w, "  once more:  %s\n", f.again)
	for line := range strings.Lines(f.Output) {
		fmt.Fprint(w, "  | ", line)
	}
	fmt.Fprintln(w)
}
