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
		return nil, cause(err)
	}
	defer f.Close()
	return From(f, most)
}

// From reads a stream of at most so many bytes to its end. Its errors do not name a
// path.
func From(r io.Reader, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case len(text) > most:
		return nil, fmt.Errorf("it is larger than %d bytes", most)
	}
	return text, nil
}

// Start reads a file, but no more of it than so many bytes. Its errors do not name the
// path.
func Start(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)))
	return text, cause(err)
}

// cause is an error without the path.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
