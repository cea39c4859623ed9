package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestNewFileReplacesNothing: not without being told to, and then as an edit would.
func TestNewFileReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "checks", "team", "orders.dwmon")
	if err := newFile(path, []byte("one"), false); err != nil {
		t.Fatal(err)
	}
	if err := newFile(path, []byte("two"), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file that is there: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "checks", "link.dwmon")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := newFile(link, []byte("three"), true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != "three" {
		t.Errorf("behind the link stands %q, %v", text, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is one no more: %v, %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	for _, d := range []string{filepath.Dir(path), filepath.Dir(link)} {
		left, err := filepath.Glob(filepath.Join(d, ".*"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q, %v", left, err)
		}
	}
}
