package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/protobuf/proto"
)

// catalogued is an entry of the catalogue: a plugin as it was found, and what it
// said of itself once done is closed.
type catalogued struct {
	Found
	done   chan struct{}
	plugin Plugin
	// urgent is closed when somebody waits for it: it needs no place then.
	urgent  chan struct{}
	hastens sync.Once
	// before is what the plugin of this name did until now.
	before *Plugin
}

func newCatalogued(f Found) *catalogued {
	c := &catalogued{Found: f, done: make(chan struct{}), urgent: make(chan struct{})}
	c.plugin = c.blank()
	switch {
	case f.Conflict:
		c.plugin.State = StateConflict
	case f.Err != nil:
		c.plugin.State = StateRejected
	case f.Sidecar.disabled():
		c.plugin.State = StateDisabled
	}
	if f.Err != nil {
		c.plugin.Err = f.Err.Error()
		errors.As(f.Err, &c.plugin.Refusal)
	}
	return c
}

// blank is the plugin before it has said anything.
func (c *catalogued) blank() Plugin {
	p := Plugin{Name: c.Name, Path: c.Path, SHA256: c.SHA256, Warnings: c.Warnings, Kinds: []Kind{}}
	if c.Bundle != nil {
		p.Bridge = c.Bundle.Bridge
	}
	return p
}

// now is what is known of the plugin at the moment.
func (c *catalogued) now() Plugin {
	p := c.blank()
	select {
	case <-c.done:
		p = c.plugin
	default:
		p.State, p.Unheard = StateDiscovered, true
	}
	switch p.State {
	case StateDiscovered, StateBroken, StateRejected, StateIncompatible:
		p.inherit(c.before)
	}
	return p
}

// inherit goes on with what the plugin of this name did so far: a file that was
// replaced by one that does not answer, or may not, keeps its work. The process of
// the old file goes on serving it, and once that has ended the cause is the new file,
// not that nobody does such work.
func (p *Plugin) inherit(before *Plugin) {
	if before == nil {
		return
	}
	p.Kinds, p.Sources, p.Unheard = before.Kinds, before.Sources, false
	p.DefaultOn, p.Statuses, p.Notices = before.DefaultOn, before.Statuses, before.Notices
}

// heir is what a successor of the entry inherits.
func (c *catalogued) heir() *Plugin {
	p := c.now()
	if len(p.Kinds) == 0 {
		return nil
	}
	return &p
}

func (c *catalogued) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// hasten has the plugin asked at once, whatever else is being asked.
func (c *catalogued) hasten() { c.hastens.Do(func() { close(c.urgent) }) }

func (c *catalogued) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer fills the entry: from the cache, else by starting the plugin once. One
// that is known not to answer is said to be broken at once, and asked again all the
// same.
func (h *Host) answer(c *catalogued) {
	defer h.tell()
	if c.plugin.State != "" {
		close(c.done)
		return
	}
	if known := h.cached(c.Name, c.key()); known != nil {
		c.plugin.fill(known)
		close(c.done)
		return
	}
	if h.opt.NoLaunch {
		c.plugin.State, c.plugin.Unheard = StateDiscovered, true
		close(c.done)
		return
	}
	past := h.recall(c.key())
	if past == nil || !past.stands(time.Now()) {
		c.plugin = h.ask(h.background, c, past)
		close(c.done)
		return
	}
	c.plugin.State, c.plugin.Err = StateBroken, past.String()
	close(c.done)
	h.tell()
	h.renew(c, h.ask(h.background, c, past))
}

