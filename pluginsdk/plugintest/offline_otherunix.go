//go:build unix && !linux

package plugintest

import "syscall"

const canGoOffline = false

func takeNetwork(*syscall.SysProcAttr) {}
