package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// fileStore is what a catalog needs of the store.
type fileStore interface {
	dwmon.Store
	// Texts gives the last good text of every checker ever seen.
	Texts(ctx context.Context) ([]dwmon.LastGood, error)
	// MarkMissing notes the first slot in which a checker's file was not there.
	MarkMissing(ctx context.Context, name string, slot int64) error
	// ClearMissing notes that a checker's file is there.
	ClearMissing(ctx context.Context, name string) error
	// SwitchOff makes a checker owe nothing from a slot on.
	SwitchOff(ctx context.Context, name string, slot int64, reason dwmon.OffReason) error
	// SaveFaults replaces what is wrong with checker files.
	SaveFaults(ctx context.Context, faults []dwmon.FaultyFile) error
}

// catalog follows the checks folder. It knows which checkers there are, what was
// last good of each, and which of them are off. Its truth is in the store: a
// restart goes on with it.
type catalog struct {
	store  fileStore
	loader checkfile.Loader
	zone   *time.Location
	log    *slog.Logger

	entries map[string]*checkerEntry
	// folder is what is wrong with the folder as a whole.
	folder []dwmon.FileFault
	saved  []dwmon.FaultyFile
	// quiet: whoever made the catalog prints the faults.
	quiet bool
	// calendars close days of checkers that name them.
	calendars *calendars
}

// checkerEntry is one checker.
type checkerEntry struct {
	// checker is its last good text; nil where there never was one.
	checker *dwmon.Checker
	// faults are those of its file as it is now, warnings included.
	faults []dwmon.FileFault
	// calendarFaults are what is wrong with the calendars that it names.
	calendarFaults []dwmon.FileFault
	// closed are the days on which it owes nothing.
	closed *dwmon.ClosedDays
	file   string
	// missing is the first slot without the file; 0 while it is there.
	missing int64
	off     dwmon.OffReason

	// job is nil while it is not known who serves the checker; wired and jobOf are what
	// it was made of.
	job      *engine.Job
	wired    *dwmon.Checker
	jobOf    *routing
	unserved []string
}

func newCatalog(cfg *config.Config, store fileStore, log *slog.Logger) *catalog {
	return &catalog{
		store: store, loader: checkfile.Loader{Dir: cfg.Checks, Parser: checkerFiles}, zone: cfg.Timezone, log: log, entries: map[string]*checkerEntry{},
		calendars: newCalendars(cfg.Calendars, log),
	}
}

// start takes over what was last good before a restart.
func (c *catalog) start(ctx context.Context) error {
	texts, err := c.store.Texts(ctx)
	if err != nil {
		return fmt.Errorf("read the checkers' last good texts: %w", err)
	}
	for _, t := range texts {
		e := &checkerEntry{file: t.File}
		e.checker, e.faults = checkfile.Parse(t.File, t.Name, t.Text)
		if t.Off != nil {
			e.off = t.Off.Reason
		}
		if t.Missing != nil {
			e.missing = *t.Missing
		}
		c.entries[t.Name] = e
	}
	return nil
}

// A look is one of a loader's ways to look at its folder.
type look = func(*checkfile.Loader, time.Time) (*checkfile.Set, error)

var (
	lookAtAll   look = (*checkfile.Loader).Load
	lookForGood look = (*checkfile.Loader).LoadNow
)

// lookAtThese looks at paths that were touched, and at files that wait for a second
// read.
func lookAtThese(paths ...string) look {
	return func(l *checkfile.Loader, now time.Time) (*checkfile.Set, error) { return l.Look(now, paths...) }
}

// refresh looks at the folder once more. It gives the time after which it should
// be called again to settle files that are being written; 0 for none.
func (c *catalog) refresh(ctx context.Context, now time.Time, at look) (again time.Duration, err error) {
	set, err := at(&c.loader, now)
	slot := dwmon.FloorMinute(now.Unix())
	switch {
	case err != nil:
		c.folder = []dwmon.FileFault{c.folderFault(err)}
	case len(set.Files) == 0 && c.expects():
		c.folder = append(set.Faults, dwmon.FileFault{
			File: c.loader.Dir, Severity: dwmon.SeverityError, Message: "all checker files are gone at once",
			Hint: "their last good versions go on; look at the folder, or remove checkers for good with `dwmon forget NAME`",
		})
	default:
		c.folder = set.Faults
		if err := c.merge(ctx, set, slot); err != nil {
			return 0, err
		}
		again = set.Again
	}
	c.followCalendars(now)
	return again, c.saveFaults(ctx, now)
}

