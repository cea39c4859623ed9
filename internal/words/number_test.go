package words_test

import (
	"math"
	"testing"

	"github.com/dwmon/dwmon/internal/words"
)

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 7: "7", 999: "999", 1000: "1,000", 182359: "182,359", 1234567: "1,234,567", -1: "-1", -999: "-999", -1000: "-1,000",
		math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := words.Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
	for x, want := range map[float64]string{0: "0", 0.04: "0.0", 3: "3", 3.14: "3.1", 9.94: "9.9", 9.95: "10", 10.5: "11", 999.6: "1,000", 23317.4: "23,317"} {
		if got := words.Mean(x); got != want {
			t.Errorf("Mean(%v) = %q, want %q", x, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 rows", 1: "1 row", 2: "2 rows", 10000: "10,000 rows"} {
		if got := words.Count(n, "row", "rows"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
