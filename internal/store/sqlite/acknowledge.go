package sqlite

import (
	"context"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Acknowledge notes that somebody knows of incidents, in place of what was noted
// before. Those that are over stay as they are; changed is how many are not.
func (db *DB) Acknowledge(ctx context.Context, incidentIDs []int64, ack dwmon.Ack) (changed int64, err error) {
	err = db.write(ctx, func(tx *Tx) (err error) {
		changed, err = tx.exec(`UPDATE incidents SET ack_by = ?, ack_comment = ?, ack_at = ?, ack_until = ?
			WHERE closed IS NULL AND id IN (SELECT value FROM json_each(?))`, ack.By, ack.Comment, ack.At, ack.Until, idList(incidentIDs))
		return err
	})
	return changed, err
}

// Unacknowledge takes acknowledgements back; changed is how many there were. Those
// of incidents that are over stay.
func (db *DB) Unacknowledge(ctx context.Context, incidentIDs []int64) (changed int64, err error) {
	err = db.write(ctx, func(tx *Tx) (err error) {
		changed, err = tx.exec(`UPDATE incidents SET ack_by = NULL, ack_comment = NULL, ack_at = NULL, ack_until = NULL
			WHERE closed IS NULL AND ack_at IS NOT NULL AND id IN (SELECT value FROM json_each(?))`, idList(incidentIDs))
		return err
	})
	return changed, err
}
