package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"iter"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var _ dwmon.Tx = (*Tx)(nil)

// Tx is one function's part of a group commit. It must not be used after the
// function has returned.
type Tx struct {
	db   *DB
	conn *conn
	// after runs, in order, once the group is committed.
	after []func()
	redo  redoLog
	// failed is the first error of a statement. A transaction with a failed
	// statement is not kept, even if its function goes on as if nothing were.
	failed error
	done   bool
}

// InTx is dwmon.Store's.
func (db *DB) InTx(ctx context.Context, fn func(dwmon.Tx) error) error {
	return db.write(ctx, func(tx *Tx) error { return fn(tx) })
}

// call runs fn and says what became of it.
func (tx *Tx) call(fn func(*Tx) error) (err error) {
	defer func() {
		tx.done = true
		if v := recover(); v != nil {
			err = panicError(v)
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	return tx.failed
}

// fail keeps the first error of the transaction.
func (tx *Tx) fail(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

var errTxDone = fmt.Errorf("a transaction was used after its function had returned")

// exec runs a statement and gives how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	named, err := bindings(args)
	if err != nil {
		return 0, tx.fail(err)
	}
	n, err := tx.execBound(query, named)
	if err == nil {
		tx.redo.note(query, named)
	}
	return n, err
}

// execList runs an INSERT of many rows: exec for arguments that are in the driver's form
// already. Most of the rows of a first batch are known, and what adds none is not noted.
func (tx *Tx) execList(query string, args []driver.NamedValue) (int64, error) {
	n, err := tx.execBound(query, args)
	if err == nil && n > 0 {
		tx.redo.note(query, args)
	}
	return n, err
}

// execBound leaves it to the caller to note what was written.
func (tx *Tx) execBound(query string, args []driver.NamedValue) (int64, error) {
	if err := tx.usable(); err != nil {
		return 0, err
	}
	tx.redo.wrote = true
	n, err := tx.conn.execBound(query, args)
	return n, tx.fail(err)
}

// usable refuses statements after the function's end, and after a failed one: SQLite may
// have ended the transaction with it, and would commit the next statement by itself.
func (tx *Tx) usable() error {
	if tx.done {
		return errTxDone
	}
	return tx.failed
}

// insert runs an INSERT into a table with an INTEGER PRIMARY KEY and gives the
// id of the new row.
func (tx *Tx) insert(query string, args ...any) (int64, error) {
	named, err := bindings(args)
	if err != nil {
		return 0, tx.fail(err)
	}
	if err := tx.usable(); err != nil {
		return 0, err
	}
	tx.redo.wrote = true
	id, err := tx.conn.insertBound(query, named)
	if err == nil {
		tx.redo.note(query, named)
	}
	return id, tx.fail(err)
}

// query gives the rows of a statement one by one; an error comes last.
func (tx *Tx) query(query string, args ...any) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		if err := tx.usable(); err != nil {
			yield(nil, err)
			return
		}
		named, err := bindings(args)
		if err != nil {
			yield(nil, tx.fail(err))
			return
		}
		if !onlyReads(query) {
			tx.redo.wrote = true
			tx.redo.note(query, named)
		}
		for r, err := range tx.conn.queryBound(query, named) {
			if !yield(r, tx.fail(err)) {
				return
			}
		}
	}
}

// one gives the first row of a statement; nil where there is none.
func (tx *Tx) one(query string, args ...any) (row, error) {
	for r, err := range tx.query(query, args...) {
		return r, err
	}
	return nil, nil
}

// afterCommit runs fn once the transaction is durable, on the writer's
// goroutine; not at all when it is not. fn must be quick and must not write.
func (tx *Tx) afterCommit(fn func()) { tx.after = append(tx.after, fn) }

// dirty drops the progress that is cached for a checker once the transaction is
// committed. Whoever changes what dwmon.Progress holds calls it, or amend.
func (tx *Tx) dirty(name string) {
	tx.afterCommit(func() { tx.db.progress.drop(name) })
}

// amend makes a change of this transaction in the cached progress too, where
// there is one; cheaper than reading it again at each pass. change is given a
// copy of its own, Lines included.
func (tx *Tx) amend(checkerID int64, change func(*dwmon.Progress)) {
	tx.afterCommit(func() { tx.db.progress.amend(checkerID, change) })
}
