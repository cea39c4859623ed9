package sqlite

import (
	"database/sql/driver"
	"strings"
)

// freshRows finds the oldest of the new rows of an ingest. Most fetches bring
// statements of nothing but new rows, or of none, and cost nothing; of the others
// the database is asked which rows are new.
type freshRows struct {
	tx        *Tx
	checkerID int64
	started   int64
	refreshes bool // a row that is written may be a purged key that was returned
	any       bool
	oldest    int64
}

// look is told of a statement: (key, ts) of its rows, and how many were written.
func (f *freshRows) look(args []driver.NamedValue, changed int64) error {
	switch {
	case changed == 0:
		return nil
	case changed == int64(len(args)/2) && !f.refreshes:
		for i := 1; i < len(args); i += 2 {
			f.take(args[i].Value.(int64))
		}
		return nil
	}
	query := "SELECT min(ts) FROM seen WHERE checker_id = ? AND first_seen = ? AND key IN (?" + strings.Repeat(",?", len(args)/2-1) + ")"
	params := make([]any, 0, 2+len(args)/2)
	params = append(params, f.checkerID, f.started)
	for i := 0; i < len(args); i += 2 {
		params = append(params, args[i].Value)
	}
	r, err := f.tx.one(query, params...)
	if err == nil && !r.null(0) {
		f.take(r.int(0))
	}
	return err
}

func (f *freshRows) take(micros int64) {
	if !f.any || micros < f.oldest {
		f.any, f.oldest = true, micros
	}
}
