package textfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/textfile"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	if _, err := textfile.Read(path, 5); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), path) {
		t.Errorf("of a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := textfile.Read(path, 5); err != nil || string(text) != "12345" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := textfile.Read(path, 4); text != nil || err == nil || err.Error() != "it is larger than 4 bytes" {
		t.Errorf("of one that is too large: %q, %v", text, err)
	}
	if text, err := textfile.Start(path, 4); err != nil || string(text) != "1234" {
		t.Errorf("the start: %q, %v", text, err)
	}
	if _, err := textfile.Start(filepath.Dir(path), 4); err == nil || strings.Contains(err.Error(), path) {
		t.Errorf("the start of a folder: %v", err)
	}
	if _, err := textfile.Read(filepath.Dir(path), 4); err == nil || strings.Contains(err.Error(), path) {
		t.Errorf("of a folder: %v", err)
	}
}
