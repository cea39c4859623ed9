package sim

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/model"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// home is a store with what the daemon does to it beside passes.
type home interface {
	dwmon.Store
	switchOff(name string, minute int64, reason dwmon.OffReason) error
	settleTo(name string, to int64, zone *time.Location, closed *dwmon.ClosedDays) error
	addSilence(s dwmon.Silence) error
	// restart ends the process that has the store, politely or by force, and begins
	// another.
	restart(kill bool) error
	// kept is what a restart would find of a checker.
	kept(name string) (kept, error)
	// telling is what notices and deliveries need; nil where the store keeps none.
	telling() tellingStore
	Close() error
}

// tellingStore is what notices and deliveries need of a store.
type tellingStore interface {
	alerting.Store
	deliver.Store
	Acknowledge(ctx context.Context, incidentIDs []int64, ack dwmon.Ack) (changed int64, err error)
}

// kept is what a store holds of a checker, in an order of its own.
type kept struct {
	verdicts []keptVerdict
	gaps     []keptGap
	rows     []keptRow
}

type keptVerdict struct {
	minute         int64
	line           string
	count          int64
	status         dwmon.Status
	reason         dwmon.Reason
	catchUp        bool
	previous       dwmon.Status
	consecutiveBad int64
}

type keptGap struct {
	line              string
	from, to, minutes int64
	reason            dwmon.GapReason
}

type keptRow struct{ micros, firstSeen int64 }

func (k *kept) sort() {
	slices.SortFunc(k.verdicts, func(a, b keptVerdict) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.line, b.line))
	})
	slices.SortFunc(k.gaps, func(a, b keptGap) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.line, b.line), cmp.Compare(a.to, b.to), cmp.Compare(a.reason, b.reason))
	})
	slices.SortFunc(k.rows, func(a, b keptRow) int {
		return cmp.Or(cmp.Compare(a.micros, b.micros), cmp.Compare(a.firstSeen, b.firstSeen))
	})
}

// maps is the store of maps: it survives its process as it is.
type maps struct{ *model.Store }

func (m maps) switchOff(name string, minute int64, reason dwmon.OffReason) error {
	m.SwitchOff(name, minute, reason)
	return nil
}

func (m maps) settleTo(name string, to int64, zone *time.Location, closed *dwmon.ClosedDays) error {
	return m.SettleTo(name, to, zone, closed)
}

func (m maps) addSilence(s dwmon.Silence) error {
	m.Quiet = append(m.Quiet, s)
	return nil
}

func (maps) restart(bool) error    { return nil }
func (maps) telling() tellingStore { return nil }
func (maps) Close() error          { return nil }

func (m maps) kept(name string) (k kept, err error) {
	c := m.Look(name)
	if c == nil {
		return k, nil
	}
	lines := map[int64]string{}
	for identity, l := range c.Lines {
		lines[l.ID] = identity
	}
	for _, v := range c.Verdicts {
		k.verdicts = append(k.verdicts, keptVerdict{v.Minute, lines[v.LineID], v.Count, v.Status, v.Reason, v.CatchUp, v.Previous, v.ConsecutiveBad})
	}
	for _, g := range c.Gaps {
		k.gaps = append(k.gaps, keptGap{g.Identity, g.From, g.To, g.Minutes, g.Reason})
	}
	for _, row := range c.Keys {
		if row.Counts {
			k.rows = append(k.rows, keptRow{row.Micros, row.FirstSeen})
		}
	}
	return k, nil
}

// file is the real store.
type file struct {
	*sqlite.DB
	dir   string
	lives int
	now   func() time.Time
}

func openFile(dir string, now func() time.Time) (*file, error) {
	f := &file{dir: dir, now: now}
	return f, f.open()
}

func (f *file) path() string { return filepath.Join(f.dir, fmt.Sprintf("%d.db", f.lives)) }

func (f *file) open() (err error) {
	f.DB, err = sqlite.Open(context.Background(), f.path(), sqlite.Options{Now: f.now, Log: slog.New(slog.DiscardHandler), FilterMemory: 1 << 20})
	return err
}

// restart by force goes on with the files as they lie there while the database is
// open: with what is committed, but in the log.
func (f *file) restart(kill bool) error {
	if !kill {
		if err := f.DB.Close(); err != nil {
			return err
		}
		return f.open()
	}
	old, before := f.DB, f.path()
	f.lives++
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(before+suffix, f.path()+suffix); err != nil {
			return err
		}
	}
	if err := old.Close(); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		os.Remove(before + suffix)
	}
	return f.open()
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func (f *file) switchOff(name string, minute int64, reason dwmon.OffReason) error {
	return f.SwitchOff(context.Background(), name, minute, reason)
}

func (f *file) settleTo(name string, to int64, zone *time.Location, closed *dwmon.ClosedDays) error {
	_, err := f.SettleTo(context.Background(), name, to, zone, closed)
	return err
}

func (f *file) addSilence(s dwmon.Silence) error {
	_, err := f.AddSilence(context.Background(), s)
	return err
}

func (f *file) telling() tellingStore { return f.DB }

func (f *file) kept(name string) (k kept, err error) {
	ctx := context.Background()
	p, err := f.Progress(ctx, name)
	if err != nil || p.ID == 0 {
		return k, err
	}
	err = f.History(ctx, dwmon.HistoryQuery{Name: name}, func(e dwmon.Entry) error {
		switch {
		case e.Gap != nil:
			k.gaps = append(k.gaps, keptGap{e.Gap.Requirement, e.Gap.From, e.Gap.To, e.Gap.Minutes, e.Gap.Reason})
		case e.Result != nil:
			r := e.Result
			k.verdicts = append(k.verdicts, keptVerdict{r.Minute, r.Requirement, r.EventCount, r.Status, r.Reason, r.CatchUp, r.Previous, r.ConsecutiveBad})
		}
		return nil
	})
	if err != nil {
		return k, err
	}
	err = f.PastRows(ctx, p.ID, -dwmon.MaxSeconds*1e6, math.MaxInt64, func(rows []dwmon.PastRow) error {
		for _, r := range rows {
			k.rows = append(k.rows, keptRow{r.Micros, r.FirstSeen})
		}
		return nil
	})
	return k, err
}
