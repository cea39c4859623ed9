package dwmon

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMatchersOfCheckersAndSources(t *testing.T) {
	orders := SilenceSubject{Checker: "billing/orders", Owner: "payments", Source: "AWS", Labels: map[string]string{"tier": "1"}}
	source := SilenceSubject{Source: "AWS"}
	own := SilenceSubject{}
	tests := []struct {
		what     string
		matchers []string
		orders   bool
		source   bool
	}{
		{"none match everything", nil, true, true},
		{"a plain name is that name alone", []string{"name=billing/orders"}, true, false},
		{"a plain name is not the beginning of one", []string{"name=billing"}, false, false},
		{"a folder's checkers", []string{"name=billing/*"}, true, false},
		{"an owner", []string{"owner=payments"}, true, false},
		{"another owner", []string{"owner=sales"}, false, false},
		{"all but an owner; a source has none", []string{"owner!=sales"}, true, false},
		{"a label", []string{"label.tier=1"}, true, false},
		{"a label that is not there is empty", []string{"label.region="}, true, false},
		{"a label that is not there is not eu", []string{"label.region!=eu"}, true, false},
		{"a source: its checkers and itself", []string{"source=AWS"}, true, true},
		{"all other sources", []string{"source!=AWS"}, false, false},
		{"all but one source", []string{"source!=GCP"}, true, true},
		{"a source's checkers of an owner, not the source itself", []string{"source=AWS", "owner=payments"}, true, false},
		{"all must match", []string{"owner=payments", "label.tier=2"}, false, false},
		{"a star is itself beyond names", []string{"owner=pay*"}, false, false},
	}
	for _, tt := range tests {
		ms, err := ParseMatchers(tt.matchers)
		if err != nil {
			t.Errorf("%s: %v", tt.what, err)
			continue
		}
		if got := ms.Match(orders); got != tt.orders {
			t.Errorf("%s: %v matches the checker: %v", tt.what, ms, got)
		}
		if got := ms.Match(source); got != tt.source {
			t.Errorf("%s: %v matches the source's incident: %v", tt.what, ms, got)
		}
		if got := ms.Match(own); got != (len(ms) == 0) {
			t.Errorf("%s: %v matches dwmon's own incident: %v", tt.what, ms, got)
		}
	}
}

func TestGlobs(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"orders", []string{"orders"}, []string{"a/orders", "orders2", "order", ""}},
		{"*", []string{"orders", "a"}, []string{"a/orders"}},
		{"**", []string{"orders", "a/orders", "a/b/c"}, nil},
		{"billing/*", []string{"billing/orders"}, []string{"billing", "billing/eu/orders", "abilling/orders"}},
		{"billing/**", []string{"billing/orders", "billing/eu/orders"}, []string{"billing", "billings/orders"}},
		{"**/orders", []string{"orders", "a/orders", "a/b/orders"}, []string{"new_orders", "a/new_orders"}},
		{"a/**/z", []string{"a/z", "a/b/z", "a/b/c/z"}, []string{"az", "a/bz", "b/a/z"}},
		{"a**z", []string{"az", "a/b/z", "abz"}, []string{"a/b"}},
		{"new_?", []string{"new_a", "new_é"}, []string{"new_", "new_ab", "new_/"}},
		{"*_eu", []string{"orders_eu", "_eu"}, []string{"orders_us", "x/orders_eu"}},
	}
	for _, tt := range tests {
		for _, name := range tt.yes {
			if !matchGlob(tt.pattern, name) {
				t.Errorf("%s does not match %s", tt.pattern, name)
			}
		}
		for _, name := range tt.no {
			if matchGlob(tt.pattern, name) {
				t.Errorf("%s matches %q", tt.pattern, name)
			}
		}
	}
}

func TestMatcherOfASourceHoldsNoPassword(t *testing.T) {
	c := Checker{Source: "postgres://ann:secret@db/shop"}
	m, err := ParseMatcher("source = " + c.Source)
	if err != nil || strings.Contains(m.String(), "secret") || !m.Match(SilenceSubject{Checker: "a", Source: c.ShownSource()}) {
		t.Errorf("the matcher is %v, %v", m, err)
	}
	if _, err := ParseMatcher("source==" + c.Source); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}

