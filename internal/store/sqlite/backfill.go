package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// backfillStep is how many rows one commit of a backfill takes: others' passes get
// their turn in between.
const backfillStep = 5000

const (
	// leftTable holds keys of a backfill's result that are not stored, so that a later
	// row of the same key, in another block, must not bring the key in. It goes to a
	// file when it is large.
	leftTable   = "CREATE TEMP TABLE IF NOT EXISTS backfill_left (key BLOB PRIMARY KEY) WITHOUT ROWID"
	emptyLeft   = "DELETE FROM temp.backfill_left"
	insertLeft  = "INSERT OR IGNORE INTO temp.backfill_left (key)"
	whereLeft   = "EXISTS (SELECT 1 FROM temp.backfill_left WHERE key = v.column2)"
	whereStored = "EXISTS (SELECT 1 FROM seen WHERE checker_id = ?1 AND key = v.column2)"
)

// ErrBackfilling says that another backfill is under way.
var ErrBackfilling = errors.New("another backfill is under way: wait until it has ended")

// BackfillOptions say what of a result becomes history.
type BackfillOptions struct {
	// CheckerID is 0 for a checker that was never seen, which only a dry run allows.
	CheckerID int64
	// Query is the QueryRevision of the checker for which the rows are stored.
	Query string
	// Started is the start of the fetch, Before and Since bound the rows that are
	// stored: Since ≤ timestamp < Before. All are microseconds since the epoch; Since
	// is nil for no bound.
	Started, Before int64
	Since           *int64
	// DryRun stores nothing and only counts.
	DryRun bool
	// Foreign says that another query than the checker's was asked, which may give other
	// keys.
	Foreign bool
}

// Backfill stores the rows of a fetch of the past: nothing is judged by them, and
// nothing that passes go by changes, neither the walk nor the filter. It is used by one
// goroutine at a time. Its memory is bounded: beyond 4 MiB rows wait in a file.
type Backfill struct {
	db      *DB
	opts    BackfillOptions
	in      *intake
	queryID int64
	left    bool // there are keys in leftTable
	drop    []bool
	done    dwmon.Backfill
	release func()
}

// NewBackfill begins to collect rows. The caller closes it. The error is ErrBackfilling
// where another one is neither stored nor closed yet.
func (db *DB) NewBackfill(o BackfillOptions) (*Backfill, error) {
	if !db.backfill.TryLock() {
		return nil, ErrBackfilling
	}
	return &Backfill{
		db: db, opts: o, done: dwmon.Backfill{Started: o.Started, Before: o.Before}, release: sync.OnceFunc(db.backfill.Unlock),
		in: &intake{checkerID: o.CheckerID, started: o.Started, misses: backlog{dir: db.opts.SpillDir}},
	}, nil
}

// Add takes a batch; the batch may be reused afterwards.
func (b *Backfill) Add(batch *dwmon.Batch) error { return b.in.Add(batch) }

// Tally is what was taken so far.
func (b *Backfill) Tally() dwmon.Tally { return b.in.Tally() }

// Close drops what was not stored. It may be called more than once.
func (b *Backfill) Close() error {
	b.release()
	return b.in.Close()
}

// Store stores what was collected, in small commits. cut says that the source may have
// had more rows; complete is the span of which the result holds every row, nil where
// that is not known. progress is told how many rows of how many were looked at; it may be
// nil. What is stored stays where it ends early, and another backfill goes on from there.
func (b *Backfill) Store(ctx context.Context, cut bool, complete *dwmon.Span, progress func(done, total int64)) (dwmon.Backfill, error) {
	defer b.release()
	if b.in.closed {
		return b.done, errIntakeClosed
	}
	b.done.Tally, b.done.Cut = b.in.tally, cut
	if err := b.sameKeys(ctx); err != nil {
		return b.done, err
	}
	err := b.db.write(ctx, b.begin)
	if err != nil {
		return b.done, err
	}
	err = b.in.misses.each(func(blk *block) error { return b.block(ctx, blk, progress) })
	if err == nil {
		err = b.db.write(ctx, func(tx *Tx) error { return b.end(tx, complete) })
	}
	return b.done, errors.Join(err, b.clear(context.WithoutCancel(ctx)))
}

// ErrForeignKeys says that a query gave none of the keys that the checker's own query has
// brought of the same time: every row would count twice.
type ErrForeignKeys struct {
	// Stored is a key that is stored, Given one of the result, for people.
	Stored, Given string
}

func (e *ErrForeignKeys) Error() string {
	return fmt.Sprintf("the query gives other keys than QUERY: of the rows that are stored of the same time it gave none; "+
		"a key that is stored is %q, one that it gave is %q", e.Stored, e.Given)
}

// comparedKeys is how many rows must be stored of the time of a result before it counts
// that it has none of them.
const comparedKeys = 20

