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
	var names []string
	if set, err := readPath(cfg.Checks); err == nil {
		for _, f := range set.Files {
			switch {
			case f.Name != name:
				names = append(names, f.Name)
			case f.Checker == nil:
				return named{}, dwmon.FileFaults(f.Faults)
			default:
				return named{checker: f.Checker, faults: f.Faults}, nil
			}
		}
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
	if meant, ok := dwmon.Nearest(name, names); ok {
		return named{}, &ErrNoChecker{fmt.Errorf("there is no checker %s in %s or in the database; did you mean %s?", name, cfg.Checks, meant)}
	}
	return named{}, &ErrNoChecker{fmt.Errorf("there is no checker %s in %s or in the database", name, cfg.Checks)}
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
