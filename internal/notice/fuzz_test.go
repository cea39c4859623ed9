package notice

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// FuzzTemplate: a template has faults with places within it, or words every sample
// within the bounds of a notice; what either costs is bounded.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"{{.Checker}} is {{.Status}}: {{.Count}} of {{.Min}}", "{{range .Windows}}{{date \"15:04\" .Minute}} {{.Count}}\n{{end}}", "{{with .Extra}}{{.alert}}{{end}}",
		"{{range $i, $w := .Windows}}{{if eq $i 2}}{{break}}{{end}}{{$w.Status}}{{else}}none{{end}}", "{{.Chekcer}}", "{{env \"A\"}}", "{{define \"a\"}}{{end}}", "{{- range .Facts -}}{{.Label | upper}}\t{{.Value | trunc 9}}{{- end -}}",
		"{{printf \"%1000000d\" 1}}", "{{range .Windows}}{{range $.Windows}}{{range $.Windows}}{{range $.Windows}}{{range $.Windows}}x{{end}}{{end}}{{end}}{{end}}{{end}}", "{{join \", \" .Names}}{{sparkline .Windows .Min .Max}}{{json .}}",
		"{{indent 2 .Detail}}{{default \"-\" .Owner}}{{plural \"row\" \"rows\" .Count}}{{inZone \"Asia/Tokyo\" .Created}}", "{{index .Labels \"team\"}}{{slice .Source 1 3}}{{call .}}", "é\n  {{ .Nothing.There }}", "{{/* x */}}", "{{$x := 1}}{{$x.y}}", "{{.Extra.a.b.c}}", "{{replace \"\" \"xxxxxxxxxx\" .Detail}}",
	} {
		f.Add(text, `{"alert": "a@example.com", "n": 1e400}`)
	}
	d := Sample(dwmon.NoticeOpened, dwmon.SubjectCount)
	f.Fuzz(func(t *testing.T, text, extra string) {
		if !json.Valid([]byte(extra)) || len(text) > 4000 || len(extra) > 4000 {
			t.Skip("no EXTRA section, or one for another day")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		faults := Faults(text, []byte(extra))
		runtime.ReadMemStats(&after)
		// Each sample may write 64 KiB, and make texts of that size on the way.
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 2<<30 {
			t.Fatalf("%d bytes of a template took %d of memory", len(text), spent)
		}
		lines := strings.Split(text, "\n")
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > len(lines) || fault.Column < 0 || fault.Column > utf8.RuneCountInString(lines[fault.Line-1])+1 || fault.Message == "" || strings.ContainsAny(fault.Message, "\n\x1b") {
				t.Fatalf("%q: the fault %+v has no place in the text", text, fault)
			}
		}
		if len(faults) > 0 {
			return
		}
		w, err := ParseTemplate(text, text)
		if err != nil {
			t.Fatalf("%q has no faults, and cannot be read: %v", text, err)
		}
		d := d
		d.Checker.Extra = []byte(extra)
		n := Compose(d)
		_ = w.Apply(&n, d) // what no sample has may still go wrong: the notice says so
		if n.Summary == "" || utf8.RuneCountInString(n.Summary) > maxSummary || !isClean(n.Summary) || len(n.Detail) > maxOutput+1 || !isCleanText(n.Detail) {
			t.Fatalf("%q made the notice %q, %q", text, n.Summary, n.Detail)
		}
	})
}

// isCleanText is isClean but for ends of lines and tabs.
func isCleanText(text string) bool {
	return isClean(strings.NewReplacer("\n", "", "\t", "").Replace(text))
}

// FuzzClean: no text of anybody's drives a terminal or is longer than it may be, and two
// texts that differ stay different.
func FuzzClean(f *testing.F) {
	f.Add("a\x1b[2Jb\r\n\tc", "\u202eabc\u2028\xff")
	f.Add("\U000e0001x", `\x1B`)
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, text := range []string{one, two} {
			if c := clean(text); !isClean(c) || !utf8.ValidString(c) || isClean(text) != (c == text) {
				t.Fatalf("%q is cleaned to %q", text, c)
			}
			for what, shown := range map[string]string{"a line": oneLine(text), "a key": key(text), "a name": name(text), "a summary": fit(text, one, two), "lines": strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(lines(text), "\n", ""), "\t", ""), "\n")} {
				if what != "a summary" && !isClean(shown) || what != "lines" && utf8.RuneCountInString(shown) > maxFact {
					t.Fatalf("%q as %s is %q", text, what, shown)
				}
			}
		}
		if one != two && clean(one) == clean(two) && !strings.Contains(one+two, `\`) {
			t.Fatalf("%q and %q are both %q", one, two, clean(one))
		}
	})
}

// FuzzMask: no notice shows the password of its checker's source, whoever repeats it.
func FuzzMask(f *testing.F) {
	f.Add("postgres://reader:hunter2@db/shop", "dial postgres://reader:hunter2@db/shop: no", uint8(0))
	f.Add("mysql://u:p@ss:word@h/d?password=second", "x", uint8(1))
	f.Add("http://h/?api_key=abcdefgh&x=1", "x", uint8(2))
	f.Fuzz(func(t *testing.T, source, text string, form uint8) {
		c := sampleChecker()
		c.Source = source
		d := Sample(dwmon.NoticeOpened, dwmon.SubjectChecker)
		d.Checker = c
		secrets := c.SourceSecrets()
		if len(secrets) == 0 || !utf8.ValidString(source+text) {
			return
		}
		said := text + source
		if form%3 == 1 {
			said = text + secrets[int(form)%len(secrets)]
		}
		masked := d.mask(said)
		for _, secret := range secrets {
			if len(secret) >= 4 && strings.Contains(masked, secret) && !strings.Contains(text, secret) && !strings.Contains(c.ShownSource()+"…", secret) {
				t.Fatalf("%q of %q: %q is shown as %q", secret, source, said, masked)
			}
		}
	})
}

func TestNoticesShowNoPasswordOfTheSource(t *testing.T) {
	for _, tt := range []struct{ source, said, want string }{
		{"postgres://u:hunter2@h/d", "hunter2 was refused", "… was refused"},
		{"mysql://u:p@ss:word@h/d", "user u, password p@ss:word", "user u, password …"},
		{"http://h/?api_key=abcdefgh&x=1", "no such key: abcdefgh", "no such key: …"},
		{"http://u:abcd@h/?token=abcdefgh", "abcdefgh", "…"},
		{"postgres://u:db@h/db", "database db", "database db"},
	} {
		c := sampleChecker()
		c.Source = tt.source
		d := Data{Checker: c}
		if got := d.mask(tt.said); got != tt.want {
			t.Errorf("%s: %q became %q, not %q", tt.source, tt.said, got, tt.want)
		}
	}
}
