package sqlite

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// listRows is how many rows one INSERT of a list takes; a power of two. Longer
// lists gain nothing.
const listRows = 128

// list inserts many rows of one shape with few statements.
type list struct {
	tx   *Tx
	head string // the INSERT up to and without VALUES
	tail string // what follows the rows
	// shared is how many arguments all rows have in common; they are bound once
	// for a statement, and their columns come first in head.
	shared int
	width  int // arguments of a row beside the shared ones
	args   []driver.NamedValue
	// changed is how many rows were written, those ignored left out.
	changed int64
	// ran, where it is set, is told of each statement: the arguments of its rows and
	// how many of them were written.
	ran func(rows []driver.NamedValue, changed int64) error
}

func (tx *Tx) newList(head string, width int, shared ...any) (*list, error) {
	args, err := bindings(shared)
	if err != nil {
		return nil, tx.fail(err)
	}
	return &list{tx: tx, head: head, shared: len(shared), width: width, args: args}, nil
}

// add takes the values of one row, in the driver's own types.
func (l *list) add(values ...driver.Value) error {
	for _, v := range values {
		l.args = append(l.args, driver.NamedValue{Ordinal: len(l.args) + 1, Value: v})
	}
	if l.rows() == listRows {
		return l.flush()
	}
	return nil
}

func (l *list) rows() int { return (len(l.args) - l.shared) / l.width }

// flush writes what is left, in statements whose lengths are powers of two: few
// texts, each prepared once.
func (l *list) flush() error {
	for size := listRows; size > 0; size /= 2 {
		for l.rows() >= size {
			if err := l.run(size); err != nil {
				return err
			}
		}
	}
	return nil
}

// run writes the first size rows, after which the others move up.
func (l *list) run(size int) error {
	end := l.shared + size*l.width
	n, err := l.tx.execList(l.text(size), l.args[:end])
	if err != nil {
		return err
	}
	l.changed += n
	if l.ran != nil {
		if err := l.ran(l.args[l.shared:end], n); err != nil {
			return err
		}
	}
	rest := copy(l.args[l.shared:], l.args[end:])
	l.args = l.args[:l.shared+rest]
	for i := l.shared; i < len(l.args); i++ {
		l.args[i].Ordinal = i + 1
	}
	return nil
}

// text gives the statement for so many rows, put together once.
func (l *list) text(rows int) string {
	key := listKey{l.head, l.tail, rows}
	texts := l.tx.conn.lists
	if texts[key] == "" {
		texts[key] = valuesList(l.head, l.shared, l.width, rows) + l.tail
	}
	return texts[key]
}

// listKey names the text of a list of so many rows.
type listKey struct {
	head, tail string
	rows       int
}

// valuesList completes an INSERT of so many rows. The first row numbers all of
// its arguments, the others name the shared ones by those numbers; the rest stay
// plain "?", which the driver binds without looking for a name.
func valuesList(head string, shared, width, rows int) string {
	var b strings.Builder
	b.WriteString(head)
	b.WriteString(" VALUES ")
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for j := range shared + width {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('?')
			if i > 0 && j < shared {
				fmt.Fprint(&b, j+1)
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}
