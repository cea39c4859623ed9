package checkfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sameChecker compares checkers as Format keeps them.
var sameChecker = cmp.Options{
	cmpopts.IgnoreFields(dwmon.Checker{}, "File", "Text", "Revision"),
	cmpopts.IgnoreFields(dwmon.Requirement{}, "FileLine"),
	cmp.Comparer(func(a, b *time.Location) bool {
		return a == b || a != nil && b != nil && zoneName(a) == zoneName(b)
	}),
}

func drawRequirement(t *rapid.T) dwmon.Requirement {
	r := dwmon.Requirement{
		Hours:    dwmon.HourSet(rapid.Uint32Range(1, 1<<24-1).Draw(t, "hours")),
		Minutes:  dwmon.MinuteSet(rapid.Uint64Range(1, 1<<60-1).Draw(t, "minutes")),
		Days:     dwmon.DaySet(rapid.Uint8Range(1, 1<<7-1).Draw(t, "days")),
		Lookback: rapid.Int64Range(1, dwmon.MaxLookback).Draw(t, "look-back"),
		HalfOpen: rapid.Bool().Draw(t, "half open"),
	}
	if rapid.Bool().Draw(t, "steps") {
		r.Minutes = dwmon.MinuteSet(dwmon.StepSet(rapid.IntRange(1, 59).Draw(t, "n"), 60))
		r.Hours = dwmon.HourSet(dwmon.StepSet(rapid.IntRange(1, 23).Draw(t, "n"), 24))
	}
	low := rapid.Int64Min(0).Draw(t, "low")
	high := rapid.Int64Min(low).Draw(t, "high")
	bounds := rapid.IntRange(1, 3).Draw(t, "bounds")
	if bounds&1 != 0 {
		r.Min = dwmon.At(low)
	}
	if bounds&2 != 0 {
		r.Max = dwmon.At(high)
	}
	return r
}

var anyText = rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("ab: #'\"\\\n\t{}[],&*!|>%@`-~\u0085\u2028\ufeff\u00a0\U0001F600"))))

func drawValue(t *rapid.T, depth int) any {
	kinds := 5
	if depth > 0 {
		kinds = 7
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.SampledFrom([]json.Number{"0", "-1", "12345678901234567890123", "1.50", "-0.1e-7", "1e5", "9223372036854775808"}).Draw(t, "number")
	case 3:
		return rapid.SampledFrom([]string{"yes", "no", "true", "null", "~", "1", "0x1", "1e5", "", " a ", "2001-01-01", "<<", ".inf", "a: b", "a #b", "- a"}).Draw(t, "tricky")
	case 4:
		return anyText.Draw(t, "text")
	case 5:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "length"))
		for i := range list {
			list[i] = drawValue(t, depth-1)
		}
		return list
	default:
		return drawMap(t, depth-1)
	}
}

func drawMap(t *rapid.T, depth int) map[string]any {
	m := map[string]any{}
	for _, key := range rapid.SliceOfN(anyText, 0, 3).Draw(t, "keys") {
		m[key] = drawValue(t, depth)
	}
	return m
}

// words are texts that are not blank, none twice.
var words = rapid.SliceOfDistinct(anyText.Filter(func(s string) bool { return strings.TrimSpace(s) != "" }), func(s string) string { return s })

