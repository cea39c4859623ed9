//go:build unix

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasWriter says whether any process still holds the other end of a pipe,
// whatever is left to be read from it.
func hasWriter(pipe *os.File) bool {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return false // it was closed: nobody wants to know
	}
	// A program that is just being started for another call has this pipe too, until
	// it is on its own: no start is under way while this lock is held.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	held := false
	_ = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		if _, err := unix.Poll(fds, 0); err == nil {
			held = fds[0].Revents&unix.POLLHUP == 0
		}
	})
	return held
}
