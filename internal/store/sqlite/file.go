package sqlite

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// opened are the database files that are open in this process. A descriptor of
// such a file must not be opened and closed beside SQLite: the kernel would drop
// all of SQLite's locks on it.
var opened struct {
	sync.Mutex
	files []fs.FileInfo
}

// claimFile prepares a file for SQLite and enters it in opened, in one step: no
// other claim looks into the file once this one has it.
func claimFile(path string, readOnly bool) (fs.FileInfo, error) {
	opened.Lock()
	defer opened.Unlock()
	info, err := prepareFile(path, readOnly)
	if err != nil {
		return nil, err
	}
	opened.files = append(opened.files, info)
	return info, nil
}

func unclaimFile(info fs.FileInfo) {
	opened.Lock()
	defer opened.Unlock()
	for i, f := range opened.files {
		if os.SameFile(f, info) {
			opened.files = append(opened.files[:i], opened.files[i+1:]...)
			return
		}
	}
}

func isOpened(info fs.FileInfo) bool {
	for _, f := range opened.files {
		if os.SameFile(f, info) {
			return true
		}
	}
	return false
}

// prepareFile makes sure that SQLite will find a file that it can use: a new one
// is created, empty and for its owner alone. SQLite gives the files that it puts
// beside it the same mode.
func prepareFile(path string, readOnly bool) (fs.FileInfo, error) {
	if err := checkFileSystem(filepath.Dir(path)); err != nil {
		return nil, &Error{Path: path, Kind: ErrNetworkFS, Err: err, Hint: "put it on a local disk"}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !readOnly:
		return createFile(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Path: path, Kind: ErrMissing, Hint: "`dwmon daemon` or `dwmon once` creates it"}
	case err != nil:
		return nil, explain(path, err)
	case info.IsDir():
		return nil, &Error{Path: path, Kind: ErrNotDatabase, Err: errors.New("it is a folder"), Hint: hintNotDatabase}
	case !info.Mode().IsRegular():
		return nil, &Error{Path: path, Kind: ErrNotDatabase, Err: errors.New("it is no regular file"), Hint: hintNotDatabase}
	}
	if isOpened(info) {
		return info, nil
	}
	if !readOnly {
		if err := closeToOthers(path); err != nil {
			return nil, err
		}
	}
	return info, checkHeader(path, readOnly)
}

// closeToOthers takes everybody else's rights to the database away, and to what lies
// beside it: SQLite takes a WAL that is there as it is.
func closeToOthers(path string) error {
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue // what is not there, SQLite makes like the database
		}
		if err := os.Chmod(file, 0o600); err != nil {
			return explain(file, err)
		}
	}
	return nil
}

func createFile(path string) (fs.FileInfo, error) {
	if dir := filepath.Dir(path); !isDir(dir) {
		return nil, &Error{Path: path, Kind: ErrMissing, Err: errors.New("there is no folder " + dir), Hint: "create the folder or mend the path"}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, explain(path, err)
	}
	info, err := f.Stat()
	return info, errors.Join(err, f.Close())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

var fileMagic = []byte("SQLite format 3\x00")

// checkHeader looks at a file before SQLite opens it: SQLite would report a text
// file only at the first statement, and a file that may not be written as
// something else.
func checkHeader(path string, readOnly bool) error {
	flag := os.O_RDWR
	if readOnly {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return explain(path, err)
	}
	defer f.Close()
	head := make([]byte, len(fileMagic))
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return explain(path, err)
	}
	if n > 0 && !bytes.Equal(head[:n], fileMagic) {
		return &Error{Path: path, Kind: ErrNotDatabase, Hint: hintNotDatabase}
	}
	return nil
}

// CheckFile says whether the path still names the file that is open. Verdicts
// that go to a file without a name are lost when the process ends, so a daemon
// stops when this fails. The error is ErrReplaced.
func (db *DB) CheckFile() error {
	info, err := os.Stat(db.path)
	if err == nil && os.SameFile(info, db.info) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain(db.path, err)
	}
	return &Error{Path: db.path, Kind: ErrReplaced, Err: err, Hint: hintReplaced}
}
