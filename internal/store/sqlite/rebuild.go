package sqlite

import (
	"encoding/json"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// rebuild makes results out of verdicts. It reads each text and each line once:
// a history of a million results speaks of a handful of them. It belongs to one
// call and may outlive the connection that it was last used with.
type rebuild struct {
	revisions map[int64]*revision
	lines     map[int64]*lineText
	zones     map[string]*time.Location
}

// revision is what a result takes from the text that made it.
type revision struct {
	sha256, file, source, owner string
	labels                      map[string]string
	extra                       []byte
	zoneName                    string
	zone                        *time.Location
}

// lineText is what a result takes from its line.
type lineText struct {
	identity string
	min, max dwmon.Bound
	lookback int64
}

// maxRevisions bounds the texts that are kept: an EXTRA may be long, and a file
// that a program writes may change at every minute.
const maxRevisions = 500

func newRebuild() *rebuild {
	return &rebuild{revisions: map[int64]*revision{}, lines: map[int64]*lineText{}, zones: map[string]*time.Location{}}
}

// verdictColumns are those that result reads; the table is v.
const verdictColumns = `v.minute, v.line_id, v.line_position, v.event_count, v.status, v.reason, v.catch_up,
	v.previous_status, v.consecutive_bad, v.evaluated_at, v.revision_id`

// result rebuilds a result from verdictColumns, which begin at a place of the row.
func (b *rebuild) result(c *conn, checker string, r row, at int) (dwmon.Result, *revision, error) {
	r = r[at:]
	line, err := b.line(c, r.int(1))
	if err != nil {
		return dwmon.Result{}, nil, err
	}
	rev, err := b.revision(c, r.int(10))
	if err != nil {
		return dwmon.Result{}, nil, err
	}
	return makeResult(checker, r, line, rev), rev, nil
}

// makeResult makes a result of verdictColumns, its line and the text that made it.
func makeResult(checker string, r row, line *lineText, rev *revision) dwmon.Result {
	return dwmon.Result{
		CheckerName:      checker,
		EventCount:       r.int(3),
		Min:              line.min,
		Max:              line.max,
		Status:           dwmon.Status(r.int(4)),
		Minute:           r.int(0),
		LookbackSeconds:  line.lookback,
		Reason:           dwmon.Reason(r.text(5)),
		Requirement:      line.identity,
		RequirementIndex: int(r.int(2)),
		TimeZone:         rev.zoneName,
		Source:           rev.source,
		Owner:            rev.owner,
		Labels:           rev.labels,
		CatchUp:          r.bool(6),
		EvaluatedAt:      r.int(9),
		Previous:         dwmon.Status(r.int(7)),
		ConsecutiveBad:   r.int(8),
		LocalTime:        dwmon.LocalTime(r.int(0), rev.zone),
	}
}

// line gives a line; an empty one where it is not known.
func (b *rebuild) line(c *conn, id int64) (*lineText, error) {
	if l := b.lines[id]; l != nil {
		return l, nil
	}
	r, err := c.one("SELECT identity, min_required, max_allowed, lookback FROM lines WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	l := &lineText{}
	if r != nil {
		l.identity, l.min, l.max, l.lookback = r.text(0), bound(r.intp(1)), bound(r.intp(2)), r.int(3)
	}
	b.lines[id] = l
	return l, nil
}

// revision gives a text; an empty one where it is not known.
func (b *rebuild) revision(c *conn, id int64) (*revision, error) {
	if rev := b.revisions[id]; rev != nil {
		return rev, nil
	}
	r, err := c.one("SELECT sha256, file, source, owner, labels, extra, time_zone FROM revisions WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	if len(b.revisions) >= maxRevisions {
		clear(b.revisions)
	}
	rev := &revision{zone: time.UTC}
	if r != nil {
		rev.sha256, rev.file, rev.source, rev.owner = r.text(0), r.text(1), r.text(2), r.text(3)
		rev.extra, rev.zoneName = r.blob(5), r.text(6)
		if err := json.Unmarshal(r.blob(4), &rev.labels); err != nil {
			return nil, err
		}
		rev.zone = b.zone(rev.zoneName)
	}
	b.revisions[id] = rev
	return rev, nil
}

// zone gives a zone by its name; UTC where this program does not know it any more.
func (b *rebuild) zone(name string) *time.Location {
	if z := b.zones[name]; z != nil {
		return z
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		z = time.UTC
	}
	b.zones[name] = z
	return z
}