// folderFault says that the folder cannot be read, and what becomes of its checkers.
func (c *catalog) folderFault(err error) dwmon.FileFault {
	var f dwmon.FileFault
	if !errors.As(err, &f) {
		f = dwmon.FileFault{File: c.loader.Dir, Severity: dwmon.SeverityError, Message: err.Error()}
	}
	if c.expects() {
		f.Hint = strings.TrimPrefix(f.Hint+"; the checkers' last good versions go on", "; ")
	}
	return f
}

// expects says whether any checker's file should be there.
func (c *catalog) expects() bool {
	for _, e := range c.entries {
		if e.off != dwmon.OffAway && e.missing == 0 {
			return true
		}
	}
	return false
}

// merge takes a set of files over: new texts that are good, faults of those that
// are not, and what is gone.
func (c *catalog) merge(ctx context.Context, set *checkfile.Set, slot int64) error {
	there := map[string]bool{}
	for i := range set.Files {
		f := &set.Files[i]
		there[f.Name] = true
		if !f.Settled {
			continue
		}
		e := c.entries[f.Name]
		if e == nil {
			e = &checkerEntry{}
			c.entries[f.Name] = e
		}
		if err := c.takeOver(ctx, e, f, slot); err != nil {
			return err
		}
	}
	for name, e := range c.entries {
		if there[name] || set.Hides(name) {
			continue
		}
		if err := c.gone(ctx, name, e, slot); err != nil {
			return err
		}
	}
	return nil
}

// takeOver brings an entry in line with its file.
func (c *catalog) takeOver(ctx context.Context, e *checkerEntry, f *checkfile.File, slot int64) error {
	if e.missing != 0 {
		// Its passes go on while it is missing: they do not say that it is there.
		if err := c.store.ClearMissing(ctx, f.Name); err != nil {
			return fmt.Errorf("checker %s: note that its file is there: %w", f.Name, err)
		}
	}
	e.file, e.faults, e.missing = f.Path, f.Faults, 0
	if f.Checker != nil && (e.checker == nil || e.checker.Revision != f.Checker.Revision || e.checker.File != f.Checker.File) {
		if e.checker != nil && e.checker.Revision != f.Checker.Revision {
			c.log.Info("a checker has changed", "checker", f.Name, "file", f.Path)
		}
		e.checker = f.Checker
	}
	switch {
	case e.checker == nil:
		return nil
	case e.checker.Options.Disabled && e.off != dwmon.OffDisabled:
		return c.disable(ctx, e, slot)
	case !e.checker.Options.Disabled:
		e.off = "" // its next pass ends the span
	}
	return nil
}

// disable switches a checker off, once the text that says so is stored.
func (c *catalog) disable(ctx context.Context, e *checkerEntry, slot int64) error {
	name := e.checker.Name
	p, err := c.store.Progress(ctx, name)
	if err != nil {
		return err
	}
	if s, changed := dwmon.Sight(p, e.checker, c.zone, e.closed, slot); changed {
		err := c.store.InTx(ctx, func(tx dwmon.Tx) error {
			_, err := tx.Sight(s)
			return err
		})
		if err != nil {
			return fmt.Errorf("checker %s: store its text: %w", name, err)
		}
	}
	if err := c.store.SwitchOff(ctx, name, slot, dwmon.OffDisabled); err != nil {
		return fmt.Errorf("checker %s: switch it off: %w", name, err)
	}
	e.off = dwmon.OffDisabled
	c.log.Info("a checker is off", "checker", name, "reason", e.off)
	return nil
}

// gone notes that a checker's file is not there. After the second slot without
// it the checker is away.
func (c *catalog) gone(ctx context.Context, name string, e *checkerEntry, slot int64) error {
	switch {
	case e.checker == nil: // never had a good text: nothing is known of it
		delete(c.entries, name)
	case e.off == dwmon.OffAway:
	case e.missing == 0:
		e.missing, e.faults = slot, nil
		return c.store.MarkMissing(ctx, name, slot)
	case slot > e.missing:
		if e.off == "" {
			if err := c.store.SwitchOff(ctx, name, slot, dwmon.OffAway); err != nil {
				return fmt.Errorf("checker %s: switch it off: %w", name, err)
			}
		}
		e.off = dwmon.OffAway
		c.log.Info("a checker is off", "checker", name, "reason", e.off, "file", e.file)
	}
	return nil
}

