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

	describing chan struct{} // a place for each plugin that is asked at the same time
	running    sync.WaitGroup
	background context.Context
	cancel     context.CancelFunc

	mu        sync.Mutex
	closed    bool
	look      string                   // of the folder when it was last read
	catalogue map[string][]*catalogued // by name; more than one is a conflict
	instances map[string]*instance     // by id
}

// New reads the plugins folder and begins to ask the plugins what they are. No
// plugin that misbehaves fails it. The host must be closed.
func New(opt Options) (*Host, error) {
	h := &Host{
		opt: opt, t: opt.Timings.withDefaults(), log: opt.Log, redact: opt.Redact, mark: newMark(),
		salt:       []byte(cmp.Or(opt.Installation, rand.Text())),
		describing: make(chan struct{}, 4),
		catalogue:  map[string][]*catalogued{},
		instances:  map[string]*instance{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.redact == nil {
		h.redact = func(s string) string { return s }
	}
	var err error
	if h.run, err = openRunDir(opt.RunDir, h.log); err != nil {
		return nil, err
	}
	if h.guard, err = startGuard(opt.GuardCommand, h.mark, h.log); err != nil {
		h.run.close()
		return nil, err
	}
	h.background, h.cancel = context.WithCancel(context.Background())
	if err := h.Rescan(); err != nil {
		h.Close(context.Background())
		return nil, err
	}
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
	h.guard.close(ctx)
	h.run.close()
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
	look := lookOf(h.opt.Dir)
	found, err := Discover(h.opt.Dir)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errClosed
	}
	h.look = look
	next := map[string][]*catalogued{}
	for _, f := range found {
		c := h.known(f)
		if c == nil {
			c = h.add(f)
		}
		next[f.Name] = append(next[f.Name], c)
	}
	h.catalogue = next
	for _, in := range h.instances {
		in.poke()
	}
	return nil
}

var errClosed = errors.New("the plugin host is closed")

// Changed says whether the plugins folder looks other than when it was last read,
// as far as can be told without reading files: whether Rescan would find anything.
func (h *Host) Changed() bool {
	look := lookOf(h.opt.Dir)
	h.mu.Lock()
	defer h.mu.Unlock()
	return look != h.look
}

// lookOf is a folder's plugins and the files beside them, with their fingerprints.
func lookOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var look strings.Builder
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), pluginsdk.FilePrefix) || filepath.Ext(e.Name()) == ".json" {
			fmt.Fprintf(&look, "%q %s\n", e.Name(), fingerprint(filepath.Join(dir, e.Name())))
		}
	}
	return look.String()
}

// known is the entry of a file that has not changed and was not found broken.
func (h *Host) known(f Found) *catalogued {
	for _, c := range h.catalogue[f.Name] {
		if c.Path != f.Path || c.SHA256 == "" || c.SHA256 != f.SHA256 || c.Conflict != f.Conflict ||
			errText(c.Err) != errText(f.Err) || !sameSidecar(c.Sidecar, f.Sidecar) {
			continue
		}
		select {
		case <-c.done:
			if c.plugin.State == StateBroken {
				return nil
			}
		default: // being asked right now
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
	h.running.Go(func() { h.describe(h.background, c) })
	return c
}

// Plugins lists what is in the plugins folder, by name, with the state of what
// runs. It waits until every plugin has said what it is, or has failed to.
func (h *Host) Plugins(ctx context.Context) ([]Plugin, error) {
	h.mu.Lock()
	var entries []*catalogued
	for _, cs := range h.catalogue {
		entries = append(entries, cs...)
	}
	infos := map[string][]InstanceInfo{}
	for _, in := range h.instances {
		infos[in.plugin] = append(infos[in.plugin], in.info())
	}
	h.mu.Unlock()
	plugins := make([]Plugin, 0, len(entries))
	for _, c := range entries {
		p, err := c.wait(ctx)
		if err != nil {
			return nil, err
		}
		plugins = append(plugins, p.withInstances(infos[c.Name]))
	}
	sort.Slice(plugins, func(i, j int) bool {
		a, b := plugins[i], plugins[j]
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Path, b.Path)) < 0
	})
	return plugins, nil
}

func (c *catalogued) wait(ctx context.Context) (Plugin, error) {
	select {
	case <-c.done:
		return c.plugin, nil
	case <-ctx.Done():
		return Plugin{}, ctx.Err()
	}
}

// Plugin waits until a plugin has said what it is. An error: there is none of that
// name, or it cannot be used.
func (h *Host) Plugin(ctx context.Context, name string) (Plugin, error) {
	h.mu.Lock()
	cs := h.catalogue[name]
	h.mu.Unlock()
	if len(cs) == 0 {
		return Plugin{}, h.noSuchPlugin(name)
	}
	p, err := cs[0].wait(ctx)
	if err == nil && p.State != StateVerified {
		err = fmt.Errorf("plugin %s: %s", name, cmp.Or(p.Err, "it is "+string(p.State)))
	}
	return p, err
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
	file, _ := h.fileOf(name)
	return fmt.Errorf("there is no plugin %s: want the file %s (%s)", name, file, there)
}

// fileOf is where the plugin of a name lies, if it does.
func (h *Host) fileOf(name string) (string, bool) {
	file := filepath.Join(h.opt.Dir, pluginsdk.FilePrefix+name)
	for _, path := range []string{file, file + ".exe"} {
		if _, err := os.Lstat(path); err == nil {
			return path, true
		}
	}
	return file, false
}

// locate is the file that an instance starts. A file that has changed since the
// folder was read, or was not right then, is looked at again.
func (h *Host) locate(name string) (Found, error) {
	h.mu.Lock()
	cs := h.catalogue[name]
	h.mu.Unlock()
	var f Found
	switch {
	case len(cs) > 0 && cs[0].Conflict:
		f = cs[0].Found
	case len(cs) > 0 && cs[0].Err == nil && cs[0].fingerprint == h.fingerprint(name):
		f = cs[0].Found
	default:
		file, ok := h.fileOf(name)
		if !ok {
			return Found{}, h.noSuchPlugin(name)
		}
		f = examine(h.opt.Dir, filepath.Base(file))
	}
	switch {
	case f.Err != nil:
		return Found{}, fmt.Errorf("plugin %s: %w", name, f.Err)
	case f.Sidecar.disabled():
		return Found{}, fmt.Errorf("plugin %s is disabled by %s", name, filepath.Join(h.opt.Dir, name+".json"))
	}
	return f, nil
}

// fingerprint changes when the file of a plugin does, as far as can be told without
// reading it.
func (h *Host) fingerprint(name string) string {
	file, ok := h.fileOf(name)
	if !ok {
		return ""
	}
	return fingerprint(file)
}

func fingerprint(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// fileChanged says whether the folder holds another usable file than the one that
// runs.
func (h *Host) fileChanged(name, sum string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	cs := h.catalogue[name]
	return len(cs) == 1 && cs[0].Err == nil && cs[0].SHA256 != sum
}

// learn enters what an instance's process said of itself, where its file is not the
// one in the catalogue: it was replaced, and nobody has said so yet.
func (h *Host) learn(f Found, p *process) {
	f.SHA256 = p.child.sha256
	if h.enter(f, p) {
		h.remember(f.SHA256, p.describe)
	}
}

// enter replaces a catalogue entry; false: it is there already.
func (h *Host) enter(f Found, p *process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	cs := h.catalogue[f.Name]
	if len(cs) > 1 || len(cs) == 1 && cs[0].SHA256 == f.SHA256 {
		return false
	}
	c := newCatalogued(f)
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
