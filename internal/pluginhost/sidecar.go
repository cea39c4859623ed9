package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/textfile"
)

// Sidecar is an optional file NAME.json in the plugins folder: what the operator
// allows the plugin. Settings and routing are in dwmon.yaml.
type Sidecar struct {
	// Env are variables of the daemon's environment that the plugin gets beside the
	// usual ones: names, patterns such as DWMON_DB_*, or NAME=value. nil, not empty:
	// the file does not speak of it.
	Env     []string `json:"env"`
	Limits  Limits   `json:"limits"`
	Enabled *bool    `json:"enabled"`
	TLS     *bool    `json:"tls"`
}

// Limits of each process of a plugin; 0 means the default.
type Limits struct {
	Concurrency int      `json:"concurrency"`
	GetRows     Duration `json:"get_rows_timeout"`
	Handle      Duration `json:"handle_timeout"`
	Purge       Duration `json:"purge_timeout"`
	MaxRows     int64    `json:"max_rows"`
	MemoryMiB   int64    `json:"memory_mb"`
}

// Duration is written as a text such as "30s".
type Duration time.Duration

// UnmarshalJSON reads a duration of Go's form.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	text, err := strconv.Unquote(string(raw))
	if err != nil {
		return fmt.Errorf("%s is no duration: want a text such as \"30s\"", raw)
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration: want a number and ms, s, m or h, such as \"30s\"", text)
	}
	*d = Duration(v)
	return nil
}

// maxSidecarBytes is the largest sidecar.
const maxSidecarBytes = 1 << 20

// readSidecar reads the file; none is none.
func readSidecar(path string) (Sidecar, error) {
	var s Sidecar
	text, err := textfile.Read(path, maxSidecarBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	if err := decodeStrict(text, &s); err != nil {
		return Sidecar{}, fmt.Errorf("%s: %w", path, err)
	}
	if s.Limits.Concurrency < 0 || s.Limits.MaxRows < 0 || s.Limits.MemoryMiB < 0 {
		return Sidecar{}, fmt.Errorf("%s: limits must not be negative", path)
	}
	return s, nil
}

func (s Sidecar) disabled() bool  { return s.Enabled != nil && !*s.Enabled }
func (s Sidecar) plainText() bool { return s.TLS != nil && !*s.TLS }

// environ is what the sidecar adds to a plugin's environment.
func (s Sidecar) environ() []string {
	if s.Limits.MemoryMiB == 0 {
		return s.Env
	}
	// A Go plugin collects its garbage before it comes near the warning. What the
	// sidecar itself says of GOMEMLIMIT comes later and so holds.
	return append([]string{"GOMEMLIMIT=" + strconv.FormatInt(s.Limits.MemoryMiB*3/4, 10) + "MiB"}, s.Env...)
}