// jobs are the checkers that are on, wired. An entry's job stays the same until
// its text or the routing changes. Of those without one it is not known yet who
// serves them.
func (c *catalog) jobs(r *routing) []*engine.Job {
	var jobs []*engine.Job
	for _, e := range c.entries {
		if e.checker == nil || e.off != "" {
			e.job, e.wired = nil, nil
			continue
		}
		if e.wired != e.checker || e.jobOf != r {
			e.job, e.unserved = r.job(e.checker)
			e.wired, e.jobOf = e.checker, r
			if e.job != nil {
				e.job.Closed = e.closed
			}
			for _, f := range e.unserved {
				c.log.Warn("a checker is not served as its file says", "checker", e.checker.Name, "fault", f)
			}
		}
		if e.job != nil {
			jobs = append(jobs, e.job)
		}
	}
	return jobs
}

// claims says whether a checker's SOURCE is none of the configuration's: who serves
// it is then a matter of what the plugins claim.
func (c *catalog) claims(cfg *config.Config) bool {
	for _, e := range c.entries {
		if e.checker == nil || e.off != "" {
			continue
		}
		if _, ok := cfg.Sources[e.checker.Source]; !ok {
			return true
		}
	}
	return false
}

// faults are all that is wrong with files and folder now.
func (c *catalog) faults() []dwmon.FileFault {
	all := slices.Clone(c.folder)
	told := map[dwmon.FileFault]bool{} // checkers share calendars
	for _, e := range c.entries {
		for _, f := range e.allFaults() {
			if !told[f] {
				told[f] = true
				all = append(all, f)
			}
		}
	}
	dwmon.SortFaults(all)
	return all
}

// saveFaults makes the faults visible to the reading commands.
func (c *catalog) saveFaults(ctx context.Context, now time.Time) error {
	var stored []dwmon.FaultyFile
	if len(c.folder) > 0 {
		stored = append(stored, dwmon.FaultyFile{File: c.loader.Dir, Faults: c.folder, Since: now.UnixMicro()})
	}
	for name, e := range c.entries {
		if faults := e.allFaults(); dwmon.AnyError(faults) {
			stored = append(stored, dwmon.FaultyFile{File: e.file, Name: name, Faults: faults, Since: now.UnixMicro()})
		}
	}
	slices.SortFunc(stored, func(a, b dwmon.FaultyFile) int { return cmp.Compare(a.File, b.File) })
	if sameFaults(stored, c.saved) {
		return nil
	}
	for _, f := range stored {
		for _, fault := range f.Faults {
			if c.quiet || f.Name != "" && fault.File != f.File { // calendars tell their own
				continue
			}
			c.log.Warn("a checker file has a fault", "fault", fault.Error(), "hint", fault.Hint)
		}
	}
	if err := c.store.SaveFaults(ctx, stored); err != nil {
		return fmt.Errorf("store the faults of checker files: %w", err)
	}
	c.saved = stored
	return nil
}

func sameFaults(a, b []dwmon.FaultyFile) bool {
	return slices.EqualFunc(a, b, func(x, y dwmon.FaultyFile) bool {
		return x.File == y.File && x.Name == y.Name && slices.Equal(x.Faults, y.Faults)
	})
}

// configure follows another folder, or judges in another zone, from the next refresh
// on. Other calendars hold at once: jobs are made before that.
func (c *catalog) configure(cfg *config.Config, now time.Time) {
	c.zone = cfg.Timezone
	if cfg.Checks != c.loader.Dir {
		c.loader = checkfile.Loader{Dir: cfg.Checks, Parser: checkerFiles}
	}
	c.calendars.configure(cfg.Calendars)
	c.followCalendars(now)
}

// rename and forget follow what was done in the store.
func (c *catalog) rename(old, name string) {
	delete(c.entries, name)
	if e := c.entries[old]; e != nil {
		delete(c.entries, old)
		if e.checker != nil {
			checker := *e.checker
			checker.Name = name
			e.checker = &checker
		}
		c.entries[name] = e
	}
}

func (c *catalog) forget(name string) { delete(c.entries, name) }

// names are the checkers that are on.
func (c *catalog) names() map[string]bool {
	names := map[string]bool{}
	for name, e := range c.entries {
		if e.off == "" && e.checker != nil {
			names[name] = true
		}
	}
	return names
}
