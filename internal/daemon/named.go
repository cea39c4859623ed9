package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// named is a checker that somebody has named.
type named struct {
	checker *dwmon.Checker
	// away says that there is no file of its name: it is the last good text.
	away bool
	// faults are those of its file, where the last good text stands in for it, and its
	// warnings where it does not.
	faults []dwmon.FileFault
}

// ErrNoChecker is a checker that is neither a file nor in the database.
type ErrNoChecker struct{ Err error }

func (e *ErrNoChecker) Error() string { return e.Err.Error() }
func (e *ErrNoChecker) Unwrap() error { return e.Err }

// checkerNamed reads the file of a checker as it stands, else takes the text in use;
// r is nil where there is no database. A bad file is an error, dwmon.FileFaults; the
// error is an *ErrNoChecker where there is no such checker.
func checkerNamed(ctx context.Context, cfg *config.Config, r *Reader, name string) (named, error) {
	file, names, err := fileNamed(cfg, name)
	switch {
	case err != nil:
		return named{}, err
	case file != nil:
		return named{checker: file.Checker, faults: file.Faults}, nil
	}
	if r != nil {
		texts, err := r.Texts(ctx)
		if err != nil {
			return named{}, err
		}
		for _, t := range texts {
			if t.Name != name {
				names = append(names, t.Name)
			} else if c, _ := checkfile.Parse(t.File, t.Name, t.Text); c != nil {
				return named{checker: c, away: true}, nil
			}
		}
	}
	return named{}, noChecker(name, cfg.Checks, names)
}

// fileNamed reads the file of a checker as it stands; nil where the checks folder has
// none of that name, or cannot be read. others are the names that it has instead. A bad
// file is an error, dwmon.FileFaults.
func fileNamed(cfg *config.Config, name string) (file *checkfile.File, others []string, err error) {
	info, err := os.Stat(cfg.Checks)
	switch {
	case err != nil:
		return nil, nil, nil
	case info.IsDir():
		if file, others, err = checkerFiles.ReadNamed(cfg.Checks, name); err != nil {
			return nil, nil, nil
		}
	default: // a single file stands for the folder
		f := checkerFiles.ReadFile(cfg.Checks, "")
		if f.Name != name {
			return nil, []string{f.Name}, nil
		}
		file = &f
	}
	if file != nil && file.Checker == nil {
		return nil, nil, dwmon.FileFaults(file.Faults)
	}
	return file, others, nil
}

// noChecker is the *ErrNoChecker for a name, and says which of the names may have been
// meant.
func noChecker(name, checks string, names []string) error {
	err := fmt.Errorf("there is no checker %s in %s or in the database", name, checks)
	if meant, ok := dwmon.Nearest(name, names); ok {
		err = fmt.Errorf("%w; did you mean %s?", err, meant)
	}
	return &ErrNoChecker{err}
}

// checkerAt is the checker of a file, of a name (checkerNamed), or of a name whose
// file is bad and whose last good text goes on.
func checkerAt(ctx context.Context, cfg *config.Config, r *Reader, nameOrFile string) (named, error) {
	if info, err := os.Stat(nameOrFile); err == nil && info.Mode().IsRegular() {
		f := checkerFiles.ReadFile(nameOrFile, nameBelow(cfg.Checks, nameOrFile))
		if f.Checker == nil {
			return named{}, dwmon.FileFaults(f.Faults)
		}
		return named{checker: f.Checker, faults: f.Faults}, nil
	}
	found, err := checkerNamed(ctx, cfg, r, nameOrFile)
	var bad dwmon.FileFaults
	if r == nil || !errors.As(err, &bad) {
		return found, err
	}
	good, err := lastGood(ctx, r, nameOrFile)
	if err != nil {
		return named{}, err
	}
	if good == nil {
		return named{}, bad
	}
	return named{checker: good, faults: bad}, nil
}

// lastGood is the text in use of a checker; nil where there is none.
func lastGood(ctx context.Context, r *Reader, name string) (*dwmon.Checker, error) {
	texts, err := r.Texts(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range texts {
		if t.Name == name {
			c, _ := checkfile.Parse(t.File, t.Name, t.Text)
			return c, nil
		}
	}
	return nil, nil
}

// nameBelow is the name of a checker whose file lies below the checks folder; empty
// where it does not.
func nameBelow(checks, file string) string {
	dir, errDir := filepath.Abs(checks)
	path, errPath := filepath.Abs(file)
	if errDir != nil || errPath != nil {
		return ""
	}
	rel, err := filepath.Rel(dir, path)
	if err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	name, ok := strings.CutSuffix(filepath.ToSlash(rel), checkfile.Ending)
	if !ok {
		return ""
	}
	return name
}
