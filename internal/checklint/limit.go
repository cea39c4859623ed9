package checklint

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// limit looks at a query's LIMIT.
func (l *linter) limit() {
	at := l.limitPlace()
	rows, ok := dwmon.RowLimit(l.c.Query)
	if ok && !dwmon.NewestFirst(l.c.Query) {
		l.report(at, dwmon.CodeLimitOrder, "the query has a LIMIT but does not give the newest rows first, and so may leave the new ones out",
			"order by the timestamp: ORDER BY dwmon_timestamp DESC")
	}
	if !ok || !l.tooSmall(rows, at) {
		l.cut(at)
	}
}

// tooSmall reports a LIMIT below the number of rows that a line's bounds speak of,
// as far as they can be new at one fetch.
func (l *linter) tooSmall(rows int64, at place) bool {
	if l.c.Options.Assumed {
		return false
	}
	fetched := int64(math.MaxInt64) // how far apart fetches are, in seconds
	for i := range l.c.Lines {
		fetched = min(fetched, Cadence(l.c.Lines[i]))
	}
	for i := range l.c.Lines {
		r := &l.c.Lines[i]
		share := float64(min(fetched, r.Lookback)) / float64(r.Lookback)
		if need := math.Ceil(float64(r.Min.N) * share); r.Min.Set && need > float64(rows) {
			l.report(at, dwmon.CodeLimitTooSmall,
				fmt.Sprintf("a fetch gives at most %d rows, but line %d wants at least %d in %s, which is %.0f at each fetch", rows, r.FileLine, r.Min.N, length(r.Lookback), need),
				fmt.Sprintf("raise the LIMIT well above %.0f", need))
			return true
		}
		if need := math.Ceil((float64(r.Max.N) + 1) * share); r.Max.Set && need > float64(rows) {
			l.report(at, dwmon.CodeLimitTooSmall,
				fmt.Sprintf("a fetch gives at most %d rows, so line %d cannot count more than its MAXNUM of %d in %s", rows, r.FileLine, r.Max.N, length(r.Lookback)),
				fmt.Sprintf("raise the LIMIT well above %.0f, or remove MAXNUM", need))
			return true
		}
	}
	return false
}

// Numbers of the rule on fetches that were cut.
const (
	cutLooks = 10
	cutTimes = 3
)

// cut reports a LIMIT that the last fetches have reached with hardly a row that was
// known: the one before did not reach them.
func (l *linter) cut(at place) {
	cut, rows := 0, int64(0)
	for i, f := range l.Fetches {
		if i == cutLooks {
			break
		}
		if f.OK && f.Cut && f.Fresh > 0 && f.Fresh*5 >= f.Rows*4 {
			cut, rows = cut+1, f.Rows
		}
	}
	if cut < cutTimes {
		return
	}
	l.report(at, dwmon.CodeResultsCut,
		fmt.Sprintf("%d of the last fetches gave %d rows, nearly all of them new, and were cut: rows between them are missing", cut, rows),
		"raise the LIMIT; low counts are UNKNOWN (truncated) until then")
}

var limitWord = regexp.MustCompile(`(?i)\b(limit|fetch|top)\b`)

// limitPlace is where the limit of the query most likely stands, else where the
// query begins.
func (l *linter) limitPlace() place {
	text := string(l.c.Text)
	begin := 0
	if at := l.marker("__QUERY__"); at.line > 0 {
		begin = len(strings.Join(l.lines[:at.line], "\n"))
	}
	found := strings.Index(text[begin:], l.c.Query)
	if found < 0 {
		return l.marker("__QUERY__")
	}
	at := begin + found
	if words := limitWord.FindAllStringIndex(l.c.Query, -1); len(words) > 0 {
		at += words[len(words)-1][0]
	}
	before := text[:at]
	return place{strings.Count(before, "\n") + 1, utf8.RuneCountInString(textOf(before[strings.LastIndexByte(before, '\n')+1:])) + 1}
}
