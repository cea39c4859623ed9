// Package soak lets a real daemon live a day in an hour, while everything around it
// changes, and looks whether what it holds stays flat: goroutines, descriptors, memory,
// rows, files.
//
// The daemon, dwmon and the plugins are built with a faster clock (package timelapse).
// Each round, ten minutes of their time, does every act of churn once, in an order of its
// own, then puts all back as it was, waits until dwmon has come to rest, and takes a
// sample: so that samples can be compared. judge.go says what a series of them shows.
package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
)

// Times of a soak, in the daemon's time.
const (
	// round is the time between two samples.
	round = 10 * time.Minute
	// keep is how long rows, records, deliveries and results are kept: the shortest
	// that dwmon.yaml takes. Sweeps come each hour (internal/daemon).
	keep = time.Hour
	// sweepPeriod is how many rounds lie between two sweeps.
	sweepPeriod = 6
	// warmUp is after how long nothing should grow any more: what is oldest by then has
	// been swept once.
	warmUp = 130 * time.Minute
)

// Options of a soak.
type Options struct {
	// For is how long it takes of the world's time, without building; 130 minutes of the
	// daemon's time are warm-up.
	For time.Duration
	// Rate is how many times as fast as the world's the daemon's time runs. 24: a day
	// in an hour.
	Rate int64
	// Seed of the order of the churn.
	Seed uint64
	// Dir is where all of it is, a folder that is empty or does not exist; its path must
	// leave room for sockets.
	Dir string
	// Progress is told what is going on, for people; nil: nobody.
	Progress func(text string)
}

// Report is what became of a soak.
type Report struct {
	Seed uint64 `json:"seed"`
	Rate int64  `json:"rate"`
	// Lived is how long the daemon lived, in its own time, WarmUp how much of that came
	// before the first sample.
	Lived, WarmUp time.Duration `json:"-"`
	LivedSeconds  float64       `json:"lived_seconds"`
	WarmUpSeconds float64       `json:"warm_up_seconds"`
	Samples       int           `json:"samples"`
	// Acts counts what was done, by its name.
	Acts map[string]int `json:"acts"`
	// Findings are one for each measure.
	Findings []Finding `json:"measures"`
	// Faults are whatever else went wrong: commands that should have worked, invariants
	// of the database, a daemon that ended or did not come to rest.
	Faults []string `json:"faults"`
	OK     bool     `json:"ok"`
}

// fault notes one, unless there are many already.
func (r *Report) fault(format string, args ...any) {
	if len(r.Faults) < 50 {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// ErrTooShort says that a soak would have too few samples.
var ErrTooShort = errors.New("too short")

// Least is the shortest time of the world in which a soak at a rate says something, if
// not of rows.
func Least(rate int64) time.Duration {
	return (warmUp + 2*fewest*round) / time.Duration(rate)
}

// Run soaks. An error means that it could not be done; what it has found is in the
// report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.For < Least(o.Rate) {
		return nil, fmt.Errorf("%w: %s at %d times the speed; at least %s are needed for samples enough", ErrTooShort, o.For, o.Rate, Least(o.Rate).Round(time.Second))
	}
	return run(ctx, o, planOf(o))
}

// plan is what a soak consists of.
type plan struct {
	// warmUp and measured are how many rounds there are before the first sample and
	// from then on, at least; warm and lived how long, of the daemon's time.
	warmUp, measured int
	warm, lived      time.Duration
	// acts are done in each round, in span of the world's time.
	acts []act
	span time.Duration
	// patience is how long dwmon may take to come to rest after that, of the world's time.
	patience time.Duration
}

// patience is how long dwmon may take to come to rest, of its own time: it looks at a
// quarantined plugin each five minutes, and back-offs are at most as long.
const patience = 20 * time.Minute

func planOf(o Options) plan {
	rate := time.Duration(o.Rate)
	return plan{
		warm: warmUp, lived: o.For * rate, measured: fewest,
		acts: acts, span: round * 3 / 4 / rate, patience: patience / rate,
	}
}

func run(ctx context.Context, o Options, p plan) (_ *Report, err error) {
	say := o.Progress
	if say == nil {
		say = func(string) {}
	}
	s, err := newSite(ctx, o, say)
	if err != nil {
		return nil, err
	}
	r := &Report{Seed: o.Seed, Rate: o.Rate, Acts: map[string]int{}, Faults: []string{}}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	w := watcher{site: s}
	c := &churn{site: s, plan: p, report: r, rng: rand.New(rand.NewPCG(o.Seed, 1))}
	if err := c.rest(ctx); err != nil { // commands find nothing before all was checked
		return nil, err
	}
	began := s.lapse.Now()
	for n, lived := 1, time.Duration(0); r.Samples < p.measured || lived < p.lived; n++ {
		say(fmt.Sprintf("round %d, %s lived", n, lived.Round(time.Minute)))
		if err := c.round(ctx); err != nil {
			return nil, err
		}
		lived = s.lapse.Now().Sub(began)
		if n < p.warmUp || lived < p.warm {
			continue
		}
		if r.WarmUp == 0 {
			r.WarmUp = lived
			if err := w.profile("first"); err != nil {
				return nil, err
			}
		}
		if err := w.sample(ctx); err != nil {
			return nil, err
		}
		for _, fault := range s.steadyFaults(ctx) {
			r.fault("%s", fault)
		}
		r.Samples, r.Findings = w.samples, w.findings()
		if err := s.note(r); err != nil {
			return nil, err
		}
	}
	if err := w.profile("last"); err != nil {
		return nil, err
	}
	r.Lived = s.lapse.Now().Sub(began)
	r.LivedSeconds, r.WarmUpSeconds = r.Lived.Seconds(), r.WarmUp.Seconds()
	if err := s.end(ctx, r); err != nil {
		return nil, err
	}
	r.OK = len(r.Faults) == 0
	for _, f := range r.Findings {
		r.OK = r.OK && f.Verdict != Grows
	}
	return r, nil
}

// note writes down what is known so far, for whoever cannot wait.
func (s *site) note(r *Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.put("build/report.json", string(text))
}

// end stops the daemon and looks at what it leaves behind.
func (s *site) end(ctx context.Context, r *Report) error {
	pids := procfs.Descendants(s.daemon.Process.Pid)
	if err := s.stop(); err != nil {
		r.fault("the daemon: %v", err)
	}
	for _, pid := range pids {
		if program := procfs.Program(pid); filepath.Dir(program) == s.path("plugins") {
			r.fault("%s still runs when the daemon has ended", program)
		}
	}
	for _, dir := range []string{"tmp", "dwmon.db.run"} {
		for _, file := range filesBelow(s.path(dir)) {
			r.fault("%s is left behind", file)
		}
	}
	if out, err := s.dwmon(ctx, "doctor", "--full", "--json"); err != nil {
		r.fault("doctor --full: %v: %s", err, out)
	}
	faults, err := s.recordFaults(ctx)
	for _, f := range faults {
		r.fault("%s", f)
	}
	return err
}
