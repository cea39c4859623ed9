package checktest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/dwmon"
)

var update = flag.Bool("update", false, "rewrite the expected reports in testdata")

// defaults are those of a daemon that nobody has configured.
var defaults = Defaults{Zone: time.UTC, CatchUp: 24 * time.Hour, Alert: dwmon.DefaultAlertRule}

// reportOf is what the author of a test reads of it.
func reportOf(t *testing.T, checker, test []byte) string {
	t.Helper()
	suite, faults := Read("c.dwmontest.yaml", test, func(Target) (*dwmon.Checker, []dwmon.FileFault) {
		return checkfile.Parse("c.dwmon", "c", checker)
	}, defaults)
	out := dwmon.FileFaults(faults).Text()
	if suite == nil {
		return out
	}
	for i := range suite.Tests {
		failures, err := suite.Run(t.Context(), &suite.Tests[i])
		if err != nil {
			t.Fatal(err)
		}
		mark := "ok"
		if len(failures) > 0 {
			mark = "FAIL"
		}
		out += mark + "  " + suite.Tests[i].Name + "\n"
		for _, f := range failures {
			out += f.Text()
		}
	}
	return out
}

// TestGolden holds what authors of tests read: good_ cases pass, the others do not.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]*txtar.File{}
			for i := range a.Files {
				files[a.Files[i].Name] = &a.Files[i]
			}
			if files["c.dwmon"] == nil || files["c.dwmontest.yaml"] == nil || files["want"] == nil {
				t.Fatalf("%s does not hold c.dwmon, c.dwmontest.yaml and want", path)
			}
			got := reportOf(t, files["c.dwmon"].Data, files["c.dwmontest.yaml"].Data)
			passes := !strings.Contains("\n"+got, "\nFAIL") && strings.Contains("\n"+got, "\nok")
			if passes != strings.HasPrefix(name, "good_") {
				t.Errorf("everything passes: %v", passes)
			}
			if *update {
				files["want"].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(files["want"].Data), got); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}
