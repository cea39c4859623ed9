package daemon

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// IncidentRecords gives incidents as they are at a time, oldest first: those that
// last, with ended those that are over too, of one checker or (name empty) of all
// things. limit is how many of the newest are given; 0: all. The error is
// dwmon.ErrNoChecker for a name that was never seen.
func (r *Reader) IncidentRecords(ctx context.Context, name string, ended bool, limit int, now time.Time) ([]dwmon.IncidentRecord, error) {
	incidents, err := r.Incidents(ctx, name, ended, limit)
	if err != nil {
		return nil, err
	}
	if len(incidents) == 0 && name != "" {
		return nil, r.known(ctx, name)
	}
	installation, err := r.Installation(ctx)
	if err != nil {
		return nil, err
	}
	quiet, err := r.quiet(ctx, now)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(incidents))
	for k := range incidents {
		ids[k] = incidents[k].ID
	}
	told, err := r.Announcements(ctx, ids)
	if err != nil {
		return nil, err
	}
	records := make([]dwmon.IncidentRecord, len(incidents))
	for k, i := range incidents {
		rec := dwmon.IncidentRecord{Incident: i, Key: dwmon.IncidentKey(installation, i.ID), Zone: r.cfg.Timezone, Now: now.UnixMicro(), Told: told[i.ID]}
		if i.Closed == nil {
			rec.Silenced = quiet.silenced(&i)
		}
		if err := r.results(ctx, &rec); err != nil {
			return nil, fmt.Errorf("incident %d: read its results: %w", i.ID, err)
		}
		records[k] = rec
	}
	return records, nil
}

// known refuses the name of a checker that was never seen, and says what may have
// been meant.
func (r *Reader) known(ctx context.Context, name string) error {
	p, err := r.Progress(ctx, name)
	if err != nil || p.ID != 0 {
		return err
	}
	texts, err := r.Texts(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(texts))
	for i := range texts {
		names[i] = texts[i].Name
	}
	if meant, ok := dwmon.Nearest(name, names); ok {
		return fmt.Errorf("%s: %w; did you mean %s?", name, dwmon.ErrNoChecker, meant)
	}
	return fmt.Errorf("%s: %w; `dwmon status` shows them", name, dwmon.ErrNoChecker)
}

// results reads what the incident's line came to.
func (r *Reader) results(ctx context.Context, rec *dwmon.IncidentRecord) error {
	if rec.LineID == 0 {
		return nil
	}
	q := dwmon.LineQuery{CheckerID: rec.CheckerID, LineID: rec.LineID, Since: rec.Opened, Minute: math.MaxInt64}
	if rec.Closed != nil {
		q.Minute = *rec.Closed
	}
	e, err := r.LineEvidence(ctx, q)
	if err != nil {
		return err
	}
	rec.Checks, rec.Bad, rec.Result = e.Checks, e.Bad, e.Result
	if rec.Closed != nil && e.Opening != nil { // the last one says that all is well
		rec.Result = e.Opening
	}
	if rec.Result == nil || rec.Result.Minute < rec.Opened { // it is not kept any more
		rec.Result = nil
		return nil
	}
	if zone, err := time.LoadLocation(rec.Result.TimeZone); err == nil {
		rec.Zone = zone
	}
	return nil
}

// quiet is what keeps trouble from being told at a time.
type quiet struct {
	at       int64 // microseconds since the epoch
	silences []dwmon.Silence
	subjects map[string]dwmon.SilenceSubject // the checkers by name
}

func (r *Reader) quiet(ctx context.Context, now time.Time) (q quiet, err error) {
	q = quiet{at: now.UnixMicro(), subjects: map[string]dwmon.SilenceSubject{}}
	if q.silences, err = r.Silences(ctx, false); err != nil || len(q.silences) == 0 {
		return q, err
	}
	subjects, err := r.Subjects(ctx)
	for _, s := range subjects {
		q.subjects[s.Checker] = s
	}
	return q, err
}

// silenced gives the silence that holds of an incident; nil for none.
func (q *quiet) silenced(i *dwmon.Incident) *dwmon.Silenced {
	subject := dwmon.SilenceSubject{Source: i.Source}
	if i.Checker != "" {
		var known bool
		if subject, known = q.subjects[i.Checker]; !known {
			return nil
		}
	}
	return dwmon.SilencedBy(q.silences, subject, q.at)
}

// openByChecker gives the open incidents of checkers, by name.
func (r *Reader) openByChecker(ctx context.Context) (map[string][]dwmon.Incident, error) {
	open, err := r.Incidents(ctx, "", false, 0)
	if err != nil {
		return nil, err
	}
	by := map[string][]dwmon.Incident{}
	for _, i := range open {
		if i.Checker != "" {
			by[i.Checker] = append(by[i.Checker], i)
		}
	}
	return by, nil
}
