package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// HandlerWants gives what the plugins of handlers were last known to want, by the
// handlers' names.
func (db *DB) HandlerWants(ctx context.Context) (map[string]dwmon.HandlerWants, error) {
	all := map[string]dwmon.HandlerWants{}
	err := db.read(ctx, func(c *conn) error {
		for r, err := range c.query("SELECT name, wants FROM handlers WHERE wants IS NOT NULL") {
			if err != nil {
				return err
			}
			var w dwmon.HandlerWants
			if err := json.Unmarshal(r.blob(1), &w); err != nil {
				return fmt.Errorf("read what handler %s wants: %w", r.text(0), err)
			}
			all[r.text(0)] = w
		}
		return nil
	})
	return all, err
}

// SaveHandlerWants keeps what the plugins of handlers want; the others keep what is
// known of them. Nothing is written where nothing changed.
func (db *DB) SaveHandlerWants(ctx context.Context, wants map[string]dwmon.HandlerWants) error {
	before, err := db.HandlerWants(ctx)
	if err != nil {
		return err
	}
	changed := maps.Clone(wants)
	maps.DeleteFunc(changed, func(name string, w dwmon.HandlerWants) bool { return before[name] == w })
	if len(changed) == 0 {
		return nil
	}
	return db.write(ctx, func(tx *Tx) error {
		for name, w := range changed {
			id, err := tx.handlerID(name)
			if err != nil {
				return err
			}
			text, err := json.Marshal(w)
			if err != nil {
				return tx.fail(err)
			}
			if _, err := tx.exec("UPDATE handlers SET wants = ? WHERE id = ?", string(text), id); err != nil {
				return err
			}
		}
		return nil
	})
}
