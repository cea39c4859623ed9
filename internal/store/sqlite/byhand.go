package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// RetryDeliveries makes deliveries that wait due at once, and dead ones wait again
// with their tries kept. now is in microseconds since the epoch. No worker may hold
// any of them. The error names keys that choose nothing; then nothing is changed.
func (db *DB) RetryDeliveries(ctx context.Context, c dwmon.DeliveryChoice, now int64) (r dwmon.Retried, err error) {
	ids, err := db.chosen(ctx, c)
	if err != nil {
		return r, err
	}
	if r.Dead, err = db.updateDeliveries(ctx, ids, "UPDATE deliveries SET state = 0, next_attempt = 0, finished = NULL, revived = ?2 WHERE state = 2", now); err != nil {
		return r, err
	}
	// What was dead a moment ago is among those that wait now.
	waiting, err := db.updateDeliveries(ctx, ids, "UPDATE deliveries SET next_attempt = 0 WHERE state = 0")
	r.Waiting = waiting - r.Dead
	return r, err
}

// DropDeliveries gives up deliveries that wait, for a reason that is shown. now is
// in microseconds since the epoch. No worker may hold any of them. The error names
// keys that choose nothing; then nothing is changed.
func (db *DB) DropDeliveries(ctx context.Context, c dwmon.DeliveryChoice, reason string, now int64) (dropped int64, err error) {
	ids, err := db.chosen(ctx, c)
	if err != nil {
		return 0, err
	}
	return db.updateDeliveries(ctx, ids, "UPDATE deliveries SET state = 2, finished = ?2, last_error = ?3 WHERE state = 0", now, reason)
}

// updateDeliveries runs an update over deliveries, in steps with a commit each. The ids are
// its first argument.
func (db *DB) updateDeliveries(ctx context.Context, ids []int64, update string, args ...any) (changed int64, err error) {
	for step := range slices.Chunk(ids, stepRows) {
		var n int64
		err := db.write(ctx, func(tx *Tx) (err error) {
			n, err = tx.exec(update+" AND id IN (SELECT value FROM json_each(?1))", append([]any{idList(step)}, args...)...)
			return err
		})
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}

// chosen gives the ids of deliveries that were chosen.
func (db *DB) chosen(ctx context.Context, c dwmon.DeliveryChoice) ([]int64, error) {
	if err := db.knowsHandler(ctx, c.Handler); err != nil {
		return nil, err
	}
	filter := dwmon.DeliveryFilter{Handler: c.Handler, States: c.States}
	if len(c.Keys) > 0 {
		return db.withKeys(ctx, filter, c.Keys)
	}
	list := deliveryList{db: db, filter: filter}
	var all []int64
	for {
		ids, err := list.ids(ctx)
		if err != nil || len(ids) == 0 {
			return all, err
		}
		all = append(all, ids...)
	}
}

func (db *DB) knowsHandler(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	return db.read(ctx, func(c *conn) error {
		id, err := handlerID(c, name)
		if err == nil && id == 0 {
			err = fmt.Errorf("nothing was ever queued for a handler %s", name)
		}
		return err
	})
}

// withKeys gives the ids of deliveries by their keys, which may lack the
// installation in front. Several handlers have deliveries of one key.
func (db *DB) withKeys(ctx context.Context, f dwmon.DeliveryFilter, keys []string) (ids []int64, err error) {
	inst, err := db.Installation(ctx)
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool, len(keys))
	for _, key := range keys {
		found[strings.TrimPrefix(key, inst+"/")] = false
	}
	err = db.Deliveries(ctx, f, func(r dwmon.DeliveryRecord) error {
		key := strings.TrimPrefix(r.Key, inst+"/")
		if _, wanted := found[key]; wanted {
			found[key] = true
			ids = append(ids, r.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if !found[strings.TrimPrefix(key, inst+"/")] {
			return nil, fmt.Errorf("no delivery that is %s has the key %s; `dwmon deliveries --json` shows the keys", stateNames(f.States), key)
		}
	}
	return ids, nil
}

func stateNames(states []dwmon.DeliveryState) string {
	names := make([]string, len(states))
	for i, s := range states {
		names[i] = s.String()
	}
	return strings.Join(names, " or ")
}
