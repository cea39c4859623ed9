package sqlite

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Installation is the database's random id.
func (db *DB) Installation(ctx context.Context) (id string, err error) {
	err = db.read(ctx, func(c *conn) error {
		id, err = installation(c)
		return err
	})
	return id, err
}

func installation(c *conn) (string, error) {
	r, err := c.one("SELECT value FROM meta WHERE name = 'installation'")
	if err == nil && r == nil {
		err = fmt.Errorf("the database has no installation id; a row of its table meta was deleted")
	}
	if err != nil {
		return "", err
	}
	return r.text(0), nil
}

// payload is what a notice keeps.
type payload struct {
	Kind   string        `json:"kind"`
	Digest *dwmon.Digest `json:"digest,omitempty"`
	Notice *dwmon.Notice `json:"notice,omitempty"`
}

func (p *payload) notice() dwmon.Notice {
	if p.Digest != nil {
		return p.Digest.Notice()
	}
	if p.Notice != nil {
		return *p.Notice
	}
	return dwmon.Notice{Kind: dwmon.NoticeKind(p.Kind)}
}

func readPayload(text []byte) (*payload, error) {
	p := new(payload)
	if err := json.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("read a notice: %w", err)
	}
	return p, nil
}

// lane is the deliveries of one handler and one checker that wait.
type lane struct {
	checkerID   int64 // 0: notices about no single checker
	checkerName string
	head        int64 // id of the first
	next        int64 // when the first may be tried
}

// NextDeliveries gives what a handler is to be told now. A lane whose first
// delivery waits for its back-off is left out whole.
func (db *DB) NextDeliveries(ctx context.Context, q dwmon.DeliveryQuery) (dwmon.DeliveryBatch, error) {
	var batch dwmon.DeliveryBatch
	var lost []int64
	err := db.read(ctx, func(c *conn) error {
		handlerID, err := handlerID(c, q.Handler)
		if err != nil || handlerID == 0 {
			return err
		}
		lanes, err := waitingLanes(c, handlerID)
		if err != nil {
			return err
		}
		lanes = slices.DeleteFunc(lanes, func(l lane) bool {
			if q.Skip[l.checkerID] {
				return true
			}
			late := backsOff(l.next, q.Now)
			if late && (batch.Next == 0 || l.next < batch.Next) {
				batch.Next = l.next
			}
			return late
		})
		lost, err = fillBatch(c, &batch, q, handlerID, lanes)
		return err
	})
	if err == nil && len(lost) > 0 {
		err = db.buryLost(ctx, lost)
	}
	return batch, err
}

// longestBackoff is more than any wait that was ever meant: a longer one comes
// from a clock that was set back since, and is over.
const longestBackoff = int64((dwmon.MaxRetryAfter + time.Hour) / time.Microsecond)

// backsOff says whether a delivery is to be tried later than now.
func backsOff(next, now int64) bool {
	return next > now && next-now <= longestBackoff
}

func handlerID(c *conn, name string) (int64, error) {
	r, err := c.one("SELECT id FROM handlers WHERE name = ?", name)
	if err != nil || r == nil {
		return 0, err
	}
	return r.int(0), nil
}

// The index is jumped through from checker to checker: a hundred thousand
// deliveries may wait for a few hundred of them. CROSS JOIN keeps the order: by its
// statistics SQLite takes lane for long, and would rather read all checkers.
const selectLanes = `
WITH RECURSIVE lane (checker_id) AS (
  VALUES (0)
  UNION ALL
  SELECT (SELECT d.checker_id FROM deliveries d INDEXED BY deliveries_waiting
          WHERE d.state = 0 AND d.handler_id = ?1 AND d.checker_id > lane.checker_id
          ORDER BY d.checker_id LIMIT 1)
  FROM lane WHERE lane.checker_id IS NOT NULL)
SELECT c.id, c.name, h.id, h.next_attempt
FROM lane CROSS JOIN checkers c ON c.id = lane.checker_id
CROSS JOIN deliveries h ON h.id = (SELECT d.id FROM deliveries d INDEXED BY deliveries_waiting
                             WHERE d.state = 0 AND d.handler_id = ?1 AND d.checker_id = lane.checker_id
                             ORDER BY d.id LIMIT 1)`

const selectNoticeLane = `
SELECT id, next_attempt FROM deliveries INDEXED BY deliveries_waiting
WHERE state = 0 AND handler_id = ? AND checker_id IS NULL ORDER BY id LIMIT 1`

// waitingLanes gives the lanes of a handler: notices first, for they tell of what
// came before, then by the age of the first delivery.
func waitingLanes(c *conn, handlerID int64) ([]lane, error) {
	var lanes []lane
	for r, err := range c.query(selectLanes, handlerID) {
		if err != nil {
			return nil, err
		}
		lanes = append(lanes, lane{checkerID: r.int(0), checkerName: r.text(1), head: r.int(2), next: r.int(3)})
	}
	slices.SortFunc(lanes, func(a, b lane) int { return cmp.Compare(a.head, b.head) })
	r, err := c.one(selectNoticeLane, handlerID)
	if err != nil || r == nil {
		return lanes, err
	}
	return slices.Insert(lanes, 0, lane{head: r.int(0), next: r.int(1)}), nil
}

