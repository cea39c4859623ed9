package pluginhost

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Host runs plugins. Its methods may be called from any goroutine.
type Host struct {
	opt    Options
	t      Timings
	log    *slog.Logger
	redact func(string) string
	mark   string
	salt   []byte
	run    *runDir
	guard  *guard
	memory *memoryWatch

	copies     *copies       // nil: plugins run where they lie
	describing chan struct{} // a place for each plugin that is asked at the same time
	news       chan struct{} // holds one where somebody has answered
	running    sync.WaitGroup
	background context.Context
	cancel     context.CancelFunc
	only       *Found // of an Inspection, wherever it lies; nil: the folder's

	mu        sync.Mutex
	closed    bool
	seen      string                   // look of the folder when it was last read
	catalogue map[string][]*catalogued // by name; more than one is a conflict
	instances map[string]*instance     // by id
}

// New reads the plugins folder and begins to ask the plugins what they are. No
// plugin that misbehaves fails it. The host must be closed.
func New(opt Options) (*Host, error) {
	h, err := newHost(opt)
	if err != nil {
		return nil, err
	}
	if err := h.Rescan(); err != nil {
		h.Close(context.Background())
		return nil, err
	}
	return h, nil
}

// newHost is a host that has not looked at its folder.
func newHost(opt Options) (*Host, error) {
	if opt.Strict && len(opt.Attach) > 0 {
		return nil, errors.New("strict mode runs nothing that was not looked at, and so attaches to nothing: unset DWMON_ATTACH_PLUGINS, or leave strict mode")
	}
	h := &Host{
		opt: opt, t: opt.Timings.withDefaults(), log: opt.Log, redact: opt.Redact, mark: newMark(),
		salt:       []byte(cmp.Or(opt.Installation, rand.Text())),
		describing: make(chan struct{}, 4),
		news:       make(chan struct{}, 1),
		catalogue:  map[string][]*catalogued{},
		instances:  map[string]*instance{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.redact == nil {
		h.redact = func(s string) string { return s }
	}
	h.memory = newMemoryWatch(h.t.MemoryEvery, func(plugin string) int64 { return h.limits(plugin).MemoryMiB << 20 })
	var err error
	if h.run, err = openRunDir(opt.RunDir, h.log); err != nil {
		return nil, err
	}
	if h.guard, err = startGuard(opt.GuardCommand, h.mark, h.log); err != nil {
		h.run.close()
		return nil, err
	}
	if opt.Strict {
		if h.copies, err = openCopies(opt.CacheDir, h.log); err != nil {
			h.guard.close(context.Background())
			h.run.close()
			return nil, err
		}
	}
	h.background, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Close stops every plugin, all at the same time, politely until ctx ends, and
// the guard. Calls that still run fail.
func (h *Host) Close(ctx context.Context) {
	h.mu.Lock()
	h.closed = true
	all := h.instances
	h.instances = map[string]*instance{}
	h.mu.Unlock()
	h.cancel()
	stopAll(ctx, all)
	h.running.Wait()
	h.memory.wait()
	h.guard.close(ctx)
	h.run.close()
	h.copies.close()
}

func stopAll(ctx context.Context, all map[string]*instance) {
	var wg sync.WaitGroup
	for _, in := range all {
		wg.Go(func() { in.stop(ctx) })
	}
	wg.Wait()
}

// Rescan reads the plugins folder again. New files are asked what they are; an
// instance whose file has changed starts the new one and changes over when it is
// ready; whatever waits for better times is tried at once.
func (h *Host) Rescan() error {
	seen := look(h.opt.Dir)
	found, err := h.folder().Discover()
	if err != nil {
		return err
	}
	if len(h.opt.Only) > 0 {
		found = slices.DeleteFunc(found, func(f Found) bool { return !slices.Contains(h.opt.Only, f.Name) })
	}
	h.copies.sweep(found)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	h.seen = seen
	next := map[string][]*catalogued{}
	for _, f := range found {
		c := h.known(f)
		if c == nil {
			c = h.add(f)
		}
		next[f.Name] = append(next[f.Name], c)
	}
	h.attachAll(next)
	h.catalogue = next
	h.tell()
	for _, in := range h.instances {
		in.poke()
	}
	return nil
}

var errClosed = errors.New("the plugin host is closed")

func (h *Host) folder() Folder { return h.opt.folder() }

// Changed says whether the plugins folder looks other than when it was last read,
// as far as can be told without reading files: whether Rescan would find anything.
func (h *Host) Changed() bool {
	now := look(h.opt.Dir)
	h.mu.Lock()
	defer h.mu.Unlock()
	return now != h.seen || h.attachmentMissing()
}

// News holds a value when a plugin has said what it is, or has failed to, since the
// last was taken.
func (h *Host) News() <-chan struct{} { return h.news }

// known is the entry of a file that has not changed and was not found broken.
func (h *Host) known(f Found) *catalogued {
	for _, c := range h.catalogue[f.Name] {
		if c.Path != f.Path || c.SHA256 == "" || c.key() != f.key() || c.Conflict != f.Conflict ||
			errText(c.Err) != errText(f.Err) || !sameSidecar(c.Sidecar, f.Sidecar) {
			continue
		}
		if c.isDone() && c.plugin.State == StateBroken {
			return nil
		}
		return c
	}
	return nil
}

func sameSidecar(a, b Sidecar) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// add enters a file and has it asked. The lock is held.
func (h *Host) add(f Found) *catalogued {
	c := newCatalogued(f)
	for _, w := range f.Warnings {
		h.log.Warn("plugins folder: " + w)
	}
	if old := h.catalogue[f.Name]; len(old) == 1 {
		c.before = old[0].heir()
	}
	h.running.Go(func() { h.answer(c) })
	return c
}

// Plugins lists what is in the plugins folder, by name, with the state of what
// runs. It waits until every plugin has said what it is, or has failed to.
func (h *Host) Plugins(ctx context.Context) ([]Plugin, error) {
	if err := h.Settle(ctx); err != nil {
		return nil, err
	}
	return h.PluginsNow(), nil
}

// Settle waits until the plugins of these names have said what they are, or have
// failed to; they are asked before others. Without names, until all have.
func (h *Host) Settle(ctx context.Context, names ...string) error {
	h.mu.Lock()
	var entries []*catalogued
	for name, cs := range h.catalogue {
		if len(names) == 0 || slices.Contains(names, name) {
			entries = append(entries, cs...)
		}
	}
	h.mu.Unlock()
	if len(names) > 0 {
		for _, c := range entries {
			c.hasten()
		}
	}
	for _, c := range entries {
		if err := c.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// PluginsNow is the list of Plugins as far as it is known at the moment.
func (h *Host) PluginsNow() []Plugin {
	h.memory.refresh()
	h.mu.Lock()
	defer h.mu.Unlock()
	infos := map[string][]InstanceInfo{}
	for _, in := range h.instances {
		infos[in.plugin] = append(infos[in.plugin], in.info())
	}
	plugins := h.offered()
	for i, p := range plugins {
		plugins[i] = p.withInstances(infos[p.Name])
	}
	return plugins
}

// Offered is the same without the lives of instances: what the plugins are, not how
// they are.
func (h *Host) Offered() []Plugin {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.offered()
}

// offered lists the catalogue. The lock is held.
func (h *Host) offered() []Plugin {
	plugins := make([]Plugin, 0, len(h.catalogue))
	for _, cs := range h.catalogue {
		for _, c := range cs {
			plugins = append(plugins, c.now())
		}
	}
	sort.Slice(plugins, func(i, j int) bool {
		a, b := plugins[i], plugins[j]
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path)) < 0
	})
	return plugins
}

// Plugin waits until a plugin has said what it is. An error: there is none of that
// name, or it cannot be used.
func (h *Host) Plugin(ctx context.Context, name string) (Plugin, error) {
	if err := h.Settle(ctx, name); err != nil {
		return Plugin{}, err
	}
	h.mu.Lock()
	cs := h.catalogue[name]
	h.mu.Unlock()
	if len(cs) == 0 {
		return Plugin{}, h.noSuchPlugin(name)
	}
	p := cs[0].now()
	if p.State != StateVerified {
		return p, fmt.Errorf("plugin %s: %s", name, cmp.Or(p.Err, "it is "+string(p.State)))
	}
	return p, nil
}

func (h *Host) noSuchPlugin(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make([]string, 0, len(h.catalogue))
	for n := range h.catalogue {
		names = append(names, n)
	}
	slices.Sort(names)
	there := "there are none"
	if len(names) > 0 {
		there = "there are " + strings.Join(names, ", ")
	}
	file := filepath.Join(h.opt.Dir, pluginsdk.FilePrefix+name)
	return fmt.Errorf("there is no plugin %s: want the file %s (%s)", name, file, there)
}

// locate is what an instance starts. Where the folder looks other than when it was
// read, or the plugin was not right then, it is looked at again.
func (h *Host) locate(name string) (Found, error) {
	if h.only != nil {
		return *h.only, nil
	}
	if a, ok := h.opt.Attach[name]; ok {
		return a.found(name), nil
	}
	now := look(h.opt.Dir)
	h.mu.Lock()
	cs, seen := h.catalogue[name], h.seen
	h.mu.Unlock()
	var found []Found
	var err error
	if len(cs) == 1 && cs[0].Err == nil && now == seen {
		found = []Found{cs[0].Found}
	} else {
		found, err = h.folder().find(name)
	}
	switch {
	case err != nil:
		return Found{}, err
	case len(found) == 0:
		return Found{}, h.noSuchPlugin(name)
	case found[0].Err != nil:
		return Found{}, fmt.Errorf("plugin %s: %w", name, found[0].Err)
	case found[0].Sidecar.disabled():
		return Found{}, fmt.Errorf("plugin %s is disabled by %s", name, filepath.Join(h.opt.Dir, name+".json"))
	}
	return found[0], nil
}

// fingerprint changes when what a plugin is started from may have: the folder, as
// bridge and lock file count too, or the socket that it is attached to.
func (h *Host) fingerprint(name string) string {
	if a, ok := h.opt.Attach[name]; ok {
		return mark(os.Stat(a.Addr))
	}
	return look(h.opt.Dir)
}

// fileChanged says whether the folder holds another usable plugin of the name than
// the one that runs.
func (h *Host) fileChanged(name, key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	cs := h.catalogue[name]
	return len(cs) == 1 && cs[0].Err == nil && cs[0].key() != key
}

// learn enters what an instance's process said of itself, where the catalogue does
// not know it: the plugin was replaced, and nobody has said so yet, or it has not
// answered when it was asked.
func (h *Host) learn(f Found, p *process) {
	if h.enter(f, p) {
		h.remember(f.key(), p.describe)
		h.tell()
	}
}

// enter replaces a catalogue entry; false: it is there already.
func (h *Host) enter(f Found, p *process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	cs := h.catalogue[f.Name]
	c := newCatalogued(f)
	switch {
	case len(cs) > 1:
		return false
	case len(cs) == 1 && cs[0].key() == f.key() && cs[0].Err == nil:
		if cs[0].isDone() && cs[0].plugin.State == StateVerified {
			return false
		}
		c.before = cs[0].before
	default:
		h.seen = "" // which of the two is the newer one is for the next look to say
	}
	c.plugin.fill(p.describe)
	close(c.done)
	h.catalogue[f.Name] = []*catalogued{c}
	return true
}

// Keep stops every instance that none of the specs names, politely until ctx ends.
// Their calls in flight finish.
func (h *Host) Keep(ctx context.Context, specs []InstanceSpec) {
	wanted := map[string]bool{}
	for _, s := range specs {
		_, id := h.identify(s)
		wanted[id] = true
	}
	h.mu.Lock()
	dropped := map[string]*instance{}
	for id, in := range h.instances {
		if !wanted[id] {
			dropped[id] = in
			delete(h.instances, id)
		}
	}
	h.mu.Unlock()
	stopAll(ctx, dropped)
}

// identify is an instance's settings in canonical form, and its id.
func (h *Host) identify(spec InstanceSpec) ([]byte, string) {
	settings := canonical(spec.Settings)
	mac := hmac.New(sha256.New, h.salt)
	mac.Write([]byte(spec.Plugin + "\x00"))
	mac.Write(settings)
	return settings, spec.Plugin + "-" + hex.EncodeToString(mac.Sum(nil)[:6])
}

// canonical sorts the members of a JSON object. What is not JSON stands as it is:
// the plugin will say so.
func canonical(settings []byte) []byte {
	if len(bytes.TrimSpace(settings)) == 0 {
		return []byte("{}")
	}
	dec := json.NewDecoder(bytes.NewReader(settings))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return settings
	}
	if _, err := dec.Token(); err != io.EOF {
		return settings
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return settings
	}
	return bytes.TrimSpace(b.Bytes())
}

// instance is the one that a spec names. It is started by its first call.
func (h *Host) instance(spec InstanceSpec) *instance {
	settings, id := h.identify(spec)
	h.mu.Lock()
	in := h.instances[id]
	if in == nil {
		in = newInstance(h, spec, settings, id)
		if h.closed {
			in.running, in.state, in.err = true, StateStopped, in.errStopped()
		} else {
			h.instances[id] = in
		}
	}
	h.mu.Unlock()
	in.allow(spec.Concurrency)
	return in
}

func (h *Host) logLevel() string { return cmp.Or(h.opt.LogLevel, "info") }

// limits are what the operator's sidecar allows a plugin.
func (h *Host) limits(name string) Limits {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cs := h.catalogue[name]; len(cs) > 0 {
		return cs[0].Sidecar.Limits
	}
	return Limits{}
}
