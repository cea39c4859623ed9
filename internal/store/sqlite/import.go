package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// ErrCheckerKnown says that a checker is not taken over because the database
// has one of its name.
var ErrCheckerKnown = errors.New("this database has a checker of that name already")

// ImportOptions say what Import takes over.
type ImportOptions struct {
	// Only are the checkers that are meant; empty: all of them.
	Only []string
	// Replace drops what the database has of the checkers that are taken over.
	Replace bool
	// DryRun writes nothing.
	DryRun bool
	// CheckName says whether a checker may bear a name. nil: any will do.
	CheckName func(string) error
	// Progress is told how many rows of about how many were read; may be nil.
	Progress func(done, total int64)
}

// ImportState says what became of a checker.
type ImportState string

const (
	// ImportTaken: it was taken over, or would be.
	ImportTaken ImportState = "imported"
	// ImportBefore: it was taken over by an earlier import, and nothing was added.
	ImportBefore ImportState = "imported_before"
	// ImportKnown: the database has a checker of its name, which nobody imported.
	ImportKnown ImportState = "known"
	// ImportBadName: no checker may bear its name.
	ImportBadName ImportState = "bad_name"
)

// ImportedChecker is what an original's database holds of a checker, and what was
// taken over. Minutes and times are seconds since the epoch.
type ImportedChecker struct {
	Name   string      `json:"checker_name"`
	State  ImportState `json:"state"`
	Reason string      `json:"reason,omitempty"`
	// Results is how many rows were taken over, Checks how many checks.
	Results int64 `json:"results"`
	Checks  int64 `json:"checks"`
	// First and Settled are the minutes of the oldest and the newest check; nil
	// where there is none.
	First   *int64 `json:"first_minute_epoch"`
	Settled *int64 `json:"settled_minute_epoch"`
	// These were left out: rows whose key was there already (a dry run does not
	// look for them), whose key is missing or too long, whose time is missing, or
	// lies in the far future; rows and checks whose time is no number of seconds.
	Duplicates     int64 `json:"duplicates"`
	BadKeys        int64 `json:"bad_keys"`
	WithoutTime    int64 `json:"without_time"`
	UnreadableTime int64 `json:"unreadable_time"`
	FarFuture      int64 `json:"far_future"`
	// NoFile says that the checks folder has no file of its name.
	NoFile bool `json:"no_file"`
}

// Import takes an original's database over: of each checker its rows, its checks
// and the minute through which it has checked. All checkers become known in one
// commit at the end. Until then their rows belong to ids that nobody knows and
// that a sweep clears, so that an import that is broken off, by whatever, has
// taken nothing over. The caller holds the lock of the database; into may be nil
// for a dry run where there is no database yet.
//
// The error is ErrCheckerKnown where the database has checkers of the same names
// that no import has brought; nothing is taken over then. What is known of the
// checkers comes with it.
func Import(ctx context.Context, old *Original, into *DB, opts ImportOptions) ([]ImportedChecker, error) {
	if into == nil && !opts.DryRun {
		return nil, errors.New("import: there is no database to import into")
	}
	m := &importer{old: old, db: into, opts: opts, checkers: map[string]*importing{}}
	err := m.run(ctx)
	if err != nil && !opts.DryRun && ctx.Err() == nil {
		err = errors.Join(err, into.clearForgotten(ctx))
	}
	return m.report(), err
}

// importer is an Import under way.
type importer struct {
	old      *Original
	db       *DB
	opts     ImportOptions
	now      int64 // microseconds since the epoch
	done     int64
	total    int64
	checkers map[string]*importing
}

// importing is a checker on its way.
type importing struct {
	ImportedChecker
	// id is the one under which its rows wait; 0 until there are any.
	id int64
	// known is the id of the checker that it replaces; 0 for none.
	known int64
}

func (m *importer) run(ctx context.Context) (err error) {
	if m.total, err = m.old.extent(ctx); err != nil {
		return err
	}
	if !m.opts.DryRun {
		// An import that was broken off has left rows behind.
		if err := m.db.clearForgotten(ctx); err != nil {
			return err
		}
	}
	m.now = m.clock()
	// Checks first: rows that the original adds meanwhile do no harm, a check whose
	// rows were read before it was made would.
	if err := m.table(ctx, oldChecks, m.stageChecks); err != nil {
		return err
	}
	if err := m.table(ctx, oldRows, m.stageRows); err != nil {
		return err
	}
	for _, name := range m.opts.Only {
		if m.checkers[name] == nil {
			return fmt.Errorf("%s has no checker %s; it has %s", m.old.path, name, m.have())
		}
	}
	if m.opts.DryRun {
		return nil
	}
	if err := m.publish(ctx); err != nil {
		return err
	}
	return m.db.clearForgotten(ctx)
}

func (m *importer) clock() int64 {
	if m.db == nil {
		return time.Now().UnixMicro()
	}
	return m.db.now()
}

