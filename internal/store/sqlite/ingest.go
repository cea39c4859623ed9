package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	// OR FAIL, here and in other lists: SQLite would else copy aside the pages that a
	// statement changes, to undo a list half of which failed. We undo the transaction.
	insertSeen = "INSERT OR FAIL INTO seen (checker_id, first_seen, query_id, key, ts)"
	// Not OR IGNORE, which would swallow every other fault of a row as well.
	keepKnown = " ON CONFLICT (checker_id, key) DO NOTHING"
	// refreshKnown notes beside it that a purged key was returned; not more often
	// than the expiry of such keys, in days, has any use for.
	refreshKnown = ` ON CONFLICT (checker_id, key) DO UPDATE SET purged = excluded.first_seen
	WHERE purged < excluded.first_seen - 21600000000`
	countRefreshed = "SELECT count(*) FROM seen WHERE checker_id = ? AND purged = ?"
)

// ignoredTable holds the keys that an ingest has ignored, where its rows come in
// several blocks: the first row of a key within a result is the one that counts,
// so that a later one, in another block, must not bring the key in.
const ignoredTable = "CREATE TEMP TABLE ignored (key BLOB PRIMARY KEY) WITHOUT ROWID"

// ingest is one call of Tx.Ingest.
type ingest struct {
	tx      *Tx
	in      *intake
	queryID int64
	mark    *int64 // microseconds
	list    *list
	builder *filterBuilder // nil where no filter is to be made
	several bool           // there is more than one block
	ignored int64
	fresh   freshRows
	order   []sortKey
	drop    []bool // rows of the block that are not stored
}

// Ingest is dwmon.Tx's.
func (tx *Tx) Ingest(p *dwmon.Progress, from dwmon.Intake, baseline bool) (dwmon.Ingested, error) {
	in, ok := from.(*intake)
	if !ok || in.checkerID != p.ID || in.filters != tx.db.filters {
		return dwmon.Ingested{}, tx.fail(fmt.Errorf("checker %s: these rows were collected for another checker or store", p.Name))
	}
	if in.closed {
		return dwmon.Ingested{}, tx.fail(errIntakeClosed)
	}
	if in.err != nil {
		return dwmon.Ingested{}, tx.fail(in.err)
	}
	if in.hits() && tx.db.filters.isForeign(in.ticket) {
		return dwmon.Ingested{}, tx.fail(fmt.Errorf("checker %s: %w", p.Name, ErrStale))
	}
	if in.misses.rows == 0 {
		return dwmon.Ingested{}, nil // everything is known, and the filter stays
	}
	g, err := tx.newIngest(p, in)
	if err != nil {
		return dwmon.Ingested{}, err
	}
	return g.run(baseline)
}

func (tx *Tx) newIngest(p *dwmon.Progress, in *intake) (*ingest, error) {
	r, err := tx.one("SELECT c.purge_mark, r.query_id FROM checkers c LEFT JOIN revisions r ON r.id = ? AND r.checker_id = c.id WHERE c.id = ?", p.RevisionID, p.ID)
	if err != nil {
		return nil, err
	}
	if r == nil || r.null(1) {
		return nil, tx.fail(unknownChecker(p.ID))
	}
	g := &ingest{tx: tx, in: in, queryID: r.int(1), several: in.misses.blocks() > 1}
	known := keepKnown
	if mark := r.intp(0); mark != nil {
		micros := *mark * 1e6
		g.mark = &micros
		known = refreshKnown
	}
	if g.list, err = tx.newList(insertSeen, 2, p.ID, in.started, g.queryID); err != nil {
		return nil, err
	}
	g.list.tail = known
	g.fresh = freshRows{tx: tx, checkerID: p.ID, started: in.started, refreshes: g.mark != nil}
	if tx.db.filters.budget > 0 {
		born := in.started
		if in.known != nil {
			born = in.known.born
		}
		g.builder = newFilterBuilder(in.known, slices.Clone(in.runs), in.misses.keyShape, born)
	}
	return g, nil
}

func (g *ingest) run(baseline bool) (dwmon.Ingested, error) {
	if !baseline {
		g.list.ran = g.fresh.look
	}
	before, err := g.refreshed()
	if err != nil {
		return dwmon.Ingested{}, err
	}
	if g.several && g.mark != nil {
		if _, err := g.tx.exec("DELETE FROM temp.ignored"); err != nil {
			return dwmon.Ingested{}, err
		}
	}
	if err := g.in.misses.each(func(b *block) error { return g.block(b, baseline) }); err != nil {
		return dwmon.Ingested{}, g.tx.fail(err)
	}
	after, err := g.refreshed()
	if err != nil {
		return dwmon.Ingested{}, err
	}
	if g.builder != nil {
		in, next := g.in, g.builder.next
		checkerID, started, t := in.checkerID, in.started, in.ticket
		g.tx.afterCommit(func() { in.filters.put(checkerID, started, t, next) })
	}
	return dwmon.Ingested{Fresh: g.list.changed - (after - before), Ignored: g.ignored, OldestFresh: g.fresh.oldest}, nil
}

// refreshed is how many purged keys are noted as returned by this fetch: what
// the upsert reports as changed is these and the new ones together.
func (g *ingest) refreshed() (int64, error) {
	if g.mark == nil {
		return 0, nil
	}
	r, err := g.tx.one(countRefreshed, g.in.checkerID, g.in.started)
	if err != nil {
		return 0, err
	}
	return r.int(0), nil
}

