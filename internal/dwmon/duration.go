package dwmon

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// ParseDuration reads a duration as files, flags and settings write it: a whole
// number and s, m, h or d.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration: a whole number and s, m, h or d, such as 90s, 5m, 24h or 7d", text)
	if len(text) < 2 {
		return 0, bad
	}
	var unit time.Duration
	switch text[len(text)-1] {
	case 's':
		unit = time.Second
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	case 'd':
		unit = 24 * time.Hour
	default:
		return 0, bad
	}
	digits := text[:len(text)-1]
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, bad
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) {
		return 0, fmt.Errorf("the duration %s is too long: at most %dd", text, math.MaxInt64/int64(24*time.Hour))
	}
	return time.Duration(n) * unit, nil
}

// FormatDuration writes a duration in the form that ParseDuration reads, in the
// largest unit that is exact; what is below a second is cut off.
func FormatDuration(d time.Duration) string {
	switch {
	case d != 0 && d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	case d != 0 && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d != 0 && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	default:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
}
