//go:build unix

package pluginhost

import (
	"io/fs"
	"os"
	"syscall"
)

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// killLeftover ends a plugin of an earlier host with its group.
func killLeftover(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// worldWritable says that anybody may change the file or folder.
func worldWritable(info fs.FileInfo) bool {
	return info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0
}

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }
