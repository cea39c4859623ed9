package draft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Answers are what is known before anybody is asked. What is empty is asked for, or
// takes its default.
type Answers struct {
	Name, Source, Query string
	// Table, Key (columns with commas between them) and Time make a query.
	Table, Key, Time string
	// Expect is a text for ParseRange.
	Expect             string
	Lookback, Every    time.Duration
	Hours, Days        string
	Owner, Description string
}

// World is what an interview can find out.
type World struct {
	// Sources are the names of those that are configured.
	Sources []string
	// Catalog lists the tables of a source, and names the row getter that serves it. The
	// name may be there although the tables cannot be had; empty: nobody serves it.
	Catalog func(ctx context.Context, source string) (getter string, tables []Table, err error)
	// Check says what is wrong with a requirement line.
	Check func(line string) error
	// Ask is nil where nobody is there to be asked.
	Ask *Asker
	// Defaults says that nobody is asked for what has a default.
	Defaults bool
}

// MissingError lists what cannot be done without, where nobody can be asked.
type MissingError struct{ Flags []string }

func (e *MissingError) Error() string {
	return "this is no terminal on which questions could be asked, and without an answer there is no checker: add " + strings.Join(e.Flags, ", ")
}

// AnswerError is an answer, given in advance, that cannot be meant as it stands.
type AnswerError struct{ Err error }

func (e *AnswerError) Error() string { return e.Err.Error() }
func (e *AnswerError) Unwrap() error { return e.Err }

// wrong makes an AnswerError of an error; nil stays nil.
func wrong(err error) error {
	if err == nil {
		return nil
	}
	return &AnswerError{err}
}

// Defaults of what is not said.
const (
	defaultLookback = time.Hour
	defaultExpect   = "1.."
)

// Interview makes a draft of what is known and what is answered.
func Interview(ctx context.Context, a Answers, w World) (*Draft, error) {
	i := &interview{ctx: ctx, a: a, w: w}
	steps := []func() error{i.missing, i.source, i.query, i.when, i.expect, i.people}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &i.draft, nil
}

type interview struct {
	ctx   context.Context
	a     Answers
	w     World
	draft Draft
}

// asks says that what has a default is asked for all the same.
func (i *interview) asks() bool { return i.w.Ask != nil && !i.w.Defaults }

// missing complains of everything at once, where nobody can be asked.
func (i *interview) missing() error {
	i.draft.Name = i.a.Name
	if i.w.Ask != nil {
		return nil
	}
	var flags []string
	if i.a.Source == "" && len(i.w.Sources) != 1 {
		flags = append(flags, "--source")
	}
	if i.a.Query == "" && i.a.Table == "" {
		flags = append(flags, "--table or --query or --query-file")
	}
	if len(flags) > 0 {
		return &MissingError{flags}
	}
	return nil
}

func (i *interview) source() (err error) {
	switch d := &i.draft; {
	case i.a.Source != "":
		d.Source = i.a.Source
	case len(i.w.Sources) == 1 && !i.asks():
		d.Source = i.w.Sources[0]
	case len(i.w.Sources) == 0:
		d.Source, err = i.w.Ask.Text(i.ctx, "Source (a URL such as sqlite:demo.db; none is configured under sources)", "", notEmpty)
	default:
		i.w.Ask.Say("Sources that are configured:")
		d.Source, err = i.w.Ask.Choose(i.ctx, "Source (a number, a name, or a URL)", i.w.Sources, i.w.Sources[0], func(answer string) error {
			if strings.Contains(answer, ":") {
				return nil
			}
			return noSuch("source", answer, i.w.Sources)
		})
	}
	return err
}

func notEmpty(answer string) error {
	if strings.TrimSpace(answer) == "" {
		return errors.New("this one cannot be left out")
	}
	return nil
}

// ownQuery is what somebody answers who writes the query himself.
const ownQuery = "query"

func (i *interview) query() error {
	if i.a.Query != "" {
		i.draft.Query = i.a.Query
		return nil
	}
	getter, tables, err := i.w.Catalog(i.ctx, i.draft.Source)
	if err != nil {
		switch {
		case i.ctx.Err() != nil:
			return ErrStopped
		case getter == "":
			return wrong(err)
		}
		return i.withoutCatalog(getter, err)
	}
	t, own, err := i.table(tables)
	switch {
	case err != nil:
		return err
	case own:
		i.draft.Query, err = i.w.Ask.Lines(i.ctx, "Query with the columns dwmon_unique_key and dwmon_timestamp")
		return err
	}
	key, err := i.key(t)
	if err != nil {
		return err
	}
	at, err := i.time(t)
	if err != nil {
		return err
	}
	i.compose(getter, t, key, at)
	return nil
}

