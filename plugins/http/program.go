package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// variables are what a jq program sees besides its input, in the order of
// facts.values.
var variables = []string{"$since", "$now", "$extra", "$page", "$count", "$headers"}

// facts are the values of the variables during one page.
type facts struct {
	since, now time.Time
	extra      any
	page       int
	count      int
	headers    map[string]any
}

func (f *facts) values() []any {
	return []any{seconds(f.since), seconds(f.now), f.extra, f.page, f.count, f.headers}
}

// seconds is a time as jq programs see it: a whole number where it is one.
func seconds(t time.Time) any {
	if us := t.UnixMicro(); us%1e6 != 0 {
		return float64(us) / 1e6
	}
	return int(t.Unix())
}

// program is a jq program, compiled once. It may run many times at once.
type program struct {
	code *gojq.Code
	// each is the same for a list of inputs, one after the other: beginning a run
	// costs more than a record of a stream.
	each *gojq.Code
	// from is the program's text in the QUERY section.
	from value
}

var unknownName = regexp.MustCompile(`(?:function|variable) not defined: (\$?\w+)`)

// compile makes a program. Its errors know their place.
func compile(v value) (*program, error) {
	query, err := gojq.Parse(v.text)
	if err != nil {
		var wrong *gojq.ParseError
		if !errors.As(err, &wrong) {
			return nil, fmt.Errorf("it is no jq program: %w", err)
		}
		if wrong.Token == "" {
			return nil, faultAt(len(strings.TrimRight(v.text, " \t\n")), "the jq program ends too early")
		}
		return nil, faultAt(max(wrong.Offset-len(wrong.Token), 0), "the jq program is wrong here: %w", err)
	}
	code, err := gojq.Compile(query, gojq.WithVariables(variables))
	if err != nil {
		at := 0
		if m := unknownName.FindStringSubmatch(err.Error()); m != nil {
			at = max(regexp.MustCompile(regexp.QuoteMeta(m[1]) + `\b`).FindStringIndex(v.text + m[1])[0], 0)
		}
		return nil, faultAt(min(at, len(v.text)), "the jq program cannot be used: %w", err)
	}
	each, err := compileEach(v.text)
	if err != nil {
		return nil, fmt.Errorf("the jq program cannot be used: %w", err)
	}
	return &program{code: code, each: each, from: v}, nil
}

func compileEach(text string) (*gojq.Code, error) {
	query, err := gojq.Parse(".[] | (" + text + "\n)") // behind a comment, too
	if err != nil {
		return nil, err
	}
	return gojq.Compile(query, gojq.WithVariables(variables))
}

// run gives each value that the program makes of input to yield. ctx bounds it.
func (p *program) run(ctx context.Context, input any, f *facts, yield func(v any) error) error {
	return p.drive(ctx, p.code.RunWithContext(ctx, input, f.values()...), yield)
}

// runEach is run for one input after the other.
func (p *program) runEach(ctx context.Context, inputs []any, f *facts, yield func(v any) error) error {
	return p.drive(ctx, p.each.RunWithContext(ctx, inputs, f.values()...), yield)
}

func (p *program) drive(ctx context.Context, iter gojq.Iter, yield func(v any) error) error {
	for {
		v, ok := iter.Next()
		if !ok {
			return nil
		}
		if err, failed := v.(error); failed {
			return p.failure(ctx, err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
}

// failure is an error of the program itself, or the end of its time or memory.
func (p *program) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var halt *gojq.HaltError
	if errors.As(err, &halt) {
		// Taking it for the end would make a low count of a page half read.
		return errors.New("the jq program called halt; let it give no rows (`empty`) or an error instead")
	}
	return fmt.Errorf("the jq program failed: %s", cut(err.Error()))
}

// preview shows a value in an error.
func preview(v any) string { return gojq.Preview(v) }
