package sqlite

import (
	"errors"
	"strings"
	"testing"
)

// addHandler writes a row and gives the id that SQLite chose for it.
func addHandler(tx *Tx, name string) (int64, error) {
	return tx.insert("INSERT INTO handlers (name) VALUES (?)", name)
}

func TestNeighboursAreWrittenAgain(t *testing.T) {
	db := newDB(t, Options{})
	sour := errors.New("sour")
	const names int64 = 3
	ids := make([]int64, names)
	add := func(i int64) func(*Tx) error {
		return func(tx *Tx) (err error) {
			ids[i], err = addHandler(tx, decimal(i))
			return err
		}
	}
	bytes := []byte("before")
	errs := together(t, db,
		add(0),
		func(tx *Tx) error {
			_, err := tx.exec("INSERT INTO seen (checker_id, key, ts, first_seen, query_id) VALUES (7, ?, 1, 1, 1)", bytes)
			copy(bytes, "AFTER!") // whose memory it is may be used again
			return err
		},
		func(tx *Tx) error { addHandler(tx, "sour"); return sour },
		add(1),
		func(tx *Tx) error { addHandler(tx, "sour too"); return sour },
		add(2),
	)
	for i, want := range []error{nil, nil, sour, nil, sour, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("function %d: %v, want %v", i, errs[i], want)
		}
	}
	err := db.read(t.Context(), func(c *conn) error {
		n := int64(0)
		for r, err := range c.query("SELECT name, id FROM handlers ORDER BY id") {
			if err != nil {
				return err
			}
			if n >= names || r.text(0) != decimal(n) || r.int(1) != ids[n] {
				t.Errorf("handler %d is %q with id %d; the functions were given %v", n, r.text(0), r.int(1), ids)
			}
			n++
		}
		r, err := c.one("SELECT key FROM seen WHERE checker_id = 7")
		if err == nil && (n != names || r == nil || r.text(0) != "before") {
			t.Errorf("%d handlers, and the key is %v", n, r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMuchWritten has functions that write more than is noted between others.
func TestMuchWritten(t *testing.T) {
	db := newDB(t, Options{})
	sour := errors.New("sour")
	much := func(name string, end error) func(*Tx) error {
		return func(tx *Tx) error {
			_, err := tx.exec("INSERT INTO meta (name, value) VALUES (?, ?)", name, make([]byte, maxRedo))
			return errors.Join(err, end)
		}
	}
	before := db.writer.commits
	errs := together(t, db,
		func(tx *Tx) error { return insertMeta(tx, "a") },
		much("b", sour),
		func(tx *Tx) error { return insertMeta(tx, "c") },
		much("d", nil),
		func(tx *Tx) error { insertMeta(tx, "e"); return sour },
		func(tx *Tx) error { return insertMeta(tx, "f") },
	)
	for i, want := range []error{nil, sour, nil, nil, sour, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("function %d: %v, want %v", i, errs[i], want)
		}
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true, "e": false, "f": true} {
		if hasMeta(t, db, name) != want {
			t.Errorf("%s is there: %v, want %v", name, !want, want)
		}
	}
	if n := db.writer.commits - before; n < 2 {
		t.Errorf("%d commits: a group goes on after a function of which not all is noted", n)
	}
}

func TestTextsAreNotedWithinTheBound(t *testing.T) {
	var l redoLog
	for _, text := range []string{"short", strings.Repeat("long", maxRedo/4)} {
		args, err := bindings([]any{text})
		if err != nil {
			t.Fatal(err)
		}
		l.note("INSERT INTO meta (name) VALUES (?)", args)
	}
	if !l.full || l.statements != nil {
		t.Errorf("%d statements are noted beyond the bound", len(l.statements))
	}
}

func TestRedoNoticesForeignCommits(t *testing.T) {
	db := newDB(t, Options{})
	sour := errors.New("sour")
	errs := together(t, db,
		func(tx *Tx) error { return insertMeta(tx, "a") },
		func(tx *Tx) error {
			insertMeta(tx, "b")
			db.writer.version-- // as if another program were to commit once the lock is free
			return sour
		},
	)
	if !errors.Is(errs[0], ErrOvertaken) || !errors.Is(errs[1], sour) || hasMeta(t, db, "a") || hasMeta(t, db, "b") {
		t.Errorf("%v, %v; a is there: %v, b: %v", errs[0], errs[1], hasMeta(t, db, "a"), hasMeta(t, db, "b"))
	}
	if err := db.write(t.Context(), func(tx *Tx) error { return insertMeta(tx, "a") }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestNothingRunsAfterAFailedStatement(t *testing.T) {
	db := newDB(t, Options{})
	errs := together(t, db,
		func(tx *Tx) error { return insertMeta(tx, "a") },
		func(tx *Tx) error {
			insertMeta(tx, "a")
			if err := insertMeta(tx, "b"); !isDuplicate(err) {
				t.Errorf("a statement after a failed one: %v", err)
			}
			for _, err := range tx.query("SELECT 1") {
				if !isDuplicate(err) {
					t.Errorf("a query after a failed one: %v", err)
				}
			}
			return nil
		},
	)
	if errs[0] != nil || !isDuplicate(errs[1]) || !hasMeta(t, db, "a") || hasMeta(t, db, "b") {
		t.Errorf("%v, %v; b is there: %v", errs[0], errs[1], hasMeta(t, db, "b"))
	}
}

// TestSQLiteEndsTheTransaction: as it does where a page cannot be read.
func TestSQLiteEndsTheTransaction(t *testing.T) {
	db := newDB(t, Options{})
	errs := together(t, db,
		func(tx *Tx) error { return insertMeta(tx, "a") },
		func(tx *Tx) error {
			if _, err := tx.conn.exec("ROLLBACK"); err != nil {
				t.Error(err)
			}
			_, err := tx.conn.exec("ROLLBACK") // an error of SQLite, after nothing was written
			return err
		},
		func(tx *Tx) error {
			insertMeta(tx, "b")
			return errors.New("sour") // outside a transaction, b would stay
		},
		func(tx *Tx) error { return insertMeta(tx, "c") },
	)
	if errs[0] != nil || errs[1] == nil || errs[2] == nil || errs[3] != nil {
		t.Errorf("the functions ended with %v", errs)
	}
	for name, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if hasMeta(t, db, name) != want {
			t.Errorf("%s is there: %v, want %v", name, !want, want)
		}
	}
}
