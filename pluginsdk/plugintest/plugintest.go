package plugintest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Status is how a case ended.
type Status string

const (
	Pass Status = "pass"
	Fail Status = "fail"
	// Skip: the case says nothing about the plugin; Result.Detail says why.
	Skip Status = "skip"
)

// Case is one thing that every plugin must do.
type Case struct {
	// ID is stable between versions. New cases get new numbers.
	ID int
	// Name is a stable word or two, such as "bad-extra".
	Name string
	// Text is one line: what the plugin must do.
	Text string
}

// Result is how one case ended.
type Result struct {
	ID     int
	Name   string
	Status Status
	// Detail is what was measured, what is wrong, or why the case was skipped.
	Detail string
	Took   time.Duration
}

// Options say how the plugin is used. The more is given, the more is checked: a
// case without its means is skipped and says what it lacks.
type Options struct {
	// Settings become the JSON that Configure gets: a map, a struct, a
	// json.RawMessage. nil: {}. They should lead to a source and a receiver for
	// tests: check handlers are really given results.
	Settings any
	// Query brings at least one row, in less than five seconds. Without it every
	// case that needs a row getter at work is skipped.
	Query string
	// Source is the SOURCE of all queries, and Extra the EXTRA of all calls: JSON,
	// or empty.
	Source string
	Extra  []byte

	// ManyRows is a query that brings at least 100,000 rows.
	ManyRows string
	// SlowQuery is a query that takes at least ten seconds.
	SlowQuery string
	// PanicQuery is a query at which the plugin panics, PrintQuery one at which it
	// prints 1 MiB to standard output, to standard error and to file descriptor 1.
	// They are for executables made for that purpose; a panic within an in-process
	// plugin is brought about by the kit.
	PanicQuery string
	PrintQuery string

	// NoDeliveries: the check handler is given no results; whatever needs that is
	// skipped. For receivers that are not there for tests.
	NoDeliveries bool

	// Env is NAME=value for an executable, beside what every host passes on: PATH,
	// HOME and the like.
	Env []string
	// Manifest is the absolute path of the dwmon-plugin.json that an executable, a
	// bridge, is to serve; empty for all others.
	Manifest string

	// Only are the IDs of the cases wanted; empty means all.
	Only []int
}

// Cases lists all cases by ID.
func Cases() []Case {
	out := make([]Case, len(all))
	for i, t := range all {
		out[i] = t.Case
	}
	return out
}

// caseLimit ends a case that would hang. The longest waits within one add up to
// less.
const caseLimit = 90 * time.Second

// Check tries the cases on a plugin, one after the other, and reports each result
// when it is there: by ID, but for those that end the plugin, which come last.
// What is wrong with the plugin is in the results. An error means that the kit
// could not go on: wrong options, or ctx has ended.
func Check(ctx context.Context, target Target, o Options, report func(Result)) error {
	k := &kit{target: target, options: o}
	if err := k.prepare(); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	defer target.close()
	for _, t := range k.selected() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("conformance: %w", err)
		}
		report(k.try(ctx, t))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("conformance: %w", err)
	}
	return nil
}

// kit is one run of the cases.
type kit struct {
	target   Target
	options  Options
	settings []byte
	// refused: the plugin does not take Options.Settings, and that has been said.
	refused bool
}

// trial is a case and how it is tried. The text it returns is what was measured.
type trial struct {
	Case
	run func(context.Context, *kit) (detail string, err error)
	// last: afterwards a plugin in process is of no more use.
	last bool
}

// skipped is the error of a case that cannot be tried.
type skipped struct{ why string }

func (s skipped) Error() string { return s.why }

// refused is the error of a plugin that does not take Options.Settings.
type refused struct{ why string }

func (r refused) Error() string { return "configure: the plugin refuses the settings: " + r.why }

func skip(format string, args ...any) error { return skipped{fmt.Sprintf(format, args...)} }

func (k *kit) prepare() error {
	k.settings = []byte("{}")
	if k.options.Settings != nil {
		var err error
		if k.settings, err = json.Marshal(k.options.Settings); err != nil {
			return fmt.Errorf("the settings cannot be written as JSON: %w", err)
		}
	}
	if len(k.options.Extra) > 0 && !json.Valid(k.options.Extra) {
		return errors.New("Options.Extra is no JSON")
	}
	for _, id := range k.options.Only {
		if !slices.ContainsFunc(all, func(t trial) bool { return t.ID == id }) {
			return fmt.Errorf("there is no case %d: they are 1 to %d", id, len(all))
		}
	}
	return k.target.prepare(&k.options)
}

// selected are the cases wanted, those that end the plugin last.
func (k *kit) selected() []trial {
	var first, last []trial
	for _, t := range all {
		if len(k.options.Only) > 0 && !slices.Contains(k.options.Only, t.ID) {
			continue
		}
		if t.last {
			last = append(last, t)
		} else {
			first = append(first, t)
		}
	}
	return append(first, last...)
}

func (k *kit) try(ctx context.Context, t trial) Result {
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	began := time.Now()
	detail, err := t.run(ctx, k)
	r := Result{ID: t.ID, Name: t.Name, Status: Pass, Detail: detail, Took: time.Since(began)}
	var why skipped
	switch {
	case errors.As(err, &why):
		r.Status, r.Detail = Skip, why.why
	case errors.As(err, new(refused)) && k.refused:
		r.Status, r.Detail = Skip, "the plugin refuses the settings, as said before"
	case err != nil:
		r.Status, r.Detail = Fail, err.Error()+k.target.said()
		k.refused = k.refused || errors.As(err, new(refused))
	}
	return r
}

// all is every case, by ID. It is filled in init because the cases refer to it.
var all []trial

func init() {
	all = []trial{
		{Case{1, "handshake", "standard output is one handshake line, within 5 s"}, handshake, false},
		{Case{2, "describe", "it says what it is without settings, environment or network"}, describe, false},
		{Case{3, "identity", "name, version and kinds are valid, and are those that it serves"}, identity, false},
		{Case{4, "configure", "equal settings twice are fine; junk is a diagnostic, not the end"}, configure, false},
		{Case{5, "bad-extra", "an EXTRA that is no JSON is INVALID_ARGUMENT"}, badExtra, false},
		{Case{6, "batches", "batches keep their bounds, and a correct summary comes last"}, batches, false},
		{Case{7, "slow-reader", "100,000 rows for a slow reader take less than 32 MiB"}, slowReader, false},
		{Case{8, "cancel", "a fetch that is cancelled returns within 2 s"}, cancelled, false},
		{Case{9, "deadline", "a fetch returns within 2 s of its deadline"}, deadline, false},
		{Case{10, "parallel", "eight calls at the same time work, and leave nothing behind"}, parallel, false},
		{Case{11, "panic", "a panic is INTERNAL, and the next call works"}, panics, false},
		{Case{12, "prints", "1 MiB printed to every output neither blocks nor corrupts a call"}, prints, false},
		{Case{13, "end", "SIGTERM and Drain end it, with exit code 0 within 5 s"}, ends, true},
		{Case{14, "host-killed", "when its host is killed, it and its children are gone within 5 s, and no socket is left"}, hostKilled, true},
		{Case{15, "unknown-fields", "request fields of a later version are ignored"}, unknownFields, false},
		{Case{16, "killed", "it is killed and started again 20 times, and nothing is left at the host"}, killed, true},
	}
}
