package testdb

import (
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// confine makes cmd end with this process and run as the account given.
func confine(cmd *exec.Cmd, as *account) {
	// PostgreSQL's and MariaDB's children notice on their own that their parent is gone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if as != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
}

// start starts cmd from a thread that never ends: the kernel sends Pdeathsig when
// the thread that forked ends, not the process.
func start(cmd *exec.Cmd) error {
	spawner()
	errs := make(chan error)
	starts <- func() { errs <- cmd.Start() }
	return <-errs
}

var starts = make(chan func())

var spawner = sync.OnceFunc(func() {
	go func() {
		runtime.LockOSThread()
		for f := range starts {
			f()
		}
	}()
})

// running says whether the process with that id is alive.
func running(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && syscall.Kill(n, 0) != syscall.ESRCH
}
