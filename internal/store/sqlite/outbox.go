package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// pageRows is how many rows a long listing reads at once: between two pages no
// transaction is open, so that a slow reader does not keep the WAL from being
// cut back.
const pageRows = 1000

// Deliveries gives deliveries as they are shown, in the order in which they were
// queued.
func (db *DB) Deliveries(ctx context.Context, f dwmon.DeliveryFilter, yield func(dwmon.DeliveryRecord) error) error {
	l := deliveryList{db: db, filter: f}
	ids, err := l.ids(ctx)
	if err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), pageRows)
		records, err := l.records(ctx, ids[:n])
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := yield(r); err != nil {
				return err
			}
		}
		if ids = ids[n:]; len(ids) == 0 && f.Limit == 0 {
			if ids, err = l.ids(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// deliveryList is a listing under way.
type deliveryList struct {
	db     *DB
	filter dwmon.DeliveryFilter
	// after is the last id that was given.
	after int64
}

// idsAtOnce is how many ids a listing without a limit holds: it visits the index
// of the waiting ones, which is not in the order of ids, once for so many.
const idsAtOnce = 200_000

// ids gives ids in ascending order: the newest with a limit, else the next ones.
func (l *deliveryList) ids(ctx context.Context) (ids []int64, err error) {
	order, limit := "", idsAtOnce
	if l.filter.Limit > 0 {
		order, limit = " DESC", l.filter.Limit
	}
	where, args := l.where()
	from := "deliveries d"
	if l.waitingOnly() {
		// They are few among millions that were sent: better sort than look for them.
		from += " INDEXED BY deliveries_waiting"
	}
	query := "SELECT d.id FROM " + from + " WHERE d.id > ?" + where + " ORDER BY d.id" + order + " LIMIT ?"
	args = append(append([]any{l.after}, args...), limit)
	err = l.db.read(ctx, func(c *conn) error {
		for r, err := range c.query(query, args...) {
			if err != nil {
				return err
			}
			ids = append(ids, r.int(0))
		}
		return nil
	})
	slices.Sort(ids)
	if len(ids) > 0 {
		l.after = ids[len(ids)-1]
	}
	return ids, err
}

func (l *deliveryList) waitingOnly() bool {
	return len(l.filter.States) > 0 && slices.Max(l.filter.States) == dwmon.DeliveryWaiting
}

// where writes the filter's conditions. The plain bounds on the state are what
// makes the planner see that an index will do.
func (l *deliveryList) where() (text string, args []any) {
	var b strings.Builder
	if l.filter.Handler != "" {
		b.WriteString(" AND d.handler_id = (SELECT id FROM handlers WHERE name = ?)")
		args = append(args, l.filter.Handler)
	}
	if l.filter.Checker != "" {
		b.WriteString(" AND d.checker_id = (SELECT id FROM checkers WHERE name = ?)")
		args = append(args, l.filter.Checker)
	}
	states := l.filter.States
	switch {
	case len(states) == 0:
		return b.String(), args
	case l.waitingOnly():
		b.WriteString(" AND d.state = 0")
		return b.String(), args
	case slices.Min(states) >= dwmon.DeliveryDead:
		b.WriteString(" AND d.state >= 2")
	}
	b.WriteString(" AND d.state IN (")
	for i, s := range states {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d", s)
	}
	b.WriteString(")")
	return b.String(), args
}

// records reads deliveries by their ids. Those of a checker that was forgotten
// are on their way out and left out.
func (l *deliveryList) records(ctx context.Context, ids []int64) (records []dwmon.DeliveryRecord, err error) {
	err = l.db.read(ctx, func(c *conn) error {
		inst, err := installation(c)
		if err != nil {
			return err
		}
		for r, err := range c.query(`
			SELECT d.id, h.name, c.name, d.minute, d.line_id, d.payload, d.state, d.attempts, d.created, d.next_attempt, d.finished, d.last_error, h.missing_since
			FROM deliveries d JOIN handlers h ON h.id = d.handler_id LEFT JOIN checkers c ON c.id = d.checker_id
			WHERE d.id IN (SELECT value FROM json_each(?)) AND (d.checker_id IS NULL OR c.id IS NOT NULL) ORDER BY d.id`, idList(ids)) {
			if err != nil {
				return err
			}
			rec := dwmon.DeliveryRecord{
				ID: r.int(0), Handler: r.text(1), Checker: r.text(2), Minute: r.int(3), State: dwmon.DeliveryState(r.int(6)),
				Attempts: r.int(7), Created: r.int(8), Next: r.int(9), Finished: r.int(10), LastError: r.text(11),
			}
			rec.Orphaned = rec.State == dwmon.DeliveryWaiting && !r.null(12)
			rec.Key = dwmon.IdempotencyKey(inst, rec.Checker, rec.Minute, r.int(4))
			if !r.null(5) {
				p, err := readPayload(r.blob(5))
				if err != nil {
					return err
				}
				rec.Key, rec.Summary = dwmon.NoticeKey(inst, p.Kind, rec.ID), p.notice().Summary
			}
			records = append(records, rec)
		}
		return nil
	})
	return records, err
}
