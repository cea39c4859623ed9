package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
	"github.com/dwmon/dwmon/internal/store/model"
)

// life is one simulation.
type life struct {
	o     Options
	rng   *rand.Rand
	begun int64
	step  int
	// real is the true time, microseconds since the epoch; skew is how far our clock
	// is ahead of it.
	real, skew int64
	zone       *time.Location
	catchUp    int64 // minutes
	dir        string
	home       home
	watch      *watch
	oracle     *oracle
	engine     *engine.Engine
	told       *told // nil where the store keeps no deliveries
	sources    []*source
	files      []*checkFile
	routes     []dwmon.Route
	silences   []dwmon.Silence
	// passing are the passes on their way, by checker.
	passing map[string]*passing
	// troubled: things go wrong.
	troubled bool
	stats    Stats

	mu      sync.Mutex
	events  []noted
	failure *Failure
}

// noted is an event, worded when somebody asks.
type noted struct {
	step   int
	at     int64
	format string
	args   []any
}

func (n noted) String() string {
	return fmt.Sprintf("%6d  %s  %s", n.step, time.UnixMicro(n.at).UTC().Format("2006-01-02 15:04:05.000"), fmt.Sprintf(n.format, n.args...))
}

// lastEvents is how many events a failure tells.
const lastEvents = 30

// note remembers an event.
func (l *life) note(format string, args ...any) {
	n := noted{l.step, l.clock(), format, args}
	if l.o.Trace != nil {
		fmt.Fprintln(l.o.Trace, n)
	}
	if len(l.events) >= 2*lastEvents {
		l.events = append(l.events[:0], l.events[lastEvents:]...)
	}
	l.events = append(l.events, n)
}

// fail notes what is not as it should be; the first counts.
func (l *life) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return
	}
	l.failure = &Failure{Options: l.o, Step: l.step, At: l.now(), What: fmt.Sprintf(format, args...)}
	for _, n := range l.events[max(len(l.events)-lastEvents, 0):] {
		l.failure.Events = append(l.failure.Events, n.String())
	}
}

func (l *life) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure != nil
}

// clock is what ours says, microseconds since the epoch.
func (l *life) clock() int64   { return l.real + l.skew }
func (l *life) now() time.Time { return time.UnixMicro(l.clock()) }

// elapse lets time go by, and rows arrive.
func (l *life) elapse(micros int64) {
	before := l.real
	l.real += micros
	for _, s := range l.sources {
		l.arrive(s, before, l.real)
	}
}

func floorMinute(second int64) int64 {
	if second < 0 {
		return -((-second + 59) / 60 * 60)
	}
	return second - second%60
}

func newLife(o Options) (*life, error) {
	l := &life{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0xd3a7)), passing: map[string]*passing{}, troubled: true}
	begin, err := time.Parse(time.RFC3339, pick(l.rng, begins...))
	if err != nil {
		return nil, err
	}
	l.real = begin.UnixMicro() + l.rng.Int64N(86400e6)
	l.begun = l.real
	l.zone = pick(l.rng, zones...)
	l.catchUp = pick[int64](l.rng, 30, 240, 1440, 1440, 1440)
	if oneIn(l.rng, 20) {
		l.catchUp = 14_400
	}
	l.oracle = newOracle(l)
	if err := l.openHome(); err != nil {
		return nil, err
	}
	l.watch = &watch{home: l.home, life: l}
	for i := range 1 + l.rng.IntN(2) {
		l.sources = append(l.sources, l.drawSource(string(rune('A'+i))))
	}
	l.routes = drawRoutes(l.rng)
	for i := range 1 + l.rng.IntN(3) {
		l.files = append(l.files, l.drawFile(i))
	}
	l.elapse(3600e6) // the sources were there before
	return l, l.begin()
}

func (l *life) openHome() (err error) {
	switch l.o.Store {
	case "model":
		l.home = maps{model.New()}
		return nil
	case "sqlite":
		if l.dir, err = workDir(l.o.Dir); err != nil {
			return err
		}
		l.home, err = openFile(l.dir, l.now)
		return err
	}
	return fmt.Errorf("there is no store %q: model or sqlite", l.o.Store)
}

func (l *life) close() {
	if l.home != nil {
		l.home.Close()
	}
	if l.dir != "" {
		os.RemoveAll(l.dir)
	}
}

