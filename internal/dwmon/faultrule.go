package dwmon

import "cmp"

// Codes of faults: what kind of fault it is, in a word that stays the same when
// messages are worded anew.
const (
	CodeSyntax      = "syntax"
	CodeFile        = "file"
	CodeSection     = "section"
	CodeRequirement = "requirement"
	CodeExtra       = "extra"
	CodeOptions     = "options"
	CodeConfig      = "config"
	CodeCalendar    = "calendar"

	CodeUnknownCalendar = "unknown-calendar"
	CodeUnknownHandler  = "unknown-handler"
	CodePolicy          = "policy"

	CodeNeverBad      = "never-bad"
	CodeListedTwice   = "listed-twice"
	CodeUnevenStep    = "uneven-step"
	CodeExtraKeyTwice = "extra-key-twice"

	CodeWindowsApart      = "windows-apart"
	CodeWindowsOverlap    = "windows-overlap"
	CodeWindowEdges       = "window-edges"
	CodeUnwatchedSpans    = "unwatched-spans"
	CodeNeverDue          = "never-due"
	CodeLinesContradict   = "lines-contradict"
	CodeClockChange       = "clock-change"
	CodeLimitTooSmall     = "limit-too-small"
	CodeLimitOrder        = "limit-order"
	CodeResultsCut        = "results-cut"
	CodeConstantTimes     = "constant-timestamps"
	CodeUnservedSource    = "unserved-source"
	CodeLookbackOverKeep  = "lookback-over-keep"
	CodeLongGrace         = "long-grace"
	CodeTimezoneUnset     = "timezone-unset"
	CodeAllowsUnknownRule = "allows-unknown-rule"
)

// FaultRule is what a fault's code stands for.
type FaultRule struct {
	// Code is that of the faults.
	Code string
	// Severity is that of the faults, unless they say otherwise.
	Severity Severity
	// Summary says in a sentence what is found.
	Summary string
}

// FaultRules are all codes that faults bear, errors first.
var FaultRules = []FaultRule{
	{CodeSyntax, SeverityError, "A text cannot be read as what it should be."},
	{CodeFile, SeverityError, "A file cannot be read, is no UTF-8 text, is too large, or has a name that no checker may bear."},
	{CodeSection, SeverityError, "A section is missing, empty, misspelt or there twice, or text stands before the first."},
	{CodeRequirement, SeverityError, "A requirement line cannot be understood, contradicts itself, or stands twice."},
	{CodeExtra, SeverityError, "EXTRA is no JSON."},
	{CodeOptions, SeverityError, "OPTIONS is no YAML, or has a key or a value that is not known."},
	{CodeConfig, SeverityError, "dwmon.yaml, a variable of the environment or a flag is wrong."},
	{CodeCalendar, SeverityError, "A holiday calendar cannot be read, closes nothing, or has run out."},
	{CodeUnknownCalendar, SeverityError, "OPTIONS names a calendar that dwmon.yaml does not have."},
	{CodeUnknownHandler, SeverityError, "OPTIONS names a handler that dwmon.yaml does not have."},
	{CodePolicy, SeverityError, "The file leaves out what policy in dwmon.yaml requires."},

	{CodeNeverBad, SeverityWarning, "A line can never be BAD: it only demands that a count is not below 0."},
	{CodeListedTwice, SeverityWarning, "An entry of a list of hours, minutes or days is in it already."},
	{CodeUnevenStep, SeverityWarning, "A step does not divide the hour or the day: the last one is shorter."},
	{CodeExtraKeyTwice, SeverityWarning, "A name stands twice in one JSON object of EXTRA."},
	{CodeWindowsApart, SeverityWarning, "Windows nearly touch, and rows between them are counted by none."},
	{CodeWindowsOverlap, SeverityWarning, "Windows overlap by very little, and rows there are counted twice."},
	{CodeWindowEdges, SeverityWarning, "Windows touch, every row matters to the bounds, and a row exactly between two of them is counted by neither."},
	{CodeUnwatchedSpans, SeverityWarning, "Nothing may happen at all, but the windows leave spans out in which it would not be seen."},
	{CodeNeverDue, SeverityWarning, "A line is not due on any day of the next year."},
	{CodeLinesContradict, SeverityWarning, "Two lines that are due at the same minutes cannot both be GOOD."},
	{CodeClockChange, SeverityWarning, "At a change of the clocks a line is skipped or checked twice on a day, or its daily windows leave an hour out."},
	{CodeLimitTooSmall, SeverityWarning, "The LIMIT of the query is smaller than the number of new rows that the bounds speak of."},
	{CodeLimitOrder, SeverityWarning, "The query has a LIMIT but does not give the newest rows first."},
	{CodeResultsCut, SeverityWarning, "The last fetches were cut by the LIMIT: rows are missing between them."},
	{CodeConstantTimes, SeverityWarning, "All rows of the last fetches bear one timestamp, and timestamps: assumed is not set."},
	{CodeUnservedSource, SeverityWarning, "No row getter serves the SOURCE."},
	{CodeLookbackOverKeep, SeverityWarning, "A look-back is longer than the purger keeps rows."},
	{CodeLongGrace, SeverityWarning, "Verdicts come more than a day late."},
	{CodeTimezoneUnset, SeverityWarning, "Hours and days are meant in the zone of a machine that has none."},
	{CodeAllowsUnknownRule, SeverityWarning, "A comment allows a rule that there is not."},
}

// Rule is the code of the fault, syntax where it bears none.
func (f *FileFault) Rule() string { return cmp.Or(f.Code, CodeSyntax) }

// TextEdit replaces characters of one line. The zero value is none.
type TextEdit struct {
	// Until is the column behind the last character that is replaced, counted from
	// 1; the first is the fault's own.
	Until int
	// With is what stands there then.
	With string
}

// Mends says whether there is an edit.
func (e TextEdit) Mends() bool { return e.Until > 0 }
