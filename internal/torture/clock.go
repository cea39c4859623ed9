//go:build linux

package torture

import (
	"sync"
	"time"
)

// clock is the time of day of a world: the machine's, set forward or back. Processes
// of the world see it for the machine's own.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
	// latest is the latest that it has shown before it was set.
	latest time.Time
}

// newClock begins at a time.
func newClock(at time.Time) *clock { return &clock{offset: time.Until(at)} }

// begin begins anew at a time: it is for a world in which nothing has run yet.
func (c *clock) begin(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.latest = time.Until(at), time.Time{}
}

// now is the time of day, and nothing else: no reading of a monotonic clock.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset).Round(0)
}

// move sets the clock forward, or back.
func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now().Add(c.offset).Round(0); now.After(c.latest) {
		c.latest = now
	}
	c.offset += by
}

// high is the latest that it has ever shown. Sources go on while clocks are set back.
func (c *clock) high() time.Time {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest.After(now) {
		return c.latest
	}
	return now
}
