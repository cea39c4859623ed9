package sqlgetter

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// How long connections are kept. The idle time is longer than the minute between
// two passes of a checker; the lifetime lets a changed address or role be noticed.
const (
	maxIdleTime = 5 * time.Minute
	maxLifetime = 30 * time.Minute
)

// maxPools bounds the databases that one instance keeps pools for. There is one
// per SOURCE that is a URL, and edits of a SOURCE leave theirs behind.
const maxPools = 64

// pool is the connections to one database. It is also the semaphore of its
// checkers: a call waits for a connection that is free.
type pool struct {
	opened
	db *sql.DB
	// own says that the DSN is the checker's own SOURCE: its faults are the
	// checker's and not the instance's.
	own     bool
	maxOpen int
}

func newPool(o opened, maxOpen int, own bool) *pool {
	db := sql.OpenDB(o.Connector())
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(o.MaxIdle())
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	return &pool{opened: o, db: db, own: own, maxOpen: maxOpen}
}

// close waits for what is left running. No fetch may be under way.
func (p *pool) close() error {
	err := p.db.Close()
	p.Close()
	return err
}

// pools are the pools of an instance, by DSN. The zero value has none.
type pools struct {
	mu    sync.Mutex
	byDSN map[string]*shared
	tick  uint64
}

// shared is a pool and its users.
type shared struct {
	*pool
	users int
	used  uint64 // when it was last taken, in ticks
}

// get returns the pool for dsn, made by open where there is none. release must be
// called once.
func (ps *pools) get(dsn string, open func() (*pool, error)) (p *pool, release func(), err error) {
	s, evicted, err := ps.take(dsn, open)
	if evicted != nil {
		evicted.close()
	}
	if err != nil {
		return nil, nil, err
	}
	return s.pool, func() {
		ps.mu.Lock()
		defer ps.mu.Unlock()
		s.users--
	}, nil
}

// take counts a user of the pool for dsn. evicted is a pool that had to go to make
// room for a new one.
func (ps *pools) take(dsn string, open func() (*pool, error)) (s *shared, evicted *pool, err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if s = ps.byDSN[dsn]; s == nil {
		p, err := open()
		if err != nil {
			return nil, nil, err
		}
		if ps.byDSN == nil {
			ps.byDSN = make(map[string]*shared)
		}
		evicted = ps.makeRoom()
		s = &shared{pool: p}
		ps.byDSN[dsn] = s
	}
	ps.tick++
	s.used = ps.tick
	s.users++
	return s, evicted, nil
}

// makeRoom takes out the pool that has been idle longest where there are too many.
// Where all are in use none goes: their number is bounded by the calls in flight.
func (ps *pools) makeRoom() *pool {
	if len(ps.byDSN) < maxPools {
		return nil
	}
	var oldest *shared
	key := ""
	for dsn, s := range ps.byDSN {
		if s.users == 0 && (oldest == nil || s.used < oldest.used) {
			oldest, key = s, dsn
		}
	}
	if oldest == nil {
		return nil
	}
	delete(ps.byDSN, key)
	return oldest.pool
}

// close closes all pools. It is called when no call is left.
func (ps *pools) close(context.Context) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var errs []error
	for _, s := range ps.byDSN {
		errs = append(errs, s.pool.close())
	}
	ps.byDSN = nil
	return errors.Join(errs...)
}
