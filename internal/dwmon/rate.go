package dwmon

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate bounds how often something is done: at most Count times in any span of
// Per. The zero Rate is no bound.
type Rate struct {
	Count int
	Per   time.Duration
}

// MaxRateCount is the largest Count: what a rate lets through is remembered one
// by one.
const MaxRateCount = 100_000

// ratePers are the spans that a rate is written with.
var ratePers = []struct {
	letter string
	per    time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// ParseRate reads what String writes: a whole number, a slash, and s, m or h.
func ParseRate(text string) (Rate, error) {
	digits, letter, _ := strings.Cut(text, "/")
	for _, p := range ratePers {
		if letter != p.letter || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > MaxRateCount {
			return Rate{}, fmt.Errorf("%q is no rate: the number goes from 1 to %d", text, MaxRateCount)
		}
		return Rate{Count: n, Per: p.per}, nil
	}
	return Rate{}, fmt.Errorf("%q is no rate: a whole number, a slash, and s, m or h: 30/m is 30 in any minute", text)
}

func (r Rate) String() string {
	for _, p := range ratePers {
		if r.Per == p.per {
			return strconv.Itoa(r.Count) + "/" + p.letter
		}
	}
	return ""
}
