package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/draft"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// CheckNewChecker says why a checker of a name cannot be written: an *ErrTrial where the
// name is at fault. It gives the path of its file.
func CheckNewChecker(cfg *config.Config, name string, force bool) (path string, err error) {
	if err := checkfile.CheckName(name); err != nil {
		return "", &ErrTrial{err}
	}
	path = filepath.Join(cfg.Checks, filepath.FromSlash(name)+checkfile.Ending)
	switch _, err := os.Lstat(path); {
	case err == nil && !force:
		return "", &ErrTrial{fmt.Errorf("there is a %s already: take another name, or --force to replace it", path)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", &EnvironmentError{err}
	}
	return path, nil
}

// ConfiguredSources are the names of the sources in the configuration.
func ConfiguredSources(cfg *config.Config) []string { return slices.Sorted(maps.Keys(cfg.Sources)) }

// ErrNoCatalog says that a row getter has no list of what can be counted.
var ErrNoCatalog = errors.New("this row getter does not list what there is")

// Catalog asks a source what can be counted in it, through its row getter, which it
// names. The name may be there although the tables cannot be had.
func Catalog(ctx context.Context, o Options, source string, progress func(TryProgress)) (getter string, tables []draft.Table, err error) {
	c := &dwmon.Checker{Name: "dwmon_new", Source: source, Extra: []byte("{}")}
	t := &try{o: o, opts: TryOptions{Progress: progress}, checker: c, out: &Tried{}}
	settings, err := t.whoServes(ctx)
	if err != nil {
		return "", nil, err
	}
	var given givenSecrets
	seen, closePlugin, err := t.start(ctx, settings, &given)
	if err != nil {
		return t.source.Plugin, nil, err
	}
	defer closePlugin()
	about := seen.Description()
	if about.RowGetter == nil || about.RowGetter.CatalogQuery == "" {
		return about.Name, nil, fmt.Errorf("plugin %s: %w", about.Name, ErrNoCatalog)
	}
	c.Query = about.RowGetter.CatalogQuery
	var keys []string
	_, err = seen.RowGetter(settings).GetRows(ctx, dwmon.FetchRequest{
		RequestID: requestID(), Checker: c, Timeout: t.source.Timeout, MaxRows: dwmon.DefaultMaxRows, MaxBytes: dwmon.DefaultMaxBytes,
	}, func(b *dwmon.Batch) error {
		at := 0
		for _, n := range b.Lengths {
			keys = append(keys, string(b.Keys[at:at+int(n)]))
			at += int(n)
		}
		return nil
	})
	if err != nil {
		return about.Name, nil, err
	}
	if tables = draft.Catalog(keys); len(tables) == 0 {
		return about.Name, nil, fmt.Errorf("source %s shows no table: it may be empty, or its user may not read any", c.ShownSource())
	}
	return about.Name, tables, nil
}

// CheckLine says what is wrong with a requirement line.
func CheckLine(line string) error {
	_, faults := checkerFiles.Parse("", "new", []byte("__QUERY__\nq\n__SOURCE__\ns\n__REQUIREMENTS__\n"+line+"\n"))
	for _, f := range faults {
		if f.Severity == dwmon.SeverityError && f.Hint != "" {
			return fmt.Errorf("%s: %s", f.Message, f.Hint)
		} else if f.Severity == dwmon.SeverityError {
			return errors.New(f.Message)
		}
	}
	return nil
}

// DraftText is the text of a new checker file, its line said in words. Faults that are
// errors say that there is no such checker; the text is what they are about.
func DraftText(cfg *config.Config, d *draft.Draft, path string) ([]byte, []dwmon.FileFault, error) {
	text, err := d.Text()
	if err != nil {
		return nil, nil, &ErrTrial{err}
	}
	c, faults := checkerFiles.Parse(path, d.Name, text)
	if c == nil {
		return text, faults, nil
	}
	d.InWords = words.Line(c.Lines[0], c.Zone(cfg.Timezone))
	if text, err = d.Text(); err != nil {
		return nil, nil, err
	}
	_, faults = checkerFiles.Parse(path, d.Name, text)
	return text, faults, nil
}

// WriteChecker writes a checker file whole or not at all. It replaces none without
// force, not even one that came to be meanwhile.
func WriteChecker(path string, text []byte, force bool) error {
	if err := writeWhole(path, text, force); errors.Is(err, fs.ErrExist) {
		return &ErrTrial{fmt.Errorf("%s came to be meanwhile, and is left as it is", path)}
	} else if err != nil {
		return &EnvironmentError{fmt.Errorf("write the checker file: %w", err)}
	}
	return nil
}

func writeWhole(path string, text []byte, force bool) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".dwmon-new-*") // a loader skips what begins with a dot
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	switch {
	case err != nil:
		return err
	case force:
		return os.Rename(tmp.Name(), path)
	default:
		return os.Link(tmp.Name(), path) // unlike a rename it replaces nothing
	}
}
