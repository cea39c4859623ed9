//go:build unix

package pluginsdk

import (
	"io/fs"
	"os"
	"syscall"
)

// endGroup asks whatever the plugin has started to end, where the host has given
// the plugin a process group of its own. We handle SIGTERM, so it does not end us.
func endGroup() {
	if pid := os.Getpid(); syscall.Getpgrp() == pid {
		_ = syscall.Kill(-pid, syscall.SIGTERM)
	}
}

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}
