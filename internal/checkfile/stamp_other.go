//go:build !linux

package checkfile

import (
	"io/fs"
	"time"
)

// stamp is what tells a file from itself after a change without reading it.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds since the epoch
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{size: info.Size(), mtime: info.ModTime().UnixNano()}
}

// changed is the file's latest change.
func (s stamp) changed() time.Time { return time.Unix(0, s.mtime) }
