// Package interpose stands between real processes and their kernel: it answers what
// they ask of the clock, and may refuse, or end them at, what they do to files. Nothing
// in the programs knows of it. It works by the kernel's own means, a seccomp filter that
// asks a supervisor (seccomp_unotify(2)), and so on static programs too; on Linux on
// amd64 only.
//
// A process under it, and all that it starts, has no vDSO: the clock of a Go program is
// a system call then.
package interpose

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// ErrUnsupported says that this machine has no such means, or does not allow them.
var ErrUnsupported = errors.New("system calls cannot be interposed here")

// Op is what a process is about to do to a file.
type Op int

// The operations of which a hook is told. Reads only where Options.Reads says so.
const (
	Write Op = iota
	Sync
	Truncate
	Unlink
	Read
)

func (o Op) String() string {
	return [...]string{"write", "sync", "truncate", "unlink", "read"}[o]
}

// Call is a system call that has not been made yet.
type Call struct {
	Op Op
	// Thread is the one that calls, as the kernel numbers it.
	Thread int
	// FD is the descriptor; -1 of an Unlink.
	FD int
	// Path is the file's.
	Path string
	// Size and Offset are of a Write or Read in bytes; Size of a Truncate is the new
	// one.
	Size, Offset int64

	// from is where the process has what it writes.
	from uintptr
}

func (c Call) String() string {
	return fmt.Sprintf("%s of %d bytes at %d, %s", c.Op, c.Size, c.Offset, filepath.Base(c.Path))
}

// Hook is asked before each call on a file. An error that is a syscall.Errno fails the
// call with it; nil lets it go on. It is called from one goroutine for each process that
// was started, and the process stands still meanwhile.
type Hook func(Call) error

// Options of a process that is started.
type Options struct {
	// Now is the clock that it sees.
	Now func() time.Time
	// Hook is asked of its calls on files; nil lets all go on.
	Hook Hook
	// Reads tells the hook of reads, too.
	Reads bool
	// Bind maps paths to files that the process sees there instead. It needs the
	// right to mount.
	Bind map[string]string
}

// launchVariable is where a launcher finds what it is to do, as JSON.
const launchVariable = "DWMON_INTERPOSE"

// order is what a launcher is to do.
type order struct {
	Program string            `json:"program"`
	Reads   bool              `json:"reads"`
	Bind    map[string]string `json:"bind,omitempty"`
}
