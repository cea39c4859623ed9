package checklint

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// options looks at the OPTIONS section.
func (l *linter) options() {
	l.handlers()
	l.required()
	l.keep()
	if l.c.Options.Grace > 24*time.Hour {
		l.report(l.key("grace", ""), dwmon.CodeLongGrace,
			"every minute is judged "+dwmon.FormatDuration(l.c.Options.Grace)+" after it has passed: grace delays all verdicts",
			"lower grace; a longer LOOKBACKSECONDS bears with late rows, too")
	}
}

// handlers reports names of handlers that there are not.
func (l *linter) handlers() {
	if l.Handlers == nil {
		return
	}
	for _, name := range l.c.Options.Handlers {
		if slices.Contains(l.Handlers, name) {
			continue
		}
		hint := "there are: " + strings.Join(l.Handlers, ", ")
		if len(l.Handlers) == 0 {
			hint = "dwmon.yaml has none under `handlers`"
		}
		if near, ok := dwmon.Nearest(name, l.Handlers); ok {
			hint = "did you mean " + near + "?"
		}
		l.report(l.key("handlers", name), dwmon.CodeUnknownHandler, "no handler is named "+name, hint).Severity = dwmon.SeverityError
	}
}

// samples are values that the keys may be given.
var samples = map[string]string{
	"owner": "billing", "description": "invoices that were sent", "runbook": "https://wiki.example.com/invoices", "timezone": "Europe/Berlin",
}

// required reports what a file must have and has not.
func (l *linter) required() {
	o := &l.c.Options
	there := map[string]bool{"owner": o.Owner != "", "description": o.Description != "", "runbook": o.Runbook != "", "timezone": o.Timezone != nil}
	for _, name := range l.Require {
		label, isLabel := strings.CutPrefix(name, "label.")
		if there[name] || isLabel && o.Labels[label] != "" {
			continue
		}
		what, sample := "OPTIONS names no "+name, name+": "+samples[name]
		if isLabel {
			what, sample = "OPTIONS has no label "+label, "labels: {"+label+": …}"
		}
		f := l.report(l.key("", ""), dwmon.CodePolicy, what+", and `policy` in dwmon.yaml requires it", "add "+sample+" to __OPTIONS__")
		f.Severity = dwmon.SeverityError
	}
}

// keep reports look-backs that reach further back than rows are kept.
func (l *linter) keep() {
	if l.Keep <= 0 {
		return
	}
	for i := range l.c.Lines {
		r := &l.c.Lines[i]
		if time.Duration(r.Lookback)*time.Second > l.Keep {
			l.report(l.token(r, "LOOKBACKSECONDS"), dwmon.CodeLookbackOverKeep,
				fmt.Sprintf("the look-back is %s, but the purger keeps rows for %s only: each purge is cut short and reported", words.Duration(r.Lookback), dwmon.FormatDuration(l.Keep)),
				"let the purger keep rows longer than the longest look-back")
		}
	}
}

// source reports a SOURCE that nobody serves.
func (l *linter) source() {
	if l.Unserved != "" && !l.c.Options.Disabled {
		l.report(l.below("__SOURCE__"), dwmon.CodeUnservedSource, l.Unserved, "")
	}
}
