package notice

import (
	"fmt"
	"reflect"
	"strings"
	"text/template/parse"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var viewType = reflect.TypeFor[View]()

// fieldCheck looks for fields that are none, in branches too that no sample
// takes. Where the type of a value hangs on what is executed, it does not judge.
type fieldCheck struct {
	text      string
	faults    []dwmon.TextFault
	usesExtra bool
}

// list looks through nodes whose dot is of a type; nil: not known.
func (f *fieldCheck) list(list *parse.ListNode, dot reflect.Type) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			f.pipe(n.Pipe, dot)
		case *parse.IfNode:
			f.pipe(n.Pipe, dot)
			f.list(n.List, dot)
			f.list(n.ElseList, dot)
		case *parse.WithNode:
			f.list(n.List, f.pipe(n.Pipe, dot))
			f.list(n.ElseList, dot)
		case *parse.RangeNode:
			f.list(n.List, elementOf(f.pipe(n.Pipe, dot)))
			f.list(n.ElseList, dot)
		}
	}
}

// elementOf is what a loop over a type gives; nil where that is not known.
func elementOf(t reflect.Type) reflect.Type {
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		return t.Elem()
	}
	return nil
}

// pipe looks through a pipeline and gives the type of its value where that is
// plain to see.
func (f *fieldCheck) pipe(p *parse.PipeNode, dot reflect.Type) reflect.Type {
	if p == nil {
		return nil
	}
	var of reflect.Type
	for _, c := range p.Cmds {
		for _, arg := range c.Args {
			of = f.arg(arg, dot)
		}
	}
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return nil
	}
	return of
}

func (f *fieldCheck) arg(n parse.Node, dot reflect.Type) reflect.Type {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return f.fields(n, dot, n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return f.fields(n, viewType, n.Ident[1:])
		}
	case *parse.ChainNode:
		f.arg(n.Node, dot)
	case *parse.PipeNode:
		return f.pipe(n, dot)
	}
	return nil
}

// fields follows names from a type on.
func (f *fieldCheck) fields(n parse.Node, t reflect.Type, names []string) reflect.Type {
	for _, name := range names {
		if t == nil || t.Kind() == reflect.Interface {
			return nil
		}
		if m, ok := reflect.PointerTo(t).MethodByName(name); ok {
			if m.Type.NumOut() == 0 {
				return nil
			}
			t = m.Type.Out(0)
			continue
		}
		switch t.Kind() {
		case reflect.Map:
			t = t.Elem()
			continue
		case reflect.Pointer:
			return nil
		case reflect.Struct:
			if field, ok := t.FieldByName(name); ok && field.IsExported() {
				f.usesExtra = f.usesExtra || t == viewType && name == "Extra"
				t = field.Type
				continue
			}
		}
		f.fault(n, t, name)
		return nil
	}
	return t
}

func (f *fieldCheck) fault(n parse.Node, t reflect.Type, name string) {
	line, column := placeOf(f.text, f.find(int(n.Position()), name))
	fault := dwmon.TextFault{Line: line, Column: column, Message: fmt.Sprintf("there is no field .%s", name), Hint: "see docs/notices.md for those that there are"}
	if t != viewType {
		fault.Message += " in " + whatOf(t)
	}
	var names []string
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if field := t.Field(i); field.IsExported() {
				names = append(names, field.Name)
			}
		}
	}
	if near, ok := dwmon.Nearest(name, names); ok {
		fault.Hint = "did you mean ." + near + "?"
	} else if _, ok := viewType.FieldByName(name); ok && t != viewType {
		fault.Hint = "within range and with, the notice is $: write $." + name
	}
	f.faults = append(f.faults, fault)
}

// find gives where a field's name stands. The library's position of several names
// in a row is that of the second.
func (f *fieldCheck) find(at int, name string) int {
	at = min(at, len(f.text))
	if strings.HasPrefix(f.text[at:], "."+name) {
		return at
	}
	begin := max(strings.LastIndex(f.text[:at], "{{"), 0)
	if i := strings.Index(f.text[begin:], "."+name); i >= 0 {
		return begin + i
	}
	return at
}

// whatOf names a type as its readers know it.
func whatOf(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[ViewWindow]():
		return "one of .Windows"
	case reflect.TypeFor[Former]():
		return "one of .Former"
	case reflect.TypeFor[dwmon.Fact]():
		return "one of .Facts"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	default:
		return "a value of the type " + t.String()
	}
}
