package checks_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/checks"
	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checktest"
	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestEveryFileIsACheckerWithoutFault(t *testing.T) {
	files, err := fs.Glob(checks.Files, "*"+checkfile.Ending)
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			text, err := checks.Files.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, faults := checkfile.Parse(file, strings.TrimSuffix(file, checkfile.Ending), text)
			for _, f := range faults {
				t.Errorf("%s", f.Text())
			}
			if c == nil {
				return
			}
			if c.Source != "sqlite:demo.db" {
				t.Errorf("the source is %q; the demo has sqlite:demo.db only", c.Source)
			}
			if c.Options.Owner == "" || c.Options.Description == "" {
				t.Error("an example names its owner and describes itself")
			}
			again, faults := checkfile.Parse(file, c.Name, checkfile.Format(c))
			if len(faults) > 0 {
				t.Fatalf("written anew it has faults: %v", faults)
			}
			for i, line := range c.Lines {
				if again.Lines[i].Identity() != line.Identity() {
					t.Errorf("line %d written anew is %q, was %q", i, again.Lines[i].Identity(), line.Identity())
				}
			}
		})
	}
}

// TestTheUnitTestsPass runs the unit tests that stand beside the examples, as
// `dwmon test checks` does.
func TestTheUnitTestsPass(t *testing.T) {
	files, err := filepath.Glob("*" + checktest.Ending)
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		beside := func(checktest.Target) (*dwmon.Checker, []dwmon.FileFault) {
			f := checkfile.ReadFile(strings.TrimSuffix(file, checktest.Ending)+checkfile.Ending, "")
			return f.Checker, f.Faults
		}
		suite, faults := checktest.Read(file, text, beside, checktest.Defaults{Zone: time.UTC, CatchUp: 24 * time.Hour, Alert: dwmon.DefaultAlertRule})
		if suite == nil {
			t.Fatal(dwmon.FileFaults(faults).Text())
		}
		for i := range suite.Tests {
			test := &suite.Tests[i]
			t.Run(file+"/"+test.Name, func(t *testing.T) {
				failures, err := suite.Run(t.Context(), test)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range failures {
					t.Error("\n" + f.Text())
				}
			})
		}
	}
}