// ask starts the plugin and lets it say what it is.
func (h *Host) ask(ctx context.Context, c *catalogued, past *silence) Plugin {
	answer := c.blank()
	select {
	case h.describing <- struct{}{}:
		defer func() { <-h.describing }()
	case <-c.urgent:
	case <-ctx.Done():
		answer.State, answer.Err = StateBroken, "dwmon was stopped before the plugin was asked what it is"
		return answer
	}
	began := time.Now()
	p, err := h.startFound(ctx, c.Found, launch{})
	if err == nil {
		answer.fill(p.describe)
		h.remember(c.key(), p.describe)
		if past != nil {
			h.forgetSilence(c.key())
		}
		p.stop(ctx)
		return answer
	}
	answer.State, answer.Err = StateBroken, err.Error()
	if se := (*startError)(nil); errors.As(err, &se) && se.failure == failedIncompatible {
		answer.State = StateIncompatible
	}
	if ctx.Err() == nil {
		if time.Since(began) >= h.t.Start/10 {
			h.rememberSilence(c.key(), past, err)
		}
		h.log.Warn("a plugin cannot be used", "plugin", c.Name, "path", c.Path, "err", err)
	}
	return answer
}

// renew replaces an answer, unless the entry is no longer in the catalogue.
func (h *Host) renew(c *catalogued, answer Plugin) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cs := h.catalogue[c.Name]; len(cs) != 1 || cs[0] != c {
		return // others read the slice that they were given: it is never written to
	}
	next := newCatalogued(c.Found)
	next.before, next.plugin = c.before, answer
	close(next.done)
	h.catalogue[c.Name] = []*catalogued{next}
}

// tell says that there is something new to know.
func (h *Host) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *Host) cached(name, key string) *pluginv1.DescribeResponse {
	if h.opt.Cache == nil || key == "" {
		return nil
	}
	raw, ok := h.opt.Cache.Described(key)
	if !ok {
		return nil
	}
	d := new(pluginv1.DescribeResponse)
	// The file may have been renamed, and the host replaced, since.
	if proto.Unmarshal(raw, d) != nil || checkDescribe(name, d, h.opt.HostVersion) != nil {
		return nil
	}
	return d
}

func (h *Host) remember(key string, d *pluginv1.DescribeResponse) {
	if h.opt.Cache == nil || key == "" {
		return
	}
	if raw, err := proto.Marshal(d); err == nil {
		h.opt.Cache.SaveDescribed(key, raw)
	}
}

// silence is a plugin that took its time and then did not say what it is. It is
// remembered by digest, so that the next start need not wait for it. Those that fail
// at once are not remembered: asking them costs nothing.
type silence struct {
	AtEpoch int64  `json:"at_epoch"`
	Times   int    `json:"times"`
	Reason  string `json:"reason"`
}

// Others wait for a silent plugin again after silenceMin, and after twice as long
// each time, at most silenceMax: what ailed it may have been the machine.
const (
	silenceMin = 10 * time.Minute
	silenceMax = 6 * time.Hour
)

// stands says whether nobody needs to wait for the plugin.
func (s *silence) stands(now time.Time) bool {
	wait := silenceMax
	if s.Times < 8 {
		wait = min(wait, silenceMin<<(max(s.Times, 1)-1))
	}
	since := now.Sub(time.Unix(s.AtEpoch, 0))
	return since >= 0 && since < wait
}

func (s *silence) String() string {
	return fmt.Sprintf("%s (so at %s, and nobody waits for it now; it is asked again)", s.Reason, time.Unix(s.AtEpoch, 0).UTC().Format(time.RFC3339))
}

// silenceKey is where the cache keeps it: no digest begins like this.
func silenceKey(key string) string { return "silent:" + key }

func (h *Host) recall(key string) *silence {
	if h.opt.Cache == nil || key == "" {
		return nil
	}
	raw, ok := h.opt.Cache.Described(silenceKey(key))
	s := new(silence)
	if !ok || json.Unmarshal(raw, s) != nil || s.AtEpoch == 0 {
		return nil
	}
	return s
}

func (h *Host) rememberSilence(key string, past *silence, err error) {
	if h.opt.Cache == nil || key == "" {
		return
	}
	s := silence{AtEpoch: time.Now().Unix(), Times: 1, Reason: cutText(h.redact(err.Error()), maxText)}
	if past != nil {
		s.Times += past.Times
	}
	if raw, err := json.Marshal(s); err == nil {
		h.opt.Cache.SaveDescribed(silenceKey(key), raw)
	}
}

func (h *Host) forgetSilence(key string) { h.opt.Cache.SaveDescribed(silenceKey(key), nil) }
