package sqlite

import (
	"context"
	"math"
	"slices"
	"sync"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// progressCache holds the progress of each checker as of the last commit. What
// is in it is shared and never changed; a change replaces it.
type progressCache struct {
	mu     sync.Mutex
	byName map[string]*cachedProgress
	names  map[int64]string
	// epoch counts the changes of which it is not known whose reading they have
	// overtaken: all that are under way are refused.
	epoch int64
}

// cachedProgress is a place in the cache. Whoever reads the database to fill it
// compares turn before and after: in between a commit may have made what was
// read old.
type cachedProgress struct {
	progress *dwmon.Progress // nil: not known
	turn     int64
}

// get gives what is cached, and the turn with which put takes a replacement.
func (c *progressCache) get(name string) (p *dwmon.Progress, turn int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(name)
	return e.progress, e.turn + c.epoch
}

func (c *progressCache) entry(name string) *cachedProgress {
	e := c.byName[name]
	if e == nil {
		if c.byName == nil {
			c.byName = make(map[string]*cachedProgress)
			c.names = make(map[int64]string)
		}
		e = &cachedProgress{}
		c.byName[name] = e
	}
	return e
}

// put keeps what was read, unless it may be old.
func (c *progressCache) put(p *dwmon.Progress, turn int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(p.Name)
	if e.turn+c.epoch == turn && p.ID != 0 {
		e.progress = p
		c.names[p.ID] = p.Name
	}
}

func (c *progressCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(name)
	e.progress = nil
	e.turn++
}

func (c *progressCache) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, e := range c.byName {
		e.progress = nil
	}
}

func (c *progressCache) amend(id int64, change func(*dwmon.Progress)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byName[c.names[id]]
	if e == nil || e.progress == nil || e.progress.ID != id {
		// It may be being read this instant, under this name or another.
		c.epoch++
		return
	}
	next := *e.progress
	next.Lines = slices.Clone(next.Lines)
	change(&next)
	e.progress = &next
	e.turn++
}

