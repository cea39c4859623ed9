package main

import (
	"os"
	"os/exec"

	"github.com/rogpeppe/go-internal/testscript"
)

// needs PROGRAM PACKAGE: with DWMON_TEST_ALL=1 the script fails where the program is
// missing, rather than being skipped by its next line.
func runNeeds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: needs PROGRAM PACKAGE")
	}
	if _, err := exec.LookPath(args[0]); err != nil && os.Getenv("DWMON_TEST_ALL") == "1" {
		ts.Fatalf("%s is missing, and DWMON_TEST_ALL=1 forbids to skip: install %s", args[0], args[1])
	}
}
