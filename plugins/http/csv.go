package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

// readCSV reads a page of CSV, as it comes.
func (f *fetch) readCSV(ctx context.Context, r *request, resp *response, page *rows, about *facts) error {
	if err := f.isCSV(resp); err != nil {
		return err
	}
	if err := f.whole(resp); err != nil {
		return err
	}
	resp.body.page = f.settings.MaxTotalBytes
	budget := &recordBudget{from: withoutBOM(resp.body), most: f.settings.MaxBytes}
	in := csv.NewReader(budget)
	in.Comma, in.ReuseRecord = r.csv.delimiter, true
	t := &csvTable{batch: f.batch(r, page, about)}
	for n := 1; ; n++ {
		record, err := in.Read()
		budget.spent = 0
		if err == io.EOF {
			break
		}
		if err != nil {
			return f.csvError(resp, budget, err)
		}
		if err := t.record(ctx, n, record); err != nil {
			return err
		}
	}
	if !t.begun {
		return pluginsdk.CheckerError(f.named(errors.New("the answer is empty: not even a line of column names came")))
	}
	return t.flush(ctx)
}

// withoutBOM leaves a byte order mark out: it would be a part of the first field, and a
// quote behind it would not be the field's first character.
func withoutBOM(r io.Reader) io.Reader {
	b := bufio.NewReader(r)
	const mark = "\ufeff"
	if begin, _ := b.Peek(len(mark)); string(begin) == mark {
		_, _ = b.Discard(len(mark))
	}
	return b // an error of Peek comes again
}

// recordBudget bounds what one record takes: a quote that is never closed would
// take the whole rest for one field.
type recordBudget struct {
	from        io.Reader
	spent, most int64
}

var errLongRecord = errors.New("record too long")

func (b *recordBudget) Read(p []byte) (int, error) {
	if b.spent >= b.most {
		return 0, errLongRecord
	}
	n, err := b.from.Read(p)
	b.spent += int64(n)
	return n, err
}

func (f *fetch) csvError(resp *response, budget *recordBudget, err error) error {
	var wrong *csv.ParseError
	switch {
	case resp.body.broken():
		return f.bodyError(resp, resp.body.err)
	case errors.Is(err, errLongRecord):
		return pluginsdk.CheckerError(f.named(fmt.Errorf("a record has more than %d bytes; is a quote open? Raise max_bytes if that is right", budget.most)))
	case errors.As(err, &wrong):
		return pluginsdk.CheckerError(f.named(fmt.Errorf("line %d, column %d is no CSV: %w; is the delimiter right?", wrong.Line, wrong.Column, wrong.Err)))
	}
	return f.bodyError(resp, err)
}

// csvTable makes rows of records.
type csvTable struct {
	*batch

	begun     bool // the first line was seen
	names     []string
	key, time int // places of the columns; -1: the program reads the record
}

// record takes one record; the first one says where the columns are.
func (t *csvTable) record(ctx context.Context, n int, record []string) error {
	if !t.begun {
		t.begun = true
		t.names = slices.Clone(record)
		header, err := t.find()
		if err != nil {
			return pluginsdk.CheckerError(t.named(err))
		}
		if header {
			return nil
		}
	}
	if t.key >= 0 {
		return t.rowError(ctx, t.page, t.columns(record))
	}
	object, bytes := make(map[string]any, len(t.names)), 0
	for i, name := range t.names {
		object[name] = nil
		if record[i] != "" {
			object[name] = record[i]
			bytes += len(record[i])
		}
	}
	return t.add(ctx, object, bytes)
}

// columns makes a row of the two columns.
func (t *csvTable) columns(record []string) error {
	if record[t.key] == "" {
		return wrongRow("its key is empty")
	}
	if record[t.time] == "" {
		t.page.skip()
		return nil
	}
	us, err := sqlrows.ParseTimestamp(record[t.time], t.zone)
	if err != nil {
		_, _, err = micros(record[t.time], t.zone) // the same, in our words
		return err
	}
	return t.page.text(record[t.key], us)
}

// find finds the columns. header says that the first line holds their names.
func (t *csvTable) find() (header bool, err error) {
	form := t.request.csv
	t.key, t.time = -1, -1
	switch {
	case t.request.rows != nil:
		return true, t.distinct()
	case form.key.number > 0:
		if most := max(form.key.number, form.time.number); most > len(t.names) {
			return false, fmt.Errorf("there is no column %d; the first line has %d: is the delimiter right?", most, len(t.names))
		}
		t.key, t.time = form.key.number-1, form.time.number-1
		return false, nil
	}
	keys, times := []string{form.key.name}, []string{form.time.name}
	if form.key.name == "" {
		keys, times = keyNames, timeNames
	}
	if t.key, err = t.column(keys); err != nil {
		return true, err
	}
	t.time, err = t.column(times)
	return true, err
}

// column finds a column by one of its names.
func (t *csvTable) column(names []string) (int, error) {
	at := -1
	for i, name := range t.names {
		if !slices.Contains(names, name) {
			continue
		}
		if at >= 0 {
			return 0, fmt.Errorf("there are two columns %q; choose them by number", names[0])
		}
		at = i
	}
	if at < 0 {
		return 0, fmt.Errorf("there is no column %q; the first line has %s; name two of them with `columns`", names[0], cut(strings.Join(t.names, ", ")))
	}
	return at, nil
}

// distinct refuses two columns of one name, of which a program would see one.
func (t *csvTable) distinct() error {
	sorted := slices.Sorted(slices.Values(t.names))
	for i, name := range sorted[1:] {
		if name == sorted[i] {
			return fmt.Errorf("there are two columns %q; use `columns` and choose by number", cut(name))
		}
	}
	return nil
}
