package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// event is a row of a source. Times are microseconds since the epoch: that of the row
// by the source's clock, that of its arrival by the true one.
type event struct {
	key     string
	number  int
	micros  int64
	arrives int64
}

// source is where rows come from.
type source struct {
	name string
	// rate is how many rows arrive in a minute, on the average.
	rate float64
	// ahead is how far its clock is ahead of the true one, microseconds; tells says
	// that it says so.
	ahead int64
	tells bool
	// events are ordered by time. Those that are too old for every query are gone.
	events []event
	serial int

	downUntil int64 // true time
	fault     dwmon.Fault
	lags      bool
	quiet     bool
	// sizes of what it gives at once
	batch int
}

func (l *life) drawSource(name string) *source {
	s := &source{name: name, rate: pick(l.rng, 0.02, 0.1, 0.3, 0.5, 1, 2), batch: pick(l.rng, 1, 7, 100, 1000), downUntil: l.real}
	if oneIn(l.rng, 4) {
		s.ahead = 1e6 * pick[int64](l.rng, -90, -5, 1, 40, 700)
		s.tells = oneIn(l.rng, 2)
	}
	s.lags = oneIn(l.rng, 4)
	return s
}

// mostAtOnce bounds the rows of a long outage.
const mostAtOnce = 3000

// arrive adds the rows of a stretch of true time.
func (l *life) arrive(s *source, from, until int64) {
	rng := l.rng
	if oneIn(rng, 200) {
		s.quiet = !s.quiet
	}
	rate := s.rate
	if s.quiet {
		rate /= 10
	}
	expected := rate * float64(until-from) / 60e6
	n := int(expected)
	if rng.Float64() < expected-float64(n) {
		n++
	}
	if n > 0 {
		n = rng.IntN(2*n + 1)
	}
	old := until - 26*3600e6
	for range min(n, mostAtOnce) {
		at := from + rng.Int64N(max(until-from, 1))
		ev := event{number: s.serial, micros: at + s.ahead, arrives: at}
		s.serial++
		ev.key = fmt.Sprint("k", ev.number)
		switch rng.IntN(24) {
		case 0: // late by up to an hour
			ev.arrives += rng.Int64N(3600e6)
		case 1, 2: // late by as much as the grace mostly allows
			ev.arrives += rng.Int64N(90e6)
		case 3: // of long ago
			ev.micros -= rng.Int64N(86400e6)
		case 4: // a key again, with another time
			ev.number = max(ev.number-1-rng.IntN(20), 0)
			ev.key = fmt.Sprint("k", ev.number)
		case 5: // not an event yet
			ev.micros += 2 * 86400e6
		case 6, 7: // where windows begin and end
			ev.micros = floorMinute(ev.micros/1e6) * 1e6
		case 8: // and where those of half a minute do
			ev.micros = floorMinute(ev.micros/1e6)*1e6 + 30e6
		case 9:
			ev.micros = floorMinute(ev.micros/1e6)*1e6 - 1
		case 10: // many at one instant
			if len(s.events) > 0 {
				ev.micros = s.events[len(s.events)-1].micros
			}
		}
		s.insert(ev)
	}
	gone := 0
	for gone < len(s.events) && s.events[gone].micros < old {
		gone++
	}
	if gone > 256 { // the queries do not see them
		s.events = slices.Delete(s.events, 0, gone)
	}
}

func (s *source) insert(ev event) {
	at, _ := slices.BinarySearchFunc(s.events, ev, func(a, b event) int { return cmp.Or(cmp.Compare(a.micros, b.micros), -1) })
	s.events = slices.Insert(s.events, at, ev)
}

// result is what a query gives at a true time: all of it, in its order.
func (s *source) result(q query, until int64) (rows []event) {
	floor := until + s.ahead - q.window*1e6
	take := func(ev event) {
		if ev.arrives <= until && ev.micros >= floor && q.wants(ev.number) {
			rows = append(rows, ev)
		}
	}
	first, _ := slices.BinarySearchFunc(s.events, floor, func(ev event, at int64) int { return cmp.Compare(ev.micros, at) })
	events := s.events[first:]
	switch q.order {
	case newestFirst:
		for _, ev := range slices.Backward(events) {
			take(ev)
		}
	case oldestFirst:
		for _, ev := range events {
			take(ev)
		}
	default:
		for parity := range 2 {
			for i := 1 - parity; i < len(events); i += 2 {
				take(events[i])
			}
		}
	}
	return rows
}

// getter is a checker's row getter.
type getter struct {
	life *life
	file *checkFile
}

// misfortune is how a fetch goes wrong.
type misfortune uint8

const (
	goesWell misfortune = iota
	isDown
	breaksOff
	disagrees
	givesNonsense
	takesTooLong
	panics
	isStopped
)

func (m misfortune) String() string {
	return [...]string{"goes well", "fails", "breaks off", "gives a summary that disagrees", "gives a batch that does not add up", "takes too long", "panics", "is stopped with dwmon"}[m]
}

