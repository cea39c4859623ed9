package checktest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// Failure is one thing that was not as a test expects.
type Failure struct {
	// Place says where the expectation stands, and Message what was not as it says.
	dwmon.FileFault
	// Expected and Got are the outcomes in words.
	Expected, Got string
	// Details are further lines for people.
	Details []string
}

// Text is the failure for people, each line ended.
func (f *Failure) Text() string {
	var b strings.Builder
	plain := f.FileFault
	plain.Hint = ""
	b.WriteString(plain.Text())
	fmt.Fprintf(&b, "    expected  %s\n    got       %s\n", f.Expected, f.Got)
	for _, d := range f.Details {
		b.WriteString("    " + d + "\n")
	}
	if f.Hint != "" {
		b.WriteString("    " + f.Hint + "\n")
	}
	return b.String()
}

func (l *life) failure(p place, message string) Failure {
	return Failure{FileFault: dwmon.FileFault{
		File: l.suite.File, Line: p.line, Column: p.column, Severity: dwmon.SeverityError, Message: message, LineText: p.text,
	}}
}

// failures are all that is not as expected, in the order of the file.
func (l *life) failures() (all []Failure) {
	for _, e := range l.test.expect {
		if f, failed := l.check(e); failed {
			all = append(all, f)
		}
	}
	all = append(all, l.checkIncidents()...)
	slices.SortStableFunc(all, func(a, b Failure) int { return cmp.Compare(a.Line, b.Line) })
	return all
}

// check compares one expectation with what happened.
func (l *life) check(e expectation) (Failure, bool) {
	var compared, wrong []found
	for minute := e.from / 1e6; minute < e.until/1e6; minute += 60 {
		at := l.looked(e, minute)
		if e.single && e.line < 0 && len(at) > 1 {
			return l.ambiguous(e, at), true
		}
		compared = append(compared, at...)
		for _, f := range at {
			if !e.meets(l, f) {
				wrong = append(wrong, f)
			}
		}
	}
	switch {
	case len(compared) == 0:
		return l.nothingDue(e), true
	case len(wrong) == 0:
		return Failure{}, false
	default:
		return l.differs(e, wrong), true
	}
}

// looked gives what an expectation looks at in a minute: the line that it names,
// else those that are due. One of no minute that is due looks at all of them.
func (l *life) looked(e expectation, minute int64) (at []found) {
	for line := range l.suite.Checker.Lines {
		if e.line >= 0 && line != e.line {
			continue
		}
		f := l.find(minute, line)
		if f.outcome != notDue || e.status == notDue || e.single && e.line >= 0 {
			at = append(at, f)
		}
	}
	if e.status == notDue && e.line < 0 && len(at) > 1 {
		// Those that are due are what matters, else any of them will do.
		due := slices.DeleteFunc(slices.Clone(at), func(f found) bool { return f.outcome == notDue })
		if len(due) == 0 {
			return at[:1]
		}
		return due[:1]
	}
	return at
}

// meets says whether something is as expected.
func (e expectation) meets(l *life, f found) bool {
	if f.outcome != e.status {
		return false
	}
	v := f.verdict
	correction, corrected := l.corrected[f.key]
	switch {
	case e.reason != "" && e.reason != v.Reason,
		e.count != nil && *e.count != v.Count,
		e.caughtUp != nil && *e.caughtUp != v.CatchUp,
		e.corrected != dwmon.NoStatus && (!corrected || correction.Status != e.corrected):
		return false
	}
	return true
}

// ambiguous is the failure of an expectation that does not say which line it means.
func (l *life) ambiguous(e expectation, at []found) Failure {
	numbers, gots := make([]string, len(at)), make([]string, len(at))
	for i, f := range at {
		numbers[i] = fmt.Sprint(f.line + 1)
		gots[i] = fmt.Sprintf("line %d: %s", f.line+1, l.gotText(f))
	}
	f := l.failure(e.place, fmt.Sprintf("lines %s are due at %s", strings.Join(numbers, " and "), l.test.clock.show(e.from)))
	f.Expected, f.Got = e.text(), strings.Join(gots, "; ")
	f.Hint = "say which is meant, such as line: " + numbers[0]
	return f
}

// nothingDue is the failure of an expectation of verdicts where nothing is due.
func (l *life) nothingDue(e expectation) Failure {
	which := "no line"
	if e.line >= 0 {
		which = fmt.Sprintf("no minute of line %d", e.line+1)
	}
	when := "at " + l.test.clock.show(e.from)
	if !e.single {
		when = fmt.Sprintf("from %s until %s", l.test.clock.show(e.from), l.test.clock.show(e.until))
	}
	f := l.failure(e.place, fmt.Sprintf("%s is due %s", which, when))
	f.Expected, f.Got = e.text(), string(notDue)
	for line := range l.suite.Checker.Lines {
		if e.line < 0 || e.line == line {
			f.Details = append(f.Details, fmt.Sprintf("line %d    %s", line+1, l.why(l.find(e.from/1e6, line))))
		}
	}
	return f
}

