//go:build !linux

package pluginhost

import "syscall"

// The guard needs /proc. On other systems plugins end with their standard input.
const guardWorks = false

func guardEnviron() []string { return nil }

func guardAttributes() *syscall.SysProcAttr { return nil }

// GuardMain does nothing on this system.
func GuardMain() {}
