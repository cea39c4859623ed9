package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// A group ends when it has so many functions, or has taken so long that those
// who were first should get their answer.
const (
	maxGroup     = 256
	maxGroupTime = 20 * time.Millisecond
)

// writer owns the write connection: one goroutine that commits together what
// waits together. A commit costs a flush to the disk, and the flush costs more
// than the transactions of fifty checkers.
type writer struct {
	db    *DB
	queue chan *request
	done  chan struct{} // closed when the goroutine has ended

	// mu guards the connection; it is held for a group.
	mu sync.Mutex
	c  *conn
	// version is SQLite's data_version of the connection, which changes with the
	// commits of others only.
	version int64
	// looked says that the goroutine has the database's write lock, or gives it back just
	// now, and has looked for foreign commits since it took it: there are none to be
	// missed, and nobody has to wait for the disk to look again.
	looked  atomic.Bool
	commits int64
}

// request is one function that waits for its transaction.
type request struct {
	fn     func(*Tx) error
	taken  atomic.Bool // by the writer, or by the caller who gave up
	result chan error
	tx     *Tx
}

func newWriter(db *DB, c *conn) (*writer, error) {
	w := &writer{db: db, c: c, queue: make(chan *request, maxGroup), done: make(chan struct{})}
	r, err := c.one("PRAGMA data_version")
	if err != nil {
		c.close()
		return nil, err
	}
	w.version = r.int(0)
	if _, err := c.exec(ignoredTable); err != nil {
		c.close()
		return nil, err
	}
	go w.run()
	return w, nil
}

// write runs fn in a transaction that is committed together with those of
// others. fn's error, a panic in it or the commit's failure undo all that fn has
// written, and are returned. ctx ends the waiting, not a function that runs.
func (db *DB) write(ctx context.Context, fn func(*Tx) error) error {
	if db.writer == nil {
		return &Error{Path: db.path, Err: errors.New("it was opened for reading only")}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	req := &request{fn: fn, result: make(chan error, 1)}
	select {
	case <-db.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case db.writer.queue <- req:
	}
	select {
	case err := <-req.result:
		return err
	case <-ctx.Done():
		if req.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-req.result
	case <-db.writer.done:
		// The writer answers whatever it has taken before it ends.
		select {
		case err := <-req.result:
			return err
		default:
			return ErrClosed
		}
	}
}

func (w *writer) run() {
	ended := false
	defer func() {
		if !ended {
			// A function has ended the goroutine (runtime.Goexit, as a failing
			// test does); its group was answered, the next ones go on.
			go w.run()
		}
	}()
	for {
		select {
		case req := <-w.queue:
			// Whoever is about to ask as well goes first, and shares the commit. Where
			// nobody is, this costs nothing.
			runtime.Gosched()
			w.mu.Lock()
			w.group(req)
		case <-w.db.closed:
			w.drain()
			ended = true
			close(w.done)
			return
		}
	}
}

// drain serves what was queued before the store was closed.
func (w *writer) drain() {
	for {
		select {
		case req := <-w.queue:
			w.mu.Lock()
			w.group(req)
		default:
			return
		}
	}
}

// stop waits for the goroutine and closes the connection.
func (w *writer) stop() error {
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(w.optimize(), w.c.close())
}

// optimizeEvery is how many commits lie between two looks at the statistics that
// SQLite's planner goes by.
const optimizeEvery = 5000

func (w *writer) optimize() error {
	_, err := w.c.exec("PRAGMA optimize")
	return err
}

// group runs the first request and those that wait behind it in one transaction.
// The caller has locked mu; group unlocks it.
func (w *writer) group(first *request) {
	var members []*request
	err := errors.New("a function in the same commit has ended its goroutine")
	defer func() {
		if err != nil {
			w.rollback()
		}
		w.mu.Unlock()
		for _, m := range members {
			m.result <- err
		}
	}()
	if !first.taken.CompareAndSwap(false, true) {
		err = nil
		return
	}
	if beginErr := w.begin(); beginErr != nil {
		members = append(members, first)
		err = beginErr
		return
	}
	start := time.Now()
	for req := first; req != nil; {
		members = append(members, req)
		if fnErr := w.member(req); fnErr != nil {
			members = members[:len(members)-1]
			req.result <- fnErr
			if err = w.undo(req, fnErr, members); err != nil {
				return
			}
		}
		if req.tx.redo.full {
			break
		}
		req = w.next(maxGroup-len(members), start)
	}
	if err = w.prove(members); err == nil {
		err = w.commit(members)
	}
}

// next gives a request that waits already, if there is room for it; nil ends the
// group.
func (w *writer) next(room int, start time.Time) *request {
	for room > 0 && time.Since(start) < maxGroupTime {
		select {
		case req := <-w.queue:
			if req.taken.CompareAndSwap(false, true) {
				return req
			}
		default:
			return nil
		}
	}
	return nil
}

func (w *writer) begin() error {
	if _, err := w.c.exec("BEGIN IMMEDIATE"); err != nil {
		return explain(w.db.path, err)
	}
	if err := w.lookForForeign(); err != nil {
		w.rollback()
		return explain(w.db.path, err)
	}
	w.looked.Store(true)
	return nil
}

// rollback ends the transaction if there is one: after errors of the disk SQLite
// has ended it already.
func (w *writer) rollback() {
	w.looked.Store(false)
	w.c.exec("ROLLBACK")
}

// member runs one function.
func (w *writer) member(req *request) error {
	req.tx = &Tx{db: w.db, conn: w.c}
	return explainStatement(w.db.path, req.tx.call(req.fn))
}

// undo takes what a failed function has written out of the transaction. After some
// errors of the disk, of reading too, SQLite has ended the transaction itself.
func (w *writer) undo(failed *request, cause error, members []*request) error {
	if !failed.tx.redo.wrote && sqliteCode(cause) == 0 && sqliteCode(failed.tx.failed) == 0 {
		return nil
	}
	return w.redo(members)
}

// commit makes the members' work durable and then lets memory follow.
func (w *writer) commit(members []*request) error {
	if _, err := w.c.exec("COMMIT"); err != nil {
		return explain(w.db.path, err)
	}
	w.looked.Store(false)
	for _, m := range members {
		for _, fn := range m.tx.after {
			fn()
		}
	}
	if w.commits++; w.commits%optimizeEvery == 0 {
		if err := w.optimize(); err != nil {
			w.db.log.Warn("statistics of the database were not renewed", "path", w.db.path, "error", err)
		}
	}
	return nil
}

// lookForForeign drops what is kept in memory where another program has
// committed to the file. The caller holds mu.
func (w *writer) lookForForeign() error {
	r, err := w.c.one("PRAGMA data_version")
	if err != nil {
		return err
	}
	if v := r.int(0); v != w.version {
		w.version = v
		w.db.progress.dropAll()
		w.db.filters.dropAll()
	}
	return nil
}

// follow sees to it that what is kept in memory is no older than the last foreign
// commit. While the writer is in a transaction nobody else can commit.
func (db *DB) follow() error {
	if db.writer == nil {
		db.progress.dropAll() // a reader sees every commit as a foreign one
		return nil
	}
	if db.writer.looked.Load() {
		return nil
	}
	db.writer.mu.Lock()
	defer db.writer.mu.Unlock()
	select {
	case <-db.closed:
		return ErrClosed
	default:
	}
	return explain(db.path, db.writer.lookForForeign())
}

// panicError is a panic in a function of a transaction, turned into an error: it
// must not take the neighbours' transactions with it.
func panicError(v any) error {
	return fmt.Errorf("panic in a transaction: %v\n%s", v, debug.Stack())
}
