package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile writes a file anew, whole or not at all, and keeps its mode and owner. A link
// stays a link. A file that may not be written is not replaced, although its folder
// would allow it.
func replaceFile(path string, text []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := old.Stat()
	if err = errors.Join(err, old.Close()); err != nil {
		return err
	}
	return writeBeside(path, text, func(f *os.File) error {
		return errors.Join(keepOwner(f, info), f.Chmod(info.Mode().Perm()))
	}, os.Rename)
}

// newFile writes a file that was not there, and its folders, whole or not at all. The
// error is fs.ErrExist where it is there, even where it came to be meanwhile; force
// replaces it.
func newFile(path string, text []byte, force bool) error {
	if force {
		if _, err := os.Stat(path); err == nil {
			return replaceFile(path, text)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return writeBeside(path, text, func(f *os.File) error { return f.Chmod(0o644) }, putNew)
}

// putNew moves a file to where none is. Unlike a rename a link replaces nothing; where
// the file system knows no links, the name is taken first.
func putNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	taken, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := taken.Close(); err != nil {
		return err
	}
	return os.Rename(from, to)
}

// writeBeside writes a text to a file beside path, makes it ready and then puts it there.
func writeBeside(path string, text []byte, ready func(*os.File) error, put func(from, to string) error) error {
	// Names that begin with a dot are no checkers to a daemon that looks meanwhile.
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already where it was renamed
	_, err = tmp.Write(text)
	if err = errors.Join(err, ready(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return put(tmp.Name(), path)
}