func (l *life) drawMisfortune(s *source) misfortune {
	switch {
	case !l.troubled:
		return goesWell
	case l.real < s.downUntil:
		return isDown
	case oneIn(l.rng, 30):
		return pick(l.rng, isDown, isDown, breaksOff, breaksOff, disagrees, disagrees, givesNonsense, takesTooLong, takesTooLong, panics, isStopped)
	}
	return goesWell
}

// GetRows gives what the query asks for, or fails.
func (g getter) GetRows(_ context.Context, req dwmon.FetchRequest, sink func(*dwmon.Batch) error) (said dwmon.FetchSummary, err error) {
	l, s := g.life, g.file.source
	p := l.passing[req.Checker.Name]
	q := p.query
	p.asked, p.started = true, l.clock()
	if p.checker != req.Checker {
		l.fail("checker %s: the row getter is asked for another text than the pass began with", p.checker.Name)
	}
	l.meanwhile(p)
	p.fate = l.drawMisfortune(s)
	l.stats.Fetches++
	if p.fate != goesWell {
		l.stats.FailedFetches++
		l.note("%s: the fetch %s", p.checker.Name, p.fate)
	}
	defer func() { p.ended = l.clock() }()
	var cause error = &dwmon.FetchError{Fault: s.fault, Plugin: s.name, Err: errors.New("no such table")}
	switch p.fate {
	case isDown:
		p.fault = s.fault
		return said, cause
	case takesTooLong:
		l.elapse(61e6)
		return said, context.DeadlineExceeded
	case panics:
		panic("the plugin's host has a fault")
	case isStopped:
		p.stop()
	}
	until := l.real
	if s.lags && !oneIn(l.rng, 3) {
		until -= 1e6 * pick[int64](l.rng, 0, 20, 60, 61, 300, 900)
		asOf := until + s.ahead
		said.DataAsOf, p.asOf = &asOf, &asOf
	}
	if s.tells {
		now := l.real + s.ahead
		said.SourceNow, p.sourceNow = &now, &now
	}
	rows := s.result(q, until)
	if req.Checker.Options.Assumed {
		for i := range rows {
			rows[i].micros = l.real + s.ahead
		}
	}
	whole := rows
	switch {
	case q.limit > 0 && len(rows) >= q.limit:
		rows, p.cut = rows[:q.limit], true
	case q.capped > 0 && len(rows) > q.capped:
		rows, p.cut, said.Cut = rows[:q.capped], true, true
	}
	p.given, p.left = rows, whole[len(rows):]
	said.SkippedNull = int64(l.rng.IntN(2))
	if q.limit > 0 && int64(len(rows))+said.SkippedNull >= int64(q.limit) {
		p.cut = true
	}
	said.Rows = int64(len(rows))
	said.SourceTime = time.Millisecond
	sent := rows
	if p.fate == breaksOff {
		sent = rows[:len(rows)/2]
	}
	if err := send(sent, s.batch, sink); err != nil {
		return said, err
	}
	switch p.fate {
	case breaksOff:
		return said, errors.New("the connection was reset in the middle of the result")
	case disagrees:
		said.Rows += int64(pick(l.rng, -1, 1))
	case givesNonsense:
		return said, sink(&dwmon.Batch{Keys: []byte("abc"), Lengths: []uint32{2}, Micros: []int64{0}})
	}
	return said, nil
}

func send(rows []event, size int, sink func(*dwmon.Batch) error) error {
	var b dwmon.Batch
	for chunk := range slices.Chunk(rows, size) {
		b.Keys, b.Lengths, b.Micros = b.Keys[:0], b.Lengths[:0], b.Micros[:0]
		for i := range chunk {
			b.Keys = append(b.Keys, chunk[i].key...)
			b.Lengths = append(b.Lengths, uint32(len(chunk[i].key)))
			b.Micros = append(b.Micros, chunk[i].micros)
		}
		if err := sink(&b); err != nil {
			return err
		}
	}
	return nil
}

// purging is what a checker's purger does.
type purging uint8

const (
	noPurge purging = iota
	purgeOld
	purgeAnything
)

// purger names cut-offs, wrong ones too.
type purger struct {
	life *life
	file *checkFile
}

func (g purger) IdentifyOld(_ context.Context, req dwmon.PurgeRequest) (dwmon.Cutoff, error) {
	l := g.life
	p := l.passing[req.Checker.Name]
	p.purgerAsked++
	var at int64
	switch {
	case g.file.purging == purgeOld:
		at = req.Now - 6*3600
	case oneIn(l.rng, 3):
		return dwmon.Cutoff{}, nil
	case oneIn(l.rng, 4):
		return dwmon.Cutoff{}, errors.New("the purger fell over")
	default:
		at = pick(l.rng, req.Oldest, req.Newest, req.Newest+1, req.Now, req.Now+86400, req.KeepFrom, req.KeepFrom+1, req.KeepFrom-60, -req.Now)
	}
	p.cutoff = &at
	return dwmon.Cutoff{Set: true, OlderThan: at}, nil
}
