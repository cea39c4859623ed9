package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// file is a file of lines. It is opened for each line: that survives every kind of
// log rotation, and costs a few microseconds.
type file struct {
	path string
	mu   sync.Mutex
}

// openFile makes the path absolute and tries whether it can be written.
func openFile(path string) (*file, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", path, err)
	}
	f := &file{path: abs}
	return f, f.try()
}

// try says whether lines can be written.
func (f *file) try() error {
	if f == nil {
		return nil
	}
	out, err := f.open()
	if err != nil {
		return err
	}
	return out.Close()
}

func (f *file) open() (*os.File, error) {
	// Reading is needed for the last byte.
	out, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the results cannot be appended: %w; create the folder, or let dwmon's user write there", err)
	}
	return out, nil
}

// appendLine adds text and a line end with a single write.
func (f *file) appendLine(text []byte) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := f.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	torn, err := endsInsideLine(out)
	if err != nil {
		return fmt.Errorf("read the end of the results: %w", err)
	}
	buf := make([]byte, 0, len(text)+2)
	if torn {
		buf = append(buf, '\n')
	}
	buf = append(append(buf, text...), '\n')
	if _, err := out.Write(buf); err != nil {
		return fmt.Errorf("the result was not written whole: %w; is the disk full?", err)
	}
	return nil
}

// endsInsideLine says that the last write was cut short, by a full disk or a
// crash: the next line must not be glued to what is left of it. A pipe or device
// has no end to look at.
func endsInsideLine(out *os.File) (bool, error) {
	info, err := out.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := out.ReadAt(last[:], info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}
