//go:build !linux

package plugintest

import "errors"

const canMeasure = false

func (p *process) resident() (int64, error) {
	return 0, errors.New("the memory of another process is not read on this system")
}
