package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the database to a file that must not exist
// yet, while others read and write. It has the file's own mode, 0600. Meanwhile
// the WAL grows by what is written, for the copy is of the moment of its start.
// A copy that is not complete never bears the name dest.
func (db *DB) Backup(ctx context.Context, dest string) error {
	if err := db.backup(ctx, dest); err != nil {
		return fmt.Errorf("back up to %s: %w", dest, err)
	}
	return nil
}

func (db *DB) backup(ctx context.Context, dest string) error {
	if _, err := os.Lstat(dest); err == nil {
		return fmt.Errorf("%w; give another name or move it away", fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(dest)
	// SQLite accepts an empty file, and does not create one for others to read.
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(dest)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := db.vacuumInto(ctx, tmp.Name()); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := publish(tmp.Name(), dest); err != nil {
		return err
	}
	return syncDir(dir)
}

// vacuumInto copies the database as of now. The connection is its own: a copy of
// a large database takes minutes, and readers are few. It may not write to the
// database itself, but query_only would forbid the copy too.
func (db *DB) vacuumInto(ctx context.Context, path string) error {
	settings := commonSettings(readerCache)
	settings.Set("mode", "rw")
	if db.opts.ReadOnly {
		settings.Set("mode", "ro")
	}
	c, err := connect(ctx, dsn(db.path, settings))
	if err != nil {
		return explain(db.path, err)
	}
	c.ctx = ctx
	_, err = c.exec("VACUUM INTO ?", path)
	c.ctx = nil
	return errors.Join(explain(db.path, err), c.close())
}

// publish gives a file its name, unless somebody else has taken it meanwhile.
func publish(tmp, dest string) error {
	err := os.Link(tmp, dest)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// No hard links on this file system.
	return os.Rename(tmp, dest)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