// differs is the failure of an expectation of which some minutes are wrong.
func (l *life) differs(e expectation, wrong []found) Failure {
	first := wrong[0]
	message := fmt.Sprintf("line %d at %s is %s, not %s", first.line+1, l.test.clock.show(first.minute*1e6), first.outcome, e.status)
	switch {
	case first.outcome == notDue:
		message = fmt.Sprintf("%s is not due for line %d", l.test.clock.show(first.minute*1e6), first.line+1)
	case first.outcome == e.status:
		message = fmt.Sprintf("line %d at %s %s", first.line+1, l.test.clock.show(first.minute*1e6), e.difference(l, first))
	}
	f := l.failure(e.place, message)
	f.Expected, f.Got = e.text(), l.gotText(first)
	f.Details, f.Hint = l.explain(e, first)
	if len(wrong) > 1 {
		last := wrong[len(wrong)-1]
		f.Details = append(f.Details, fmt.Sprintf("and       %d more, up to %s of line %d", len(wrong)-1, l.test.clock.show(last.minute*1e6), last.line+1))
	}
	return f
}

// difference says in what a verdict of the expected status is not as expected.
func (e expectation) difference(l *life, f found) string {
	v := f.verdict
	correction, corrected := l.corrected[f.key]
	switch {
	case e.count != nil && *e.count != v.Count:
		return fmt.Sprintf("counts %s, not %d", rowCount(v.Count), *e.count)
	case e.reason != "" && e.reason != v.Reason:
		return fmt.Sprintf("is %s %s, not %s", v.Status, v.Reason, e.reason)
	case e.caughtUp != nil && *e.caughtUp != v.CatchUp:
		return map[bool]string{true: "is caught up", false: "is judged in time, not caught up"}[v.CatchUp]
	case !corrected:
		return "is never corrected"
	default:
		return fmt.Sprintf("is corrected to %s, not %s", correction.Status, e.corrected)
	}
}

// text is what is expected, in words.
func (e expectation) text() string {
	text := string(e.status)
	if e.reason != "" {
		text += fmt.Sprintf(" (%s)", e.reason)
	}
	if e.count != nil {
		text += ", " + rowCount(*e.count)
	}
	if e.corrected != dwmon.NoStatus {
		text += ", later corrected to " + e.corrected.String()
	}
	if e.caughtUp != nil {
		text += map[bool]string{true: ", caught up", false: ", in time"}[*e.caughtUp]
	}
	return text
}

func rowCount(n int64) string { return words.Count(n, "row", "rows") }

// gotText is what happened, in words.
func (l *life) gotText(f found) string {
	if f.outcome == notDue || f.outcome == pending || f.outcome == gap {
		return string(f.outcome) + ": " + l.why(f)
	}
	text := string(f.outcome)
	if f.verdict.Reason != "" {
		text += fmt.Sprintf(" (%s)", f.verdict.Reason)
	}
	text += ", " + rowCount(f.verdict.Count)
	if c, corrected := l.corrected[f.key]; corrected {
		text += fmt.Sprintf(", corrected to %s with %s at %s", c.Status, rowCount(c.CountAfter), l.test.clock.show(c.At))
	}
	if f.verdict.CatchUp {
		text += ", caught up"
	}
	return text
}

// checkIncidents compares the incidents, where the test speaks of them.
func (l *life) checkIncidents() (all []Failure) {
	if !l.test.allIncidents {
		return nil
	}
	left := slices.Clone(l.known.Incidents)
	for _, want := range l.test.incidents {
		i := slices.IndexFunc(left, func(got dwmon.Incident) bool { return want.same(l, got) })
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
			continue
		}
		f := l.failure(want.place, "there is no such incident")
		f.Expected, f.Got = want.text(l), l.incidentsText()
		all = append(all, f)
	}
	if len(left) > 0 && len(all) == 0 {
		f := l.failure(l.test.place, fmt.Sprintf("test %q: incidents that are not expected", l.test.Name))
		f.Expected, f.Got = countText(len(l.test.incidents)), l.incidentsText()
		all = append(all, f)
	}
	return all
}

func countText(n int) string {
	switch n {
	case 0:
		return "no incident"
	case 1:
		return "1 incident"
	default:
		return fmt.Sprintf("%d incidents", n)
	}
}

func (i incident) same(l *life, got dwmon.Incident) bool {
	line := l.lineOf(got.LineID)
	return i.opened == got.Opened && i.about == got.Subject && (i.line < 0 || i.line == line) &&
		(i.closed == nil) == (got.Closed == nil) && (i.closed == nil || *i.closed == *got.Closed)
}

// lineOf is the place of a line in the file, from 0.
func (l *life) lineOf(id int64) int {
	return slices.IndexFunc(l.known.Progress.Lines, func(p dwmon.LineProgress) bool { return p.ID == id })
}

func (i incident) text(l *life) string {
	text := l.incidentText(dwmon.Incident{Subject: i.about, Opened: i.opened, Closed: i.closed})
	if i.line >= 0 {
		text += fmt.Sprintf(", line %d", i.line+1)
	}
	return text
}

func (l *life) incidentText(i dwmon.Incident) string {
	text := "opened " + l.test.clock.show(i.Opened*1e6)
	if i.Closed != nil {
		text += ", closed " + l.test.clock.show(*i.Closed*1e6)
	} else {
		text += ", still open"
	}
	if i.Subject == dwmon.SubjectChecker {
		text += ", about UNKNOWN"
	}
	return text
}

// incidentsText is all incidents that there were, the first few of them.
func (l *life) incidentsText() string {
	const most = 5
	var texts []string
	for n, i := range l.known.Incidents {
		if n == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(l.known.Incidents)-most))
			break
		}
		texts = append(texts, fmt.Sprintf("%s, line %d", l.incidentText(i), l.lineOf(i.LineID)+1))
	}
	if len(texts) == 0 {
		return countText(0)
	}
	return strings.Join(texts, "; ")
}
