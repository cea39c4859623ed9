package sqlite

import (
	"context"
	"encoding/json"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// stepRows is about how many rows a step of a clean-up changes in one commit, so
// that passes never wait for it noticeably.
const stepRows = 2000

// CollapseDeliveries turns the oldest results and notices of checkers that wait for
// a handler beyond keep into a digest, and gives how many they were. now is in microseconds since the
// epoch. A digest that was not tried yet grows; it must not be under way.
func (db *DB) CollapseDeliveries(ctx context.Context, handler string, keep, now int64) (int64, error) {
	var collapsed int64
	for {
		ids, err := db.excess(ctx, handler, keep)
		if err != nil || len(ids) == 0 {
			return collapsed, err
		}
		for len(ids) > 0 {
			n := min(len(ids), stepRows)
			err := db.write(ctx, func(tx *Tx) error { return tx.collapse(handler, ids[:n], now) })
			if err != nil {
				return collapsed, err
			}
			collapsed += int64(n)
			ids = ids[n:]
		}
	}
}

// excess gives ids of the oldest deliveries of checkers beyond keep, a bounded number at once.
func (db *DB) excess(ctx context.Context, handler string, keep int64) (ids []int64, err error) {
	err = db.read(ctx, func(c *conn) error {
		handlerID, err := handlerID(c, handler)
		if err != nil || handlerID == 0 {
			return err
		}
		r, err := c.one("SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting WHERE state = 0 AND handler_id = ? AND checker_id IS NOT NULL", handlerID)
		if err != nil || r.int(0) <= keep {
			return err
		}
		over := min(r.int(0)-keep, 20*stepRows)
		for r, err := range c.query(`SELECT id FROM deliveries INDEXED BY deliveries_waiting
			WHERE state = 0 AND handler_id = ? AND checker_id IS NOT NULL ORDER BY id LIMIT ?`, handlerID, over) {
			if err != nil {
				return err
			}
			ids = append(ids, r.int(0))
		}
		return nil
	})
	return ids, err
}

// collapse moves deliveries into the handler's digest.
func (tx *Tx) collapse(handler string, ids []int64, now int64) error {
	handlerID, err := handlerID(tx.conn, handler)
	if err != nil {
		return tx.fail(err)
	}
	digestID, p, err := tx.openDigest(handlerID)
	if err != nil {
		return err
	}
	list := idList(ids)
	for r, err := range tx.query(`
		SELECT coalesce(c.name, ''), min(coalesce(d.minute, d.created / 60000000 * 60)), max(coalesce(d.minute, d.created / 60000000 * 60)),
			v.status, d.payload IS NOT NULL AS notice, count(*)
		FROM deliveries d LEFT JOIN checkers c ON c.id = d.checker_id
		LEFT JOIN verdicts v ON v.checker_id = d.checker_id AND v.minute = d.minute AND v.line_id = d.line_id AND v.grp = x''
		WHERE d.state = 0 AND d.id IN (SELECT value FROM json_each(?)) GROUP BY c.name, v.status, notice`, list) {
		if err != nil {
			return err
		}
		add := func(minute, n int64) {
			if r.bool(4) {
				p.Digest.AddNotices(r.text(0), minute, n)
			} else {
				p.Digest.Add(r.text(0), minute, dwmon.Status(r.int(3)), n)
			}
		}
		add(r.int(1), 0)
		add(r.int(2), r.int(5))
	}
	if _, err := tx.exec(`UPDATE deliveries SET state = 3, finished = ?
		WHERE state = 0 AND id IN (SELECT value FROM json_each(?))`, now, list); err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return tx.fail(err)
	}
	if digestID != 0 {
		_, err = tx.exec("UPDATE deliveries SET payload = ? WHERE id = ?", text, digestID)
	} else {
		_, err = tx.exec("INSERT INTO deliveries (handler_id, payload, created) VALUES (?, ?, ?)", handlerID, text, now)
	}
	return err
}

// openDigest gives the handler's digest that may still grow: one that was tried
// may have arrived, and a receiver that knows its key would not read it again.
func (tx *Tx) openDigest(handlerID int64) (id int64, p *payload, err error) {
	for r, err := range tx.query(`SELECT id, payload FROM deliveries INDEXED BY deliveries_waiting
		WHERE state = 0 AND handler_id = ? AND checker_id IS NULL AND attempts = 0 AND payload IS NOT NULL ORDER BY id`, handlerID) {
		if err != nil {
			return 0, nil, err
		}
		p, err := readPayload(r.blob(1))
		if err != nil {
			return 0, nil, tx.fail(err)
		}
		if p.Digest != nil {
			return r.int(0), p, nil
		}
	}
	return 0, &payload{Kind: "digest", Digest: &dwmon.Digest{}}, nil
}
