package pluginsdk

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Duration is a duration in settings and EXTRA sections: a whole number and s, m,
// h or d, such as "90s", "24h" or "400d". A day is 24 hours.
type Duration time.Duration

// Std is the duration as package time has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

var durationUnits = []struct {
	letter byte
	unit   time.Duration
}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// String writes what ParseDuration reads, in the largest unit that loses nothing.
// A part of a second, which ParseDuration never yields, is written as package
// time does.
func (d Duration) String() string {
	for _, u := range durationUnits {
		if n := time.Duration(d); n != 0 && n%u.unit == 0 {
			return strconv.FormatInt(int64(n/u.unit), 10) + string(u.letter)
		}
	}
	return time.Duration(d).String()
}

// ParseDuration reads a whole number and s, m, h or d.
func ParseDuration(text string) (Duration, error) {
	wrong := func() (Duration, error) {
		return 0, fmt.Errorf("%q is no duration: want a whole number and s, m, h or d, such as 90s or 400d", text)
	}
	if len(text) < 2 {
		return wrong()
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 63)
	if err != nil {
		return wrong()
	}
	for _, u := range durationUnits {
		if u.letter != text[len(text)-1] {
			continue
		}
		if n > uint64(math.MaxInt64/int64(u.unit)) {
			return 0, fmt.Errorf("%q is too long a duration: at most %dd", text, math.MaxInt64/int64(24*time.Hour))
		}
		return Duration(time.Duration(n) * u.unit), nil
	}
	return wrong()
}

// UnmarshalJSON reads a JSON string.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("%s is no duration: want a text such as \"90s\" or \"400d\"", raw)
	}
	v, err := ParseDuration(text)
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }
