package checktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// explain says how a verdict came about, and what may be meant.
func (l *life) explain(e expectation, f found) (details []string, hint string) {
	r := l.suite.Checker.Lines[f.line]
	if f.outcome == notDue || f.outcome == pending || f.outcome == gap {
		return []string{fmt.Sprintf("line %d    %s", f.line+1, r.Identity())}, ""
	}
	w := r.Window(f.minute)
	counted, late, border := l.sort(f, w)
	open := "<"
	if r.HalfOpen {
		open = "≤"
	}
	details = []string{
		fmt.Sprintf("window    %s %s timestamp < %s, looked at %s", l.test.clock.show((f.minute-r.Lookback)*1e6), open, l.test.clock.show(f.minute*1e6), l.test.clock.show(f.evaluated)),
		fmt.Sprintf("counted   %s", l.rowsText(counted)),
		fmt.Sprintf("line %d    %s", f.line+1, r.Identity()),
	}
	if !e.aboutCount(f) {
		return details, ""
	}
	return details, l.hint(f, late, border)
}

// aboutCount says whether the count is what is not as expected.
func (e expectation) aboutCount(f found) bool {
	v := f.verdict
	verdict := e.status != notDue && e.status != pending && e.status != gap
	return verdict && (f.outcome != e.status || e.count != nil && *e.count != v.Count || e.reason != "" && e.reason != v.Reason)
}

// sort finds the rows in a window as they were known to a verdict, those that came
// too late for it, and those on a border that does not count.
func (l *life) sort(f found, w dwmon.Window) (counted, late, border []row) {
	known := map[string]bool{}
	rows := slices.Clone(l.test.rows)
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	r := l.suite.Checker.Lines[f.line]
	for _, row := range rows {
		key, there := l.known.Keys[row.key]
		at := row.at
		if there {
			at = key.Micros
		}
		if known[row.key] || l.suite.Checker.Options.Assumed && !there {
			continue
		}
		inside := w.From <= at && at < w.Until
		switch {
		case inside && there && key.Counts && key.FirstSeen <= f.evaluated:
			counted = append(counted, at1(row, at))
		case inside && row.seen > f.evaluated:
			late = append(late, row)
		case at == w.Until || at == (f.minute-r.Lookback)*1e6 && !r.HalfOpen:
			border = append(border, row)
		default:
			continue
		}
		known[row.key] = true
	}
	return counted, late, border
}

// at1 is the row with the timestamp that is kept of its key.
func at1(r row, at int64) row {
	r.at = at
	return r
}

// rowsText is a few rows for people.
func (l *life) rowsText(rows []row) string {
	const most = 4
	text := rowCount(int64(len(rows)))
	var shown []string
	for i, r := range rows {
		if len(rows) > most && i >= most-1 && i < len(rows)-1 {
			if i == most-1 {
				shown = append(shown, "…")
			}
			continue
		}
		name := l.test.clock.show(r.at)
		if !r.unkeyed {
			name = dwmon.ShownKey([]byte(r.key)) + " " + name
		}
		shown = append(shown, name)
	}
	if len(shown) > 0 {
		text += ": " + strings.Join(shown, ", ")
	}
	return text
}

// hint is the likeliest reason for a count that surprises.
func (l *life) hint(f found, late, border []row) string {
	c := l.suite.Checker
	switch {
	case f.verdict.Reason == dwmon.Truncated:
		return "the result was cut by a limit, so that rows may be missing: a low count proves nothing"
	case f.verdict.Reason == dwmon.AssumedTime:
		return "with timestamps: assumed nothing is known of rows before the first fetch, or while fetches were missed"
	case len(late) > 0:
		needed := time.Duration(late[len(late)-1].seen-f.minute*1e6) * time.Microsecond
		grace := (needed + time.Minute - 1).Truncate(time.Minute)
		return fmt.Sprintf("%s of the window came later (seen at %s); `grace: %s` in OPTIONS would have waited for them",
			rowCount(int64(len(late))), l.test.clock.show(late[0].seen), dwmon.FormatDuration(grace))
	case len(border) > 0 && border[0].at == f.minute*1e6:
		return fmt.Sprintf("a row at %s, the upper end of the window, belongs to the next one", l.test.clock.show(border[0].at))
	case len(border) > 0:
		return fmt.Sprintf("a row at %s, the lower end of the window, does not count; HALFOPEN would count it", l.test.clock.show(border[0].at))
	case f.verdict.CatchUp && c.Lines[f.line].Lookback > 0 && f.minute*1e6 < l.test.start:
		return "the minute lies before start: what lies ten look-backs before it is judged too"
	default:
		return ""
	}
}
