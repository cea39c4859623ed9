package main

import (
	"context"
	"errors"
	"reflect"
	"sync"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// interruptAfter has SQLite stop whatever the connection does when ctx ends. The
// driver does so only until the first row is there: between later rows a query may
// search for hours, with its context long over. release must be called before the
// connection is closed.
//
// The driver does not show the handle that sqlite3_interrupt wants, so it is read
// where it is kept; a test proves that it still is.
func interruptAfter(ctx context.Context, conn any) (release func(), err error) {
	handle, err := handleOf(conn)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	released := false
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if released {
			return // the connection may be closed
		}
		tls := libc.NewTLS()
		defer tls.Close()
		sqlite3.Xsqlite3_interrupt(tls, handle)
	})
	return func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		released = true
	}, nil
}

var errNoHandle = errors.New("this version of the SQLite driver keeps its handle elsewhere: a query could not be stopped")

// handleOf reads the sqlite3 handle of a driver's connection.
func handleOf(conn any) (uintptr, error) {
	v := reflect.ValueOf(conn)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return 0, errNoHandle
	}
	db := v.Elem().FieldByName("db")
	if db.Kind() != reflect.Uintptr || db.Uint() == 0 {
		return 0, errNoHandle
	}
	return uintptr(db.Uint()), nil
}