// fillBatch reads each lane's share. lost are deliveries whose verdict is gone.
func fillBatch(c *conn, batch *dwmon.DeliveryBatch, q dwmon.DeliveryQuery, handlerID int64, lanes []lane) (lost []int64, err error) {
	if len(lanes) == 0 || q.Limit <= 0 {
		return nil, nil
	}
	inst, err := installation(c)
	if err != nil {
		return nil, err
	}
	share := max(q.Limit/len(lanes), 1)
	b := newRebuild()
	for _, l := range lanes {
		n := min(share, q.Limit-len(batch.Deliveries))
		if n <= 0 {
			return lost, nil
		}
		for r, err := range l.query(c, handlerID, n) {
			if err != nil {
				return lost, err
			}
			if backsOff(r.int(3), q.Now) {
				break
			}
			d := dwmon.Delivery{ID: r.int(0), Handler: q.Handler, CheckerID: l.checkerID, CheckerName: l.checkerName, Attempts: r.int(1), Created: r.int(2), Revived: r.int(6)}
			found, err := fillDelivery(c, b, &d, inst, r)
			if err != nil {
				return lost, err
			}
			if !found {
				lost = append(lost, d.ID)
				continue
			}
			batch.Deliveries = append(batch.Deliveries, d)
		}
	}
	return lost, nil
}

const selectLane = `
SELECT d.id, d.attempts, d.created, d.next_attempt, d.line_id, d.payload, d.revived, ` + verdictColumns + `
FROM deliveries d INDEXED BY deliveries_waiting
LEFT JOIN verdicts v ON v.checker_id = d.checker_id AND v.minute = d.minute AND v.line_id = d.line_id AND v.grp = x''
WHERE d.state = 0 AND d.handler_id = ? AND d.checker_id IS ?
ORDER BY d.id LIMIT ?`

func (l lane) query(c *conn, handlerID int64, n int) func(func(row, error) bool) {
	var checker *int64
	if l.checkerID != 0 {
		checker = &l.checkerID
	}
	return c.query(selectLane, handlerID, checker, n)
}

// fillDelivery reads what is to be told from a row of selectLane; false where it
// is not there any more.
func fillDelivery(c *conn, b *rebuild, d *dwmon.Delivery, inst string, r row) (bool, error) {
	if !r.null(5) {
		p, err := readPayload(r.blob(5))
		if err != nil {
			return false, err
		}
		n := p.notice()
		d.Notice, d.Key = &n, dwmon.NoticeKey(inst, p.Kind, d.ID)
		if !r.null(6) {
			result, _, err := b.result(c, d.CheckerName, r, 6)
			n.Results = []dwmon.Result{result}
			return true, err
		}
		return true, nil
	}
	if r.null(7) {
		return false, nil
	}
	result, rev, err := b.result(c, d.CheckerName, r, 7)
	if err != nil {
		return false, err
	}
	d.Result, d.File, d.Revision, d.Extra = result, rev.file, rev.sha256, rev.extra
	d.Key = dwmon.IdempotencyKey(inst, d.CheckerName, result.Minute, r.int(4))
	return true, nil
}

// buryLost ends deliveries that cannot be made because their verdict is gone,
// which nothing of ours does: they would hold up those behind them for ever.
func (db *DB) buryLost(ctx context.Context, ids []int64) error {
	now := db.now()
	return db.write(ctx, func(tx *Tx) error {
		_, err := tx.exec(`UPDATE deliveries SET state = 2, finished = ?, last_error = 'its result is not in the database any more'
			WHERE state = 0 AND id IN (SELECT value FROM json_each(?))`, now, idList(ids))
		return err
	})
}

// idList is a list of ids for json_each.
func idList(ids []int64) string {
	text := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, id, 10)
	}
	return string(append(text, ']'))
}

// FinishDeliveries records what came of deliveries. One that became part of a
// digest while it was being told is sent if it was; else it stays collapsed.
func (db *DB) FinishDeliveries(ctx context.Context, outcomes []dwmon.DeliveryOutcome) error {
	return db.write(ctx, func(tx *Tx) error {
		for _, o := range outcomes {
			var finished *int64
			if o.State != dwmon.DeliveryWaiting {
				finished = &o.At
			}
			var text *string
			if o.Error != "" {
				text = &o.Error
			}
			_, err := tx.exec(`UPDATE deliveries SET state = ?1, attempts = attempts + 1, next_attempt = ?2, finished = ?3, last_error = ?4
				WHERE id = ?5 AND (state = 0 OR state = 3 AND ?1 = 1)`, int64(o.State), o.Next, finished, text, o.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// SentDeliveries gives when deliveries of a handler were taken by it after a time
// and until now, microseconds since the epoch, ascending: the newest, at most limit.
func (db *DB) SentDeliveries(ctx context.Context, handler string, after, now int64, limit int) (at []int64, err error) {
	err = db.read(ctx, func(c *conn) error {
		handlerID, err := handlerID(c, handler)
		if err != nil || handlerID == 0 {
			return err
		}
		for r, err := range c.query(`SELECT finished FROM deliveries INDEXED BY deliveries_finished
			WHERE state <> 0 AND state = 1 AND finished > ? AND finished <= ? AND handler_id = ?
			ORDER BY finished DESC LIMIT ?`, after, now, handlerID, limit) {
			if err != nil {
				return err
			}
			at = append(at, r.int(0))
		}
		return nil
	})
	slices.Reverse(at)
	return at, err
}

// WaitingHandlers counts what waits, by handler, those that are not configured
// any more included.
func (db *DB) WaitingHandlers(ctx context.Context) ([]dwmon.DeliveryCount, error) {
	var counts []dwmon.DeliveryCount
	err := db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`
			SELECT h.name, w.n, d.created
			FROM (SELECT handler_id, count(*) AS n, min(id) AS first FROM deliveries INDEXED BY deliveries_waiting WHERE state = 0 GROUP BY handler_id) w
			JOIN handlers h ON h.id = w.handler_id JOIN deliveries d ON d.id = w.first ORDER BY h.name`) {
			if err != nil {
				return err
			}
			counts = append(counts, dwmon.DeliveryCount{Handler: r.text(0), Count: r.int(1), Oldest: r.int(2)})
		}
		return nil
	})
	return counts, err
}
