package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// MarkHandlers notes which handlers are configured, and since when the others are
// not. now is in microseconds since the epoch.
func (db *DB) MarkHandlers(ctx context.Context, configured []string, now int64) error {
	if configured == nil {
		configured = []string{}
	}
	names, err := json.Marshal(configured)
	if err != nil {
		return err
	}
	// A time that lies ahead comes from a clock that was set back since.
	const (
		back = "missing_since IS NOT NULL AND name IN (SELECT value FROM json_each(?1))"
		gone = "(missing_since IS NULL OR missing_since > ?2) AND name NOT IN (SELECT value FROM json_each(?1))"
	)
	var changed bool
	err = db.read(ctx, func(c *conn) error {
		r, err := c.one("SELECT 1 FROM handlers WHERE "+back+" OR "+gone, names, now)
		changed = r != nil
		return err
	})
	if err != nil || !changed {
		return err
	}
	return db.write(ctx, func(tx *Tx) error {
		if _, err := tx.exec("UPDATE handlers SET missing_since = NULL WHERE "+back, names); err != nil {
			return err
		}
		_, err := tx.exec("UPDATE handlers SET missing_since = ?2 WHERE "+gone, names, now)
		return err
	})
}

// orphanage is a handler that has not been configured for too long.
type orphanage struct {
	id    int64
	name  string
	since int64
}

// DropOrphans gives up what waits for handlers that have not been configured since
// before a time, and gives how many deliveries that were, by handler. Times are
// microseconds since the epoch. MarkHandlers goes before it.
func (db *DB) DropOrphans(ctx context.Context, before, now int64) (map[string]int64, error) {
	var handlers []orphanage
	err := db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT id, name, missing_since FROM handlers WHERE missing_since <= ?", before) {
			if err != nil {
				return err
			}
			handlers = append(handlers, orphanage{r.int(0), r.text(1), r.int(2)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	dropped := map[string]int64{}
	for _, h := range handlers {
		reason := fmt.Sprintf("dropped: its handler has not been configured since %s", time.UnixMicro(h.since).UTC().Format(time.RFC3339))
		n, err := db.inSteps(ctx, `UPDATE deliveries SET state = 2, finished = ?1, last_error = ?2 WHERE id IN (
			SELECT id FROM deliveries INDEXED BY deliveries_waiting
			WHERE state = 0 AND handler_id = ?3 AND coalesce(revived, 0) <= ?4 LIMIT ?5)`, now, reason, h.id, before, stepRows)
		if n > 0 {
			dropped[h.name] = n
		}
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}
