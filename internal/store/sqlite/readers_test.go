package sqlite

import (
	"errors"
	"testing"
	"time"
)

// openReaders says how many readers wait for work.
func openReaders(db *DB) int {
	db.readers.mu.Lock()
	defer db.readers.mu.Unlock()
	return len(db.readers.idle)
}

// nested reads with so many readers at the same time.
func nested(t *testing.T, db *DB, depth int) {
	t.Helper()
	if depth == 0 {
		return
	}
	err := db.read(t.Context(), func(c *conn) error {
		nested(t, db, depth-1)
		_, err := c.one("SELECT 1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadersAreOpenedAsTheyAreNeeded(t *testing.T) {
	db := newDB(t, Options{})
	for range 3 {
		nested(t, db, 1)
	}
	if n := openReaders(db); n != 1 {
		t.Errorf("one read after the other has opened %d readers", n)
	}
	nested(t, db, maxReaders)
	if n := openReaders(db); n != maxReaders {
		t.Errorf("%d reads at the same time have opened %d readers", maxReaders, n)
	}
}

func TestReadersThatNobodyNeedsAreClosed(t *testing.T) {
	db := newDB(t, Options{})
	nested(t, db, maxReaders)
	start := time.Now()
	for _, c := range []struct {
		what  string
		after time.Duration
		left  int
	}{
		{"they were used a minute ago", time.Minute, maxReaders},
		{"three of them were not used since the burst, one a minute after it", idleReader + 30*time.Second, 1},
		{"the one that works stays", time.Hour, 1},
	} {
		db.readers.put(db.readers.take(), start.Add(c.after))
		if n := openReaders(db); n != c.left {
			t.Errorf("%s: %d readers are open, want %d", c.what, n, c.left)
		}
	}
	nested(t, db, maxReaders) // they can be opened again
}

func TestClosingWaitsForReaders(t *testing.T) {
	db := newDB(t, Options{})
	ended := make(chan error, 1)
	err := db.read(t.Context(), func(c *conn) error {
		go func() { ended <- db.Close() }()
		<-db.closed
		// The connection is whole although the store is being closed.
		if _, err := c.one("SELECT count(*) FROM checkers"); err != nil {
			return err
		}
		select {
		case <-ended:
			return errors.New("the store was closed while a reader was out")
		default:
			return nil
		}
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := db.read(t.Context(), func(*conn) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("reading afterwards: %v", err)
	}
}