func (i *interview) compose(getter string, t Table, key []string, at string) {
	i.draft.Table, i.draft.Time = t.FullName(), at
	i.draft.Query = Query(getter, t, key, at)
}

// withoutCatalog takes the names as they are given.
func (i *interview) withoutCatalog(getter string, cause error) (err error) {
	if i.w.Ask == nil && (i.a.Key == "" || i.a.Time == "") {
		return fmt.Errorf("the tables of the source cannot be listed, so that key and time cannot be proposed: %w; name them with --key and --time, or write the --query", cause)
	}
	if i.w.Ask != nil {
		i.w.Ask.Say("The tables of the source cannot be listed: %v", cause)
	}
	for _, q := range []struct {
		to       *string
		question string
	}{{&i.a.Table, "Table"}, {&i.a.Key, "Column that tells the rows apart (or several, with commas)"}, {&i.a.Time, "Column with the time of a row"}} {
		if *q.to == "" {
			if *q.to, err = i.w.Ask.Text(i.ctx, q.question, "", notEmpty); err != nil {
				return err
			}
		}
	}
	t := Table{Name: i.a.Table}
	if dot := strings.LastIndexByte(i.a.Table, '.'); dot > 0 {
		t = Table{Schema: i.a.Table[:dot], Name: i.a.Table[dot+1:]}
	}
	i.compose(getter, t, splitNames(i.a.Key), i.a.Time)
	return nil
}

func splitNames(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func (i *interview) table(tables []Table) (found Table, own bool, err error) {
	names := make([]string, len(tables))
	for n, t := range tables {
		names[n] = t.FullName()
	}
	find := func(answer string) error {
		if own = answer == ownQuery; own {
			return nil
		}
		t, ok := FindTable(tables, answer)
		if !ok {
			return noSuch("table", answer, names)
		}
		found = t
		return nil
	}
	if i.a.Table != "" {
		err = find(i.a.Table)
		if err == nil && own {
			err = fmt.Errorf("%s is no table; --query gives the query", ownQuery)
		}
		return found, false, wrong(err)
	}
	i.w.Ask.Say("Tables:")
	chosen, err := i.w.Ask.Choose(i.ctx, "Table (a number, a name, or "+ownQuery+" to write the query yourself)", names, "", find)
	if err != nil || own {
		return found, own, err
	}
	found, _ = FindTable(tables, chosen)
	return found, false, nil
}

func noSuch(what, name string, known []string) error {
	if near, ok := dwmon.Nearest(name, known); ok {
		return fmt.Errorf("there is no %s %s; did you mean %s?", what, name, near)
	}
	const most = 10
	more := ""
	if len(known) > most {
		known, more = known[:most], fmt.Sprintf(" and %d more", len(known)-most)
	}
	return fmt.Errorf("there is no %s %s; there are %s%s", what, name, strings.Join(known, ", "), more)
}

// columns says whether a table has the columns named, and gives them as it writes them.
func columns(t Table, text string) (names []string, err error) {
	known := make([]string, len(t.Columns))
	for n, c := range t.Columns {
		known[n] = c.Name
	}
	for _, name := range splitNames(text) {
		c, ok := t.Column(name)
		if !ok {
			return nil, noSuch("column", name, known)
		}
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		return nil, notEmpty("")
	}
	return names, nil
}

func (i *interview) key(t Table) (names []string, err error) {
	check := func(answer string) (err error) { names, err = columns(t, answer); return err }
	proposal := strings.Join(t.ProposeKey(), ",")
	switch {
	case i.a.Key != "":
		err = wrong(check(i.a.Key))
		return names, err
	case proposal != "" && !i.asks():
		err = check(proposal)
		return names, err
	case i.w.Ask == nil:
		return nil, wrong(fmt.Errorf("nothing tells which column of %s tells its rows apart: add --key", t.FullName()))
	}
	i.showColumns(t)
	_, err = i.w.Ask.Text(i.ctx, "Key: the column that tells the rows apart (or several, with commas)", proposal, check)
	return names, err
}

func (i *interview) time(t Table) (name string, err error) {
	check := func(answer string) error {
		names, err := columns(t, answer)
		if err == nil && len(names) > 1 {
			err = errors.New("one column has the time")
		}
		if err == nil {
			name = names[0]
		}
		return err
	}
	proposal := ""
	if times := t.ProposeTimes(); len(times) > 0 {
		proposal = times[0]
	}
	switch {
	case i.a.Time != "":
		err = wrong(check(i.a.Time))
		return name, err
	case proposal != "" && !i.asks():
		return proposal, nil
	case i.w.Ask == nil:
		return "", wrong(fmt.Errorf("nothing tells which column of %s has the time of a row: add --time", t.FullName()))
	}
	_, err = i.w.Ask.Text(i.ctx, "Time: the column that says when a row came to be", proposal, check)
	return name, err
}

func (i *interview) showColumns(t Table) {
	i.w.Ask.Say("Columns of %s:", t.FullName())
	width := 0
	for _, c := range t.Columns {
		width = max(width, len([]rune(c.Name)))
	}
	for _, c := range t.Columns {
		mark := ""
		switch {
		case c.Key:
			mark = "  primary key"
		case c.Unique:
			mark = "  unique"
		}
		i.w.Ask.Say("       %s", strings.TrimRight(fmt.Sprintf("%-*s  %s%s", width, c.Name, c.Type, mark), " "))
	}
}

// when asks how far is looked back, how often, and on what hours and days.
func (i *interview) when() (err error) {
	d := &i.draft
	d.Lookback, err = i.duration(i.a.Lookback, "Look-back: how long is the window that is counted", defaultLookback, func(v time.Duration) error {
		return i.lineWith(func(d *Draft) { d.Lookback = v })
	})
	if err != nil {
		return err
	}
	d.Every, err = i.duration(i.a.Every, "Every: how often is it checked", every(d.Lookback), func(v time.Duration) error {
		return i.lineWith(func(d *Draft) { d.Every = v })
	})
	if err != nil {
		return err
	}
	d.Hours, err = i.text(i.a.Hours, "Hours (0-23: all day; 9-17: from 9:00 to 17:59)", allHours, func(v string) error {
		return i.lineWith(func(d *Draft) { d.Hours = v })
	})
	if err != nil {
		return err
	}
	d.Days, err = i.text(i.a.Days, "Days (every, weekdays, weekends, or a list such as MON,WED-FRI)", "every", func(v string) error {
		return i.lineWith(func(d *Draft) { d.Days = v })
	})
	return err
}

// lineWith says what is wrong with the line of what is known so far, and one answer.
func (i *interview) lineWith(set func(*Draft)) error {
	d := i.draft
	d.Expect = Range{Min: dwmon.At(1)}
	d.Lookback, d.Every = cmp.Or(d.Lookback, defaultLookback), cmp.Or(d.Every, time.Minute)
	set(&d)
	line, err := d.Line()
	if err != nil {
		return err
	}
	return i.w.Check(line)
}

// every proposes how often a window of a length is looked at: about three times as often
// as it is long, so that trouble is seen before it is as old as the window.
func every(lookback time.Duration) time.Duration {
	proposal := time.Minute
	for _, e := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour, 6 * time.Hour} {
		if e <= lookback/3 {
			proposal = e
		}
	}
	return proposal
}

