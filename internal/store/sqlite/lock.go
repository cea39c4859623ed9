package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// LockInfo says who holds a database: what is shown to those who must wait, and
// where to ask the holder to do something instead.
type LockInfo struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Host    string    `json:"host"`
	// Socket is the control socket, RunDir the folder of run files; empty where
	// there is none.
	Socket string `json:"socket"`
	RunDir string `json:"run_dir"`
}

// Lock is the right to write a database, held by one process.
type Lock struct {
	path string
	lock *flock.Flock
	info LockInfo
}

// ErrLocked says that another process holds the lock.
type ErrLocked struct {
	// Path is the lock file.
	Path string
	// Holder is what the holder says of itself; its PID is 0 where that could not
	// be read.
	Holder LockInfo
}

func (e *ErrLocked) Error() string {
	who := "another process"
	if e.Holder.PID != 0 {
		who = fmt.Sprintf("process %d on %s, started %s,", e.Holder.PID, e.Holder.Host, e.Holder.Started.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s is locked: %s uses the database; stop it, or name another database with --db", e.Path, who)
}

// A look at a lock (LockHolder) takes it for an instant; whoever acquires it
// tries for longer than that.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

// AcquireLock takes the lock of a database: the file path + ".lock". The error is
// *ErrLocked where another process has it. The lock ends with the process.
func AcquireLock(path string) (*Lock, error) {
	file := path + ".lock"
	if err := checkLockFile(file); err != nil {
		return nil, err
	}
	l := &Lock{path: file, lock: newFlock(file)}
	for try := 1; ; try++ {
		ok, err := l.lock.TryLock()
		if err != nil {
			return nil, explainOpen(file, err)
		}
		if ok {
			break
		}
		if try == lockTries {
			holder, _ := readLockInfo(file)
			l.lock.Close()
			return nil, &ErrLocked{Path: file, Holder: holder}
		}
		time.Sleep(lockPause)
	}
	host, _ := os.Hostname()
	l.info = LockInfo{PID: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second), Host: host}
	if err := l.SetInfo("", ""); err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

func newFlock(file string) *flock.Flock {
	return flock.New(file, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
}

func checkLockFile(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file; move it away")
	}
	return explainOpen(file, err)
}

// SetInfo says where the holder listens.
func (l *Lock) SetInfo(socket, runDir string) error {
	l.info.Socket, l.info.RunDir = socket, runDir
	text, err := json.Marshal(l.info)
	if err != nil {
		return err
	}
	// Written in place: the lock belongs to this file and not to its name.
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return explainOpen(l.path, err)
	}
	_, err = f.Write(append(text, '\n'))
	return explainOpen(l.path, errors.Join(err, f.Chmod(0o600), f.Close()))
}

// Info is what the lock file says.
func (l *Lock) Info() LockInfo { return l.info }

// Release gives the lock back. The file stays: whoever removed it could remove
// the one that the next holder has just locked.
func (l *Lock) Release() error { return l.lock.Close() }

// LockHolder says who holds the lock of a database; nil where nobody does.
func LockHolder(path string) (*LockInfo, error) {
	file := path + ".lock"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	probe := newFlock(file)
	free, err := probe.TryRLock()
	if err != nil {
		return nil, explainOpen(file, err)
	}
	if err := probe.Close(); err != nil {
		return nil, explainOpen(file, err)
	}
	if free {
		return nil, nil
	}
	// What cannot be read is being written this instant, or the holder died then;
	// that somebody holds the lock is certain all the same.
	info, _ := readLockInfo(file)
	return &info, nil
}

func readLockInfo(file string) (LockInfo, error) {
	var info LockInfo
	text, err := os.ReadFile(file)
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(text, &info)
}