// have names the checkers of the original's database, a few of many.
func (m *importer) have() string {
	names := slices.Sorted(maps.Keys(m.checkers))
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > 10:
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

// report lists the checkers that were meant, by name.
func (m *importer) report() []ImportedChecker {
	var all []ImportedChecker
	for _, name := range slices.Sorted(maps.Keys(m.checkers)) {
		if m.meant(name) {
			all = append(all, m.checkers[name].ImportedChecker)
		}
	}
	return all
}

func (m *importer) meant(name string) bool {
	return len(m.opts.Only) == 0 || slices.Contains(m.opts.Only, name)
}

// table reads one of the original's tables to its end. stage takes the rows of
// one checker of a chunk.
func (m *importer) table(ctx context.Context, query string, stage func(*Tx, *importing, []oldRow) error) error {
	err := m.old.each(ctx, query, func(chunk []oldRow) error {
		mine, err := m.sortOut(ctx, chunk)
		if err != nil {
			return err
		}
		if m.opts.DryRun {
			err = m.stageAll(nil, mine, stage)
		} else if len(mine) > 0 {
			err = m.db.write(ctx, func(tx *Tx) error { return m.stageAll(tx, mine, stage) })
		}
		m.advance(int64(len(chunk)))
		return err
	})
	if err != nil {
		return err
	}
	return m.refuseKnown()
}

// advance tells how far we are. The total is an estimate: rows that were deleted
// have left their numbers unused.
func (m *importer) advance(rows int64) {
	m.done += rows
	if m.opts.Progress != nil {
		m.opts.Progress(m.done, max(m.total, m.done))
	}
}

// sortOut gives the rows of each checker that is taken over, in their order.
func (m *importer) sortOut(ctx context.Context, chunk []oldRow) (map[*importing][]oldRow, error) {
	mine := map[*importing][]oldRow{}
	for _, row := range chunk {
		c, err := m.checker(ctx, row.checker)
		if err != nil {
			return nil, err
		}
		if c.State == ImportTaken && m.meant(c.Name) {
			mine[c] = append(mine[c], row)
		}
	}
	return mine, nil
}

// checker decides, when a name is met for the first time, what becomes of it.
func (m *importer) checker(ctx context.Context, name string) (*importing, error) {
	if c := m.checkers[name]; c != nil {
		return c, nil
	}
	c := &importing{ImportedChecker: ImportedChecker{Name: name, State: ImportTaken}}
	if m.opts.CheckName != nil {
		if err := m.opts.CheckName(name); err != nil {
			c.State, c.Reason = ImportBadName, err.Error()
		}
	}
	if c.State == ImportTaken && m.db != nil {
		if err := m.db.read(ctx, func(conn *conn) error { return m.lookUp(conn, c) }); err != nil {
			return nil, err
		}
	}
	m.checkers[name] = c
	return c, nil
}

// lookUp finds what the database has of a checker.
func (m *importer) lookUp(conn *conn, c *importing) error {
	r, err := conn.one(`SELECT c.id, i.imported, i.file FROM checkers c LEFT JOIN imports i ON i.checker_id = c.id WHERE c.name = ?`, c.Name)
	switch {
	case err != nil || r == nil:
		return err
	case m.opts.Replace:
		c.known = r.int(0)
	case r.null(1):
		c.State, c.Reason = ImportKnown, ErrCheckerKnown.Error()
	default:
		c.State, c.Reason = ImportBefore, fmt.Sprintf("it was taken over from %s at %s", r.text(2), time.UnixMicro(r.int(1)).UTC().Format(time.RFC3339))
	}
	return nil
}

// refuseKnown ends the import where it would mix two histories.
func (m *importer) refuseKnown() error {
	var names []string
	for name, c := range m.checkers {
		if c.State == ImportKnown && m.meant(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s: %w; nothing was taken over", strings.Join(names, ", "), ErrCheckerKnown)
}

func (m *importer) stageAll(tx *Tx, mine map[*importing][]oldRow, stage func(*Tx, *importing, []oldRow) error) error {
	for _, c := range slices.SortedFunc(maps.Keys(mine), func(a, b *importing) int { return cmp.Compare(a.Name, b.Name) }) {
		if tx != nil && c.id == 0 {
			id, err := tx.reserveID()
			if err != nil {
				return err
			}
			c.id = id
		}
		if err := stage(tx, c, mine[c]); err != nil {
			return fmt.Errorf("checker %s: %w", c.Name, err)
		}
	}
	return nil
}

// reserveID gives an id that no checker has or will have. What is stored under it
// is that of a forgotten checker, until publish makes it known.
func (tx *Tx) reserveID() (int64, error) {
	id, err := tx.insert("INSERT INTO checkers (name, origin) VALUES ('', 0)")
	if err != nil {
		return 0, err
	}
	if _, err := tx.exec("DELETE FROM checkers WHERE id = ?", id); err != nil {
		return 0, err
	}
	_, err = tx.exec("INSERT INTO forgotten (checker_id) VALUES (?)", id)
	return id, err
}

// stageChecks stores checks, and where they begin and end.
func (m *importer) stageChecks(tx *Tx, c *importing, rows []oldRow) error {
	var seconds []int64
	for _, r := range rows {
		if r.time.kind != timeGiven {
			c.UnreadableTime++
			continue
		}
		s := floorSeconds(r.time.micros)
		seconds = append(seconds, s)
		minute := dwmon.FloorMinute(s)
		if c.First == nil || minute < *c.First {
			c.First = &minute
		}
		if c.Settled == nil || minute > *c.Settled {
			c.Settled = &minute
		}
	}
	if tx == nil {
		c.Checks += int64(len(seconds))
		return nil
	}
	slices.Sort(seconds)
	l, err := tx.newList("INSERT INTO imported_checks (checker_id, timestamp)", 1, c.id)
	if err != nil {
		return err
	}
	l.tail = " ON CONFLICT DO NOTHING"
	for _, s := range seconds {
		if err := l.add(s); err != nil {
			return err
		}
	}
	err = l.flush()
	c.Checks += l.changed
	return err
}

// stageRows stores rows, of each key the first. They are known from now on and
// by no query of ours.
func (m *importer) stageRows(tx *Tx, c *importing, rows []oldRow) error {
	rows = slices.DeleteFunc(rows, func(r oldRow) bool { return !m.usable(c, r) })
	if tx == nil {
		c.Results += int64(len(rows))
		return nil
	}
	// Neighbours in this order are neighbours in the database's pages; of equal
	// keys the one that the original wrote first stays first.
	slices.SortStableFunc(rows, func(a, b oldRow) int { return bytes.Compare(a.key, b.key) })
	l, err := tx.newList(insertSeen, 2, c.id, m.now, int64(0))
	if err != nil {
		return err
	}
	l.tail = keepKnown
	for _, r := range rows {
		if err := l.add(r.key, r.time.micros); err != nil {
			return err
		}
	}
	if err := l.flush(); err != nil {
		return err
	}
	c.Results += l.changed
	c.Duplicates += int64(len(rows)) - l.changed
	return nil
}

// usable says whether a row is taken over, and counts why not. Rows that dwmon
// would not have stored either are left to the source: it brings them again when
// they have a time.
func (m *importer) usable(c *importing, r oldRow) bool {
	switch {
	case r.key == nil || len(r.key) > dwmon.MaxKeyBytes:
		c.BadKeys++
	case r.time.kind == timeNull:
		c.WithoutTime++
	case r.time.kind == timeUnreadable:
		c.UnreadableTime++
	case r.time.micros > m.now+dwmon.FarFuture.Microseconds():
		c.FarFuture++
	default:
		return true
	}
	return false
}

// publish makes the checkers known, all of them at once.
func (m *importer) publish(ctx context.Context) error {
	return m.db.write(ctx, func(tx *Tx) error {
		for _, c := range m.checkers {
			if c.State != ImportTaken || c.id == 0 {
				continue
			}
			if err := m.publishOne(tx, c); err != nil {
				return fmt.Errorf("checker %s: %w", c.Name, err)
			}
		}
		return nil
	})
}

// publishOne makes a checker known: settled through its newest check, so that no
// minute is judged twice; where it was never checked, as one that is new now.
func (m *importer) publishOne(tx *Tx, c *importing) error {
	if c.known != 0 {
		if err := tx.forget(c.known, c.Name); err != nil {
			return err
		}
	}
	if _, err := tx.exec("DELETE FROM forgotten WHERE checker_id = ?", c.id); err != nil {
		return err
	}
	origin := dwmon.FloorMinute(floorSeconds(m.now))
	if c.First != nil {
		origin = *c.First
	}
	if _, err := tx.exec("INSERT INTO checkers (id, name, origin, settled) VALUES (?, ?, ?, ?)", c.id, c.Name, origin, c.Settled); err != nil {
		return err
	}
	tx.dirty(c.Name)
	_, err := tx.exec("INSERT INTO imports (checker_id, imported, file, results, checks) VALUES (?, ?, ?, ?, ?)",
		c.id, m.now, m.old.path, c.Results, c.Checks)
	return err
}

// importedChecks removes what the original has checked before the time for which
// results are kept.
func (w *sweep) importedChecks(ctx context.Context) error {
	cut, ok := w.before(w.keep.Keep)
	if !ok {
		return nil
	}
	n, err := w.db.inSteps(ctx, `DELETE FROM imported_checks WHERE (checker_id, timestamp) IN (
		SELECT i.checker_id, i.timestamp FROM imports m JOIN imported_checks i ON i.checker_id = m.checker_id AND i.timestamp < ? LIMIT ?)`,
		floorSeconds(cut), stepRows)
	w.done.Verdicts += n
	return err
}
