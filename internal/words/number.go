package words

import (
	"math"
	"strconv"
	"strings"
)

// Number writes a count for people, its thousands apart: "950", "12,345".
func Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	return sign + grouped(digits)
}

// Mean writes a mean, which is not negative: with a decimal below ten, whole from there
// on.
func Mean(x float64) string {
	if x >= 9.95 || x == math.Trunc(x) {
		return grouped(strconv.FormatFloat(math.Round(x), 'f', 0, 64))
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

func grouped(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Count counts things: "1 checker", "2 checkers", "12,345 rows".
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(int64(n)) + " " + many
}
