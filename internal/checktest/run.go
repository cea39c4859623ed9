package checktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// Run lives a test through and says what was not as expected: nothing, where it
// passes. An error is no failure of the test: it could not be run.
func (s *Suite) Run(ctx context.Context, t *Test) ([]Failure, error) {
	l, err := s.live(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: test %q: %w", s.File, t.place.line, t.Name, err)
	}
	return l.failures(), nil
}

// life is a test that was lived through.
type life struct {
	suite    *Suite
	test     *Test
	known    *model.Checker
	lastPass int64 // M of the last pass
	// evaluated is the start of the fetch behind each verdict, microseconds since the
	// epoch.
	evaluated map[dwmon.RecordedKey]int64
	corrected map[dwmon.RecordedKey]dwmon.Correction
}

// live does the passes of the daemon's minute grid: one at the start, then one in
// each minute, a second after its beginning.
func (s *Suite) live(ctx context.Context, t *Test) (*life, error) {
	checker := *s.Checker
	checker.Options.Disabled = false
	store, getter := model.New(), newSource(&checker, t)
	store.Clock = func() int64 { return getter.now }
	e, err := engine.New(engine.Options{
		Store: store, Zone: t.clock.zone, CatchUp: time.Duration(t.catchUp) * time.Minute,
		Now: func() time.Time { return time.UnixMicro(getter.now) },
	})
	if err != nil {
		return nil, err
	}
	job := &engine.Job{Checker: &checker, Getter: getter, Alert: t.alert, Closed: t.closed, Source: engine.Source{Key: "test"}}
	l := &life{suite: s, test: t}
	passes := t.passes()
	for n, now := range passes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.Progress != nil && n%256 == 255 {
			s.Progress(t, n, len(passes))
		}
		getter.now = now
		report := e.Pass(ctx, job, time.UnixMicro(now), true)
		if report.Err != nil && !errors.Is(report.Err, errDown) {
			return nil, report.Err
		}
		l.lastPass = report.Slot
	}
	l.known = store.Look(checker.Name)
	l.index()
	return l, nil
}

// passAfter is how long after its minute begins a pass is done, microseconds.
const passAfter = 1e6

// passes are the times of the passes. A dwmon that comes back begins with one.
func (t *Test) passes() []int64 {
	const minute = 60e6
	var passes []int64
	add := func(at int64) {
		if !within(t.down, at) && (len(passes) == 0 || passes[len(passes)-1] < at) {
			passes = append(passes, at)
		}
	}
	add(t.start)
	begun := t.start
	for slot := dwmon.FloorMinute(t.start/1e6)*1e6 + minute; slot <= t.end; slot += minute {
		for _, d := range t.down {
			if begun < d.until && d.until <= slot {
				add(d.until)
			}
		}
		add(slot + passAfter)
		begun = slot + passAfter
	}
	return passes
}

func (l *life) index() {
	l.evaluated, l.corrected = map[dwmon.RecordedKey]int64{}, map[dwmon.RecordedKey]dwmon.Correction{}
	if l.known == nil { // dwmon was down all the time
		l.known = &model.Checker{}
	}
	for i, key := range l.known.Order {
		l.evaluated[key] = l.known.Evaluated[i]
	}
	for _, c := range l.known.Corrections {
		l.corrected[dwmon.RecordedKey{Minute: c.Minute, LineID: c.LineID}] = c
	}
}

// found is what became of a (minute, line).
type found struct {
	line    int
	minute  int64
	outcome outcome
	// verdict, key and evaluated go with GOOD, BAD and UNKNOWN.
	verdict   dwmon.Verdict
	key       dwmon.RecordedKey
	evaluated int64
	// gap goes with GAP.
	gap dwmon.GapReason
}

// find says what became of a minute (seconds since the epoch) of a line.
func (l *life) find(minute int64, line int) found {
	f := found{line: line, minute: minute, outcome: notDue}
	if !l.eligible(minute, line) || l.known.Progress.ID == 0 {
		return f
	}
	f.key = dwmon.RecordedKey{Minute: minute, LineID: l.known.Progress.Lines[line].ID}
	if v, judged := l.known.Verdicts[f.key]; judged {
		f.verdict, f.outcome, f.evaluated = v, outcome(v.Status.String()), l.evaluated[f.key]
		return f
	}
	identity := l.suite.Checker.Lines[line].Identity()
	for _, g := range l.known.Gaps {
		if g.Identity == identity && g.From <= minute && minute <= g.To {
			f.outcome, f.gap = gap, g.Reason
			return f
		}
	}
	if minute >= l.begins(line) {
		f.outcome = pending
	}
	return f
}

// eligible says whether a line is to be checked at a minute, on a day that is not
// closed.
func (l *life) eligible(minute int64, line int) bool {
	zone := l.test.clock.zone
	_, closed := l.test.closed.Name(dwmon.DayAt(minute, zone))
	return !closed && l.suite.Checker.Lines[line].Matches(time.Unix(minute, 0).In(zone))
}

// begins is the first minute that is owed of a line.
func (l *life) begins(line int) int64 {
	return l.known.Progress.Origin - 60*(dwmon.Rewind(l.suite.Checker.Lines[line].Lookback)-1)
}

// why says why there is no verdict on what was found.
func (l *life) why(f found) string {
	clock := l.test.clock
	name, closed := l.test.closed.Name(dwmon.DayAt(f.minute, clock.zone))
	switch {
	case f.outcome == gap:
		return "it is part of a gap: " + gapText(f.gap)
	case closed:
		return fmt.Sprintf("%s is %s", time.Unix(f.minute, 0).In(clock.zone).Format(time.DateOnly), name)
	case !l.eligible(f.minute, f.line):
		return l.nearestDue(f.minute, f.line)
	case l.known.Progress.ID == 0:
		return "dwmon never ran"
	case f.outcome == notDue:
		return fmt.Sprintf("dwmon begins with %s, ten look-backs before start", clock.show(l.begins(f.line)*1e6))
	case f.minute > l.lastPass:
		return "the last pass of the test reached " + clock.show(l.lastPass*1e6)
	case l.known.Progress.Failing != nil:
		return "the fetches fail"
	case l.test.source.lag > 0:
		return "the source's data do not reach it yet"
	default:
		return "it is not settled"
	}
}

func gapText(reason dwmon.GapReason) string {
	switch reason {
	case dwmon.GapFetchFailed:
		return "no fetch succeeded until it was out of reach"
	case dwmon.GapBaseline:
		return "it lies before the first fetch of a checker with timestamps: assumed"
	case dwmon.GapStale:
		return "the source's data did not reach it until it was out of reach"
	default:
		return "dwmon did not run until it was out of reach"
	}
}

// nearestDue tells when a line is due before and after a minute at which it is not.
func (l *life) nearestDue(minute int64, line int) string {
	r, zone := l.suite.Checker.Lines[line], l.test.clock.zone
	var near []string
	for _, back := range []int64{3600, 86400, 8 * 86400} {
		before := r.NextDue(zone, l.test.closed, minute-back-1, int(back/60))
		for len(before) > 0 && before[len(before)-1] >= minute {
			before = before[:len(before)-1]
		}
		if len(before) > 0 {
			near = append(near, l.test.clock.show(before[len(before)-1]*1e6))
			break
		}
	}
	if next := r.NextDue(zone, l.test.closed, minute, 1); len(next) > 0 {
		near = append(near, l.test.clock.show(next[0]*1e6))
	}
	switch len(near) {
	case 0:
		return "it is never due"
	case 1:
		return "it is due at " + near[0]
	default:
		return "it is due at " + near[0] + " and " + near[1]
	}
}
