package pluginhost

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dwmon/dwmon/internal/dwmon"
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// Inspection is a host of one plugin, for somebody who looks at it or tries it: the
// file need not lie in the plugins folder. Its calls go the way that a daemon's go.
// It must be closed.
type Inspection struct {
	host     *Host
	found    Found
	describe *pluginv1.DescribeResponse
	// startup is the time from exec to the answer of Describe.
	startup time.Duration
}

// TargetError says that a name or path leads to no plugin.
type TargetError struct{ Err error }

func (e *TargetError) Error() string { return e.Err.Error() }
func (e *TargetError) Unwrap() error { return e.Err }

// Inspect starts the plugin of a name in the folder opt.Dir, or of a path, and asks
// it what it is. A file that is named otherwise than dwmon-plugin-NAME may call
// itself what it likes. The error is a *TargetError where there is no such plugin.
func Inspect(ctx context.Context, opt Options, target string) (*Inspection, error) {
	found, err := opt.folder().Locate(target)
	if err != nil {
		return nil, err
	}
	if found.Err != nil {
		return nil, fmt.Errorf("plugin %s: %w", found.Name, found.Err)
	}
	h, err := newHost(opt)
	if err != nil {
		return nil, err
	}
	if found.Sidecar.disabled() { // for daemons, not for whoever mends it
		found.Sidecar.Enabled = nil
		found.Warnings = append(found.Warnings, "it is disabled by its sidecar: no daemon starts it")
	}
	i := &Inspection{host: h, found: found}
	if err := i.ask(ctx); err != nil {
		h.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return i, nil
}

// ask starts the plugin once, in an empty environment as a daemon does, and enters
// it into the catalogue.
func (i *Inspection) ask(ctx context.Context) error {
	began := time.Now()
	p, err := i.host.startFound(ctx, i.found, launch{unnamed: i.found.unnamed()})
	if err != nil {
		return err
	}
	name := p.describe.GetName()
	if !nameForm.MatchString(name) {
		p.discard()
		return fmt.Errorf("it calls itself %s: want lower-case letters, digits and -, at most 39", quoteCut(name, 80))
	}
	i.startup, i.describe = time.Since(began), p.describe
	i.found.Name = name
	c := newCatalogued(i.found)
	c.plugin.fill(p.describe)
	close(c.done)
	i.host.mu.Lock() // the watch over memory looks into the catalogue by now
	i.host.only = &i.found
	i.host.catalogue[name] = []*catalogued{c}
	i.host.mu.Unlock()
	p.stop(ctx)
	return nil
}

// unnamed says that the file's name claims nothing.
func (f *Found) unnamed() bool {
	return f.Bundle == nil && !fileForm.MatchString(filepath.Base(f.Path))
}

// Close stops the plugin, politely until ctx ends.
func (i *Inspection) Close(ctx context.Context) { i.host.Close(ctx) }

// Startup is how long the plugin took from its start to its answer to Describe.
func (i *Inspection) Startup() time.Duration { return i.startup }

// Plugin is what the catalogue says of it.
func (i *Inspection) Plugin(ctx context.Context) (Plugin, error) {
	return i.host.Plugin(ctx, i.found.Name)
}

// RowGetter, CheckHandler and Purger are the plugin's with some settings, as a
// daemon would have them.
func (i *Inspection) RowGetter(settings []byte) dwmon.RowGetter {
	return i.host.RowGetter(i.spec(settings))
}

func (i *Inspection) CheckHandler(settings []byte) dwmon.CheckHandler {
	return i.host.CheckHandler(i.spec(settings))
}

func (i *Inspection) Purger(settings []byte) dwmon.Purger { return i.host.Purger(i.spec(settings)) }

func (i *Inspection) spec(settings []byte) InstanceSpec {
	return InstanceSpec{Plugin: i.found.Name, Settings: settings}
}

// inspectTimeout bounds the calls that only people ask for.
const inspectTimeout = 30 * time.Second

// Configure has the plugin ready with some settings. An error says why it is not:
// that of the first try, where a daemon would wait and try again.
func (i *Inspection) Configure(ctx context.Context, settings []byte) error {
	in := i.host.instance(i.spec(settings))
	for {
		p, state, changed := in.look()
		switch {
		case p != nil:
			p.done()
			return nil
		case state == StateBackoff, !state.waits():
			return in.notReady("Configure", state)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Health is what a plugin says of itself and of what it needs.
type Health struct {
	// Status is SERVING, DEGRADED or NOT_SERVING.
	Status  string   `json:"status"`
	Message string   `json:"message,omitempty"`
	Remarks []Remark `json:"remarks,omitempty"`
}

// Remark is a finding of a plugin, for people.
type Remark struct {
	// Severity is info, warning or error.
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	// Pointer is a JSON Pointer into the settings or the EXTRA section.
	Pointer string `json:"pointer,omitempty"`
	Code    string `json:"code,omitempty"`
}

// Health asks for the deep check: can the source, or the receiver, be reached? nil:
// the plugin does not serve it.
func (i *Inspection) Health(ctx context.Context, settings []byte) (*Health, error) {
	var health *Health
	err := i.call(ctx, settings, "CheckHealth", func(ctx context.Context, p *process) error {
		resp, err := p.base.CheckHealth(ctx, &pluginv1.CheckHealthRequest{})
		if status.Code(err) == codes.Unimplemented {
			return nil
		}
		if err != nil {
			return err
		}
		health = &Health{
			Status:  strings.TrimPrefix(resp.GetStatus().String(), "HEALTH_STATUS_"),
			Message: p.child.logs.shown(resp.GetMessage()),
			Remarks: p.readRemarks(resp.GetDiagnostics()),
		}
		return nil
	})
	return health, err
}

// ValidateChecker asks what is wrong with a checker, without asking its source.
// false: the plugin does not serve it.
func (i *Inspection) ValidateChecker(ctx context.Context, settings []byte, c *dwmon.Checker, kinds []Kind) (remarks []Remark, served bool, err error) {
	req := &pluginv1.ValidateCheckerRequest{Checker: checkerRef(c), Query: c.Query, Source: c.Source, ExtraJson: c.Extra}
	for _, k := range kinds {
		req.Kinds = append(req.Kinds, wireKinds[k])
	}
	err = i.call(ctx, settings, "ValidateChecker", func(ctx context.Context, p *process) error {
		resp, err := p.base.ValidateChecker(ctx, req)
		if status.Code(err) == codes.Unimplemented {
			return nil
		}
		if err == nil {
			served, remarks = true, p.readRemarks(resp.GetDiagnostics())
		}
		return err
	})
	return remarks, served, err
}

var wireKinds = map[Kind]pluginv1.Kind{
	RowGetter:    pluginv1.Kind_KIND_ROW_GETTER,
	CheckHandler: pluginv1.Kind_KIND_CHECK_HANDLER,
	Purger:       pluginv1.Kind_KIND_PURGER,
}

func (i *Inspection) call(ctx context.Context, settings []byte, op string, f func(context.Context, *process) error) error {
	kind := kindsOf(i.describe)[0] // a call of none counts as one of any
	in := i.host.instance(i.spec(settings))
	return in.do(ctx, call{kind: kind, op: op, timeout: inspectTimeout}, f)
}

func (p *process) readRemarks(ds []*pluginv1.Diagnostic) []Remark {
	clean := p.child.logs.shown
	var out []Remark
	for _, d := range ds[:min(len(ds), maxWarnings)] {
		severity := strings.ToLower(strings.TrimPrefix(d.GetSeverity().String(), "SEVERITY_"))
		if d.GetSeverity() == pluginv1.Severity_SEVERITY_UNSPECIFIED {
			severity = "info"
		}
		out = append(out, Remark{severity, clean(d.GetSummary()), clean(d.GetDetail()), d.GetPointer(), d.GetCode()})
	}
	return out
}

// Asking names the plugins that have not said yet what they are.
func (h *Host) Asking() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name, cs := range h.catalogue {
		for _, c := range cs {
			select {
			case <-c.done:
			default:
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Dir is the plugins folder.
func (h *Host) Dir() string { return h.opt.Dir }

// Names lists what a plugins folder holds by names alone, for a shell that completes
// them.
func Names(dir string) []string {
	candidates, _, _ := Folder{Dir: dir}.scan()
	var names []string
	for _, c := range candidates {
		if c.err == nil {
			names = append(names, c.name)
		}
	}
	return names
}

// Command is how the plugin is executed.
type Command struct {
	Path string
	// Env is NAME=value: what the plugin is given, but for the protocol's own.
	Env []string
	// Manifest is that of a bundle, of which Path is the bridge; empty for none.
	Manifest string
}

// Command is how a daemon would execute the plugin: in strict mode from a private
// copy, which stays until Close.
func (i *Inspection) Command() (Command, error) {
	p, _, err := i.host.copies.of(&i.found)
	if err != nil {
		return Command{}, err
	}
	return i.found.command(p)
}

// command is the execution of what of the plugin has been found, or of a copy of it.
// It is looked at once more, as before every start.
func (f *Found) command(p program) (Command, error) {
	if err := p.verify(); err != nil {
		return Command{}, fmt.Errorf("plugin %s: %w", f.Name, err)
	}
	return Command{Path: p.path, Env: environ(os.Environ(), f.environ()), Manifest: p.manifest()}, nil
}
