package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dwmon.db")
	if holder, err := LockHolder(path); holder != nil || err != nil {
		t.Errorf("LockHolder of nothing = %v, %v", holder, err)
	}
	first, err := AcquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.SetInfo("/run/dwmon/control.sock", "/run/dwmon"); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path + ".lock"); info.Mode().Perm() != 0o600 {
		t.Errorf("the lock file has the mode %v", info.Mode())
	}
	_, err = AcquireLock(path)
	var locked *ErrLocked
	if !errors.As(err, &locked) {
		t.Fatalf("a second lock: %v, want *ErrLocked", err)
	}
	if locked.Holder != first.Info() || locked.Holder.PID != os.Getpid() || locked.Holder.Socket != "/run/dwmon/control.sock" {
		t.Errorf("the holder is %+v, want %+v", locked.Holder, first.Info())
	}
	if holder, err := LockHolder(path); err != nil || holder == nil || *holder != first.Info() {
		t.Errorf("LockHolder = %+v, %v", holder, err)
	}
	// A holder that has written nonsense, or nothing yet, is still a holder.
	if err := os.WriteFile(path+".lock", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if holder, err := LockHolder(path); err != nil || holder == nil {
		t.Errorf("LockHolder with an unreadable file = %+v, %v", holder, err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if holder, err := LockHolder(path); holder != nil || err != nil {
		t.Errorf("LockHolder after the release = %v, %v", holder, err)
	}
	again, err := AcquireLock(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

func TestLockWithoutFolder(t *testing.T) {
	if _, err := AcquireLock(filepath.Join(t.TempDir(), "none", "dwmon.db")); !errors.Is(err, ErrMissing) {
		t.Errorf("AcquireLock = %v, want ErrMissing", err)
	}
}
