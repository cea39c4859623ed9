//go:build !linux

package pluginhost

import (
	"errors"
	"net"
)

// processStart is not known on this system: run files are not written, and
// nothing is swept at start.
func processStart(int) (string, error) {
	return "", errors.New("start times of processes are not known on this system")
}

func bootID() string { return "" }

// peerOf is not asked here.
func peerOf(net.Conn) (pid, uid int, ok bool) { return 0, 0, false }