func (i *interview) duration(given time.Duration, question string, proposal time.Duration, check func(time.Duration) error) (d time.Duration, err error) {
	switch {
	case given != 0:
		return given, wrong(check(given))
	case !i.asks():
		return proposal, nil
	}
	_, err = i.w.Ask.Text(i.ctx, question, dwmon.FormatDuration(proposal), func(answer string) (err error) {
		if d, err = dwmon.ParseDuration(answer); err != nil {
			return err
		}
		return check(d)
	})
	return d, err
}

func (i *interview) text(given, question, proposal string, check func(string) error) (string, error) {
	switch {
	case given != "" && check != nil:
		return given, wrong(check(given))
	case given != "":
		return given, nil
	case !i.asks():
		return proposal, nil
	}
	return i.w.Ask.Text(i.ctx, question, proposal, check)
}

func (i *interview) expect() (err error) {
	d := &i.draft
	switch {
	case i.a.Expect != "":
		d.Expect, err = ParseRange(i.a.Expect)
		return wrong(err)
	case !i.asks():
		d.Expect, err = ParseRange(defaultExpect)
		d.Expect.Guessed = true
		return err
	}
	question := fmt.Sprintf("Expect: how many rows in %s are fine (5..20; 5.. at least 5; ..20 at most 20)", dwmon.FormatDuration(d.Lookback))
	answer, err := i.w.Ask.Text(i.ctx, question, defaultExpect, func(answer string) (err error) {
		d.Expect, err = ParseRange(answer)
		return err
	})
	d.Expect.Guessed = answer == defaultExpect
	return err
}

func (i *interview) people() (err error) {
	d := &i.draft
	proposal := ""
	if d.Table != "" {
		proposal = "rows of " + d.Table
	}
	if d.Description, err = i.text(i.a.Description, "Description, for people who are told of it", proposal, nil); err != nil {
		return err
	}
	d.Owner, err = i.text(i.a.Owner, "Owner (may be left out)", "", nil)
	return err
}
