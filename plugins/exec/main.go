// Command dwmon-plugin-exec makes plugins of any programs: a row getter, a check
// handler or a purger is a command that is run for each call, or one that lives
// and is spoken to in lines of JSON. With DWMON_PLUGIN_MANIFEST in its environment
// it serves the bundle of that manifest, under the bundle's name; else what its
// settings say.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	_ "time/tzdata" // a minimal container has no time zone database

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// Version of this bridge.
const Version = "0.1.0"

func main() {
	p, err := plugin()
	if err != nil {
		fmt.Fprintf(os.Stderr, "dwmon-plugin-exec: %v\n", err)
		os.Exit(1)
	}
	pluginsdk.Serve(p)
}

// server is one instance of the plugin.
type server struct {
	kinds *kinds
	// folder is where relative paths count from; empty: the working directory.
	folder string
	// shared gives the settings that are handed to the programs, as JSON.
	shared   func() ([]byte, error)
	programs map[pluginsdk.Kind]*program
	running  running
}

// plugin is the bundle of the manifest, or the plugin exec, whose settings say what
// it does. Describe of the latter names every kind: its answer is kept for as long
// as this program's file is the same, and the settings are not known yet.
func plugin() (pluginsdk.Plugin, error) {
	var m manifest
	bundled, err := bridge.LoadManifest("exec", &m)
	if err != nil {
		return pluginsdk.Plugin{}, err
	}
	p := pluginsdk.Plugin{
		Name:    "exec",
		Version: Version,
		Summary: "runs any program as row getter, check handler or purger",
	}
	s := &server{programs: map[pluginsdk.Kind]*program{}}
	served := allKinds
	if bundled {
		m.Identify(&p)
		values, err := declared(m.Settings)
		if err != nil {
			return p, fmt.Errorf("%s: %w", os.Getenv(bridge.ManifestEnv), err)
		}
		p.Settings, s.shared = values.target, values.json
		s.kinds, s.folder, served = &m.Kinds, m.Dir(), m.Kinds.configured()
		if len(served) == 0 {
			return p, fmt.Errorf("%s: kinds is empty: give row_getter, check_handler or purger a command", os.Getenv(bridge.ManifestEnv))
		}
	} else {
		own := &settings{}
		p.Settings, s.shared, s.kinds = own, own.json, &own.Kinds
	}
	p.DefaultOn = cmp.Or(p.DefaultOn, pluginsdk.OnEvery)
	p.Setup, p.Shutdown, p.Health = s.setup, s.shutdown, s.health
	for _, kind := range served {
		switch kind {
		case pluginsdk.KindRowGetter:
			p.RowGetter = rowGetter{s}
		case pluginsdk.KindCheckHandler:
			p.CheckHandler = checkHandler{s}
			p.Statuses = []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown}
		case pluginsdk.KindPurger:
			p.Purger = purger{s}
		}
	}
	return p, nil
}

// setup checks all commands, and says everything that is wrong with them at once.
func (s *server) setup(context.Context) error {
	served := s.kinds.configured()
	if len(served) == 0 {
		return pluginsdk.ConfigError(errors.New("no kind of work is set: give kinds.row_getter, kinds.check_handler or kinds.purger a command"))
	}
	shared, err := s.shared()
	if err != nil {
		return pluginsdk.ConfigError(err)
	}
	var faults []error
	for _, kind := range served {
		p, err := newProgram(kind, s.kinds.of(kind), s.folder, shared)
		if err != nil {
			faults = append(faults, fmt.Errorf("kinds.%s: %w", kind, err))
			continue
		}
		p.running = &s.running
		s.programs[kind] = p
	}
	return pluginsdk.ConfigError(errors.Join(faults...))
}

// program gives the program of a kind of work.
func (s *server) program(kind pluginsdk.Kind) (*program, error) {
	if p := s.programs[kind]; p != nil {
		return p, nil
	}
	return nil, pluginsdk.ConfigError(fmt.Errorf("the settings name no command for this kind of work: set kinds.%s.command", kind))
}

// health looks at the commands again: they may have gone since.
func (s *server) health(context.Context) error {
	var faults []error
	for _, kind := range s.kinds.configured() {
		if _, err := newProgram(kind, s.kinds.of(kind), s.folder, nil); err != nil {
			faults = append(faults, fmt.Errorf("kinds.%s: %w", kind, err))
		}
	}
	return errors.Join(faults...)
}

// shutdown ends what still runs: when this process is gone, nobody else does.
func (s *server) shutdown(ctx context.Context) error {
	var workers sync.WaitGroup
	for _, p := range s.programs {
		if p.pool != nil {
			workers.Go(func() { _ = p.pool.Close(ctx) })
		}
	}
	s.running.end(ctx)
	workers.Wait()
	return nil
}

// running are the programs that are at work for a call, or have been given up.
type running struct {
	mu     sync.Mutex
	live   map[*bridge.Process]struct{}
	ending sync.WaitGroup
}

func (r *running) add(p *bridge.Process) {
	r.mu.Lock()
	if r.live == nil {
		r.live = map[*bridge.Process]struct{}{}
	}
	r.live[p] = struct{}{}
	r.mu.Unlock()
	r.ending.Go(func() {
		<-p.Exited()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.live, p)
	})
}

func (r *running) each(f func(*bridge.Process)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.live {
		f(p)
	}
}

// end asks all programs to end, and kills those that have not soon.
func (r *running) end(ctx context.Context) {
	r.each((*bridge.Process).Terminate)
	gone := make(chan struct{})
	go func() { r.ending.Wait(); close(gone) }()
	select {
	case <-gone:
		return
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
	r.each((*bridge.Process).Kill)
	<-gone
}
