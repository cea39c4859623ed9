package notice

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// wording is one text of a template; nil stands for none.
type wording struct {
	text     string
	template *template.Template
	// usesExtra says that it looks into EXTRA, which is anybody's to fill.
	usesExtra bool
}

const (
	// maxTemplate is the longest text of a template, in bytes.
	maxTemplate = 64 << 10
	// maxRounds is how many rounds the loops of one text may make together.
	maxRounds = 10_000
	// nameInErrors is what the library calls a template in its errors.
	nameInErrors = "t"
	// roundFunc is called at the beginning of each round. Its name is none that the
	// grammar offers to people by accident.
	roundFunc = "dwmonRound"
)

// noRounds stands for what counts them while a template is executed.
var noRounds = template.FuncMap{roundFunc: func() string { return "" }}

var errTooManyRounds = fmt.Errorf("its loops make more than %d rounds", maxRounds)

// parseWording reads a text; an empty one is none.
func parseWording(text string) (*wording, []dwmon.TextFault) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	if len(text) > maxTemplate {
		return nil, []dwmon.TextFault{{Line: 1, Message: fmt.Sprintf("the template is longer than %d KiB", maxTemplate>>10)}}
	}
	if at := definitions.FindStringIndex(text); at != nil {
		line, column := placeOf(text, at[0])
		return nil, []dwmon.TextFault{{
			Line: line, Column: column, Message: "a template is one text: define, template and block are not read", Hint: "write the text out",
		}}
	}
	t, err := template.New(nameInErrors).Option("missingkey=zero").Funcs(own).Funcs(tamed).Funcs(noRounds).Parse(text)
	if err != nil {
		return nil, []dwmon.TextFault{faultOf(err, text)}
	}
	f := fieldCheck{text: text}
	f.list(t.Root, viewType)
	if len(f.faults) > 0 {
		return nil, f.faults
	}
	countRounds(t)
	return &wording{text, t, f.usesExtra}, nil
}

// definitions make templates call one another, without end perhaps.
var definitions = regexp.MustCompile(`\{\{-?\s*(define|template|block)\b`)

// countRounds puts a call of roundFunc at the beginning of each loop.
func countRounds(t *template.Template) {
	round := template.Must(template.New("").Funcs(noRounds).Parse("{{" + roundFunc + "}}"))
	eachList(t.Root, func(n parse.Node) {
		if r, ok := n.(*parse.RangeNode); ok {
			r.List.Nodes = slices.Insert(r.List.Nodes, 0, round.Root.Nodes[0].Copy())
		}
	})
}

// eachList calls f for each node of a list and of the lists within.
func eachList(list *parse.ListNode, f func(parse.Node)) {
	if list == nil {
		return
	}
	for _, n := range slices.Clone(list.Nodes) {
		if b := branchOf(n); b != nil {
			eachList(b.List, f)
			eachList(b.ElseList, f)
		}
		f(n)
	}
}

func branchOf(n parse.Node) *parse.BranchNode {
	switch n := n.(type) {
	case *parse.IfNode:
		return &n.BranchNode
	case *parse.RangeNode:
		return &n.BranchNode
	case *parse.WithNode:
		return &n.BranchNode
	default:
		return nil
	}
}

// execute gives the text for a view; empty for none.
func (w *wording) execute(view *View) (text string, err error) {
	if w == nil {
		return "", nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot be executed: %v", p)
		}
	}()
	rounds := 0
	t, err := w.template.Clone()
	if err != nil {
		return "", err
	}
	t.Funcs(template.FuncMap{roundFunc: func() (string, error) {
		if rounds++; rounds > maxRounds {
			return "", errTooManyRounds
		}
		return "", nil
	}})
	var out limited
	if err := t.Execute(&out, view); err != nil {
		return "", err
	}
	return out.String(), nil
}

// limited takes no more than maxOutput.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return l.Buffer.Write(p)
}

// check executes the text for each sample, and gives what was wrong. With a
// checker's EXTRA, only notices about a checker count.
func (w *wording) check(extra []byte) []dwmon.TextFault {
	if w == nil {
		return nil
	}
	var faults []dwmon.TextFault
	for _, d := range samples() {
		if extra != nil {
			if d.Checker == nil {
				continue
			}
			d.Checker.Extra = extra
		}
		n := Compose(d)
		_, err := w.execute(d.view(&n))
		if err == nil || w.usesExtra && extra == nil {
			continue
		}
		f := w.fault(err)
		if !slices.ContainsFunc(faults, func(o dwmon.TextFault) bool { return o.Line == f.Line && o.Column == f.Column }) {
			f.Message = fmt.Sprintf("%s (seen with a notice of the kind %s%s)", f.Message, d.Kind, of(d.Incident.Subject))
			faults = append(faults, f)
		}
	}
	return faults
}

func of(s dwmon.Subject) string {
	if s == "" {
		return ""
	}
	return " about a " + string(s)
}

var (
	// Errors of the library: their place, and what they say.
	placed  = regexp.MustCompile(`(?s)^template: ` + nameInErrors + `:(\d+):(?:(\d+):)? (?:executing "[^"]*" at )?(.*)$`)
	unknown = regexp.MustCompile(`^function "(.*)" not defined$`)
)

func (w *wording) fault(err error) dwmon.TextFault { return faultOf(err, w.text) }

// faultOf turns an error of the library into a fault of the text.
func faultOf(err error, text string) dwmon.TextFault {
	for _, limit := range []error{errTooManyRounds, errTooLong} {
		if errors.Is(err, limit) {
			return dwmon.TextFault{Line: 1, Message: limit.Error()}
		}
	}
	m := placed.FindStringSubmatch(err.Error())
	if m == nil {
		return dwmon.TextFault{Line: 1, Message: clip(oneLine(err.Error()), maxSummary)}
	}
	f := dwmon.TextFault{Message: clip(oneLine(m[3]), maxSummary)}
	f.Line, _ = strconv.Atoi(m[1])
	if m[2] != "" {
		f.Column = characters(text, f.Line, m[2])
	}
	if m := unknown.FindStringSubmatch(f.Message); m != nil {
		f.Message, f.Hint = fmt.Sprintf("there is no function %q", m[1]), "see docs/notices.md for those that there are"
		if near, ok := dwmon.Nearest(m[1], functionNames()); ok {
			f.Hint = "did you mean " + near + "?"
		} else if m[1] == "env" || m[1] == "expandenv" || m[1] == "now" {
			f.Hint = "templates see the notice only; the time is .Created"
		}
	}
	return f
}

// functionNames are all functions, the library's included.
func functionNames() []string {
	names := []string{"and", "call", "eq", "ge", "gt", "index", "le", "len", "lt", "ne", "not", "or", "slice"}
	return slices.Concat(names, Functions(), slices.Sorted(maps.Keys(tamed)))
}

// placeOf is the line and the column of a byte of a text, counted from 1.
func placeOf(text string, at int) (line, column int) {
	before := text[:min(at, len(text))]
	start := strings.LastIndexByte(before, '\n') + 1
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[start:]) + 1
}

// characters turns the library's column, in bytes from 0, into one in characters
// from 1.
func characters(text string, line int, column string) int {
	all := strings.Split(text, "\n")
	at, err := strconv.Atoi(column)
	if err != nil || line < 1 || line > len(all) {
		return 0
	}
	return utf8.RuneCountInString(all[line-1][:min(at, len(all[line-1]))]) + 1
}
