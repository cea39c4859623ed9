package lsp

import (
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
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
	default:
		return nil
	}
}

func (s *server) checkerFaults(d *document) []dwmon.FileFault {
	file := filePath(d.uri)
	cfg := s.configOf(d.uri)
	name, known := checkerName(file, cfg)
	c, faults := s.parse(d.text, file, name)
	if err := checkfile.CheckName(name); err != nil && known {
		faults = append(faults, dwmon.FileFault{File: file, Severity: dwmon.SeverityError, Message: err.Error(), Hint: "rename the file"})
	}
	if c != nil && s.opts.Lint != nil {
		faults = append(faults, s.opts.Lint(c, cfg)...)
	}
	return faults
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
	return Diagnostic{Range: d.rangeOf(from, to), Severity: severity, Source: "dwmon", Message: message}
}

// faultSpan is the word at a fault's place.
func (d *document) faultSpan(f dwmon.FileFault) (from, to int) {
	from = d.place(f.Line, f.Column)
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
	if kindOf(d.uri) == configuration {
		return true
	}
	sec := checkfile.NewOutline([]byte(d.text)).At(offset)
	return sec != nil && sec.Mark == optionsMark
}
