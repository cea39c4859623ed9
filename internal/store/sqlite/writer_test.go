package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/storetest"
)

// insertMeta writes one row.
func insertMeta(tx *Tx, name string) error {
	_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, '')", name)
	return err
}

// together runs functions in one group, behind one that keeps the writer busy
// until all of them wait. The errors are in their order.
func together(t *testing.T, db *DB, fns ...func(*Tx) error) []error {
	t.Helper()
	running, end := make(chan bool), make(chan bool)
	errs := make([]error, len(fns))
	var wg sync.WaitGroup
	// It goes by the queue, so that it is the goroutine that is kept busy. Its own
	// error is of no interest: where the disk fails, SQLite may undo all of a group.
	db.writer.queue <- &request{result: make(chan error, 1), fn: func(*Tx) error {
		close(running)
		<-end
		return nil
	}}
	<-running
	for i, fn := range fns {
		before := len(db.writer.queue)
		wg.Go(func() { errs[i] = db.write(context.Background(), fn) })
		for len(db.writer.queue) == before {
			runtime.Gosched()
		}
	}
	close(end)
	wg.Wait()
	return errs
}

func TestGroupSharesOneCommit(t *testing.T) {
	db := newDB(t, Options{})
	var fns []func(*Tx) error
	for i := range 40 {
		fns = append(fns, func(tx *Tx) error { return insertMeta(tx, fmt.Sprint(i)) })
	}
	before := db.writer.commits
	for i, err := range together(t, db, fns...) {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	// The transaction in the way and the forty, unless the machine was so slow
	// that the group was cut for its age.
	if n := db.writer.commits - before; n > 10 {
		t.Errorf("%d commits for 41 transactions", n)
	}
}

func TestOneFailsAlone(t *testing.T) {
	db := newDB(t, Options{})
	sour := errors.New("sour")
	errs := together(t, db,
		func(tx *Tx) error { return insertMeta(tx, "a") },
		func(tx *Tx) error { insertMeta(tx, "b"); return sour },
		func(tx *Tx) error { insertMeta(tx, "c"); panic("oh dear") },
		func(tx *Tx) error { insertMeta(tx, "a"); return nil }, // a duplicate, hidden
		func(tx *Tx) error { return insertMeta(tx, "d") },
	)
	if errs[0] != nil || errs[4] != nil {
		t.Errorf("good ones failed: %v, %v", errs[0], errs[4])
	}
	if !errors.Is(errs[1], sour) || errs[2] == nil || !strings.Contains(errs[2].Error(), "oh dear") || !isDuplicate(errs[3]) {
		t.Errorf("bad ones: %v, %v, %v", errs[1], errs[2], errs[3])
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": false, "d": true} {
		if hasMeta(t, db, name) != want {
			t.Errorf("%s is there: %v, want %v", name, !want, want)
		}
	}
}

func TestWriterOutlivesGoexit(t *testing.T) {
	db := newDB(t, Options{})
	errs := together(t, db, func(tx *Tx) error {
		insertMeta(tx, "a")
		runtime.Goexit()
		return nil
	})
	if errs[0] == nil || hasMeta(t, db, "a") {
		t.Errorf("a function that ended its goroutine: %v", errs[0])
	}
	if err := db.write(t.Context(), func(tx *Tx) error { return insertMeta(tx, "b") }); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

// TestFullDisk bounds the file instead of filling a disk: SQLite's error is the
// same.
func TestFullDisk(t *testing.T) {
	db := newDB(t, Options{})
	limit := func(pages int64) {
		err := db.write(t.Context(), func(tx *Tx) error {
			_, err := tx.one("PRAGMA max_page_count = " + decimal(pages))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(60)
	fill := func(tx *Tx) error {
		_, err := tx.exec("INSERT INTO meta (name, value) VALUES ('big', zeroblob(4000000))")
		return err
	}
	errs := together(t, db, func(tx *Tx) error { return insertMeta(tx, "a") }, fill, func(tx *Tx) error { return insertMeta(tx, "b") })
	if !errors.Is(errs[1], ErrFull) || !strings.Contains(errs[1].Error(), "free some space") || !strings.Contains(errs[1].Error(), db.Path()) {
		t.Errorf("a full disk is reported as %q", errs[1])
	}
	for i, name := range []string{"a", "", "b"} {
		if name != "" && hasMeta(t, db, name) != (errs[i] == nil) {
			t.Errorf("%s: %v, but it is there: %v", name, errs[i], hasMeta(t, db, name))
		}
	}
	limit(1 << 30)
	if err := db.write(t.Context(), fill); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestBusyDatabase(t *testing.T) {
	db := newDB(t, Options{})
	if _, err := db.writer.c.one("PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	other := foreign(t, db)
	if _, err := other.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	if err := db.write(t.Context(), func(tx *Tx) error { return insertMeta(tx, "a") }); !errors.Is(err, ErrBusy) {
		t.Errorf("while another program writes: %v, want ErrBusy", err)
	}
	if _, err := other.exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.write(t.Context(), func(tx *Tx) error { return insertMeta(tx, "a") }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// foreign is a connection that writes beside the store, as another program.
func foreign(t *testing.T, db *DB) *conn {
	t.Helper()
	c, err := connect(t.Context(), writerDSN(db.Path()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	return c
}

func TestForeignCommitsAreSeen(t *testing.T) {
	db := newDB(t, Options{})
	p := sightIn(t, db, "a")
	other := foreign(t, db)
	if _, err := other.exec("UPDATE checkers SET settled = 600 WHERE id = ?", p.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.Progress(t.Context(), "a")
	if err != nil || got.Settled == nil || *got.Settled != 600 {
		t.Errorf("Progress after a foreign commit = %+v, %v", got, err)
	}
}

// sightIn makes a checker known.
func sightIn(t testing.TB, db *DB, name string) (p *dwmon.Progress) {
	t.Helper()
	c := &dwmon.Checker{Name: name, Lines: []dwmon.Requirement{{Hours: 1, Minutes: 1, Days: 1, Lookback: 60}}}
	err := db.InTx(t.Context(), func(tx dwmon.Tx) (err error) {
		p, err = tx.Sight(dwmon.Sighting{Checker: c, Zone: "UTC", Minute: storetest.T0, New: true, Owes: []int64{dwmon.OwesAll}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProgressKeepsUp reads progress while it changes: what is read after a
// commit is never older than the commit.
func TestProgressKeepsUp(t *testing.T) {
	db := newDB(t, Options{})
	p := sightIn(t, db, "a")
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				db.Progress(ctx, "a")
			}
		})
	}
	for minute := int64(60); minute <= 60*200; minute += 60 {
		err := db.write(t.Context(), func(tx *Tx) error {
			if minute%120 == 0 {
				tx.dirty("a")
			}
			return tx.Settle(p, minute, nil)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := db.Progress(t.Context(), "a"); err != nil || *got.Settled != minute {
			t.Fatalf("Progress = %+v, %v; want settled %d", got, err, minute)
		}
	}
}

func TestReadsAreOneState(t *testing.T) {
	db := newDB(t, Options{})
	err := db.read(t.Context(), func(c *conn) error {
		count := func() int64 {
			r, err := c.one("SELECT count(*) FROM meta WHERE name = 'later'")
			if err != nil {
				t.Fatal(err)
			}
			return r.int(0)
		}
		before := count()
		if err := db.write(t.Context(), func(tx *Tx) error { return insertMeta(tx, "later") }); err != nil {
			return err
		}
		if before != 0 || count() != 0 {
			t.Error("a commit was seen in the middle of a reading")
		}
		return nil
	})
	if err != nil || !hasMeta(t, db, "later") {
		t.Errorf("afterwards: %v", err)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	db := newDB(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := db.read(ctx, func(c *conn) error {
		n := 0
		for _, err := range c.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n") {
			if err != nil {
				return err
			}
			if n++; n == 10 {
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an endless reading ended with %v", err)
	}
	if hasMeta(t, db, "nothing") {
		t.Error("the reader is of no use any more")
	}
}

func TestNestedStatements(t *testing.T) {
	db := newDB(t, Options{})
	err := db.read(t.Context(), func(c *conn) error {
		const numbers = "SELECT column1 FROM (VALUES (1), (2), (3))"
		sum := int64(0)
		for a, err := range c.query(numbers) {
			if err != nil {
				return err
			}
			first := a.int(0)
			for b, err := range c.query(numbers) {
				if err != nil {
					return err
				}
				sum += first * b.int(0)
			}
		}
		if sum != 36 {
			t.Errorf("the sum is %d, want 36", sum)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
