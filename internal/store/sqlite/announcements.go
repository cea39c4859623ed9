package sqlite

import (
	"context"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Announcements gives what handlers were told of incidents: by the incident's id,
// then by the handler's name.
func (db *DB) Announcements(ctx context.Context, incidentIDs []int64) (told map[int64]map[string]dwmon.Announcement, err error) {
	told = map[int64]map[string]dwmon.Announcement{}
	err = db.read(ctx, func(c *conn) error {
		for r, err := range c.query(`SELECT a.incident_id, h.name, a.told, a.told_at, a.ended
			FROM announcements a JOIN handlers h ON h.id = a.handler_id WHERE a.incident_id IN (SELECT value FROM json_each(?))`, idList(incidentIDs)) {
			if err != nil {
				return err
			}
			if told[r.int(0)] == nil {
				told[r.int(0)] = map[string]dwmon.Announcement{}
			}
			told[r.int(0)][r.text(1)] = dwmon.Announcement{Told: int(r.int(2)), At: r.int(3), Ended: r.bool(4)}
		}
		return nil
	})
	return told, err
}
