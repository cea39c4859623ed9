package chart

import "strconv"

// short writes a count in at most five cells: "950", "12.3k", "1.2M". It is cut off,
// not rounded, so that what is below a bound never looks as if it had reached it.
func short(n int64) string {
	const steps = "kMGTPE"
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	unit, i := int64(1000), 0
	for n/1000 >= unit && i+1 < len(steps) {
		unit *= 1000
		i++
	}
	whole, tenth := n/unit, n%unit/(unit/10)
	text := strconv.FormatInt(whole, 10)
	if whole < 100 && tenth > 0 {
		text += "." + strconv.FormatInt(tenth, 10)
	}
	return text + steps[i:i+1]
}
