package dwmon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFileFaultText(t *testing.T) {
	long := strings.Repeat("a", 200) + "X" + strings.Repeat("b", 200)
	for _, tt := range []struct {
		name  string
		fault FileFault
		want  string
	}{
		{
			"with line, caret and hint",
			FileFault{File: "f", Line: 2, Column: 3, Severity: SeverityError, Message: "m", Hint: "h", LineText: "abcd"},
			"f:2:3: m\n    abcd\n      ^\n    h\n",
		},
		{"a warning says so", FileFault{File: "f", Line: 1, Column: 1, Severity: SeverityWarning, Message: "m"}, "f:1:1: warning: m\n"},
		{"no place", FileFault{File: "f", Message: "m"}, "f: m\n"},
		{"no file", FileFault{Message: "m"}, "m\n"},
		{
			"tabs stay, wide characters count twice, marks not at all",
			FileFault{File: "f", Line: 1, Column: 6, Message: "m", LineText: "\t名e\u0301 x"},
			"f:1:6: m\n    \t名e\u0301 x\n    \t    ^\n",
		},
		{"behind the end", FileFault{File: "f", Line: 1, Column: 99, Message: "m", LineText: "ab"}, "f:1:99: m\n    ab\n      ^\n"},
		{
			"a long line is cut",
			FileFault{File: "f", Line: 1, Column: 201, Message: "m", LineText: long},
			"f:1:201: m\n    …" + strings.Repeat("a", 60) + "X" + strings.Repeat("b", 39) + "…\n    " + strings.Repeat(" ", 61) + "^\n",
		},
		{
			"no control character reaches the terminal",
			FileFault{File: "f\x1b", Line: 1, Column: 2, Message: "m", LineText: "\x1b[31m\xff"},
			"f\ufffd:1:2: m\n    \ufffd[31m\ufffd\n     ^\n",
		},
	} {
		if got := tt.fault.Text(); got != tt.want {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}

// TestFileFaultHidesPasswords: faults are printed where many read them.
func TestFileFaultHidesPasswords(t *testing.T) {
	f := FileFault{File: "a.dwmon", Line: 7, Column: 1, LineText: "oracle://u:hunter2@h/db", Message: "nobody serves it"}
	if got, want := f.Text(), "a.dwmon:7:1: nobody serves it\n    oracle://u:…@h/db\n    ^\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f.Column = 25
	f.LineText += " b"
	if got, want := f.Text(), "a.dwmon:7:25: nobody serves it\n    oracle://u:…@h/db b\n                      ^\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestFileFaultJSON(t *testing.T) {
	got, err := json.Marshal(FileFault{File: "f", Line: 1, Column: 2, Severity: SeverityWarning, Message: "m", Hint: "h", LineText: "secret"})
	if want := `{"file":"f","line":1,"column":2,"severity":"warning","message":"m","hint":"h","rule":"syntax"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestSortFaults(t *testing.T) {
	faults := []FileFault{{File: "b"}, {File: "a", Line: 2, Message: "1"}, {File: "a", Line: 2, Message: "2"}, {File: "a", Line: 1, Column: 9}, {File: "a", Line: 1, Column: 3}}
	SortFaults(faults)
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	if want := "a:1:3: |a:1:9: |a:2:1: 1|a:2:1: 2|b: "; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"owner", "timeout", "timezone", "on"}
	for word, want := range map[string]string{"ownr": "owner", "Owner": "owner", "tiemout": "timeout", "time_zone": "timezone", "no": "on", "colour": "", "": ""} {
		if got, ok := Nearest(word, names); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// naiveDistance follows the definition: the least over all last steps.
func naiveDistance(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	i, j := len(a)-1, len(b)-1
	cost := 1
	if a[i] == b[j] {
		cost = 0
	}
	d := min(naiveDistance(a[:i], b)+1, naiveDistance(a, b[:j])+1, naiveDistance(a[:i], b[:j])+cost)
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		d = min(d, naiveDistance(a[:i-1], b[:j-1])+1)
	}
	return d
}

func TestDistanceFollowsItsDefinition(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("abé")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		if got, want := Distance(a, b), naiveDistance([]rune(a), []rune(b)); got != want {
			t.Fatalf("Distance(%q, %q) is %d, want %d", a, b, got, want)
		}
	})
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "5m": 5 * time.Minute, "24h": 24 * time.Hour, "7d": 168 * time.Hour, "0s": 0, "007d": 168 * time.Hour, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "5", "-5s", "+5s", "1.5h", "1h30m", "5 s", "5S", "5w", "5ms", "106752d", "99999999999999999999s", "１s"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is accepted: %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 9_000_000_000).Draw(t, "seconds")) * time.Second
		if got, err := ParseDuration(FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v became %s became %v, %v", d, FormatDuration(d), got, err)
		}
	})
}
