package sqlite

import (
	"database/sql/driver"
	"io"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

const (
	countRange = "SELECT count(*) FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts >= ? AND ts < ?"
	scanRange  = "SELECT ts FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts >= ? AND ts < ? ORDER BY ts"
	countOf    = "SELECT count(*) FROM seen INDEXED BY seen_ts WHERE checker_id = ? AND ts >= ? AND ts < ? AND query_id = ?"
)

// fewEdges is up to how many window borders each stretch between two of them is
// counted by a statement of its own: SQLite counts entries of an index faster
// than it hands them over, but a statement has its price.
const fewEdges = 8

// Counts is dwmon.Tx's. The rows are walked once, however many windows lie over
// them; what is kept grows with the windows, not with the rows.
func (tx *Tx) Counts(checkerID int64, windows []dwmon.Window) ([]int64, error) {
	if err := tx.usable(); err != nil {
		return nil, err
	}
	counts, err := countWindows(tx.conn, checkerID, windows)
	return counts, tx.fail(err)
}

// countWindows is Counts on any connection.
func countWindows(c *conn, checkerID int64, windows []dwmon.Window) ([]int64, error) {
	edges := edgesOf(windows)
	// ranks is, for each edge, how many rows lie before it, counted from the
	// start of the stretch of windows that it belongs to.
	ranks := make([]int64, len(edges))
	for _, s := range stretches(windows) {
		first, _ := slices.BinarySearch(edges, s.From)
		last, _ := slices.BinarySearch(edges, s.Until)
		rank := rankByScan
		if last-first < fewEdges {
			rank = rankByCount
		}
		if err := rank(c, checkerID, edges[first:last+1], ranks[first:last+1]); err != nil {
			return nil, err
		}
	}
	counts := make([]int64, len(windows))
	for i, w := range windows {
		if w.From < w.Until {
			from, _ := slices.BinarySearch(edges, w.From)
			until, _ := slices.BinarySearch(edges, w.Until)
			counts[i] = ranks[until] - ranks[from]
		}
	}
	return counts, nil
}

// edgesOf are the borders of the windows that are not empty, in order, each once.
func edgesOf(windows []dwmon.Window) []int64 {
	edges := make([]int64, 0, 2*len(windows))
	for _, w := range windows {
		if w.From < w.Until {
			edges = append(edges, w.From, w.Until)
		}
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// stretches merges windows that overlap or touch.
func stretches(windows []dwmon.Window) []dwmon.Window {
	sorted := slices.Clone(windows)
	slices.SortFunc(sorted, func(a, b dwmon.Window) int {
		switch {
		case a.From < b.From:
			return -1
		case a.From > b.From:
			return 1
		}
		return 0
	})
	var merged []dwmon.Window
	for _, w := range sorted {
		if w.From >= w.Until {
			continue
		}
		if n := len(merged); n > 0 && w.From <= merged[n-1].Until {
			merged[n-1].Until = max(merged[n-1].Until, w.Until)
		} else {
			merged = append(merged, w)
		}
	}
	return merged
}

// rankByCount counts between each pair of neighbouring edges.
func rankByCount(c *conn, checkerID int64, edges, ranks []int64) error {
	for i := 1; i < len(edges); i++ {
		r, err := c.one(countRange, checkerID, edges[i-1], edges[i])
		if err != nil {
			return err
		}
		ranks[i] = ranks[i-1] + r.int(0)
	}
	return nil
}

// rankByScan walks the rows in the order of their timestamps, and the edges with
// them. It reads the driver's rows itself: a million of them pass here.
func rankByScan(c *conn, checkerID int64, edges, ranks []int64) (err error) {
	s, err := c.prepare(scanRange)
	if err != nil {
		return err
	}
	defer c.release(scanRange, s)
	args, err := bindings([]any{checkerID, edges[0], edges[len(edges)-1]})
	if err != nil {
		return err
	}
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(c.context(), args)
	if err != nil {
		return err
	}
	defer rows.Close()
	var n int64
	next := 1 // the edge whose rank is sought; the first one's is 0
	dest := make([]driver.Value, 1)
	for {
		if err := rows.Next(dest); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		for ts := dest[0].(int64); next < len(edges) && edges[next] <= ts; next++ {
			ranks[next] = n
		}
		n++
	}
	for ; next < len(edges); next++ {
		ranks[next] = n
	}
	return nil
}

// CountsOf is dwmon.Tx's. It is asked rarely, and for few windows.
func (tx *Tx) CountsOf(checkerID, queryID int64, windows []dwmon.Window) ([]int64, error) {
	counts := make([]int64, len(windows))
	for i, w := range windows {
		r, err := tx.one(countOf, checkerID, w.From, w.Until, queryID)
		if err != nil {
			return nil, err
		}
		counts[i] = r.int(0)
	}
	return counts, nil
}
