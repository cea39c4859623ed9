//go:build unix

package daemon

import (
	"io/fs"
	"os"
	"syscall"
)

// uidOf is the owner of a file.
func uidOf(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// ownerOf is who a file belongs to; ourselves where there is none.
func ownerOf(path string) int {
	if info, err := os.Stat(path); err == nil {
		if uid, ok := uidOf(info); ok {
			return uid
		}
	}
	return os.Geteuid()
}