// Progress is dwmon.Store's.
func (db *DB) Progress(ctx context.Context, name string) (*dwmon.Progress, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := db.follow(); err != nil {
		return nil, err
	}
	cached, turn := db.progress.get(name)
	if cached != nil {
		return cached, nil
	}
	var p *dwmon.Progress
	err := db.read(ctx, func(c *conn) (err error) {
		p, err = loadProgress(c, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	db.progress.put(p, turn)
	return p, nil
}

// progressColumns are those that readProgress reads; the table is c, with its
// revision r.
const progressColumns = `c.id, c.origin, c.settled, c.recorded, c.purge_mark, c.baseline, c.fetched, c.fetched_end,
       c.missing_since, c.off_since, c.off_reason,
       c.fail_since, c.fail_next, c.fail_count, c.fail_fault, c.fail_cause, c.fail_tried,
       r.id, r.sha256, r.time_zone, r.query_id,
       c.fetched_reach, c.skew, c.fetched_query, c.query_began, c.query_changed,
       (SELECT max(until_time) FROM spans WHERE checker_id = c.id AND kind = 'hole')`

const selectProgress = `SELECT ` + progressColumns + `
FROM checkers c LEFT JOIN revisions r ON r.id = c.revision_id
WHERE c.name = ?`

// loadProgress reads a checker's progress; its ID is 0 where it was never seen.
func loadProgress(c *conn, name string) (*dwmon.Progress, error) {
	r, err := c.one(selectProgress, name)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return &dwmon.Progress{Name: name}, nil
	}
	p := readProgress(r, name)
	if p.Lines, err = loadLines(c, p.ID); err == nil && p.ComesBy() {
		err = loadJudged(c, p)
	}
	return p, err
}

// loadJudged reads which minutes the walk comes by again.
func loadJudged(c *conn, p *dwmon.Progress) error {
	after := int64(math.MinInt64)
	if p.Settled != nil {
		after = *p.Settled
	}
	lines := make(map[int64]*dwmon.LineProgress, len(p.Lines))
	for i := range p.Lines {
		lines[p.Lines[i].ID] = &p.Lines[i]
	}
	for r, err := range c.query("SELECT minute, line_id FROM verdicts WHERE checker_id = ? AND minute > ? ORDER BY minute", p.ID, after) {
		if err != nil {
			return err
		}
		if l := lines[r.int(1)]; l != nil {
			l.Judged = append(l.Judged, r.int(0))
		}
	}
	return nil
}

// readProgress reads progressColumns; the lines are read apart.
func readProgress(r row, name string) *dwmon.Progress {
	p := &dwmon.Progress{Name: name}
	p.ID, p.Origin, p.Settled, p.Recorded = r.int(0), r.int(1), r.intp(2), r.intp(3)
	p.PurgeMark, p.Baseline, p.Fetched, p.FetchedEnd, p.Missing = r.intp(4), r.intp(5), r.intp(6), r.intp(7), r.intp(8)
	if !r.null(9) {
		p.Off = &dwmon.Off{Since: r.int(9), Reason: dwmon.OffReason(r.text(10))}
	}
	if !r.null(11) {
		p.Failing = &dwmon.Failing{Since: r.int(11), Next: r.int(12), Count: r.int(13), Fault: parseFault(r.text(14)), Cause: r.text(15), Tried: r.int(16)}
	}
	p.RevisionID, p.Revision, p.Zone = r.int(17), r.text(18), r.text(19)
	p.QueryID, p.Reach, p.Skew, p.HoleUntil = r.int(20), r.intp(21), r.int(22), r.intp(26)
	if fetched := r.intp(23); fetched != nil && *fetched == p.QueryID {
		p.QueryFetched, p.QueryChanged = r.intp(24), r.bool(25)
	} else {
		p.QueryChanged = fetched != nil
	}
	return p
}

// lineColumns are those that readLine reads; the table is l.
const lineColumns = `l.id, l.position, l.hours, l.minutes, l.days, l.min_required, l.max_allowed, l.lookback, l.half_open, l.file_line,
       l.owes_after, l.last_status, l.last_minute, l.since_minute, l.settled_status, l.consecutive_bad,
       l.recent, l.good_run, l.unknown_run, l.incident_id, l.unknown_incident_id`

const selectLines = `SELECT ` + lineColumns + `
FROM lines l WHERE l.checker_id = ? AND l.position IS NOT NULL ORDER BY l.position`

// loadLines reads the lines of the text in use.
func loadLines(c *conn, checkerID int64) ([]dwmon.LineProgress, error) {
	var lines []dwmon.LineProgress
	for r, err := range c.query(selectLines, checkerID) {
		if err != nil {
			return nil, err
		}
		lines = append(lines, readLine(r))
	}
	return lines, nil
}

func readLine(r row) dwmon.LineProgress {
	l := dwmon.LineProgress{Index: int(r.int(1))}
	l.ID = r.int(0)
	l.Requirement = dwmon.Requirement{
		Hours:    dwmon.HourSet(r.int(2)),
		Minutes:  dwmon.MinuteSet(r.int(3)),
		Days:     dwmon.DaySet(r.int(4)),
		Min:      bound(r.intp(5)),
		Max:      bound(r.intp(6)),
		Lookback: r.int(7),
		HalfOpen: r.bool(8),
		FileLine: int(r.int(9)),
	}
	l.OwesAfter = dwmon.OwesAll
	if !r.null(10) {
		l.OwesAfter = r.int(10)
	}
	l.Streak = dwmon.Streak{
		Last:           dwmon.Status(r.int(11)),
		LastMinute:     r.int(12),
		Since:          r.int(13),
		Settled:        dwmon.Status(r.int(14)),
		ConsecutiveBad: r.int(15),
		Trouble: dwmon.Trouble{
			Recent: uint64(r.int(16)), GoodRun: r.int(17), UnknownRun: r.int(18), Incident: r.int(19), UnknownIncident: r.int(20),
		},
	}
	return l
}

func bound(n *int64) dwmon.Bound {
	if n == nil {
		return dwmon.Bound{}
	}
	return dwmon.At(*n)
}

// parseFault reads what dwmon.Fault.String writes.
func parseFault(text string) dwmon.Fault {
	for _, f := range []dwmon.Fault{dwmon.FaultChecker, dwmon.FaultSettings} {
		if f.String() == text {
			return f
		}
	}
	return dwmon.FaultUnavailable
}
