package daemon

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// disk is a file system: what is free for this user, in bytes, and its type.
type disk struct {
	free int64
	kind string
}

func diskOf(dir string) (disk, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return disk{}, false
	}
	d := disk{free: int64(st.Bavail) * st.Bsize, kind: "unknown type"}
	if abs, err := filepath.Abs(dir); err == nil {
		if mounts, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
			d.kind = kindOf(abs, string(mounts))
		}
	}
	return d, true
}

// kindOf finds the type of a path's file system in the kernel's list of mounts: the
// longest mount point that leads to it, and of several there the last, which covers the
// others. "36 35 98:0 /root /point options - type source super-options".
func kindOf(path, mountinfo string) string {
	longest, kind := -1, "unknown type"
	for line := range strings.Lines(mountinfo) {
		mount, rest, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 {
			continue
		}
		point := strings.ReplaceAll(fields[4], `\040`, " ")
		if point != "/" && path != point && !strings.HasPrefix(path, point+"/") {
			continue
		}
		if len(point) >= longest {
			longest = len(point)
			kind, _, _ = strings.Cut(strings.TrimSpace(rest), " ")
		}
	}
	return kind
}
