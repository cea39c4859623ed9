//go:build linux

package torture

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
)

// told is a line of what a handler was told.
type told struct {
	Key      string          `json:"key"`
	Checker  string          `json:"checker"`
	Minute   int64           `json:"minute"`
	Line     int             `json:"line"`
	Status   string          `json:"status"`
	Count    int64           `json:"count"`
	Result   json.RawMessage `json:"result"`
	Notice   string          `json:"notice"`
	Incident string          `json:"incident"`
}

// readLedger reads what a handler was told, in order. A torn line is left out: what it
// tells of was not answered, so it must come again.
func (w *world) readLedger(name string) ([]told, error) {
	text, err := os.ReadFile(w.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var all []told
	for line := range strings.SplitSeq(string(text), "\n") {
		var one told
		if line != "" && json.Unmarshal([]byte(line), &one) == nil {
			all = append(all, one)
		}
	}
	return all, nil
}
