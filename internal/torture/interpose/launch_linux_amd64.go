package interpose

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socketFD is where a launcher finds the socket to its supervisor.
const socketFD = 3

// Launch is the launcher: it puts this process under its supervisor and becomes the
// program that is to be run. It returns only with an error.
func Launch() error {
	runtime.LockOSThread() // a filter is a thread's, and what a thread becomes inherits it
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(launchVariable)), &o); err != nil {
		return fmt.Errorf("%s: %w", launchVariable, err)
	}
	if err := bind(o.Bind); err != nil {
		return err
	}
	listener, err := install(filter(o.Reads))
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(socketFD, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return fmt.Errorf("hand the listener over: %w", err)
	}
	var environ []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, launchVariable+"=") {
			environ = append(environ, v)
		}
	}
	unix.CloseOnExec(listener)
	unix.CloseOnExec(socketFD)
	return unix.Exec(o.Program, os.Args, environ)
}

// bind shows files at other paths, to this process and its children alone.
func bind(files map[string]string) error {
	if len(files) == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for at, file := range files {
		if err := unix.Mount(file, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("show %s at %s: %w", file, at, err)
		}
	}
	return nil
}

// install puts a filter over the calling thread and gives the descriptor at which a
// supervisor listens.
func install(program []unix.SockFilter) (int, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// Signals, of which a Go runtime sends many, must not repeat a call that the
	// supervisor has taken; kernels before 5.19 do not know that.
	const patient = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	var err error
	for _, flags := range []uintptr{patient, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER} {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		if errno == 0 {
			return int(fd), nil
		}
		err = errno
	}
	return 0, errors.Join(ErrUnsupported, err)
}

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

// asked are the calls of which the supervisor is asked whatever their arguments are.
var asked = map[uint32]Op{
	unix.SYS_PWRITE64: Write, unix.SYS_FSYNC: Sync, unix.SYS_FDATASYNC: Sync, unix.SYS_FTRUNCATE: Truncate, unix.SYS_UNLINK: Unlink, unix.SYS_PREAD64: Read,
}

// filter asks of the real-time clock, of calls on files, and of the first call of each
// Go program.
func filter(reads bool) []unix.SockFilter {
	load := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: k}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	unless := func(k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: skip}
	}
	ask, allow := answer(unix.SECCOMP_RET_USER_NOTIF), answer(unix.SECCOMP_RET_ALLOW)
	onThis := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AUDIT_ARCH_X86_64, Jt: 1}
	program := []unix.SockFilter{load(dataArch), onThis, allow, load(dataNumber)}
	for number, op := range asked {
		if op != Read || reads {
			program = append(program, unless(number, 1), ask)
		}
	}
	for number, arg := range map[uint32]uint32{unix.SYS_CLOCK_GETTIME: unix.CLOCK_REALTIME, unix.SYS_ARCH_PRCTL: archSetFS} {
		program = append(program, unless(number, 4), load(dataArg0), unless(arg, 1), ask, allow)
	}
	return append(program, allow)
}

// archSetFS is what arch_prctl(2) is called with by the first instructions of every
// static Go program, before it looks for the vDSO.
const archSetFS = 0x1002
