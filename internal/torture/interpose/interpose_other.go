//go:build !(linux && amd64)

package interpose

import "os/exec"

// Start fails: see ErrUnsupported.
func Start(*exec.Cmd, string, Options) error { return ErrUnsupported }

// Launch fails: see ErrUnsupported.
func Launch() error { return ErrUnsupported }

// Data fails: see ErrUnsupported.
func (c Call) Data() ([]byte, error) {
	_ = c.from
	return nil, ErrUnsupported
}
