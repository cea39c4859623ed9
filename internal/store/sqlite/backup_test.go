package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestBackupWhilePassesGoOn(t *testing.T) {
	w := newWorld(t)
	w.fill(10, 5000)
	p := w.checker("busy", epoch0, "UTC", line(1))
	dest := filepath.Join(t.TempDir(), "copy.db")
	done := make(chan error, 1)
	go func() { done <- w.Backup(w.ctx(), dest) }()
	commits := 0
	for running := true; running; commits++ {
		w.judge(p, minutes(epoch0+60*int64(commits+1), 1, dwmon.Good), "h")
		select {
		case err := <-done:
			w.must(err)
			running = false
		default:
		}
	}
	t.Logf("%d commits during the backup", commits)
	info, err := os.Stat(dest)
	w.must(err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	copied, err := Open(w.ctx(), dest, w.options())
	w.must(err)
	defer copied.Close()
	c := &world{T: t, DB: copied}
	if n := c.count("SELECT count(*) FROM verdicts v JOIN checkers c ON c.id = v.checker_id WHERE c.name <> 'busy'"); n != 50_000 {
		t.Errorf("%d verdicts in the copy, want 50000", n)
	}
	if n, told := c.count("SELECT count(*) FROM verdicts"), c.count("SELECT count(*) FROM deliveries"); n-told != 50_000 {
		t.Errorf("%d verdicts and %d deliveries: the copy is not of one moment", n, told)
	}
	if a, b := c.count("SELECT auto_vacuum FROM pragma_auto_vacuum"), w.count("SELECT auto_vacuum FROM pragma_auto_vacuum"); a != b {
		t.Errorf("auto_vacuum %d, want %d", a, b)
	}
	inst, err := w.Installation(w.ctx())
	w.must(err)
	if got, err := c.Installation(w.ctx()); got != inst || err != nil {
		t.Errorf("installation %s, %v", got, err)
	}
}

func TestBackupRefuses(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	dest := filepath.Join(dir, "copy.db")
	w.must(os.WriteFile(dest, []byte("precious"), 0o600))
	if err := w.Backup(w.ctx(), dest); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwriting: %v", err)
	}
	if text, _ := os.ReadFile(dest); string(text) != "precious" {
		t.Errorf("the file is now %q", text)
	}
	if err := w.Backup(w.ctx(), w.Path()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto the database itself: %v", err)
	}
	if err := w.Backup(w.ctx(), filepath.Join(dir, "nowhere", "copy.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Backup(ctx, filepath.Join(dir, "never.db")); err == nil {
		t.Error("a backup that was broken off has no error")
	}
	entries, err := os.ReadDir(dir)
	w.must(err)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}
