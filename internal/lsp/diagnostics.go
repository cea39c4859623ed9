package lsp

import (
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checklint"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// diagnostics are the faults of a document as the protocol has them.
func (s *server) diagnostics(d *document) []Diagnostic {
	found := []Diagnostic{}
	for _, f := range s.faults(d) {
		found = append(found, d.diagnostic(f))
	}
	return found
}

// faults are what dwmon would say of a document.
func (s *server) faults(d *document) []dwmon.FileFault {
	switch kindOf(d.uri) {
	case checkerFile:
		return s.checkerFaults(d)
	case configuration:
		_, faults := config.Check(filePath(d.uri), d.text, s.opts.Template)
		return faults
	case unitTests:
		if file := filePath(d.uri); file != "" && s.opts.UnitTests != nil {
			return s.unitTestFaults(d, file)
		}
	}
	return nil
}

// unitTestFaults are those of the test file; those of the checker that it tests are
// shown in the checker's own file.
func (s *server) unitTestFaults(d *document, file string) (own []dwmon.FileFault) {
	for _, f := range s.opts.UnitTests(file, d.text, s.configOf(d.uri)) {
		if f.File == file {
			own = append(own, f)
		}
	}
	return own
}

func (s *server) checkerFaults(d *document) []dwmon.FileFault {
	file := filePath(d.uri)
	cfg := s.configOf(d.uri)
	name, known := checkerName(file, cfg)
	c, faults := s.parse(d.text, file, name)
	if err := checkfile.CheckName(name); err != nil && known {
		faults = append(faults, dwmon.FileFault{File: file, Severity: dwmon.SeverityError, Message: err.Error(), Hint: "rename the file"})
	}
	if c == nil {
		return faults
	}
	around := checklint.Surroundings{Now: s.opts.Now().Unix(), Zone: zone(cfg)}
	if cfg != nil {
		around.Require = cfg.Policy.Require
		if cfg.Handlers != nil { // without a list it is not known who is told
			around.Handlers = handlerNames(cfg)
		}
		faults = append(faults, unknownCalendars(d, c, cfg)...)
	}
	return checklint.Allowed(d.text).Filter(append(faults, checklint.Lint(c, around)...))
}

// unknownCalendars are those that a checker names and the configuration does not.
func unknownCalendars(d *document, c *dwmon.Checker, cfg *config.Config) (faults []dwmon.FileFault) {
	for _, name := range c.Options.Calendar {
		if _, ok := cfg.Calendars[name]; ok {
			continue
		}
		f := dwmon.FileFault{
			File: c.File, Line: 1, Column: 1, Severity: dwmon.SeverityError, Code: dwmon.CodeUnknownCalendar,
			Message: "no calendar is named " + name + "; checks go on as if it closed no day", Hint: config.FileName + " names none under `calendars`",
		}
		if known := calendarNames(cfg); len(known) > 0 {
			f.Hint = config.FileName + " has under `calendars`: " + strings.Join(known, ", ")
		}
		f.Line, f.Column = optionPlace(d, "calendar", name)
		faults = append(faults, f)
	}
	return faults
}

// optionPlace is the line and column of a word in the value of a key of OPTIONS.
func optionPlace(d *document, key, word string) (line, column int) {
	at := max(strings.Index(d.text, optionsMark), 0)
	if n := strings.Index(d.text[at:], key+":"); n >= 0 {
		at += n + len(key) + 1
	}
	if n := strings.Index(d.text[at:], word); n >= 0 {
		at += n
	}
	from, _ := d.lineAt(at)
	return strings.Count(d.text[:at], "\n") + 1, utf8.RuneCountInString(strings.TrimPrefix(d.text[from:at], "\ufeff")) + 1
}

func (s *server) parse(text, file, name string) (*dwmon.Checker, []dwmon.FileFault) {
	return checkfile.Parser{Template: s.opts.Template}.Parse(file, name, []byte(text))
}

// diagnostic puts a fault where it is seen: on the word at its place, or on the
// whole line where no word is.
func (d *document) diagnostic(f dwmon.FileFault) Diagnostic {
	severity := severityError
	if f.Severity == dwmon.SeverityWarning {
		severity = severityWarning
	}
	message := f.Message
	if f.Hint != "" {
		message += "\n" + f.Hint
	}
	from, to := d.faultSpan(f)
	return Diagnostic{Range: d.rangeOf(from, to), Severity: severity, Code: f.Rule(), Source: "dwmon", Message: message}
}

// faultSpan is what a fault's edit would replace, else the word at its place.
func (d *document) faultSpan(f dwmon.FileFault) (from, to int) {
	from = d.place(f.Line, f.Column)
	if to = d.place(f.Line, f.Edit.Until); f.Edit.Mends() && to > from {
		return from, to
	}
	if to = d.valueEnd(from); to > from {
		return from, to
	}
	return d.lineAt(from)
}

// valueEnd is the end of a word, of a value in quotes, or of a key or value within
// YAML's brackets.
func (d *document) valueEnd(from int) int {
	end := d.wordEnd(from)
	if end == from {
		return from
	}
	if q := d.text[from]; q == '"' || q == '\'' {
		_, line := d.lineAt(from)
		if n := strings.IndexByte(d.text[from+1:line], q); n >= 0 {
			return from + n + 2
		}
	}
	word := d.text[from:end]
	if n := strings.IndexAny(word, ",}]"); n > 0 && d.inYAML(from) {
		word = word[:n]
	}
	if trimmed := strings.TrimSuffix(word, ":"); trimmed != "" {
		word = trimmed
	}
	return from + len(word)
}

// inYAML says whether an offset lies in YAML, where brackets and commas end words.
func (d *document) inYAML(offset int) bool {
	if kindOf(d.uri) != checkerFile {
		return true
	}
	sec := d.outline().At(offset)
	return sec != nil && sec.Mark == optionsMark
}
