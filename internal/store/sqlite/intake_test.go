package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// addMany gives an intake n rows with keys of 100 bytes, in batches of 1,000.
func addMany(t *testing.T, in dwmon.Intake, n int) error {
	t.Helper()
	b := &dwmon.Batch{}
	key := []byte(strings.Repeat("k", 100))
	for i := 0; i < n; i++ {
		for d, v := 99, i; v > 0; d, v = d-1, v/10 {
			key[d] = '0' + byte(v%10)
		}
		b.Keys = append(b.Keys, key...)
		b.Lengths = append(b.Lengths, uint32(len(key)))
		b.Micros = append(b.Micros, int64(i))
		if len(b.Micros) == 1000 || i == n-1 {
			if err := in.Add(b); err != nil {
				return err
			}
			b.Keys, b.Lengths, b.Micros = b.Keys[:0], b.Lengths[:0], b.Micros[:0]
		}
	}
	return nil
}

func TestLargeResultSpills(t *testing.T) {
	spills := filepath.Join(t.TempDir(), "a", "b")
	db := newDB(t, Options{SpillDir: spills})
	p := sightIn(t, db, "a")
	const n = 300_000 // 32 MiB
	in := db.NewIntake(p, 1).(*intake)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := addMany(t, in, n); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
		t.Errorf("the intake holds %d MiB", held>>20)
	}
	info, err := in.misses.file.Stat()
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 24<<20 {
		t.Errorf("the file has %v, %v", info, err)
	}
	if dir, _ := os.Stat(spills); dir.Mode().Perm() != 0o700 {
		t.Errorf("the folder has the mode %v", dir.Mode())
	}
	if files, _ := os.ReadDir(spills); len(files) > 0 {
		t.Errorf("the file has a name: %v", files)
	}
	var got dwmon.Ingested
	err = db.InTx(t.Context(), func(tx dwmon.Tx) (err error) {
		got, err = tx.Ingest(p, in, false)
		return err
	})
	if err != nil || got.Fresh != n {
		t.Errorf("Ingest = %+v, %v", got, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	again := db.NewIntake(p, 2).(*intake)
	defer again.Close()
	if err := addMany(t, again, n); err != nil {
		t.Fatal(err)
	}
	if known := n - again.misses.rows; known < 60_000 {
		t.Errorf("the filter knows %d rows of the large result", known)
	}
	err = db.InTx(t.Context(), func(tx dwmon.Tx) (err error) {
		got, err = tx.Ingest(p, again, false)
		return err
	})
	if err != nil || got.Fresh != 0 {
		t.Errorf("Ingest of the same result = %+v, %v", got, err)
	}
}

func TestSpillWithoutFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := newDB(t, Options{SpillDir: filepath.Join(file, "spill")})
	p := sightIn(t, db, "a")
	in := db.NewIntake(p, 1)
	defer in.Close()
	err := addMany(t, in, 300_000)
	var own *Error
	if !errors.As(err, &own) || !strings.Contains(err.Error(), file) {
		t.Errorf("Add = %v, want an error that names the folder", err)
	}
	if again := in.Add(rowsOf("a")); again == nil {
		t.Error("the intake goes on after a fault")
	}
}
