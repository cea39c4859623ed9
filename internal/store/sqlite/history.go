package sqlite

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// historyRows is about how many entries a history holds in memory.
const historyRows = 20_000

// History gives results, gaps and off spans, oldest first: by minute (of a span,
// its first), then by checker, then by line. Memory is bounded, and between two
// pages no transaction is open. Its errors are dwmon.ErrNoChecker, yield's and
// those of the database.
func (db *DB) History(ctx context.Context, q dwmon.HistoryQuery, yield func(dwmon.Entry) error) error {
	h, err := db.newTimeline(ctx, q)
	if err != nil {
		return err
	}
	if q.Limit <= 0 {
		return h.each(ctx, func(p *placed) error { return yield(p.entry) })
	}
	// The newest are found from the end and given from the start.
	var newest []dwmon.Entry
	h.descending = true
	err = h.each(ctx, func(p *placed) error {
		newest = append(newest, p.entry)
		if len(newest) == q.Limit {
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return err
	}
	for _, e := range slices.Backward(newest) {
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

var errEnough = fmt.Errorf("enough")

// place orders entries: minute, checker, line, and then gap before off span
// before result. id tells entries of one place apart.
type place struct {
	minute int64
	name   string
	line   int64
	kind   int64
	id     int64
}

const (
	kindGap int64 = iota
	kindOff
	kindResult
)

func (a place) compare(b place) int {
	return cmp.Or(
		cmp.Compare(a.minute, b.minute), cmp.Compare(a.name, b.name), cmp.Compare(a.line, b.line),
		cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id),
	)
}

type placed struct {
	place
	entry dwmon.Entry
}

// timeline merges sources: one for the results of each checker, one for all gaps
// and one for all off spans.
type timeline struct {
	db         *DB
	since      int64
	until      int64
	descending bool
	sources    []*source
	rebuild    *rebuild
	// first is how many entries a source reads at first, page how many later.
	first, page int
}

// source gives its entries page by page, in the order of the history.
type source struct {
	h    *timeline
	read func(s *source, c *conn) ([]placed, error)
	// checkerID and name are of a source of results, or 0 and empty for all.
	checkerID int64
	name      string
	page      []placed
	size      int    // of the page read last
	last      *place // of the entry given last
	done      bool
}

func (db *DB) newTimeline(ctx context.Context, q dwmon.HistoryQuery) (*timeline, error) {
	h := &timeline{db: db, since: math.MinInt64, until: math.MaxInt64, rebuild: newRebuild()}
	if q.Since != nil {
		h.since = *q.Since
	}
	if q.Until != nil {
		h.until = *q.Until
	}
	var all source
	err := db.read(ctx, func(c *conn) error {
		if q.Name != "" {
			id, err := checkerID(c, q.Name)
			all = source{h: h, checkerID: id, name: q.Name}
			h.sources = append(h.sources, &source{h: h, read: (*source).results, checkerID: id, name: q.Name})
			return err
		}
		all = source{h: h}
		for r, err := range c.query("SELECT id, name FROM checkers") {
			if err != nil {
				return err
			}
			h.sources = append(h.sources, &source{h: h, read: (*source).results, checkerID: r.int(0), name: r.text(1)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.page = max(historyRows/(len(h.sources)+2), 16)
	h.first = h.page
	if q.Limit > 0 { // few will be asked for, and of most checkers none but the newest
		h.first = min(h.page, max(2*q.Limit/max(len(h.sources), 1), 4))
	}
	gaps, offs := all, all
	gaps.read, offs.read = (*source).gaps, (*source).offs
	h.sources = append(h.sources, &gaps, &offs)
	return h, nil
}

// checkerID gives the id of a checker; the error is dwmon.ErrNoChecker.
func checkerID(c *conn, name string) (int64, error) {
	r, err := c.one("SELECT id FROM checkers WHERE name = ?", name)
	if err == nil && r == nil {
		err = fmt.Errorf("checker %s: %w", name, dwmon.ErrNoChecker)
	}
	if err != nil {
		return 0, err
	}
	return r.int(0), nil
}

// each gives the entries in order.
func (h *timeline) each(ctx context.Context, yield func(*placed) error) error {
	for _, s := range h.sources {
		if err := s.fill(ctx); err != nil {
			return err
		}
	}
	m := merge{h: h, sources: slices.DeleteFunc(h.sources, func(s *source) bool { return len(s.page) == 0 })}
	heap.Init(&m)
	for len(m.sources) > 0 {
		s := m.sources[0]
		p := s.page[0]
		if err := yield(&p); err != nil {
			return err
		}
		s.page = s.page[1:]
		s.last = &p.place
		if err := s.fill(ctx); err != nil {
			return err
		}
		if len(s.page) == 0 {
			heap.Pop(&m)
		} else {
			heap.Fix(&m, 0)
		}
	}
	return nil
}

// fill reads the next page when the last one is used up.
func (s *source) fill(ctx context.Context) error {
	if len(s.page) > 0 || s.done {
		return nil
	}
	s.size = min(max(2*s.size, s.h.first), s.h.page)
	return s.h.db.read(ctx, func(c *conn) (err error) {
		s.page, err = s.read(s, c)
		s.done = len(s.page) < s.size
		return err
	})
}

// bounds are where the next page lies: from the entry given last on, in the
// direction of the history.
func (s *source) bounds() (lo, hi int64, last place) {
	lo, hi = s.h.since, s.h.until-1
	switch {
	case s.last == nil && s.h.descending:
		last = place{minute: math.MaxInt64, name: maxName, line: math.MaxInt64, kind: math.MaxInt64, id: math.MaxInt64}
	case s.last == nil:
		last = place{minute: math.MinInt64, line: math.MinInt64, id: math.MinInt64}
	default:
		last = *s.last
	}
	return lo, hi, last
}

// maxName sorts after every name of a checker.
const maxName = "\U0010ffff"

// results reads a page of one checker's results. Within a minute SQLite sorts by
// line; across minutes the primary key is the order.
func (s *source) results(c *conn) ([]placed, error) {
	query := selectResultsUp
	lo, hi, last := s.bounds()
	if s.h.descending {
		query = selectResultsDown
		hi = min(hi, last.minute)
	} else {
		lo = max(lo, last.minute)
	}
	var page []placed
	for r, err := range c.query(query, s.checkerID, lo, hi, last.minute, last.line, last.id, s.size) {
		if err != nil {
			return nil, err
		}
		result, _, err := s.h.rebuild.result(c, s.name, r, 0)
		if err == nil {
			err = correct(c, s.checkerID, r.int(1), &result)
		}
		if err != nil {
			return nil, err
		}
		page = append(page, placed{
			place{minute: result.Minute, name: s.name, line: int64(result.RequirementIndex), kind: kindResult, id: r.int(1)},
			dwmon.Entry{Result: &result},
		})
	}
	return page, nil
}

const selectResults = `SELECT ` + verdictColumns + ` FROM verdicts v
	WHERE v.checker_id = ? AND v.minute BETWEEN ? AND ? AND v.grp = x''`

const (
	selectResultsUp   = selectResults + ` AND (v.minute, v.line_position, v.line_id) > (?, ?, ?) ORDER BY v.minute, v.line_position, v.line_id LIMIT ?`
	selectResultsDown = selectResults + ` AND (v.minute, v.line_position, v.line_id) < (?, ?, ?) ORDER BY v.minute DESC, v.line_position DESC, v.line_id DESC LIMIT ?`
)

// gaps reads a page of gaps. They are few: each page sorts what is left of them.
func (s *source) gaps(c *conn) ([]placed, error) {
	query := `SELECT g.from_minute, c.name, g.line_position, g.id, g.to_minute, g.minutes, g.reason, l.identity
		FROM gaps g JOIN checkers c ON c.id = g.checker_id LEFT JOIN lines l ON l.id = g.line_id
		WHERE (?1 = 0 OR g.checker_id = ?1) AND g.to_minute >= ?2 AND g.from_minute <= ?3
		AND (g.from_minute, c.name, g.line_position, g.id) ` + s.beyond() + ` (?4, ?5, ?6, ?7)
		ORDER BY g.from_minute` + s.order() + `, c.name` + s.order() + `, g.line_position` + s.order() + `, g.id` + s.order() + ` LIMIT ?8`
	lo, hi, last := s.bounds()
	var page []placed
	for r, err := range c.query(query, s.checkerID, lo, hi, last.minute, last.name, last.line, last.id, s.size) {
		if err != nil {
			return nil, err
		}
		g := &dwmon.GapEntry{
			CheckerName: r.text(1), Requirement: r.text(7), RequirementIndex: int(r.int(2)),
			From: r.int(0), To: r.int(4), Minutes: r.int(5), Reason: dwmon.GapReason(r.text(6)),
		}
		page = append(page, placed{place{minute: g.From, name: g.CheckerName, line: r.int(2), kind: kindGap, id: r.int(3)}, dwmon.Entry{Gap: g}})
	}
	return page, nil
}

// offs reads a page of off spans; the one that lasts is kept with its checker.
func (s *source) offs(c *conn) ([]placed, error) {
	query := `SELECT o.from_time, c.name, o.id, o.until_time, o.reason
		FROM (SELECT checker_id, from_time, id, until_time, reason FROM spans WHERE kind = 'off'
		      UNION ALL
		      SELECT id, off_since, 0, NULL, off_reason FROM checkers WHERE off_since IS NOT NULL) o
		JOIN checkers c ON c.id = o.checker_id
		WHERE (?1 = 0 OR o.checker_id = ?1) AND (o.until_time IS NULL OR o.until_time > ?2) AND o.from_time <= ?3
		AND (o.from_time, c.name, o.id) ` + s.beyond() + ` (?4, ?5, ?6)
		ORDER BY o.from_time` + s.order() + `, c.name` + s.order() + `, o.id` + s.order() + ` LIMIT ?7`
	lo, hi, last := s.bounds()
	var page []placed
	for r, err := range c.query(query, s.checkerID, lo, hi, last.minute, last.name, last.id, s.size) {
		if err != nil {
			return nil, err
		}
		o := &dwmon.OffEntry{CheckerName: r.text(1), From: r.int(0), To: r.intp(3), Reason: dwmon.OffReason(r.text(4))}
		page = append(page, placed{place{minute: o.From, name: o.CheckerName, line: -1, kind: kindOff, id: r.int(2)}, dwmon.Entry{Off: o}})
	}
	return page, nil
}

func (s *source) beyond() string {
	if s.h.descending {
		return "<"
	}
	return ">"
}

func (s *source) order() string {
	if s.h.descending {
		return " DESC"
	}
	return ""
}

// merge is a heap of sources by their next entry.
type merge struct {
	h       *timeline
	sources []*source
}

func (m *merge) Len() int { return len(m.sources) }

func (m *merge) Less(i, j int) bool {
	c := m.sources[i].page[0].compare(m.sources[j].page[0].place)
	if m.h.descending {
		return c > 0
	}
	return c < 0
}

func (m *merge) Swap(i, j int) { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }
func (m *merge) Push(x any)    { m.sources = append(m.sources, x.(*source)) }

func (m *merge) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}
