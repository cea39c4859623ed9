package checkfile

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// FuzzRequirement holds one requirement line against a reader of its own that knows the
// grammar and nothing of what people may have meant.
func FuzzRequirement(f *testing.F) {
	for _, line := range []string{
		everyMinute,
		"CHECKHOURS9,13 CHECKMINUTES*/7 CHECKDAYSMON,WED-FRI MAXNUM0020 LOOKBACKSECONDS1 HALFOPEN",
		"CHECKHOURS0-5,22-23 CHECKMINUTES*/15 WEEKENDS MINNUM9 MAXNUM3 LOOKBACKSECONDS31622400",
		"CHECKHOURS*/23,*/5 CHECKMINUTES0,*/59 WEEKDAYS WEEKDAYS MINNUM9223372036854775807 LOOKBACKSECONDS31622401",
		"\u00a0CHECKHOURS0\u2003CHECKMINUTES0 CHECKDAYSSUN-MON MINNUM0 LOOKBACKSECONDS00",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\n\r_") || skipped(line) {
			t.Skip("another line, a section, or none")
		}
		text := []byte("__QUERY__\nq\n__SOURCE__\ns\n__REQUIREMENTS__\n" + line + "\n")
		c, faults := Parse("a.dwmon", "a", text)
		checkPlaces(t, text, faults)
		want, ok := naiveRequirement(line)
		if (c != nil) != ok {
			t.Fatalf("%q: taken is %t, and should be %t: %v", line, c != nil, ok, faults)
		}
		if c == nil {
			return
		}
		got := c.Lines[0]
		if got.FileLine = 0; got != want {
			t.Fatalf("%q was read as %+v, not %+v", line, got, want)
		}
		if again, ok := naiveRequirement(got.Identity()); !ok || again != want {
			t.Fatalf("the identity %q is another requirement: %+v", got.Identity(), again)
		}
	})
}

var naiveToken = regexp.MustCompile(`^(?:(CHECKHOURS|CHECKMINUTES|CHECKDAYS)(.+)|(MINNUM|MAXNUM|LOOKBACKSECONDS)([0-9]+)|(WEEKENDS|WEEKDAYS|HALFOPEN))$`)

// naiveRequirement reads a line token by token as the table of docs/checker-files.md has
// it.
func naiveRequirement(line string) (r dwmon.Requirement, ok bool) {
	seen := map[string]bool{}
	for _, token := range strings.Fields(line) {
		m := naiveToken.FindStringSubmatch(token)
		if m == nil {
			return r, false
		}
		name := m[1] + m[3] + m[5]
		if seen[name] {
			return r, false
		}
		seen[name] = true
		n, err := strconv.ParseInt(m[4], 10, 64)
		if m[4] != "" && err != nil {
			return r, false
		}
		members, fine := []int(nil), true
		switch name {
		case "CHECKHOURS":
			members, fine = naiveSet(m[2], 24)
			for _, i := range members {
				r.Hours |= 1 << i
			}
		case "CHECKMINUTES":
			members, fine = naiveSet(m[2], 60)
			for _, i := range members {
				r.Minutes |= 1 << i
			}
		case "CHECKDAYS":
			members, fine = naiveDays(m[2])
			for _, i := range members {
				r.Days |= 1 << i
			}
		case "MINNUM":
			r.Min = dwmon.At(n)
		case "MAXNUM":
			r.Max = dwmon.At(n)
		case "LOOKBACKSECONDS":
			r.Lookback = n
		case "WEEKENDS":
			r.Days |= 1<<0 | 1<<6
		case "WEEKDAYS":
			r.Days |= 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5
		case "HALFOPEN":
			r.HalfOpen = true
		}
		if !fine {
			return r, false
		}
	}
	switch {
	case !seen["CHECKHOURS"] || !seen["CHECKMINUTES"] || r.Days == 0 || !r.Min.Set && !r.Max.Set,
		seen["CHECKDAYS"] && (seen["WEEKENDS"] || seen["WEEKDAYS"]),
		r.Min.Set && r.Max.Set && r.Min.N > r.Max.N,
		r.Lookback < 1 || r.Lookback > 31_622_400:
		return r, false
	}
	return r, true
}

var naiveItem = regexp.MustCompile(`^(?:\*/([0-9]+)|([0-9]+)(?:-([0-9]+))?)$`)

func naiveSet(value string, size int) (members []int, ok bool) {
	for _, item := range strings.Split(value, ",") {
		m := naiveItem.FindStringSubmatch(item)
		if m == nil {
			return nil, false
		}
		if m[1] != "" {
			n, err := strconv.Atoi(m[1])
			if err != nil || n < 1 || n >= size {
				return nil, false
			}
			for i := range size {
				if i%n == 0 {
					members = append(members, i)
				}
			}
			continue
		}
		if m[3] == "" {
			m[3] = m[2]
		}
		a, err := strconv.Atoi(m[2])
		b, err2 := strconv.Atoi(m[3])
		if err != nil || err2 != nil || a > b || b >= size {
			return nil, false
		}
		for i := a; i <= b; i++ {
			members = append(members, i)
		}
	}
	return members, true
}

// naiveDays gives days as package time counts them.
func naiveDays(value string) (members []int, ok bool) {
	week := []string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}
	for _, item := range strings.Split(value, ",") {
		from, to, ranged := strings.Cut(item, "-")
		if !ranged {
			to = from
		}
		a, b := slices.Index(week, from), slices.Index(week, to)
		if a < 0 || b < a {
			return nil, false
		}
		for i := a; i <= b; i++ {
			members = append(members, (i+1)%7)
		}
	}
	return members, true
}

// FuzzExtra holds our checker of JSON against encoding/json, which knows it but cannot
// say what is wrong where.
func FuzzExtra(f *testing.F) {
	for _, text := range []string{
		`{"a": [1, -0.5e+3, true, null, "\u00e9\ud83d\ude00\\"], "a": {}}`, `[1,]`, `{"a" 1}`, `01`, `"a`, "\"\x01\"", `{'a': 1}`, `[[[`, `nul`, `{"a":1}}`, `# x`, "\"\\u12g4\"", "", "-", "1.", "1e",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			t.Skip("encoding/json stops at ten thousand levels")
		}
		j := jsonChecker{text: text}
		faults := j.check()
		if valid := json.Valid([]byte(text)); valid != (j.fault == nil) {
			t.Fatalf("%q is valid: %t, and the fault is %+v", text, valid, j.fault)
		}
		for _, fault := range faults {
			if fault.at < 0 || fault.at > len(text) || fault.message == "" {
				t.Fatalf("%q: the fault %+v has no place", text, fault)
			}
			if fault.old != "" && !strings.HasPrefix(text[fault.at:], fault.old) {
				t.Fatalf("%q: the fault %+v would mend something that is not there", text, fault)
			}
		}
	})
}
