package plugintest

import (
	"fmt"
	"os"
	"strings"
)

// canMeasure: the memory of a process can be read.
const canMeasure = true

// resident is the memory that the process has in use now, in bytes.
func (p *process) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib int64
			_, err := fmt.Sscan(text, &kib)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has ended", p.cmd.Process.Pid)
}
