//go:build unix

package pluginhost

import (
	"io/fs"
	"os"
	"strconv"
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

// strangeOwner gives the owner of a file, where that is neither root nor us.
func strangeOwner(info fs.FileInfo) (uid int, strange bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, true
	}
	uid = int(st.Uid)
	return uid, uid != 0 && uid != os.Getuid()
}

// writers says who beside the owner may write a file; empty for nobody.
func writers(info fs.FileInfo) string {
	switch mode := info.Mode(); {
	case mode&0o002 != 0:
		return "everybody"
	case mode&0o020 != 0:
		return "its group"
	}
	return ""
}

// ownership is part of what tells that a file was changed.
func ownership(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(st.Uid), 10) + ":" + strconv.FormatUint(uint64(st.Gid), 10)
	}
	return ""
}

// private says that nobody but the owner may enter a folder.
func private(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }
