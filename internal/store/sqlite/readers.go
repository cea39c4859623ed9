package sqlite

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// idleReader is after how long without use a reader is closed. Each has a cache, the
// schema and its statements in memory.
const idleReader = 5 * time.Minute

// readers are the connections that are read from. The one used last is lent first, so
// that those that only a burst had a need for are left alone, and closed.
type readers struct {
	places chan struct{} // one for each that may be out

	mu   sync.Mutex
	idle []idleConn // the one used last is the last
}

// idleConn is a reader that waits, and since when.
type idleConn struct {
	conn  *conn
	since time.Time
}

func newReaders(most int) *readers {
	return &readers{places: make(chan struct{}, most)}
}

// enter waits for a place.
func (rs *readers) enter(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	case rs.places <- struct{}{}:
	}
	select {
	case <-closed: // select picks at random where both are ready
		rs.leave()
		return ErrClosed
	default:
		return nil
	}
}

func (rs *readers) leave() { <-rs.places }

// take gives an open reader to who has a place; nil where there is none.
func (rs *readers) take() *conn {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	n := len(rs.idle)
	if n == 0 {
		return nil
	}
	c := rs.idle[n-1].conn
	rs.idle = slices.Delete(rs.idle, n-1, n)
	return c
}

// put takes a reader back, before its place is left, and closes those that nobody has
// had a use for.
func (rs *readers) put(c *conn, now time.Time) {
	rs.mu.Lock()
	var idle []*conn
	for len(rs.idle) > 0 && now.Sub(rs.idle[0].since) > idleReader {
		idle = append(idle, rs.idle[0].conn)
		rs.idle = slices.Delete(rs.idle, 0, 1)
	}
	rs.idle = append(rs.idle, idleConn{c, now})
	rs.mu.Unlock()
	for _, c := range idle {
		c.close() // nothing was written through it
	}
}

// close waits until every reader has been given back, and closes them.
func (rs *readers) close() error {
	for range cap(rs.places) {
		rs.places <- struct{}{}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var errs []error
	for _, r := range rs.idle {
		errs = append(errs, r.conn.close())
	}
	rs.idle = nil
	return errors.Join(errs...)
}