// block stores the rows of a block, each key with its first row.
func (g *ingest) block(b *block, baseline bool) error {
	g.sort(b)
	if g.mark != nil {
		if err := g.ignore(b); err != nil {
			return err
		}
	}
	for _, k := range g.order {
		if k.again || g.mark != nil && g.drop[k.row] {
			continue
		}
		var ts driver.Value
		if !baseline {
			ts = b.micros[k.row]
		}
		if err := g.list.add(b.key(int(k.row)), ts); err != nil {
			return err
		}
	}
	if err := g.list.flush(); err != nil {
		return err
	}
	if g.builder != nil {
		for i := range b.ends {
			g.builder.miss(b.key(i), g.mark == nil || !g.drop[i])
		}
	}
	return nil
}

// sortKey is a row of a block by the first bytes of its key that are not the same
// in the whole block.
type sortKey struct {
	lead  uint64
	row   uint32
	again bool // an earlier row of the block has the same key
}

func (g *ingest) sort(b *block) { g.order = inKeyOrder(g.order[:0], b) }

// inKeyOrder appends the rows of a block in the order of their keys: neighbours in the
// order are neighbours in the database's pages. Rows of one key stay as they came.
func inKeyOrder(order []sortKey, b *block) []sortKey {
	skip := sharedPrefix(b)
	for i := range b.ends {
		order = append(order, sortKey{lead: leadBytes(b.key(i)[skip:]), row: uint32(i)})
	}
	slices.SortFunc(order, func(x, y sortKey) int {
		if x.lead != y.lead {
			if x.lead < y.lead {
				return -1
			}
			return 1
		}
		if c := bytes.Compare(b.key(int(x.row))[skip:], b.key(int(y.row))[skip:]); c != 0 {
			return c
		}
		return int(x.row) - int(y.row)
	})
	for i := 1; i < len(order); i++ {
		x, y := order[i-1], &order[i]
		y.again = x.lead == y.lead && bytes.Equal(b.key(int(x.row)), b.key(int(y.row)))
	}
	return order
}

// sharedPrefix is how many bytes all keys of a block begin with.
func sharedPrefix(b *block) int {
	first := b.key(0)
	n := len(first)
	for i := 1; i < b.len() && n > 0; i++ {
		k := b.key(i)
		n = min(n, len(k))
		if !bytes.Equal(first[:n], k[:n]) {
			n = commonPrefix(first[:n], k[:n])
		}
	}
	return n
}

// leadBytes is the first eight bytes as a number that sorts as they do; what is
// missing counts as zero, which ties are then settled for by the keys themselves.
func leadBytes(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var lead [8]byte
	copy(lead[:], key)
	return binary.BigEndian.Uint64(lead[:])
}

// ignore finds the rows that are not stored: those whose key is not known and
// whose row is older than the purge mark. The first row of a key stands for all
// rows of that key in the result.
func (g *ingest) ignore(b *block) error {
	g.drop = append(g.drop[:0], make([]bool, b.len())...)
	if g.several && g.ignored > 0 {
		const before = "EXISTS (SELECT 1 FROM temp.ignored WHERE key = v.column2)"
		if err := g.pick(b, before, func(row uint32) error {
			g.drop[row] = true
			return nil
		}); err != nil {
			return err
		}
	}
	keep, err := g.tx.newList("INSERT OR IGNORE INTO temp.ignored (key)", 1)
	if err != nil {
		return err
	}
	const unknown = "NOT EXISTS (SELECT 1 FROM seen WHERE checker_id = ?1 AND key = v.column2)"
	err = g.pick(b, unknown, func(row uint32) error {
		if g.drop[row] || b.micros[row] >= *g.mark {
			return nil
		}
		g.drop[row] = true
		g.ignored++
		if g.several {
			return keep.add(b.key(int(row)))
		}
		return nil
	})
	if err == nil {
		err = keep.flush()
	}
	var first uint32
	for _, k := range g.order {
		if !k.again {
			first = k.row
		}
		g.drop[k.row] = g.drop[first]
	}
	return err
}

// pick gives the first rows of keys of which a condition holds. The condition
// calls the row v: column1 is its place in the block, column2 its key; ?1 is the
// checker.
func (g *ingest) pick(b *block, condition string, found func(row uint32) error) error {
	var rows []uint32
	for _, k := range g.order {
		if !k.again {
			rows = append(rows, k.row)
		}
	}
	for size := listRows; size > 0; size /= 2 {
		for len(rows) >= size {
			if err := g.ask(b, condition, rows[:size], found); err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}

func (g *ingest) ask(b *block, condition string, rows []uint32, found func(row uint32) error) error {
	query := "SELECT v.column1 FROM (VALUES (?2,?3)" + strings.Repeat(",(?,?)", len(rows)-1) + ") v WHERE " + condition
	args := make([]any, 0, 1+2*len(rows))
	args = append(args, g.in.checkerID)
	for _, row := range rows {
		args = append(args, int64(row), b.key(int(row)))
	}
	var hits []uint32
	for r, err := range g.tx.query(query, args...) {
		if err != nil {
			return err
		}
		hits = append(hits, uint32(r.int(0)))
	}
	for _, row := range hits {
		if err := found(row); err != nil {
			return err
		}
	}
	return nil
}
