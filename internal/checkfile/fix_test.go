package checkfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestFix(t *testing.T) {
	const rest = " CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM5 LOOKBACKSECONDS60"
	good := Tidy([]byte(file("CHECKHOURS0-23"+rest, "")))
	for _, tt := range []struct{ name, line, want string }{
		{"a letter too few", "CHECKHOUR0-23" + rest, "CHECKHOURS0-23" + rest},
		{"lower case", "checkhours0-23" + rest, "CHECKHOURS0-23" + rest},
		{"a sign before the value", "CHECKHOURS=0-23" + rest, "CHECKHOURS0-23" + rest},
		{"white space before the value", "CHECKHOURS \t 0-23" + rest, "CHECKHOURS0-23" + rest},
		{"a star", "CHECKHOURS*" + rest, "CHECKHOURS0-23" + rest},
		{"a step of cron", "CHECKHOURS0-23/4" + rest, "CHECKHOURS*/4" + rest},
		{"several in one line", "checkhours=* CHECKMINUTE*/5 WEEKDAYS MINNUM5 LOOKBACKSECONDS60", "CHECKHOURS0-23 CHECKMINUTES*/5 WEEKDAYS MINNUM5 LOOKBACKSECONDS60"},
		{"days written out", "CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSsunday MINNUM5 LOOKBACKSECONDS60", "CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSSUN MINNUM5 LOOKBACKSECONDS60"},
		{"an entry that is there already", "CHECKHOURS0-23,5" + rest, "CHECKHOURS0-23" + rest},
		{"a day that is there already", "CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSMON-WED,TUE MINNUM5 LOOKBACKSECONDS60", "CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSMON-WED MINNUM5 LOOKBACKSECONDS60"},

		{"a range that may go over midnight stays", "CHECKHOURS9-5" + rest, ""},
		{"bounds the wrong way round may be anything", "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKDAYS MINNUM5 MAXNUM1 LOOKBACKSECONDS60", ""},
		{"a slip from two tokens", "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MIXNUM5 LOOKBACKSECONDS60", ""},
		{"a word that is no token", "CHECKHOURS0-23 EVERYDAY" + rest, ""},
		{"one that can be mended beside one that cannot", "CHECKHOUR0-23 EVERYDAY" + rest, ""},
	} {
		text := []byte(file(tt.line, ""))
		fixed, mended := Parser{}.Fix(text)
		switch {
		case tt.want == "":
			if !bytes.Equal(fixed, text) || mended != nil {
				t.Errorf("%s: it became\n%s", tt.name, fixed)
			}
		case string(fixed) != strings.Replace(string(good), "CHECKHOURS0-23"+rest, tt.want, 1):
			t.Errorf("%s: it became\n%s", tt.name, fixed)
		case len(mended) == 0:
			t.Errorf("%s: nothing is said of it", tt.name)
		}
	}
}

func TestFixOtherSections(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"a comma too many", file(everyMinute, "__EXTRA__\n{\"a\": [1, 2,],\n}\n"), "{\"a\": [1, 2]\n}\n"},
		{"words of Python", file(everyMinute, "__EXTRA__\n{\"ü\": True, \"b\": None}\n"), "{\"ü\": true, \"b\": null}\n"},
		{"a key with a letter too few", file(everyMinute, "__OPTIONS__\ntimezon: UTC # why\n"), "timezone: UTC # why\n"},
		{"a marker in lower case", "\ufeff" + file(everyMinute, "__extra__\r\n{}\r\n"), "__EXTRA__\n{}\n"},
	} {
		fixed, mended := Parser{}.Fix([]byte(tt.text))
		if !strings.HasSuffix(string(fixed), tt.want) || len(mended) == 0 {
			t.Errorf("%s: it became\n%s", tt.name, fixed)
		}
		if c, faults := Parse("a.dwmon", "a", fixed); c == nil {
			t.Errorf("%s: faults are left: %v", tt.name, faults)
		}
	}
	if fixed, _ := (Parser{Template: findWrong}).Fix([]byte(file(everyMinute, "__OPTIONS__\nhandler: []\ntemplate: WRONG\n"))); !strings.Contains(string(fixed), "handler: []") {
		t.Errorf("a file was changed that is bad all the same:\n%s", fixed)
	}
}

// Whatever a file holds, Fix gives a good one or the same.
func FuzzFix(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, input, _ := strings.Cut(string(text), "-- input.dwmon --\n")
		input, _, _ = strings.Cut(input, "-- want --\n")
		f.Add([]byte(input))
		f.Add([]byte(bom + strings.ReplaceAll(input, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fixed, mended := Parser{}.Fix(text)
		before, faults := Parse("a.dwmon", "a", text)
		for _, fault := range faults {
			if fault.Edit.Mends() && fault.Edit.Until < fault.Column {
				t.Fatalf("an edit ends before it begins: %+v", fault)
			}
		}
		after, faults := Parse("a.dwmon", "a", fixed)
		switch {
		case bytes.Equal(fixed, text):
		case after == nil:
			t.Fatalf("faults are left: %v\n%q\n%q", faults, text, fixed)
		case before != nil && !Same(before, after):
			t.Fatalf("another checker:\n%s\n%s", Format(before), Format(after))
		case before == nil && len(mended) == 0:
			t.Fatalf("mended, and nothing is said of it:\n%q\n%q", text, fixed)
		}
		if again, more := (Parser{}).Fix(fixed); !bytes.Equal(again, fixed) || after != nil && len(more) > 0 {
			t.Fatalf("fixed twice it differs: %v\n%q\n%q", more, fixed, again)
		}
	})
}

// Every fault bears a code that is in the table, and warnings one of their own.
func TestFaultsBearCodes(t *testing.T) {
	codes := map[string]dwmon.Severity{}
	for _, r := range dwmon.FaultRules {
		codes[r.Code] = r.Severity
	}
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, input, _ := strings.Cut(string(text), "-- input.dwmon --\n")
		input, _, _ = strings.Cut(input, "-- want --\n")
		_, faults := Parser{Template: findWrong}.Parse("a.dwmon", "a", []byte(input))
		for _, f := range faults {
			if f.Code == "" || codes[f.Code] != f.Severity {
				t.Errorf("%s: %v bears the code %q, which stands for: %q", path, f, f.Code, codes[f.Code])
			}
		}
	}
}
