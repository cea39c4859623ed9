package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

const restore = "stop dwmon and put back a copy that `dwmon backup` has made (docs/operations.md, Backup and restore)"

// database opens it, which says whether it is ours and of this version, and looks for
// damage. SQLite alone opens the file.
func (x *examination) database(ctx context.Context) {
	r, err := OpenReader(ctx, x.cfg)
	if _, statErr := os.Stat(x.cfg.DB); errors.Is(statErr, os.ErrNotExist) {
		x.warn("database", x.cfg.DB, "start `dwmon daemon` or run `dwmon once`, or name another one with --db", "there is no database yet")
		return
	}
	if err != nil {
		x.fault("database", x.cfg.DB, x.remedyOf(err), "it cannot be used: %v", err)
		return
	}
	x.reader = r
	began := time.Now()
	found, err := r.CheckUp(ctx, x.opts.Full, func(what string) { x.opts.Step("the database: " + what) })
	if ctx.Err() != nil {
		return
	}
	for _, d := range found {
		x.fault("database", x.cfg.DB, restore, "it is damaged: %s: %s", d.Check, d.Message)
	}
	switch {
	case err != nil:
		x.fault("database", x.cfg.DB, x.remedyOf(err), "it cannot be read to its end: %v", err)
	case len(found) == 0 && x.opts.Full:
		x.ok("database", x.cfg.DB, "whole: integrity_check, references and records agree (%s)", time.Since(began).Round(time.Millisecond))
	case len(found) == 0:
		x.ok("database", x.cfg.DB, "whole: quick_check and records agree (%s); --full looks at indexes and references too", time.Since(began).Round(time.Millisecond))
	}
}

// remedyOf is empty where the error says what to do itself.
func (x *examination) remedyOf(err error) string {
	var known *sqlite.Error
	if errors.As(err, &known) && known.Hint != "" {
		return ""
	}
	return restore
}

// Below these the disk is said to run full.
const (
	leastFree  = 100 << 20 // bytes: a fault
	scarceFree = 1 << 30   // a warning
	// fatWAL times the WAL's limit is more than a reader that goes on leaves behind.
	fatWAL = 4
)

// space looks at the disk and at what the database makes of it.
func (x *examination) space(ctx context.Context) {
	dir := filepath.Dir(x.cfg.DB)
	if d, ok := diskOf(dir); ok {
		const remedy = "make room: commits fail when it is full, and go on by themselves afterwards"
		switch {
		case d.free < leastFree:
			x.fault("space", dir, remedy, "%s are free on its file system (%s)", size(d.free), d.kind)
		case d.free < scarceFree:
			x.warn("space", dir, remedy, "%s are free on its file system (%s)", size(d.free), d.kind)
		default:
			x.ok("space", dir, "%s are free on its file system (%s)", size(d.free), d.kind)
		}
		if slices.Contains([]string{"tmpfs", "ramfs"}, d.kind) {
			x.warn("space", dir, "put the database on a disk", "the database lies in memory (%s): it is gone at the next boot", d.kind)
		}
	}
	if copies, _ := filepath.Glob(x.cfg.DB + ".before-v*"); len(copies) > 0 {
		var total int64
		for _, c := range copies {
			if info, err := os.Stat(c); err == nil {
				total += info.Size()
			}
		}
		x.ok("space", copies[0], "copies from before an upgrade: %d, %s; remove them when there is no way back any more", len(copies), size(total))
	}
	if x.reader == nil {
		return
	}
	s, err := x.reader.Space(ctx)
	if err != nil {
		x.fault("space", x.cfg.DB, "", "its size cannot be read: %v", err)
		return
	}
	x.ok("space", x.cfg.DB, "%s, of which %s hold nothing: they are filled again, or given back little by little", size(s.File), size(s.Free))
	switch {
	case s.WAL > fatWAL*s.WALLimit:
		x.warn("space", x.cfg.DB+"-wal", "find what reads the database for hours, and end it", "the WAL has %s: something reads the database without an end, so that it cannot be emptied", size(s.WAL))
	default:
		x.ok("space", x.cfg.DB+"-wal", "the WAL has %s", size(s.WAL))
	}
}

// ahead is how far a walk may lie before the clock (SPEC 3).
const ahead = 5 * time.Minute