// sameKeys makes sure that the keys of another query are those of the checker's own, as
// far as rows of both are of the same time.
func (b *Backfill) sameKeys(ctx context.Context) error {
	t := b.in.tally
	if !b.opts.Foreign || b.opts.CheckerID == 0 || t.Rows == t.Skipped {
		return nil
	}
	var stored []string
	err := b.db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT key FROM seen INDEXED BY seen_ts WHERE checker_id = ?1 AND ts >= ?2 AND ts <= ?3
			AND query_id = (SELECT id FROM queries WHERE checker_id = ?1 AND sha256 = ?4) ORDER BY ts DESC LIMIT ?5`,
			b.opts.CheckerID, t.Oldest, t.Newest, b.opts.Query, comparedKeys) {
			if err != nil {
				return err
			}
			stored = append(stored, dwmon.ShownKey(r.blob(0)))
		}
		return nil
	})
	if err != nil || len(stored) < comparedKeys {
		return err
	}
	var given string
	shared := false
	err = b.in.misses.each(func(blk *block) error {
		if given == "" {
			given = dwmon.ShownKey(blk.key(0))
		}
		for step := range slices.Chunk(inKeyOrder(nil, blk), backfillStep) {
			if shared {
				return nil
			}
			err := b.db.read(ctx, func(c *conn) error {
				g := &ingest{tx: &Tx{db: b.db, conn: c}, in: b.in, order: step}
				return g.pick(blk, whereStored, func(uint32) error { shared = true; return nil })
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || shared {
		return err
	}
	return &ErrForeignKeys{Stored: stored[0], Given: given}
}

// begin makes the backfill known before its first row is stored: whoever meets the
// rows of one that was broken off knows what they are.
func (b *Backfill) begin(tx *Tx) error {
	for _, statement := range []string{leftTable, emptyLeft} {
		if _, err := tx.exec(statement); err != nil {
			return err
		}
	}
	if b.opts.DryRun {
		return nil
	}
	if _, err := tx.markOf(b.opts.CheckerID); err != nil {
		return err
	}
	r, err := tx.one(`INSERT INTO queries (checker_id, sha256) VALUES (?, ?)
		ON CONFLICT (checker_id, sha256) DO UPDATE SET sha256 = excluded.sha256 RETURNING id`, b.opts.CheckerID, b.opts.Query)
	if err != nil {
		return err
	}
	b.queryID = r.int(0)
	_, err = tx.exec("INSERT INTO backfills (checker_id, query_id, started, rows, fresh) VALUES (?, ?, ?, 0, 0)", b.opts.CheckerID, b.queryID, b.opts.Started)
	return err
}

// markOf is the purge mark of a checker in microseconds; nil for none. The error says
// that there is no such checker, which may have been forgotten meanwhile.
func (tx *Tx) markOf(checkerID int64) (*int64, error) {
	r, err := tx.one("SELECT purge_mark FROM checkers WHERE id = ?", checkerID)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, tx.fail(unknownChecker(checkerID))
	}
	mark := r.intp(0)
	if mark != nil {
		*mark *= 1e6
	}
	return mark, nil
}

// block stores the rows of a block, a commit for each few thousand.
func (b *Backfill) block(ctx context.Context, blk *block, progress func(done, total int64)) error {
	order := inKeyOrder(nil, blk)
	b.drop = append(b.drop[:0], make([]bool, blk.len())...)
	for len(order) > 0 {
		step := order[:min(len(order), backfillStep)]
		order = order[len(step):]
		before := b.done
		err := b.db.write(ctx, func(tx *Tx) error { return b.step(tx, blk, step) })
		if err != nil {
			b.done = before
			return err
		}
		if progress != nil {
			d := &b.done
			progress(d.Fresh+d.Known+d.Recent+d.Early+d.Purged, d.Tally.Rows-d.Tally.Skipped)
		}
	}
	return nil
}

// step stores some rows of a block, in the order of their keys.
func (b *Backfill) step(tx *Tx, blk *block, order []sortKey) error {
	mark, err := b.mark(tx)
	if err != nil {
		return err
	}
	if b.left {
		g := &ingest{tx: tx, in: b.in, order: order}
		if err := g.pick(blk, whereLeft, func(row uint32) error { b.drop[row] = true; return nil }); err != nil {
			return err
		}
	}
	left, err := tx.newList(insertLeft, 1)
	if err != nil {
		return err
	}
	var taken []sortKey
	for _, k := range order {
		switch n := b.leaves(blk.micros[k.row], mark); {
		case k.again || b.drop[k.row]:
			b.done.Known++
		case n == nil:
			taken = append(taken, k)
		default:
			*n++
			b.left = true
			if err := left.add(blk.key(int(k.row))); err != nil {
				return err
			}
		}
	}
	if err := left.flush(); err != nil {
		return err
	}
	fresh, err := b.take(tx, blk, taken)
	if err != nil {
		return err
	}
	b.done.Fresh += fresh
	b.done.Known += int64(len(taken)) - fresh
	return b.record(tx)
}

func (b *Backfill) mark(tx *Tx) (*int64, error) {
	if b.opts.CheckerID == 0 {
		return nil, nil
	}
	return tx.markOf(b.opts.CheckerID)
}

// leaves says by which count a row is left out; nil where it is taken.
func (b *Backfill) leaves(micros int64, mark *int64) *int64 {
	switch {
	case micros >= b.opts.Before:
		return &b.done.Recent
	case mark != nil && micros < *mark:
		return &b.done.Purged
	case b.opts.Since != nil && micros < *b.opts.Since:
		return &b.done.Early
	default:
		return nil
	}
}

// take stores rows, each of another key, and gives how many keys are new. A dry run
// notes their keys instead, so that each is new once.
func (b *Backfill) take(tx *Tx, blk *block, taken []sortKey) (int64, error) {
	for _, k := range taken {
		b.stretch(blk.micros[k.row])
	}
	if b.opts.DryRun {
		return b.wouldTake(tx, blk, taken)
	}
	l, err := tx.newList(insertSeen, 2, b.opts.CheckerID, b.opts.Started, b.queryID)
	if err != nil {
		return 0, err
	}
	l.tail = keepKnown
	for _, k := range taken {
		if err := l.add(blk.key(int(k.row)), blk.micros[k.row]); err != nil {
			return 0, err
		}
	}
	err = l.flush()
	return l.changed, err
}

func (b *Backfill) wouldTake(tx *Tx, blk *block, taken []sortKey) (int64, error) {
	l, err := tx.newList(insertLeft, 1)
	if err != nil {
		return 0, err
	}
	g := &ingest{tx: tx, in: b.in, order: taken}
	err = g.pick(blk, "NOT "+whereStored, func(row uint32) error {
		b.left = true
		return l.add(blk.key(int(row)))
	})
	if err == nil {
		err = l.flush()
	}
	return l.changed, err
}

// stretch makes Oldest and Newest hold a time.
func (b *Backfill) stretch(micros int64) {
	d := &b.done
	if d.Oldest == nil {
		oldest, newest := micros, micros
		d.Oldest, d.Newest = &oldest, &newest
		return
	}
	oldest, newest := min(*d.Oldest, micros), max(*d.Newest, micros)
	d.Oldest, d.Newest = &oldest, &newest // a step that fails takes back the pointers
}

// record brings the backfill's own row up to date.
func (b *Backfill) record(tx *Tx) error {
	if b.opts.DryRun {
		return nil
	}
	d := &b.done
	_, err := tx.exec(`UPDATE backfills SET rows = ?, fresh = ?, oldest = ?, newest = ?, complete_from = ?, complete_until = ?
		WHERE checker_id = ? AND started = ?`, d.Fresh+d.Known, d.Fresh, d.Oldest, d.Newest, d.CompleteFrom, d.CompleteUntil, b.opts.CheckerID, b.opts.Started)
	return err
}

// end says of what span the history is whole: now all of it is stored.
func (b *Backfill) end(tx *Tx, complete *dwmon.Span) error {
	if complete != nil {
		from, until := complete.From, min(complete.Until, b.opts.Before)
		if b.opts.Since != nil {
			from = max(from, *b.opts.Since)
		}
		if from < until {
			b.done.CompleteFrom, b.done.CompleteUntil = &from, &until
		}
	}
	if b.done.Fresh == 0 && b.done.CompleteFrom == nil && !b.opts.DryRun { // it says nothing
		_, err := tx.exec("DELETE FROM backfills WHERE checker_id = ? AND started = ?", b.opts.CheckerID, b.opts.Started)
		return err
	}
	return b.record(tx)
}

// clear leaves no keys behind.
func (b *Backfill) clear(ctx context.Context) error {
	return b.db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec(emptyLeft)
		return err
	})
}

// BackfillBefore is the border up to which rows of a checker may be stored without
// anything coming of it: they lie in no window that the walk may still judge, and in
// none of a low verdict that fetches may still correct. walk is the checker's, longest
// its longest look-back in seconds, now microseconds since the epoch.
func (db *DB) BackfillBefore(ctx context.Context, p *dwmon.Progress, walk dwmon.Walk, longest, now int64) (int64, error) {
	before := walk.JudgeableFrom()
	if p.ID == 0 || p.QueryFetched == nil {
		return before, nil
	}
	err := db.write(ctx, func(tx *Tx) error {
		lows, err := tx.Lows(p.ID, floorSeconds(now)-dwmon.CorrectFor(longest)-1, *p.QueryFetched)
		for _, l := range lows {
			before = min(before, (l.Minute-l.Requirement.Lookback)*1e6)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("checker %s: read the low verdicts: %w", p.Name, err)
	}
	return before, nil
}
