// Package textfile reads whole files of which nobody knows how large they are.
package textfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Read reads a file of at most so many bytes. Its errors do not name the path.
func Read(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Cause(err)
	}
	defer f.Close()
	return From(f, most)
}

// From reads a stream of at most so many bytes to its end. Its errors do not name a
// path.
func From(r io.Reader, most int) ([]byte, error) {
	text, err := start(r, most+1)
	if err == nil && len(text) > most {
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return text, err
}

// Start reads a file, but no more of it than so many bytes. Its errors do not name the
// path.
func Start(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Cause(err)
	}
	defer f.Close()
	return start(f, most)
}

func start(r io.Reader, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)))
	return text, Cause(err)
}

// Cause is an error without the path, where that is named already.
func Cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
