package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// Diagnosis is one thing that Examine has looked at. It holds no secret and no row key.
type Diagnosis struct {
	// Result is one of the Finding constants.
	Result string `json:"result"`
	// Check is what was looked at: database, space, clock, permissions, plugins, run,
	// checks, deliveries, retention, sources.
	Check string `json:"check"`
	// Where is the file, folder, checker, handler, plugin or source that is meant.
	Where string `json:"where"`
	// Message says what was found, and why it matters where it does.
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// ExamineOptions are what Examine is told beside Options.
type ExamineOptions struct {
	// Full reads every index entry and reference of the database.
	Full bool
	// Sources tries to write to each configured source, which must be refused.
	Sources bool
	// Step is told what is being looked at; nil: nobody.
	Step func(what string)
}

// Examine looks at an installation as it lies there, beside a running daemon or without
// one, and changes nothing. What is wrong is part of the answer; an error says that the
// look was broken off.
func Examine(ctx context.Context, o Options, e ExamineOptions) ([]Diagnosis, error) {
	if e.Step == nil {
		e.Step = func(string) {}
	}
	x := &examination{o: o, cfg: o.Config, opts: e, now: o.now(), owner: ownerOf(o.Config.DB)}
	x.running()
	for _, part := range []struct {
		what string
		look func(context.Context)
	}{
		{"permissions", x.permissions}, // before SQLite gives its files beside the database the mode of that
		{"the database", x.database},
		{"free space", x.space},
		{"the clock", x.clock},
		{"the plugins folder", x.plugins},
		{"run files", x.runFiles},
		{"the checks folder", x.checks},
		{"deliveries", x.deliveries},
		{"retention", x.retention},
		{"sources", x.sources},
	} {
		e.Step(part.what)
		part.look(ctx)
		if ctx.Err() != nil {
			x.close()
			return nil, fmt.Errorf("the look at %s was broken off: %w", part.what, ctx.Err())
		}
	}
	x.close()
	slices.SortStableFunc(x.found, func(a, b Diagnosis) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	return x.found, nil
}

// rankOf puts what is wrong first.
func rankOf(d Diagnosis) int {
	return slices.Index([]string{FindingFault, FindingWarning, FindingOK}, d.Result)
}

// examination is one Examine under way.
type examination struct {
	o    Options
	cfg  *config.Config
	opts ExamineOptions
	now  time.Time
	// owner is whose installation it is: the database's owner, or who asks.
	owner int
	// holder is the daemon that runs; nil: none.
	holder *sqlite.LockInfo
	// reader is nil where the database cannot be read: what hangs on it is left out.
	reader *Reader
	found  []Diagnosis
}

func (x *examination) add(result, check, where, remedy, format string, args ...any) {
	text := strings.Join(strings.Fields(x.cfg.Redact(fmt.Sprintf(format, args...))), " ")
	if runes := []rune(text); len(runes) > 400 {
		text = string(runes[:400]) + "…"
	}
	x.found = append(x.found, Diagnosis{Result: result, Check: check, Where: x.cfg.Redact(where), Message: text, Remedy: remedy})
}

func (x *examination) ok(check, where, format string, args ...any) {
	x.add(FindingOK, check, where, "", format, args...)
}

func (x *examination) warn(check, where, remedy, format string, args ...any) {
	x.add(FindingWarning, check, where, remedy, format, args...)
}

func (x *examination) fault(check, where, remedy, format string, args ...any) {
	x.add(FindingFault, check, where, remedy, format, args...)
}

func (x *examination) close() {
	if x.reader != nil {
		x.reader.Close()
		x.reader = nil
	}
}

// running finds the daemon that holds the lock.
func (x *examination) running() {
	holder, err := sqlite.LockHolder(x.cfg.DB)
	switch {
	case err != nil:
		x.warn("run", x.cfg.DB+".lock", "run the doctor as the user that dwmon runs as", "whether a daemon runs cannot be seen: %v", err)
	case holder == nil:
		x.ok("run", x.cfg.DB+".lock", "no daemon runs on this database")
	default:
		x.holder = holder
		x.ok("run", x.cfg.DB+".lock", "process %d on %s runs on this database since %s", holder.PID, holder.Host, holder.Started.Format(time.RFC3339))
	}
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
