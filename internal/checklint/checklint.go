// Package checklint finds what is right in form and yet surprises: windows that
// leave rows out, lines that are never due, queries whose LIMIT is too small. Its
// rules are pure: they look at a parsed checker and at what they are told of its
// surroundings, and give faults with their places in the file.
//
// A warning must be worth reading: it is given only where something can be done,
// and not where sampling, overlap or a missing bound may well be meant.
package checklint

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Surroundings are what a checker meets. What is not known is left out, and the
// rules that rest on it find nothing.
type Surroundings struct {
	// Now is the present, in seconds since the epoch; rules look a year ahead.
	Now int64
	// Zone is the daemon's; nil: not known.
	Zone *time.Location
	// Closed are the days on which the checker owes nothing.
	Closed *dwmon.ClosedDays
	// Handlers are the names of those configured; nil: not known.
	Handlers []string
	// Require are the keys of OPTIONS that a file must have: owner, description,
	// runbook, timezone, or label. and a label's key.
	Require []string
	// Keep is how long the purger keeps the checker's rows; 0: for ever, or not known.
	Keep time.Duration
	// Unserved says why nobody serves the SOURCE; empty: somebody does, or it is not
	// known.
	Unserved string
	// Fetches are the last ones of the checker, newest first.
	Fetches []dwmon.FetchRecord
}

// Lint gives the faults of a checker, in the order of its file, without the warnings
// that its comments allow.
func Lint(c *dwmon.Checker, around Surroundings) []dwmon.FileFault {
	l := &linter{c: c, Surroundings: around, lines: strings.Split(string(c.Text), "\n")}
	l.windows()
	l.contradictions()
	l.dueDays()
	l.limit()
	l.options()
	l.source()
	faults := Allowed(string(c.Text)).Filter(append(l.faults, unknownAllowed(c, l.lines)...))
	dwmon.SortFaults(faults)
	return faults
}

// linter gathers the faults of one checker.
type linter struct {
	c *dwmon.Checker
	Surroundings
	lines  []string
	faults []dwmon.FileFault
}

// place is a piece of a file: line and column counted from 1; 0: not known.
type place struct{ line, column int }

func (l *linter) report(at place, code, message, hint string) *dwmon.FileFault {
	f := dwmon.FileFault{
		File: l.c.File, Line: at.line, Column: at.column,
		Severity: dwmon.SeverityWarning, Code: code, Message: message, Hint: hint,
	}
	if at.line > 0 {
		f.LineText = textOf(l.lines[at.line-1])
	}
	l.faults = append(l.faults, f)
	return &l.faults[len(l.faults)-1]
}

// textOf is a line without its end, and without a byte order mark.
func textOf(line string) string {
	return strings.TrimPrefix(strings.TrimSuffix(line, "\r"), "\ufeff")
}

// token is the place of a requirement line's token by its name, else of the line.
func (l *linter) token(r *dwmon.Requirement, name string) place {
	if r.FileLine < 1 || r.FileLine > len(l.lines) {
		return place{}
	}
	text := textOf(l.lines[r.FileLine-1])
	at := strings.Index(text, name)
	if at < 0 {
		at = len(text) - len(strings.TrimLeft(text, " \t"))
	}
	return place{r.FileLine, utf8.RuneCountInString(text[:at]) + 1}
}

// key is the place of a word in the value of a key of OPTIONS, else of the key, else
// of the section, else the last line.
func (l *linter) key(name, word string) place {
	section := l.marker("__OPTIONS__")
	if section.line == 0 {
		last := len(l.lines)
		if last > 1 && l.lines[last-1] == "" {
			last--
		}
		return place{last, 1}
	}
	found := section
	for i := section.line; i < len(l.lines); i++ {
		text := textOf(l.lines[i])
		from := 0
		if found == section {
			key, _, ok := strings.Cut(text, ":")
			if !ok || strings.Trim(key, ` "'`) != name {
				continue
			}
			found = place{i + 1, len(key) - len(strings.TrimLeft(key, " ")) + 1}
			from = len(key) + 1
		}
		if at := strings.Index(text[from:], word); word != "" && at >= 0 {
			return place{i + 1, utf8.RuneCountInString(text[:from+at]) + 1}
		}
	}
	return found
}

// marker is the place of a section's marker; zero where it is not there.
func (l *linter) marker(mark string) place {
	for i := range l.lines {
		if text := textOf(l.lines[i]); strings.TrimSpace(text) == mark {
			return place{i + 1, utf8.RuneCountInString(text[:strings.Index(text, mark)]) + 1}
		}
	}
	return place{}
}

// below is the place of the first text below a section's marker.
func (l *linter) below(mark string) place {
	at := l.marker(mark)
	for i := at.line; at.line > 0 && i < len(l.lines); i++ {
		text := textOf(l.lines[i])
		if rest := strings.TrimSpace(text); rest != "" {
			return place{i + 1, utf8.RuneCountInString(text[:strings.Index(text, rest)]) + 1}
		}
	}
	return at
}

// Allowances are the codes of warnings that a file's comments allow.
type Allowances []string

var allowComment = regexp.MustCompile(`(?m)^[ \t]*(?:#|--)[ \t]*dwmon:[ \t]*allow[ \t]+([^\r\n]*)`)

// Allowed reads the comments of a file that allow warnings: "# dwmon: allow CODE,
// CODE" on a line of its own, wherever there may be a comment.
func Allowed(text string) (codes Allowances) {
	for _, m := range allowComment.FindAllStringSubmatch(text, -1) {
		codes = append(codes, strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(" \t,", r) })...)
	}
	return codes
}

// Filter gives the faults without the warnings that are allowed.
func (a Allowances) Filter(faults []dwmon.FileFault) []dwmon.FileFault {
	if len(a) == 0 {
		return faults
	}
	return slices.DeleteFunc(slices.Clone(faults), func(f dwmon.FileFault) bool {
		return f.Severity == dwmon.SeverityWarning && slices.Contains(a, f.Rule())
	})
}

// unknownAllowed warns of codes that are allowed and do not exist.
func unknownAllowed(c *dwmon.Checker, lines []string) (faults []dwmon.FileFault) {
	codes := make([]string, len(dwmon.FaultRules))
	for i, r := range dwmon.FaultRules {
		codes[i] = r.Code
	}
	for i, line := range lines {
		text := textOf(line)
		for _, code := range Allowed(text) {
			if slices.Contains(codes, code) {
				continue
			}
			hint := "`dwmon validate --format editor` shows the codes of warnings"
			if near, ok := dwmon.Nearest(code, codes); ok {
				hint = "did you mean " + near + "?"
			}
			faults = append(faults, dwmon.FileFault{
				File: c.File, Line: i + 1, Column: utf8.RuneCountInString(text[:strings.Index(text, code)]) + 1,
				Severity: dwmon.SeverityWarning, Code: dwmon.CodeAllowsUnknownRule, LineText: text,
				Message: "there is no rule " + code + " that could be allowed", Hint: hint,
			})
		}
	}
	return faults
}
