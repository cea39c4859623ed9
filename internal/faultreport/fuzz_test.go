package faultreport_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/faultreport"
)

// FuzzReports: whatever stands in a file that has faults, its report is one line for each
// fault, or JSON that says the same; nothing of it is a command to who reads it.
func FuzzReports(f *testing.F) {
	f.Add("checks/a b.dwmon", "unknown token ::error::x", "did you\nmean x?", "CHECKHOURS\x1b[2J", 4, 16)
	f.Add("a,b:c.dwmon", "100%", "%0A", "\u2028\u0085", 0, 0)
	f.Add("--timezone", "\xff", "", "", 1, 1<<40)
	f.Fuzz(func(t *testing.T, file, message, hint, text string, line, column int) {
		faults := []dwmon.FileFault{{File: file, Message: message, Hint: hint, LineText: text, Line: line, Column: column, Severity: dwmon.SeverityError}}
		faults = append(faults, faults[0])
		var editor, github bytes.Buffer
		if err := faultreport.Editor(&editor, faults); err != nil {
			t.Fatal(err)
		}
		if err := faultreport.GitHub(&github, faults); err != nil {
			t.Fatal(err)
		}
		for _, said := range []string{editor.String(), github.String()} {
			if strings.Count(said, "\n") != 2 || strings.Contains(said, "\r") {
				t.Fatalf("two faults are %q", said)
			}
		}
		if !strings.HasPrefix(github.String(), "::error ") {
			t.Fatalf("a fault is %q", github.String())
		}
		var log struct {
			Runs []struct {
				Results []struct{ Message struct{ Text string } }
			}
		}
		if err := json.Unmarshal(write(t, faults), &log); err != nil || len(log.Runs[0].Results) != 2 {
			t.Fatalf("%+v: %v", log, err)
		}
		if said := log.Runs[0].Results[0].Message.Text; !strings.Contains(said, strings.ToValidUTF8(message, "\ufffd")) && !strings.Contains(message, "\xff") && json.Valid([]byte(`"`+message+`"`)) {
			t.Fatalf("%q is said as %q", message, said)
		}
		_ = faults[0].Text()
	})
}
