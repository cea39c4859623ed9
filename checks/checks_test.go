package checks_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/checks"
	"github.com/dwmon/dwmon/internal/checkfile"
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
