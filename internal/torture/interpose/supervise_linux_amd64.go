package interpose

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Start starts a command under supervision, by way of launcher: a program that does
// nothing but call Launch. It goes on until the last process that the command has
// started has ended. The error is ErrUnsupported where the machine does not allow it.
func Start(cmd *exec.Cmd, launcher string, o Options) error {
	if len(cmd.ExtraFiles) > 0 {
		return errors.New("interpose: a command with further files cannot be started")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "supervisor")
	defer unix.Close(pair[0])
	text, err := json.Marshal(order{Program: cmd.Path, Reads: o.Reads, Bind: o.Bind})
	if err != nil {
		return err
	}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(cmd.Environ(), launchVariable+"="+string(text))
	cmd.Path = launcher
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	listener, err := receive(pair[0])
	if err != nil {
		_ = cmd.Wait()
		return fmt.Errorf("%w: the launcher has ended (%v)", ErrUnsupported, err)
	}
	s := &supervisor{listener: listener, options: o}
	go s.run()
	return nil
}

// receive takes the listener that a launcher sends.
func receive(socket int) (int, error) {
	data, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return 0, err
	}
	if len(messages) == 0 {
		return 0, errors.New("it has sent no listener")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return 0, err
	}
	return fds[0], nil
}

// supervisor answers the calls of the processes of one command.
type supervisor struct {
	listener int
	options  Options
}

// notification is struct seccomp_notif, response struct seccomp_notif_resp.
type notification struct {
	id     uint64
	thread uint32
	flags  uint32
	number int32
	arch   uint32
	ip     uint64
	args   [6]uint64
}

type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// run answers until nobody is left that could ask.
func (s *supervisor) run() {
	defer unix.Close(s.listener)
	for {
		wait := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(wait, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		if wait[0].Revents&unix.POLLIN == 0 {
			if wait[0].Revents != 0 {
				return
			}
			continue
		}
		var n notification
		if s.ioctl(unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != 0 {
			continue // who asked has ended, or was interrupted
		}
		r := s.answer(&n)
		_ = s.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) // it may have ended meanwhile
	}
}

func (s *supervisor) ioctl(request uintptr, arg unsafe.Pointer) syscall.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s.listener), request, uintptr(arg))
	return errno
}

func (s *supervisor) answer(n *notification) response {
	goOn := response{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	switch n.number {
	case unix.SYS_CLOCK_GETTIME:
		if s.tellTime(n) == nil {
			return response{id: n.id}
		}
		return goOn
	case unix.SYS_ARCH_PRCTL:
		_ = hideVDSO(int(n.thread)) // a program that is no Go program keeps it
		return goOn
	}
	if s.options.Hook == nil {
		return goOn
	}
	var errno syscall.Errno
	if errors.As(s.options.Hook(describe(n)), &errno) {
		return response{id: n.id, errno: -int32(errno)}
	}
	return goOn
}

// tellTime answers clock_gettime.
func (s *supervisor) tellTime(n *notification) error {
	now := s.options.Now()
	text := make([]byte, 16)
	binary.NativeEndian.PutUint64(text, uint64(now.Unix()))
	binary.NativeEndian.PutUint64(text[8:], uint64(now.Nanosecond()))
	return poke(int(n.thread), uintptr(n.args[1]), text)
}

func describe(n *notification) Call {
	c := Call{Op: asked[uint32(n.number)], Thread: int(n.thread), FD: -1}
	if c.Op == Unlink {
		c.Path = textAt(c.Thread, uintptr(n.args[0]))
		if !filepath.IsAbs(c.Path) {
			cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", c.Thread))
			c.Path = filepath.Join(cwd, c.Path)
		}
		return c
	}
	c.FD = int(int32(n.args[0]))
	c.Path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Thread, c.FD)) // empty where it has no such file
	switch c.Op {
	case Write, Read:
		c.Size, c.Offset, c.from = int64(n.args[2]), int64(n.args[3]), uintptr(n.args[1])
	case Truncate:
		c.Size = int64(n.args[1])
	}
	return c
}

// textAt reads a C string of at most 4 KiB.
func textAt(pid int, at uintptr) string {
	block := make([]byte, 4096)
	n, _ := peek(pid, at, block)
	text, _, _ := bytes.Cut(block[:n], []byte{0})
	return string(text)
}

// hideVDSO takes the vDSO out of what the kernel tells a program that begins, as if
// there were none.
func hideVDSO(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	const startStack = 28 - 3 // fields are counted from 1, and two come before the last bracket
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	start, err := strconv.ParseUint(fields[startStack], 10, 64)
	if err != nil || start == 0 {
		return fmt.Errorf("where the stack of process %d begins: %w", pid, err)
	}
	stack := make([]byte, 256<<10)
	n, err := peek(pid, uintptr(start), stack)
	if err != nil {
		return err
	}
	word := func(i int) uint64 {
		if (i+1)*8 > n {
			return 0
		}
		return binary.NativeEndian.Uint64(stack[i*8:])
	}
	i := 1 + int(word(0)) + 1 // behind argc, the arguments and their end
	for word(i) != 0 {
		i++ // the environment
	}
	for i++; word(i) != 0; i += 2 {
		const sysinfoEHDR, ignore = 33, 1
		if word(i) == sysinfoEHDR {
			return poke(pid, uintptr(start)+uintptr(i*8), binary.NativeEndian.AppendUint64(nil, ignore))
		}
	}
	return nil
}

// peek reads memory of a process, up to where it ends.
func peek(pid int, at uintptr, into []byte) (int, error) {
	const page = 4096
	done := 0
	for done < len(into) {
		size := min(len(into)-done, page-int((at+uintptr(done))%page))
		local := []unix.Iovec{{Base: &into[done], Len: uint64(size)}}
		n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at + uintptr(done), Len: size}}, 0)
		if err != nil {
			if done > 0 {
				return done, nil
			}
			return 0, err
		}
		done += n
	}
	return done, nil
}

func poke(pid int, at uintptr, data []byte) error {
	local := []unix.Iovec{{Base: &data[0], Len: uint64(len(data))}}
	_, err := unix.ProcessVMWritev(pid, local, []unix.RemoteIovec{{Base: at, Len: len(data)}}, 0)
	return err
}

// Data is what a Write is about to write. It may be asked for within the hook only.
func (c Call) Data() ([]byte, error) {
	data := make([]byte, c.Size)
	n, err := peek(c.Thread, c.from, data)
	return data[:n], err
}
