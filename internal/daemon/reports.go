package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// Reader reads a database beside a running daemon, or without one.
type Reader struct {
	*sqlite.DB
	cfg *config.Config
}

// OpenReader opens the configured database for reading.
func OpenReader(ctx context.Context, cfg *config.Config) (*Reader, error) {
	if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return nil, &EnvironmentError{fmt.Errorf("there is no database %s yet: start `dwmon daemon` or run `dwmon once`, or name another one with --db", cfg.DB)}
	}
	db, err := sqlite.Open(ctx, cfg.DB, sqlite.Options{ReadOnly: true})
	if err != nil {
		return nil, &EnvironmentError{err}
	}
	return &Reader{db, cfg}, nil
}

// Statuses gives the state of every checker at a time, and what is wrong with the
// checks folder as a whole. Of checkers that are named, which are then the only ones,
// the lateness of their rows is measured too; the error is dwmon.ErrNoChecker where
// there is none of a name.
func (r *Reader) Statuses(ctx context.Context, now time.Time, names ...string) ([]dwmon.CheckerStatus, []dwmon.FileFault, error) {
	records, err := r.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	if records, err = only(records, names); err != nil {
		return nil, nil, err
	}
	options, err := r.options(ctx)
	if err != nil {
		return nil, nil, err
	}
	silences, err := r.Silences(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	open, err := r.openByChecker(ctx)
	if err != nil {
		return nil, nil, err
	}
	holder, lockErr := sqlite.LockHolder(r.cfg.DB)
	running := holder != nil || lockErr != nil // what is not known is not claimed
	shifts, err := r.ZoneShifts(ctx)
	if err != nil {
		return nil, nil, err
	}
	calendars := newCalendars(r.cfg.Calendars, slog.New(slog.DiscardHandler))
	calendars.refresh(now)
	var statuses []dwmon.CheckerStatus
	var folder []dwmon.FileFault
	for i := range records {
		rec := &records[i]
		if rec.Name == "" { // the folder's own faults
			folder = append(folder, rec.Faults...)
			continue
		}
		o := options[rec.Name]
		closed, _ := calendars.closed(o.Calendar)
		status := rec.Status(dwmon.StateAt{
			Now: now.Unix(), Minute: dwmon.Slot(now, o.Grace), Zone: (&dwmon.Checker{Options: o}).Zone(r.cfg.Timezone), Closed: closed,
			CatchUp: int64(r.cfg.CatchUp / time.Minute), Running: running,
		})
		if shift := shifts[rec.Name]; shift != 0 {
			status.Cause = withZoneShift(status.Cause, shift)
		}
		if status.State == dwmon.StateBad || status.State == dwmon.StateUnknown {
			status.Silenced = dwmon.SilencedBy(silences, rec.Subject(), now.UnixMicro())
			status.Acknowledged = dwmon.AckOfAll(open[rec.Name], now.UnixMicro())
		}
		if len(names) > 0 && rec.Progress != nil {
			lateness, err := r.Lateness(ctx, rec.Name)
			if err != nil {
				return nil, nil, err
			}
			status.Lateness = &dwmon.LatenessStatus{Lateness: lateness, Set: o.Grace}
		}
		statuses = append(statuses, status)
	}
	return statuses, folder, nil
}

// only keeps the records that are named; all of them where none is. The folder's own
// faults, which have no name, stay.
func only(records []dwmon.CheckerRecord, names []string) ([]dwmon.CheckerRecord, error) {
	if len(names) == 0 {
		return records, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(records, func(r dwmon.CheckerRecord) bool { return r.Name == name }) {
			return nil, fmt.Errorf("checker %s: %w", name, dwmon.ErrNoChecker)
		}
	}
	return slices.DeleteFunc(records, func(r dwmon.CheckerRecord) bool { return r.Name != "" && !slices.Contains(names, r.Name) }), nil
}

// withZoneShift adds to what is said of a checker that its timestamps seem to be
// of another zone.
func withZoneShift(cause string, shift time.Duration) string {
	where := "old"
	if shift < 0 {
		where, shift = "ahead of the clock", -shift
	}
	text := fmt.Sprintf("at each fetch the newest row is %s %s: its timestamps may be of another time zone (see timezone of the source)", dwmon.FormatDuration(shift), where)
	if cause != "" {
		text = cause + "; " + text
	}
	return text
}

// options are those of the checkers' texts in use that have any.
func (r *Reader) options(ctx context.Context) (map[string]dwmon.Options, error) {
	texts, err := r.Texts(ctx)
	if err != nil {
		return nil, err
	}
	options := make(map[string]dwmon.Options, len(texts))
	for _, t := range texts {
		if !checkfile.MayHaveOptions(t.Text) {
			continue
		}
		if c, _ := checkfile.Parse(t.File, t.Name, t.Text); c != nil {
			options[t.Name] = c.Options
		}
	}
	return options, nil
}
