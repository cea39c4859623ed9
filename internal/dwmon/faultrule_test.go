package dwmon_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// The table of codes that people read is the one that faults are made from.
func TestFaultRulesAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/validate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Codes\n")
	section, _, _ = strings.Cut(section, "\n#")
	documented := regexp.MustCompile("(?m)^\\| `.*$").FindAllString(section, -1)
	var known []string
	for _, r := range dwmon.FaultRules {
		known = append(known, fmt.Sprintf("| `%s` | %s | %s |", r.Code, r.Severity, r.Summary))
	}
	if diff := cmp.Diff(known, documented); diff != "" {
		t.Errorf("docs/validate.md (-code +docs):\n%s", diff)
	}
}

// Codes are kebab-case words, each there once: they stand in comments and in reviews.
func TestFaultRulesHaveCodes(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, r := range dwmon.FaultRules {
		if !form.MatchString(r.Code) || seen[r.Code] || !strings.HasSuffix(r.Summary, ".") {
			t.Errorf("%+v", r)
		}
		seen[r.Code] = true
	}
}
