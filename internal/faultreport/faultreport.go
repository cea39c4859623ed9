// Package faultreport writes faults of files in the forms that other programs read:
// editors, code review, and the log of GitHub Actions.
package faultreport

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Editor writes one line for each fault, as compilers do:
//
//	FILE:LINE:COLUMN: SEVERITY: MESSAGE (HINT) [CODE]
//
// Line and column count from 1, columns in characters; a fault without a place is
// given the first line.
func Editor(w io.Writer, faults []dwmon.FileFault) error {
	for i := range faults {
		f := &faults[i]
		_, err := fmt.Fprintf(w, "%s:%d:%d: %s: %s [%s]\n", oneLine(f.File), max(f.Line, 1), max(f.Column, 1), f.Severity, oneLine(whole(f)), f.Rule())
		if err != nil {
			return err
		}
	}
	return nil
}

// whole is the message with its hint.
func whole(f *dwmon.FileFault) string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// oneLine keeps what a file holds from breaking a line, or from driving a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, text)
}

// GitHub writes workflow commands, which GitHub Actions shows beside the lines of a
// pull request.
func GitHub(w io.Writer, faults []dwmon.FileFault) error {
	for i := range faults {
		f := &faults[i]
		var at strings.Builder
		if f.Line > 0 || !isSetting(f.File) {
			fmt.Fprintf(&at, " file=%s", property(f.File))
			if f.Line > 0 {
				fmt.Fprintf(&at, ",line=%d,col=%d", f.Line, max(f.Column, 1))
			}
			at.WriteString(",title=" + property(f.Rule()))
		} else {
			at.WriteString(" title=" + property(f.File))
		}
		if _, err := fmt.Fprintf(w, "::%s%s::%s\n", f.Severity, at.String(), data(whole(f))); err != nil {
			return err
		}
	}
	return nil
}

// isSetting says that a fault is about a flag, a variable of the environment or
// nothing in particular, and not about a file.
func isSetting(file string) bool {
	return file == "" || strings.HasPrefix(file, "--") || strings.HasPrefix(file, "DWMON_")
}

var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func data(text string) string     { return dataEscapes.Replace(text) }
func property(text string) string { return propertyEscapes.Replace(text) }

// endColumn is the column behind what a fault is about, as far as that is known.
func endColumn(f *dwmon.FileFault) int {
	if f.Edit.Mends() {
		return f.Edit.Until
	}
	chars := []rune(f.LineText)
	end := max(f.Column, 1)
	for end <= len(chars) && !strings.ContainsRune(" \t,", chars[end-1]) {
		end++
	}
	return cmp.Or(max(end, f.Column+1), 2)
}
