package sqlite

import (
	"database/sql/driver"
	"slices"
	"strings"
)

// maxRedo bounds what is noted of one function's statements, bytes. A function that
// writes more is the last of its group.
const maxRedo = 256 << 10

// redoLog is what a function has written, statement by statement. A group is one
// transaction without savepoints, for which SQLite would copy aside every page that
// a function changes first; where a function fails, the transaction is rolled back
// and what the others have written is written again.
//
// That gives the same rows, ids and counts as before: the same statements run in the
// same order on the same state, and none of them asks for the time or for chance.
type redoLog struct {
	statements []noted
	size       int64
	// wrote says that there may be something to undo, also of a statement that failed;
	// full that more was written than is noted.
	wrote, full bool
}

type noted struct {
	query string
	args  []driver.NamedValue
}

// notedSize is about what an argument takes beside its bytes.
const notedSize = 64

// note is told of a statement that has written something. Its bytes are copied:
// whoever made the arguments may use their memory again.
func (l *redoLog) note(query string, args []driver.NamedValue) {
	if l.full {
		return
	}
	var bytes, texts int
	for i := range args {
		switch v := args[i].Value.(type) {
		case []byte:
			bytes += len(v)
		case string:
			texts += len(v)
		}
	}
	if l.size += int64(bytes + texts + notedSize*len(args)); l.size > maxRedo {
		l.full, l.statements = true, nil
		return
	}
	args = slices.Clone(args)
	own := make([]byte, 0, bytes)
	for i := range args {
		if b, ok := args[i].Value.([]byte); ok && b != nil {
			from := len(own)
			own = append(own, b...)
			args[i].Value = own[from:len(own):len(own)]
		}
	}
	l.statements = append(l.statements, noted{query, args})
}

// onlyReads says that a statement certainly writes nothing.
func onlyReads(query string) bool {
	return strings.HasPrefix(strings.TrimLeft(query, " \t\n"), "SELECT ")
}

// redo begins the group's transaction anew and writes what its members have written.
func (w *writer) redo(members []*request) error {
	w.rollback()
	before := w.version
	if err := w.begin(); err != nil {
		return err
	}
	if len(members) > 0 && w.version != before {
		return &Error{Path: w.db.path, Kind: ErrOvertaken}
	}
	for _, m := range members {
		for _, s := range m.tx.redo.statements {
			if err := w.c.drain(s.query, s.args); err != nil {
				return explain(w.db.path, err)
			}
		}
	}
	return nil
}

// prove has tests write every group twice: what is committed is the second writing.
func (w *writer) prove(members []*request) error {
	if !w.db.opts.redoAll || slices.ContainsFunc(members, func(m *request) bool { return m.tx.redo.full }) {
		return nil
	}
	return w.redo(members)
}
