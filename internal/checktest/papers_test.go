package checktest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

var indented = regexp.MustCompile(`(?m)(?:^    .*\n|^\n)+`)

// TestThePageIsRight runs the tests that docs/unit-tests.md shows, on the checker that
// it shows.
func TestThePageIsRight(t *testing.T) {
	page, err := os.ReadFile("../../docs/unit-tests.md")
	if err != nil {
		t.Fatal(err)
	}
	var checker string
	ran := 0
	for _, block := range indented.FindAllString(string(page), -1) {
		block = strings.TrimLeft(strings.ReplaceAll(block, "\n    ", "\n"), "\n ")
		switch {
		case strings.HasPrefix(block, "__QUERY__"):
			checker = block
			continue
		case !strings.Contains(block, "tests:\n"):
			continue
		}
		suite, faults := Read("page", []byte(block), func(Target) (*dwmon.Checker, []dwmon.FileFault) {
			return checkfile.Parse("orders.dwmon", "orders", []byte(checker))
		}, defaults)
		if suite == nil {
			t.Fatal(dwmon.FileFaults(faults).Text())
		}
		for i := range suite.Tests {
			failures, err := suite.Run(t.Context(), &suite.Tests[i])
			if err != nil {
				t.Fatal(err)
			}
			ran++
			for _, f := range failures {
				t.Error("\n" + f.Text())
			}
		}
	}
	if ran < 3 {
		t.Errorf("%d tests found; this test looks past them", ran)
	}
}
