package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/checklint"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// ValidateRequest says what is to be looked at.
type ValidateRequest struct {
	// Paths are checker files and folders of them; none: the configured folder. "-" is
	// Stdin, which is called StdinName.
	Paths     []string
	Stdin     io.Reader
	StdinName string
	// Fix mends and tidies the files first; with DryRun they stay as they are.
	Fix, DryRun bool
}

// Validation is what was found.
type Validation struct {
	// Faults are sorted by file and place.
	Faults []dwmon.FileFault
	// Files is how many checker files were looked at.
	Files int
	// Changes are those that Fix made, or would make.
	Changes []FileChange
	// Stdin is the standard input as it was read, mended and tidied with Fix.
	Stdin []byte
}

// FileChange is what Fix makes of a file.
type FileChange struct {
	// File is its path, as people are told it.
	File          string
	Before, After []byte
	// Mended are the faults that are mended; none: it is tidied only.
	Mended []dwmon.FileFault
}

// stdinPath stands for the standard input.
const stdinPath = "-"

// Validate reads checker files and finds fault with them. What plugins and database
// say adds to it where there are any. The error is an *EnvironmentError where a path
// cannot be read or written.
func Validate(ctx context.Context, o Options, q ValidateRequest) (*Validation, error) {
	v := &Validation{}
	if len(q.Paths) == 0 {
		q.Paths = []string{o.Config.Checks}
	}
	if err := v.readStdin(q); err != nil {
		return nil, err
	}
	if q.Fix {
		if err := v.fix(q); err != nil {
			return nil, err
		}
	}
	checkers, err := v.read(o, q)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	linter := NewLinter(ctx, o, now)
	// An editor that asks at each save must not start plugins each time.
	linter.asked = slices.Contains(q.Paths, stdinPath)
	if o.Config.File != "" {
		v.Faults = append(v.Faults, linter.calendars.faults()...)
	}
	for _, c := range checkers {
		v.Faults = append(v.Faults, linter.Lint(ctx, c)...)
	}
	v.Faults = append(v.Faults, zoneFaults(o.Config, checkers)...)
	dwmon.SortFaults(v.Faults)
	return v, linter.Close()
}

func (v *Validation) readStdin(q ValidateRequest) error {
	if !slices.Contains(q.Paths, stdinPath) {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(q.Stdin, checkfile.MaxBytes+1))
	if err != nil {
		return &EnvironmentError{fmt.Errorf("the standard input cannot be read: %w", err)}
	}
	v.Stdin = text
	return nil
}

// read parses all files.
func (v *Validation) read(o Options, q ValidateRequest) (checkers []*dwmon.Checker, err error) {
	for _, path := range q.Paths {
		set, err := v.readPath(path, q, o.Config.Checks)
		if err != nil {
			return nil, err
		}
		v.Faults = append(v.Faults, set.Faults...)
		v.Files += len(set.Files)
		for i := range set.Files {
			f := &set.Files[i]
			if f.Checker == nil {
				v.Faults = append(v.Faults, f.Faults...)
				continue
			}
			v.Faults = append(v.Faults, checklint.Allowed(string(f.Checker.Text)).Filter(f.Faults)...)
			checkers = append(checkers, f.Checker)
		}
	}
	return checkers, nil
}

// readPath reads a folder of checker files, one file, or the standard input.
func (v *Validation) readPath(path string, q ValidateRequest, checks string) (*checkfile.Set, error) {
	if path != stdinPath {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return &checkfile.Set{Files: []checkfile.File{checkerFiles.ReadFile(path, nameOf(path, checks))}}, nil
		}
		return readPath(path)
	}
	f := checkfile.File{Name: nameOf(q.StdinName, checks), Path: q.StdinName, Settled: true}
	f.Checker, f.Faults = checkerFiles.Parse(f.Path, f.Name, v.Stdin)
	return &checkfile.Set{Files: []checkfile.File{f}}, nil
}

// readPath reads a folder of checker files, or one file.
func readPath(path string) (*checkfile.Set, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &EnvironmentError{fmt.Errorf("there is no %s: name the checker files, or their folder, behind `dwmon validate` or with --checks", path)}
	case err != nil:
		return nil, &EnvironmentError{err}
	case !info.IsDir():
		return &checkfile.Set{Files: []checkfile.File{checkerFiles.ReadFile(path, "")}}, nil
	}
	loader := checkfile.Loader{Dir: path, Parser: checkerFiles}
	set, err := loader.LoadNow(time.Now())
	if err != nil {
		return nil, &EnvironmentError{err}
	}
	return set, nil
}

// nameOf is a checker's name by its file's path: as the database knows it where it is
// below the folder of checkers, else that of the file alone.
func nameOf(path, checks string) string {
	if checks != "" {
		if name := nameBelow(checks, path); name != "" {
			return name
		}
	}
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// fix mends and tidies all files.
func (v *Validation) fix(q ValidateRequest) error {
	for _, path := range q.Paths {
		if path == stdinPath {
			if after, mended := checkerFiles.Fix(v.Stdin); !bytes.Equal(after, v.Stdin) {
				v.Changes = append(v.Changes, FileChange{File: q.StdinName, Before: v.Stdin, After: after, Mended: mended})
				if !q.DryRun {
					v.Stdin = after
				}
			}
			continue
		}
		set, err := readPath(path)
		if err != nil {
			return err
		}
		for i := range set.Files {
			if err := v.fixFile(set.Files[i].Path, q.DryRun); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Validation) fixFile(path string, dryRun bool) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > checkfile.MaxBytes {
		return nil // a fault of its own
	}
	before, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	after, mended := checkerFiles.Fix(before)
	if bytes.Equal(before, after) {
		return nil
	}
	if !dryRun {
		if err := replaceFile(path, after); err != nil {
			return &EnvironmentError{fmt.Errorf("%s is left as it was: %w", path, err)}
		}
	}
	v.Changes = append(v.Changes, FileChange{File: path, Before: before, After: after, Mended: mended})
	return nil
}
