package sqlite

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// newestFormat is a database with some of everything, as the newest release writes it.
func newestFormat(f *testing.F) []byte {
	paths, _ := filepath.Glob("testdata/formats/*.db.gz")
	if len(paths) == 0 {
		f.Fatal("no database")
	}
	file, err := os.Open(slices.Max(paths))
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		f.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

// FuzzDamagedFile: whatever has become of a database's bytes, whoever opens it, looks for
// damage and reads it gets an answer or an error; and where no damage was found, what
// people are shown can be read. An edit is four bytes: three say where, one what stands
// there; with cut, the file ends early.
func FuzzDamagedFile(f *testing.F) {
	whole := newestFormat(f)
	f.Add([]byte{}, uint32(0))
	f.Add([]byte{0, 0, 0, 'X'}, uint32(0))                                             // the header's magic
	f.Add([]byte{0, 0, 16, 0, 0, 0, 17, 0}, uint32(0))                                 // the page size
	f.Add([]byte{0, 0, 18, 9, 0, 0, 56, 9}, uint32(0))                                 // versions, the text encoding
	f.Add([]byte{0, 0, 100, 2, 0, 0, 103, 255, 0, 0, 104, 255}, uint32(0))             // the root page of the schema
	f.Add([]byte{0, 16, 0, 13, 0, 16, 3, 255, 0, 16, 4, 255, 0, 32, 5, 1}, uint32(0))  // headers of other pages
	f.Add([]byte{0, 40, 200, 255, 0, 41, 0, 255, 0, 60, 1, 7, 0, 80, 9, 9}, uint32(0)) // anywhere
	f.Add([]byte{}, uint32(5000))
	f.Add([]byte{}, uint32(len(whole)-100))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, edits []byte, cut uint32) {
		text := slices.Clone(whole)
		for ; len(edits) >= 4; edits = edits[4:] {
			at := binary.BigEndian.Uint32([]byte{0, edits[0], edits[1], edits[2]})
			text[int(at)%len(text)] = edits[3]
		}
		if cut > 0 {
			text = text[:int(cut)%len(text)]
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.db", os.Getpid()))
		defer func() {
			for _, end := range []string{"", "-wal", "-shm", "-journal"} {
				_ = os.Remove(path + end)
			}
		}()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if o, err := OpenOriginal(t.Context(), path); err == nil {
			_ = o.Close()
			t.Fatal("it was taken for an original's")
		}
		db, err := Open(t.Context(), path, Options{ReadOnly: true})
		if err != nil {
			var known *Error
			if !errors.As(err, &known) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		defer db.Close()
		found, err := db.CheckUp(t.Context(), true, nil)
		if readErr := readAll(t.Context(), db); err == nil && len(found) == 0 && readErr != nil {
			t.Fatalf("no damage was found, and it cannot be read: %v", readErr)
		}
		if len(found) > mostDamage*(len(rules)+2) {
			t.Fatalf("%d damages are told", len(found))
		}
	})
}

// readAll reads what commands show.
func readAll(ctx context.Context, db *DB) error {
	status, err := db.Status(ctx)
	_, slow := db.Slow(ctx, 0)
	_, texts := db.Texts(ctx)
	_, faults := db.Faults(ctx)
	_, space := db.Space(ctx)
	history := db.History(ctx, dwmon.HistoryQuery{}, func(dwmon.Entry) error { return nil })
	for _, c := range status {
		_, progress := db.Progress(ctx, c.Name)
		_, fetches := db.Fetches(ctx, c.Name, 10)
		err = errors.Join(err, progress, fetches)
	}
	return errors.Join(err, slow, texts, faults, space, history)
}