// clock looks at the time zone, at walks that lie ahead, and at what sources said of
// their clocks.
func (x *examination) clock(ctx context.Context) {
	if x.cfg.LocalIsUTC {
		x.warn("clock", "timezone", "set timezone in dwmon.yaml, or TZ", "the time zone is UTC for want of TZ and /etc/localtime: hours and days of checkers are those of UTC")
	} else {
		x.ok("clock", "timezone", "checkers without a zone of their own live in %s", x.cfg.Timezone)
	}
	if x.reader == nil {
		return
	}
	if records, err := x.reader.Status(ctx); err == nil {
		for _, r := range records {
			if p := r.Progress; p != nil && p.Settled != nil && *p.Settled > x.now.Add(ahead).Unix() {
				x.fault("clock", r.Name, "set the clock right; else `dwmon settle "+r.Name+" --to TIME`",
					"its walk lies ahead of the clock, at %s: it is UNKNOWN and not checked until then", time.Unix(*p.Settled, 0).UTC().Format(time.RFC3339))
			}
		}
	}
	skews, err := x.reader.Skews(ctx)
	if err != nil {
		return
	}
	x.skews(skews)
}

// skews says of the sources' clocks what they differ from ours. Where several agree, it
// is ours that is wrong.
func (x *examination) skews(skews map[string]int64) {
	if len(skews) == 0 {
		x.ok("clock", "sources", "no source has said that its clock is more than two seconds off ours")
		return
	}
	names := make([]string, 0, len(skews))
	for name := range skews {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		how, d := "ahead of", time.Duration(skews[name])*time.Microsecond
		if d < 0 {
			how, d = "behind", -d
		}
		x.warn("clock", name, "see to it that both machines keep time (chrony, systemd-timesyncd); where several sources agree, it is this one's clock that is off",
			"at its last fetch the source's clock was %s %s ours: rows seem to come from the future, or late", d.Round(time.Millisecond), how)
	}
}

// Deliveries that wait longer than this are stuck.
const stuck = time.Hour

// deliveries looks at what handlers were not told.
func (x *examination) deliveries(ctx context.Context) {
	if x.reader == nil {
		return
	}
	handlers, err := x.reader.Handlers(ctx)
	if err != nil {
		x.fault("deliveries", x.cfg.DB, "", "handlers cannot be read: %v", err)
		return
	}
	for _, h := range handlers {
		sound := true
		age := x.now.Sub(time.UnixMicro(h.Oldest))
		switch {
		case h.Waiting > 0 && h.MissingSince != nil:
			sound = false
			x.warn("deliveries", h.Name, "put the handler back into dwmon.yaml, or `dwmon deliveries drop --handler "+h.Name+"`",
				"the handler is not configured since %s, and deliveries wait for it: %d; they are given up a week after that", time.UnixMicro(*h.MissingSince).UTC().Format(time.RFC3339), h.Waiting)
		case h.Waiting > 0 && age > stuck:
			sound = false
			why := ""
			if h.LastError != "" {
				why = "; the last error: " + h.LastError
			}
			x.warn("deliveries", h.Name, "see `dwmon deliveries --handler "+h.Name+"`", "deliveries wait: %d, the oldest for %s%s", h.Waiting, dwmon.FormatDuration(age.Truncate(time.Minute)), why)
		}
		if h.Dead > 0 {
			sound = false
			x.warn("deliveries", h.Name, "see `dwmon deliveries --state dead`; `dwmon deliveries retry --dead` has them told after all", "deliveries were given up: %d", h.Dead)
		}
		if sound && h.MissingSince == nil {
			x.ok("deliveries", h.Name, "nothing is stuck (%d wait)", h.Waiting)
		}
	}
}

// lateSweep is how far behind its retention the clean-up, which runs by the hour, may be.
const lateSweep = 72 * time.Hour

// retention looks for history that should be gone.
func (x *examination) retention(ctx context.Context) {
	if x.reader == nil {
		return
	}
	verdict, fetch, err := x.reader.Overdue(ctx)
	if err != nil {
		x.fault("retention", x.cfg.DB, "", "the age of the history cannot be read: %v", err)
		return
	}
	late := func(oldest int64, keep time.Duration) bool {
		return oldest != 0 && keep > 0 && time.UnixMicro(oldest).Before(x.now.Add(-keep-lateSweep))
	}
	keep := x.cfg.History.Keep
	if !late(verdict, keep) && !late(fetch, dwmon.DefaultRetention.Fetches) {
		x.ok("retention", x.cfg.DB, "nothing is kept for longer than `history` in dwmon.yaml says")
		return
	}
	var what []string
	if late(verdict, keep) {
		what = append(what, "a result of "+time.UnixMicro(verdict).UTC().Format(time.DateOnly))
	}
	if late(fetch, dwmon.DefaultRetention.Fetches) {
		what = append(what, "a fetch of "+time.UnixMicro(fetch).UTC().Format(time.DateOnly))
	}
	x.warn("retention", x.cfg.DB, "dwmon cleans up by the hour, and `dwmon once` at its end: look into its log",
		"%s should be gone: the clean-up does not keep up", strings.Join(what, " and "))
}
