package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checktest"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/textfile"
)

// UnitTestOptions of UnitTests.
type UnitTestOptions struct {
	// Paths are test files, checker files, of which those with the same name are run,
	// and folders; none: the configured checks folder.
	Paths []string
	// Run picks tests by their names; nil: all.
	Run *regexp.Regexp
	// Tell is told of every file that cannot be run and of every test that was, in
	// order. An error of it ends the run.
	Tell func(UnitTest) error
	// Progress is told now and then how many passes of a test are done; nil: nobody.
	Progress func(name string, done, all int)
}

// UnitTest is what became of one test, or of a file that cannot be run.
type UnitTest struct {
	File string
	// Faults are those of the test file and of the checker file; the others are empty
	// where one of them is an error.
	Faults   []dwmon.FileFault
	Checker  *dwmon.Checker
	Name     string
	Failures []checktest.Failure
}

// UnitTests runs the unit tests of checkers.
func UnitTests(ctx context.Context, cfg *config.Config, o UnitTestOptions) error {
	if len(o.Paths) == 0 {
		o.Paths = []string{cfg.Checks}
	}
	for _, path := range o.Paths {
		files, err := unitTestFiles(path)
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := unitTestFile(ctx, cfg, file, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// unitTestFiles gives the test files of a path, in order.
func unitTestFiles(path string) (files []string, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &EnvironmentError{fmt.Errorf("there is no %s: name test files (*%s) or their folder", path, checktest.Ending)}
	case err != nil:
		return nil, &EnvironmentError{err}
	case !info.IsDir() && strings.HasSuffix(path, checkfile.Ending):
		beside := strings.TrimSuffix(path, checkfile.Ending) + checktest.Ending
		if _, err := os.Stat(beside); err != nil {
			return nil, &EnvironmentError{fmt.Errorf("%s has no unit tests: they would stand in %s", path, beside)}
		}
		return []string{beside}, nil
	case !info.IsDir():
		return []string{path}, nil
	}
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		switch name := entry; {
		case err != nil:
			return err
		case file != path && strings.HasPrefix(name.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir() && strings.HasSuffix(file, checktest.Ending):
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		return nil, &EnvironmentError{err}
	}
	return files, nil
}

func unitTestFile(ctx context.Context, cfg *config.Config, file string, o UnitTestOptions) error {
	text, err := textfile.Start(file, checktest.MaxBytes+1)
	if err != nil {
		return &EnvironmentError{fmt.Errorf("%s: %w", file, err)}
	}
	find := func(t checktest.Target) (*dwmon.Checker, []dwmon.FileFault) { return findTested(cfg, file, t) }
	suite, faults := checktest.Read(file, text, find, checktest.Defaults{Zone: cfg.Timezone, CatchUp: cfg.CatchUp, Alert: cfg.Alert})
	if suite == nil {
		return o.Tell(UnitTest{File: file, Faults: faults})
	}
	if o.Progress != nil {
		suite.Progress = func(t *checktest.Test, done, all int) { o.Progress(t.Name, done, all) }
	}
	for i := range suite.Tests {
		t := &suite.Tests[i]
		if o.Run != nil && !o.Run.MatchString(t.Name) {
			continue
		}
		failures, err := suite.Run(ctx, t)
		if err != nil {
			return err
		}
		if err := o.Tell(UnitTest{File: file, Checker: suite.Checker, Name: t.Name, Failures: failures}); err != nil {
			return err
		}
	}
	return nil
}

// findTested reads the checker that a test file is about. Where it says nothing, it
// is the one of the same name beside it.
func findTested(cfg *config.Config, file string, t checktest.Target) (*dwmon.Checker, []dwmon.FileFault) {
	path := strings.TrimSuffix(file, checktest.Ending) + checkfile.Ending
	name := ""
	switch {
	case t.Checker != "":
		path, name = filepath.Join(cfg.Checks, filepath.FromSlash(t.Checker)+checkfile.Ending), t.Checker
	case t.File != "" && filepath.IsAbs(t.File):
		path = t.File
	case t.File != "":
		path = filepath.Join(filepath.Dir(file), filepath.FromSlash(t.File))
	}
	found := checkerFiles.ReadFile(path, name)
	return found.Checker, found.Faults
}