// naiveGlob writes the pattern as a regular expression.
func naiveGlob(pattern, name string) bool {
	folders := regexp.MustCompile(`(^|/)\*\*/`)
	for strings.Contains(pattern, "**/") {
		next := folders.ReplaceAllString(pattern, "$1\x00")
		if next == pattern {
			break
		}
		pattern = next
	}
	pattern = regexp.QuoteMeta(pattern)
	for _, r := range [][2]string{{`\*\*`, `.*`}, {`\*`, `[^/]*`}, {`\?`, `[^/]`}, {"\x00", `(?:.*/)?`}} {
		pattern = strings.ReplaceAll(pattern, r[0], r[1])
	}
	return regexp.MustCompile(`(?s)^` + pattern + `$`).MatchString(name)
}

func TestGlobIsTheRegularExpressionThatItStandsFor(t *testing.T) {
	matched := 0
	rapid.Check(t, func(t *rapid.T) {
		// Stars alone run at most two together: what three mean is nobody's question.
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "/", "*a", "**b", "*/", "**/", "/**/", "?", "a*", "/**"}), 0, 6).Draw(t, "pattern"), "")
		if strings.Contains(pattern, "***") || strings.Contains(pattern, "**/**/") {
			t.Skip()
		}
		name := rapid.StringOfN(rapid.RuneFrom([]rune("abé/")), 0, 8, -1).Draw(t, "name")
		got, want := matchGlob(pattern, name), naiveGlob(pattern, name)
		if got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, name, got, want)
		}
		if got {
			matched++
		}
	})
	if matched == 0 {
		t.Error("nothing ever matched: the test looks past what matters")
	}
}

// A pattern that tries everything must not take for ever.
func TestGlobIsFastOnBadPatterns(t *testing.T) {
	if matchGlob(strings.Repeat("*a", 500)+"b", strings.Repeat("a", 200)) {
		t.Error("a pattern with b matches a name without")
	}
}

func TestParseMatcherSaysHowToMend(t *testing.T) {
	tests := []struct{ text, want string }{
		{"payments", `the matcher "payments" compares nothing: write name=PATTERN, owner=O, source=S or label.KEY=VALUE, each with = or !=`},
		{"onwer=payments", `the matcher "onwer=payments": there is no "onwer"; did you mean owner? A label is label.onwer`},
		{"checker=a", `the matcher "checker=a": there is no "checker"; did you mean name? A label is label.checker`},
		{"region=eu", `the matcher "region=eu": there is no "region": name, owner or source; a label is label.region`},
		{"labels.tier=1", `the matcher "labels.tier=1": there is no "labels.tier"; did you mean label.tier?`},
		{"label=tier", `the matcher "label=tier": say which label: label.KEY=VALUE`},
		{"label.=1", `the matcher "label.=1": say which label: label.KEY=VALUE`},
		{"=x", `the matcher "=x": nothing stands before the =: write name=PATTERN, owner=O, source=S or label.KEY=VALUE, each with = or !=`},
		{"owner==x", `the matcher "owner==x": there is only = and !=: write owner=x`},
		{"name=~a.*", `the matcher "name=~a.*": there is only = and !=: write name=a.*; there are no regular expressions, but name takes *, ** and ?`},
		{"name=", `the matcher "name=": the pattern is empty; ** stands for every name`},
		{"name=[ab]*", `the matcher "name=[ab]*": no name holds '['; a pattern holds what names hold, and *, ** and ?`},
		{"name=/billing", `the matcher "name=/billing": no name begins with /: write billing`},
		{"source=", `the matcher "source=": the source is empty, and every checker has one`},
	}
	for _, tt := range tests {
		_, err := ParseMatcher(tt.text)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func TestParseMatcherReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{"name", "owner", "source", "label.tier", "label.a!"}).Draw(t, "key")
		text := key + rapid.SampledFrom([]string{"=", "!=", " = ", " != "}).Draw(t, "operator") + rapid.StringMatching(`[a-z*?/=! ~]{0,8}`).Draw(t, "value")
		m, err := ParseMatcher(text)
		if err != nil {
			return
		}
		again, err := ParseMatcher(m.String())
		if err != nil || again != m {
			t.Fatalf("%q is %#v, and written %q is %#v, %v", text, m, m.String(), again, err)
		}
	})
}
