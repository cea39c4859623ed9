package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// ImportRequest asks to take an original program's database over.
type ImportRequest struct {
	// Path is the original's database.
	Path string
	// Only are the checkers that are meant; empty: all of them.
	Only []string
	// Replace drops what is recorded of those checkers.
	Replace bool
	// DryRun only says what would be done.
	DryRun bool
	// Progress is told how many rows of about how many were read; may be nil.
	Progress func(done, total int64)
}

// Import takes an original program's database over into the configured one, which
// is created where it is missing. No daemon may run on it: millions of rows are no
// work for beside its passes.
func Import(ctx context.Context, cfg *config.Config, r ImportRequest) (checkers []sqlite.ImportedChecker, err error) {
	if sameFile(r.Path, cfg.DB) {
		return nil, &EnvironmentError{fmt.Errorf("%s is the configured database itself; name the new one with --db NEW, which need not exist yet", r.Path)}
	}
	old, err := sqlite.OpenOriginal(ctx, r.Path)
	if err != nil {
		return nil, environment(ctx, err)
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	db, done, err := openImport(ctx, cfg, r.DryRun)
	if err != nil {
		return nil, environment(ctx, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	checkers, err = sqlite.Import(ctx, old, db, sqlite.ImportOptions{
		Only: r.Only, Replace: r.Replace, DryRun: r.DryRun, CheckName: checkfile.CheckName, Progress: r.Progress,
	})
	for i := range checkers {
		_, statErr := os.Stat(filepath.Join(cfg.Checks, filepath.FromSlash(checkers[i].Name)+checkfile.Ending))
		checkers[i].NoFile = checkers[i].State != sqlite.ImportBadName && errors.Is(statErr, fs.ErrNotExist)
	}
	switch {
	case errors.Is(err, sqlite.ErrCheckerKnown):
		err = fmt.Errorf("%w: --replace drops what is recorded of it here, --only NAME takes only the checkers that you name", err)
	case ctx.Err() != nil:
		err = fmt.Errorf("the import was interrupted, and nothing was taken over: %w", ctx.Err())
	}
	return checkers, err
}

// environment says that an error is one of the surroundings, unless somebody has
// asked us to stop.
func environment(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return &EnvironmentError{err}
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// openImport opens the database to import into. A dry run only looks at it, if
// there is one: nil where there is none.
func openImport(ctx context.Context, cfg *config.Config, dryRun bool) (db *sqlite.DB, done func() error, err error) {
	if dryRun {
		if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) {
			return nil, func() error { return nil }, nil
		}
		db, err = sqlite.Open(ctx, cfg.DB, sqlite.Options{ReadOnly: true})
		if err != nil {
			return nil, nil, err
		}
		return db, db.Close, nil
	}
	lock, err := sqlite.AcquireLock(cfg.DB)
	if err != nil {
		return nil, nil, err
	}
	if db, err = sqlite.Open(ctx, cfg.DB, sqlite.Options{}); err != nil {
		return nil, nil, errors.Join(err, lock.Release())
	}
	return db, func() error { return errors.Join(db.Close(), lock.Release()) }, nil
}
