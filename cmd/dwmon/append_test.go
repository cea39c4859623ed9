package main

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// runAppend is the script command `append FILE`: it makes a program another one that
// works the same, by some bytes behind its end. It installs by rename.
func runAppend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: append FILE")
	}
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path+".tmp", append(text, "another build"...), 0o755))
	ts.Check(os.Rename(path+".tmp", path))
}
