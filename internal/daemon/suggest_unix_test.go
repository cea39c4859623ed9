//go:build unix

package daemon

import (
	"io/fs"
	"syscall"
)

// owner is the user and the group that a file belongs to.
func owner(info fs.FileInfo) [2]uint32 {
	st := info.Sys().(*syscall.Stat_t)
	return [2]uint32{st.Uid, st.Gid}
}
