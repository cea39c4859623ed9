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
	// setBack says that it ever was.
	setBack bool
}

// newClock begins at a time.
func newClock(at time.Time) *clock { return &clock{offset: time.Until(at)} }

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
	c.setBack = c.setBack || by < 0
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