func drawOptions(t *rapid.T) dwmon.Options {
	seconds := func(label string) time.Duration {
		return time.Duration(rapid.Int64Range(0, 9_000_000_000).Draw(t, label)) * time.Second
	}
	o := dwmon.Options{
		Timeout: seconds("timeout"), Grace: seconds("grace"),
		Assumed: rapid.Bool().Draw(t, "assumed"), Disabled: rapid.Bool().Draw(t, "disabled"),
		Owner: anyText.Draw(t, "owner"), Description: anyText.Draw(t, "description"), Runbook: anyText.Draw(t, "runbook"),
		HideKeys: rapid.Bool().Draw(t, "hide keys"), Template: anyText.Filter(func(s string) bool { return s == "" || strings.TrimSpace(s) != "" }).Draw(t, "template"),
	}
	if rapid.Bool().Draw(t, "zoned") {
		o.Timezone, _ = time.LoadLocation(rapid.SampledFrom([]string{"UTC", "Local", "Europe/Berlin", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}).Draw(t, "zone"))
	}
	if rapid.Bool().Draw(t, "labelled") {
		o.Labels = map[string]string{}
		for _, key := range words.Draw(t, "labels") {
			o.Labels[key] = anyText.Draw(t, "label")
		}
	}
	if rapid.Bool().Draw(t, "handled") {
		o.Handlers = words.Draw(t, "handlers")
	}
	if rapid.Bool().Draw(t, "alerted") {
		o.Alert = dwmon.AlertSettings{
			Of: rapid.IntRange(1, 64).Draw(t, "of"), Recover: rapid.IntRange(0, 64).Draw(t, "recover"), UnknownAfter: rapid.IntRange(0, 9).Draw(t, "unknown after"),
			Repeat: time.Duration(rapid.IntRange(0, 9).Draw(t, "repeat")) * time.Hour, Growth: rapid.SampledFrom([]float64{0, 1, 1.5, 2, 100}).Draw(t, "growth"),
		}
		o.Alert.After = rapid.IntRange(0, o.Alert.Of).Draw(t, "after")
	}
	if rapid.Bool().Draw(t, "calendared") {
		o.Calendar = words.Draw(t, "calendar")
	}
	return o
}

// drawBody is a text as a section can hold it: trimmed, not empty, without lines
// that are taken for markers.
func drawBody(t *rapid.T, label string) string {
	return rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune(" \n\r\t#_x")))).Filter(func(s string) bool {
		return s != "" && s == strings.TrimSpace(s) && !strings.Contains(s, "\n_") && !strings.HasPrefix(s, "_") && !strings.Contains(strings.ReplaceAll(s, " ", ""), "_")
	}).Draw(t, label)
}

func TestParseUndoesFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &dwmon.Checker{Name: "a", Query: drawBody(t, "query"), Source: drawBody(t, "source"), Extra: []byte("{}"), Options: drawOptions(t)}
		seen := map[string]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "lines") {
			if r := drawRequirement(t); !seen[r.Identity()] {
				seen[r.Identity()] = true
				c.Lines = append(c.Lines, r)
			}
		}
		if rapid.Bool().Draw(t, "extra") {
			extra, err := json.MarshalIndent(drawValue(t, 3), " ", "\t")
			if err != nil {
				t.Fatal(err)
			}
			c.Extra = extra
		}
		text := Format(c)
		got, faults := Parse("a.dwmon", "a", text)
		if got == nil {
			t.Fatalf("faults:\n%s\nof\n%s", dwmon.FileFaults(faults).Text(), text)
		}
		if diff := cmp.Diff(c, got, sameChecker); diff != "" {
			t.Fatalf("(-want +got):\n%s\nof\n%s", diff, text)
		}
		if again := Format(got); string(again) != string(text) {
			t.Fatalf("Format is not stable:\n%s\n%s", text, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	shipped, _ := filepath.Glob("../../checks/*.dwmon")
	for _, path := range append(paths, shipped...) {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, input, ok := strings.Cut(string(text), "-- input.dwmon --\n")
		if !ok {
			input = string(text)
		}
		input, _, _ = strings.Cut(input, "-- want --\n")
		f.Add([]byte(input))
		f.Add([]byte("\ufeff" + strings.ReplaceAll(input, "\n", "\r\n")))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, faults := Parse("a.dwmon", "a", text)
		checkPlaces(t, text, faults)
		_ = dwmon.FileFaults(faults).Text()
		if (c == nil) != dwmon.AnyError(faults) {
			t.Fatalf("checker %v beside faults %v", c, faults)
		}
		if c == nil {
			return
		}
		if !json.Valid(c.Extra) && len(c.Extra) < 10_000 {
			t.Fatalf("EXTRA %q is no JSON", c.Extra)
		}
		again, faults := Parse("b.dwmon", "a", Format(c))
		if again == nil {
			t.Fatalf("the canonical text has faults: %v\n%s", faults, Format(c))
		}
		if diff := cmp.Diff(c, again, sameChecker, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-first +again):\n%s", diff)
		}
	})
}
