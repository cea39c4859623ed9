package dwmon

import "strings"

// Nearest gives the name that somebody who wrote word most likely meant, and
// false where none is near: at most a third of the characters may differ, and
// letters' case does not count.
func Nearest(word string, names []string) (string, bool) {
	best, least := "", -1
	for _, name := range names {
		d := Distance(strings.ToLower(word), strings.ToLower(name))
		if d > max(1, max(len(word), len(name))/3) || least >= 0 && d >= least {
			continue
		}
		best, least = name, d
	}
	return best, least >= 0
}

// maxDistanceWord bounds Distance, whose time is the product of the lengths.
const maxDistanceWord = 100

// Distance counts how many characters are inserted, left out, replaced or
// swapped with their neighbour between a and b. Words of more than 100 bytes
// count as wholly different.
func Distance(a, b string) int {
	if len(a) > maxDistanceWord || len(b) > maxDistanceWord {
		return max(len(a), len(b))
	}
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
