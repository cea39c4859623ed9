package sqlite

import (
	"context"
	"encoding/json"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// loadRecords reads what is known of every checker, by name. It asks for all of them
// at once, a table at a time: a question for each took ten thousand checkers
// seconds, most of them spent on asking.
func loadRecords(c *conn) ([]dwmon.CheckerRecord, error) {
	records, at, err := loadProgresses(c)
	if err != nil {
		return nil, err
	}
	if err := loadLastResults(c, records, at); err != nil {
		return nil, err
	}
	return records, loadLastFetches(c, records, at)
}

const selectProgresses = `SELECT ` + progressColumns + `, c.name, r.file, r.owner, r.source, r.labels
	FROM checkers c LEFT JOIN revisions r ON r.id = c.revision_id ORDER BY c.name`

// loadProgresses reads the checkers with their texts in use, and gives where in the
// list each id is.
func loadProgresses(c *conn) (records []dwmon.CheckerRecord, at map[int64]int, err error) {
	at = map[int64]int{}
	for r, err := range c.query(selectProgresses) {
		if err != nil {
			return nil, nil, err
		}
		rest := r[len(r)-5:]
		rec := dwmon.CheckerRecord{Name: rest.text(0), File: rest.text(1), Owner: rest.text(2), Source: rest.text(3)}
		rec.Progress = readProgress(r, rec.Name)
		if rec.Labels, err = readLabels(rest, 4); err != nil {
			return nil, nil, err
		}
		at[rec.Progress.ID] = len(records)
		records = append(records, rec)
	}
	return records, at, nil
}

// readLabels reads the JSON object of a text's labels; nil where there is no text.
func readLabels(r row, column int) (labels map[string]string, err error) {
	if r.null(column) {
		return nil, nil
	}
	return labels, json.Unmarshal(r.blob(column), &labels)
}

// Lines that were never judged have no last result, whatever else is stored of them.
const selectLastResults = `SELECT ` + lineColumns + `, ` + verdictColumns + `, l.checker_id, l.identity, v.minute IS NOT NULL, r.time_zone, r.source, r.owner, r.labels
	FROM lines l
	LEFT JOIN verdicts v ON v.checker_id = l.checker_id AND v.minute = l.last_minute AND v.line_id = l.id AND v.grp = x'' AND l.last_status <> 0
	LEFT JOIN revisions r ON r.id = v.revision_id
	WHERE l.position IS NOT NULL ORDER BY l.checker_id, l.position`

// loadLastResults reads the lines in use, each with its last result; nil where there
// is none.
func loadLastResults(c *conn, records []dwmon.CheckerRecord, at map[int64]int) error {
	zones := newRebuild()
	for r, err := range c.query(selectLastResults) {
		if err != nil {
			return err
		}
		verdict, rest := r[len(r)-18:len(r)-7], r[len(r)-7:]
		i, known := at[rest.int(0)]
		if !known {
			continue
		}
		rec, line := &records[i], readLine(r)
		rec.Progress.Lines = append(rec.Progress.Lines, line)
		var last *dwmon.Result
		if rest.bool(2) {
			if last, err = readLastResult(c, zones, rec, &line, verdict, rest); err != nil {
				return err
			}
		}
		rec.Last = append(rec.Last, last)
	}
	return nil
}

// readLastResult rebuilds a line's last result from its row of selectLastResults: the
// text that made it, which may not be the one in use, is in the row too.
func readLastResult(c *conn, zones *rebuild, rec *dwmon.CheckerRecord, line *dwmon.LineProgress, verdict, rest row) (*dwmon.Result, error) {
	rev := &revision{zone: time.UTC}
	if !rest.null(3) {
		rev.zoneName, rev.source, rev.owner = rest.text(3), rest.text(4), rest.text(5)
		rev.zone = zones.zone(rev.zoneName)
	}
	var err error
	if rev.labels, err = readLabels(rest, 6); err != nil {
		return nil, err
	}
	text := &lineText{identity: rest.text(1), min: line.Min, max: line.Max, lookback: line.Lookback}
	result := makeResult(rec.Name, verdict, text, rev)
	return &result, correct(c, rec.Progress.ID, line.ID, &result)
}

const selectLastFetches = `SELECT ` + fetchColumns + `, c.id FROM checkers c CROSS JOIN fetches f
	ON f.id = (SELECT g.id FROM fetches g WHERE g.checker_id = c.id ORDER BY g.slot DESC, g.id DESC LIMIT 1)`

// loadLastFetches reads the last fetch of each checker that had any.
func loadLastFetches(c *conn, records []dwmon.CheckerRecord, at map[int64]int) error {
	for r, err := range c.query(selectLastFetches) {
		if err != nil {
			return err
		}
		if i, known := at[r.int(len(r)-1)]; known {
			fetch := readFetch(r, records[i].Name)
			records[i].Fetch = &fetch
		}
	}
	return nil
}

// zoneShiftFetches is how many of a checker's last fetches are looked at for a zone.
const zoneShiftFetches = 5

// The planner is not to see what else is asked of a fetch: it would rather read all
// fetches there are into an index of its own than look up five.
const selectZoneFetches = `SELECT c.name, f.started, f.newest, f.fresh FROM checkers c CROSS JOIN fetches f ON f.id IN (
		SELECT g.id FROM fetches g WHERE g.checker_id = c.id ORDER BY g.slot DESC, g.id DESC LIMIT ?)
	WHERE +f.ok = 1 AND +f.fresh > 0 AND +f.newest IS NOT NULL ORDER BY c.name`

// ZoneShifts gives by how much the timestamps of checkers seem to be of another time
// zone (dwmon.ZoneShift), by name: of those of which they do.
func (db *DB) ZoneShifts(ctx context.Context) (shifts map[string]time.Duration, err error) {
	shifts = map[string]time.Duration{}
	err = db.read(ctx, func(c *conn) error {
		var name string
		var fetches []dwmon.FetchRecord
		end := func() {
			if shift := dwmon.ZoneShift(fetches); shift != 0 {
				shifts[name] = shift
			}
			fetches = fetches[:0]
		}
		for r, err := range c.query(selectZoneFetches, zoneShiftFetches) {
			if err != nil {
				return err
			}
			if r.text(0) != name {
				end()
				name = r.text(0)
			}
			fetches = append(fetches, dwmon.FetchRecord{OK: true, Started: r.int(1), Newest: r.intp(2), Fresh: r.int(3)})
		}
		end()
		return nil
	})
	return shifts, err
}
