//go:build linux

package torture

import (
	"bufio"
	"cmp"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// event is a row of a source. Times are microseconds since the epoch.
type event struct {
	key string
	us  int64
	// there: from then on the source has it.
	there int64
}

// latest is how much later than its own time an event may come at most.
const latest = 15 * time.Minute

// eventsOf are the events of one minute of a feed: a pure function, so that the model
// knows them without having asked.
func eventsOf(seed uint64, feed string, minute int64) []event {
	h := fnv.New64a()
	_, _ = io.WriteString(h, feed)
	rng := rand.New(rand.NewPCG(seed^h.Sum64(), uint64(minute)))
	n := rng.IntN(4)
	if rng.IntN(10) == 0 {
		n = rng.IntN(12) // a rush, or a lull
	}
	all := make([]event, n)
	for i := range all {
		e := event{key: fmt.Sprintf("%s-%d-%d", feed, minute, i), us: minute*1e6 + rng.Int64N(60e6)}
		switch rng.IntN(6) {
		case 0: // the borders of windows are where counts go wrong
			e.us = minute * 1e6
		case 1:
			e.us = minute*1e6 + 59e6
		}
		e.there = e.us
		switch rng.IntN(8) {
		case 0, 1:
			e.there += rng.Int64N(180e6)
		case 2:
			e.there += rng.Int64N(latest.Microseconds())
		}
		all[i] = e
	}
	return all
}

// window is how far back a source gives its rows.
const window = 8 * time.Hour

// visible are the rows that a feed gives at a time, oldest first.
func visible(seed uint64, feed string, at time.Time) []event {
	until := at.UnixMicro()
	from := until - window.Microseconds()
	var rows []event
	for minute := from / 60e6 * 60; minute*1e6 <= until; minute += 60 {
		for _, e := range eventsOf(seed, feed, minute) {
			if e.us > from && e.there <= until {
				rows = append(rows, e)
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b event) int { return cmp.Compare(a.us, b.us) })
	return rows
}

// mood is what a source does to those who ask.
type mood int32

const (
	well    mood = iota
	resets       // the connection is reset in the middle of the result
	silent       // it takes the question and never answers
	refuses      // it hangs up at once
)

// source is a server that row getters ask over TCP: a line with the feed's name; rows
// as "KEY MICROSECONDS"; "end ROWS" at last.
type source struct {
	seed     uint64
	clock    *clock
	listener net.Listener
	mood     atomic.Int32
	// asked is how many results were begun.
	asked atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

func newSource(seed uint64, c *clock) (*source, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &source{seed: seed, clock: c, listener: l, conns: map[net.Conn]bool{}}
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[conn] = true
			s.mu.Unlock()
			s.done.Go(func() { s.serve(conn) })
		}
	})
	return s, nil
}

func (s *source) address() string { return s.listener.Addr().String() }

func (s *source) be(m mood) { s.mood.Store(int32(m)) }

// hangUp ends all connections.
func (s *source) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *source) close() {
	s.listener.Close()
	s.hangUp()
	s.done.Wait()
}

func (s *source) serve(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	m := mood(s.mood.Load())
	if m == refuses {
		return
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	n := s.asked.Add(1)
	if m == silent {
		_, _ = io.Copy(io.Discard, conn) // until who asked gives up
		return
	}
	rows := visible(s.seed, strings.TrimSpace(line), s.clock.high())
	out := bufio.NewWriter(conn)
	for i, e := range rows {
		if m == resets && i == int(n*7919)%(len(rows)+1) {
			_ = out.Flush()
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset instead of an orderly end
			return
		}
		fmt.Fprintf(out, "%s %d\n", e.key, e.us)
	}
	if m == resets { // all rows, and not the word that they are all
		_ = out.Flush()
		_ = conn.(*net.TCPConn).SetLinger(0)
		return
	}
	fmt.Fprintf(out, "end %d\n", len(rows))
	_ = out.Flush()
}