// begin begins a process: nothing is remembered but what is stored.
func (l *life) begin() (err error) {
	l.engine, err = engine.New(engine.Options{
		Store: l.watch, Zone: l.zone, CatchUp: time.Duration(l.catchUp) * time.Minute, Spread: -1, Now: l.now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if l.home.telling() != nil {
		return l.beginTelling()
	}
	return nil
}

// restart ends the process and begins another.
func (l *life) restart(kill bool) error {
	l.note("dwmon is restarted, by force: %v", kill)
	l.stats.Restarts++
	if kill {
		l.stats.Kills++
	}
	if err := l.home.restart(kill); err != nil {
		return err
	}
	l.watch.dead = false
	if err := l.begin(); err != nil {
		return err
	}
	if l.stats.Restarts%4 == 0 {
		l.compare()
	}
	return nil
}

// live lives all steps, and looks at everything at the end.
func (l *life) live(ctx context.Context) (Stats, error) {
	steps := l.o.Steps
	if steps == 0 {
		steps = 300 + l.rng.IntN(6000)
	}
	for l.step = 1; l.step <= steps && !l.failed() && ctx.Err() == nil; l.step++ {
		if err := l.oneStep(); err != nil {
			return l.stats, err
		}
	}
	if ctx.Err() == nil && !l.failed() {
		if err := l.settleDown(); err != nil {
			return l.stats, err
		}
	}
	l.stats.Lives, l.stats.Steps, l.stats.Lived = 1, int64(l.step-1), time.Duration(l.real-l.begun)*time.Microsecond
	if l.failure != nil {
		return l.stats, l.failure
	}
	return l.stats, nil
}

// oneStep lets time go on, something happen, and every checker have its pass.
func (l *life) oneStep() error {
	if err := l.advance(); err != nil {
		return err
	}
	if err := l.happen(); err != nil {
		return err
	}
	l.stats.Minutes++
	return l.minute()
}

// minute makes the passes of a minute, and tells what is to be told.
func (l *life) minute() error {
	for _, i := range l.rng.Perm(len(l.files)) {
		f := l.files[i]
		if f.off != "" {
			continue
		}
		l.pass(f, oneIn(l.rng, 10))
		if l.failed() {
			return nil
		}
		if l.watch.dead {
			return l.restart(oneIn(l.rng, 2))
		}
		if oneIn(l.rng, 3) {
			l.real += l.rng.Int64N(2e6)
		}
	}
	if l.told != nil {
		return l.tell()
	}
	return nil
}

// advance moves the clock: to the next minute, or as clocks and machines will.
func (l *life) advance() error {
	next := floorMinute(l.clock()/1e6)*1e6 + 61e6 + l.rng.Int64N(10e6) - l.clock()
	if !l.troubled {
		l.elapse(next)
		return nil
	}
	switch n := l.rng.IntN(2000); {
	case n < 4: // stopped, or asleep
		outage := 60e6 * pick(l.rng, 3+l.rng.Int64N(30), 60+l.rng.Int64N(600), 1440+l.rng.Int64N(3000))
		if l.catchUp == 14_400 && oneIn(l.rng, 3) {
			outage = 60e6 * (9000 + l.rng.Int64N(8000))
		}
		l.note("an outage of %s", time.Duration(outage)*time.Microsecond)
		l.elapse(outage)
		if oneIn(l.rng, 2) {
			return l.restart(oneIn(l.rng, 2))
		}
	case n < 6: // the clock is set
		l.stats.Jumps++
		jump := 1e6 * pick[int64](l.rng, -7200, -3600, -400, -61, -1, 1, 59, 600, 3600, 2*86400)
		l.skew += jump
		l.note("the clock jumps by %s", time.Duration(jump)*time.Microsecond)
	case n < 10: // and set right again
		if l.skew != 0 {
			l.note("the clock is set right, by %s", time.Duration(-l.skew)*time.Microsecond)
			l.stats.Jumps++
			l.skew = 0
		}
	case n < 60: // more than one pass in a minute
		l.elapse(1e6 + l.rng.Int64N(30e6))
	default:
		l.elapse(next)
	}
	for _, s := range l.sources {
		if l.real >= s.downUntil && oneIn(l.rng, 1500) {
			s.downUntil = l.real + 60e6*pick(l.rng, l.rng.Int64N(10), l.rng.Int64N(120), l.rng.Int64N(2000))
			s.fault = pick(l.rng, dwmon.FaultUnavailable, dwmon.FaultUnavailable, dwmon.FaultChecker, dwmon.FaultSettings)
			l.note("source %s is down until %s: %s", s.name, time.UnixMicro(s.downUntil+l.skew).UTC().Format(time.DateTime), s.fault)
		}
	}
	return nil
}

// happen lets somebody do something.
func (l *life) happen() error {
	f := pick(l.rng, l.files...)
	switch n := l.rng.IntN(3000); {
	case n < 8:
		l.stats.Edits++
		l.edit(f)
	case n < 10:
		f.close(l.drawClosed(f.checker.Zone(l.zone)))
		l.note("%s: the calendar is edited: %v", f.name, f.closed)
	case n < 13 && f.off == "":
		return l.switchOff(f, pick(l.rng, dwmon.OffAway, dwmon.OffDisabled))
	case n < 40 && f.off != "":
		l.note("%s is back", f.name)
		f.off = ""
	case n < 42:
		return l.settle(f)
	case n < 46:
		return l.silence()
	case n < 49:
		return l.restart(oneIn(l.rng, 2))
	case n < 100 && l.oracle.isAhead(f):
		return l.settle(f)
	}
	return nil
}

func (l *life) switchOff(f *checkFile, reason dwmon.OffReason) error {
	k := l.oracle.checkers[f.name]
	if k == nil {
		return nil // nothing is known of it yet
	}
	f.off = reason
	slot := floorMinute(l.now().Unix())
	l.note("%s is off: %s", f.name, reason)
	if err := l.home.switchOff(f.name, slot, reason); err != nil {
		return err
	}
	k.switchOff(slot)
	return nil
}

// settle moves a walk by hand, in either direction.
func (l *life) settle(f *checkFile) error {
	k := l.oracle.checkers[f.name]
	if k == nil {
		return nil
	}
	m := floorMinute(l.now().Add(-f.checker.Options.Grace).Unix())
	to := m - 60*pick(l.rng, 0, 1, l.rng.Int64N(10), l.rng.Int64N(200))
	l.stats.Settles++
	l.note("%s is settled to %s", f.name, time.Unix(to, 0).UTC().Format(time.DateTime))
	zone := f.checker.Zone(l.zone)
	if err := l.home.settleTo(f.name, to, zone, f.days); err != nil {
		return err
	}
	k.settleTo(to, zone, f.closed)
	return nil
}

func (l *life) silence() error {
	now := l.clock()
	matcher := pick(l.rng,
		dwmon.Matcher{Key: "name", Value: "billing/**"}, dwmon.Matcher{Key: "owner", Value: "payments"}, dwmon.Matcher{Key: "name", Value: pick(l.rng, l.files...).name},
		dwmon.Matcher{Key: "source", Value: "A"})
	s := dwmon.Silence{
		ID: int64(len(l.silences) + 1), Matchers: dwmon.Matchers{matcher}, Starts: now + 60e6*(l.rng.Int64N(100)-20), Comment: "maintenance", Created: now,
	}
	s.Ends = max(s.Starts, now) + 60e6*(1+l.rng.Int64N(600))
	l.note("a silence of %s", matcher)
	l.silences = append(l.silences, s)
	return l.home.addSilence(s)
}

// passing is a pass on its way, as the simulation sees it.
type passing struct {
	file    *checkFile
	checker *dwmon.Checker
	query   query
	// baseline: its fetch is that of assumed timestamps. The pass after it may begin in
	// the same microsecond.
	baseline bool
	closed   map[string]bool
	zone     *time.Location
	now      time.Time
	m        int64
	retry    bool
	stop     context.CancelFunc
	// aheadOf: the walk was settled ahead of the clock when the pass began.
	aheadOf bool

	asked           bool
	started, ended  int64
	fate            misfortune
	fault           dwmon.Fault
	given, left     []event
	cut             bool
	asOf, sourceNow *int64

	// moved: meanwhile somebody has settled the walk elsewhere, or switched the checker off.
	moved bool
	// pieces is how many commits the pass has made since it has its rows.
	pieces      int
	purgerAsked int
	cutoff      *int64
}

// pass makes one pass of a checker.
func (l *life) pass(f *checkFile, retry bool) {
	now := l.now()
	c := f.checker
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	p := &passing{
		file: f, checker: c, query: f.query, closed: f.closed, zone: c.Zone(l.zone), now: now, retry: retry, stop: stop,
		m: floorMinute(floorSecond(now.UnixMicro() - c.Options.Grace.Microseconds())), aheadOf: l.oracle.isAhead(f),
	}
	l.passing[f.name] = p
	defer delete(l.passing, f.name)
	job := &engine.Job{
		Checker: c, Getter: getter{l, f}, Source: engine.Source{Key: f.source.name, Concurrency: 8}, Routes: l.routes, Alert: f.alert, Closed: f.days,
	}
	if f.purging != noPurge {
		job.Purger = purger{l, f}
	}
	l.stats.Passes++
	l.watch.failed = false
	report := l.engine.Pass(ctx, job, now, retry)
	if l.watch.failed {
		l.stats.StoreFailures++
	}
	l.note("%s: pass: %s", f.name, shortly{&report})
	l.oracle.passed(p, &report)
}

func floorSecond(micros int64) int64 {
	if micros < 0 {
		return -((-micros + 1e6 - 1) / 1e6)
	}
	return micros / 1e6
}

// shortly words a report.
type shortly struct{ *engine.Report }

func (s shortly) String() string {
	text := fmt.Sprintf("M %s, %d verdicts", time.Unix(s.Slot, 0).UTC().Format("15:04"), len(s.Results))
	if s.Fetched {
		text += fmt.Sprintf(", %d rows", s.Fetch.Tally.Rows)
	}
	if s.Gap > 0 {
		text += fmt.Sprintf(", a gap of %d", s.Gap)
	}
	if s.Held {
		text += ", held"
	}
	if s.Err != nil {
		text += ", error: " + errors.Unwrap(fmt.Errorf("%w", s.Err)).Error()
	}
	return text
}

// meanwhile lets things happen while a source is asked: time goes by, others have
// their passes.
func (l *life) meanwhile(p *passing) {
	if !l.troubled {
		return
	}
	if oneIn(l.rng, 10) {
		l.elapse(pick(l.rng, l.rng.Int64N(3e6), l.rng.Int64N(55e6)))
	}
	if len(l.passing) > 1 || !oneIn(l.rng, 20) {
		return
	}
	failed := l.watch.failed
	l.byHand(p)
	for _, f := range l.files {
		if f != p.file && f.off == "" && oneIn(l.rng, 2) {
			l.pass(f, false)
		}
	}
	l.watch.failed = l.watch.failed || failed
}

// settleDown ends all trouble, lets everything be made up for and told, and looks at
// all that is kept.
func (l *life) settleDown() error {
	l.troubled = false
	for _, s := range l.sources {
		s.downUntil = l.real
	}
	for _, f := range l.files {
		f.off = ""
		if l.oracle.isAhead(f) {
			if err := l.settle(f); err != nil {
				return err
			}
		}
	}
	if l.told != nil {
		for _, h := range l.told.handlers {
			h.downUntil = l.real
		}
	}
	l.note("all trouble ends")
	for range 12 {
		if err := l.oneCalmMinute(); err != nil || l.failed() {
			return err
		}
	}
	l.compare()
	if l.told != nil {
		l.told.atTheEnd()
	}
	return nil
}

// byHand lets somebody change the very checker whose source is being asked.
func (l *life) byHand(p *passing) {
	k := l.oracle.checkers[p.file.name]
	settled, hadS := k.settled, k.hasS
	defer func() { p.moved = k.off || k.hasS != hadS || k.settled != settled }()
	var err error
	switch l.rng.IntN(12) {
	case 0:
		err = l.switchOff(p.file, pick(l.rng, dwmon.OffAway, dwmon.OffDisabled))
	case 1:
		err = l.settle(p.file)
	case 2: // the file is edited, and a new pass comes later
		l.edit(p.file)
	}
	if err != nil {
		l.fail("%s is changed by hand: %v", p.file.name, err)
	}
}

func (l *life) oneCalmMinute() error {
	l.step++
	if err := l.advance(); err != nil {
		return err
	}
	return l.minute()
}

// compare holds what is stored against what should be.
func (l *life) compare() {
	for _, f := range l.files {
		k := l.oracle.checkers[f.name]
		if k == nil {
			continue
		}
		found, err := l.home.kept(f.name)
		if err != nil {
			l.fail("%s: read what is kept: %v", f.name, err)
			return
		}
		k.compare(l, &found)
	}
}
