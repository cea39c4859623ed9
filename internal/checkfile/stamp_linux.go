package checkfile

import (
	"io/fs"
	"syscall"
	"time"
)

// stamp is what tells a file from itself after a change without reading it.
type stamp struct {
	size         int64
	mtime, ctime int64 // nanoseconds since the epoch
	device, node uint64
}

func stampOf(info fs.FileInfo) stamp {
	st := stamp{size: info.Size(), mtime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		st.device, st.node = uint64(sys.Dev), sys.Ino
		st.ctime = time.Unix(int64(sys.Ctim.Sec), int64(sys.Ctim.Nsec)).UnixNano()
	}
	return st
}

// changed is the file's latest change.
func (s stamp) changed() time.Time { return time.Unix(0, max(s.mtime, s.ctime)) }
