package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// program is the command of one kind of work, found and ready to run.
type program struct {
	kind pluginsdk.Kind
	work *work
	// name is the program as it was named, for errors and logs. Arguments may hold
	// what is nobody's business.
	name string
	path string
	dir  string
	zone *time.Location
	// settings are handed to the program, as JSON.
	settings []byte
	running  *running
	pool     *bridge.Pool // of a persistent program
}

// newProgram finds a command. Relative paths count from folder, or, where that is
// empty, from the working directory.
func newProgram(kind pluginsdk.Kind, w *work, folder string, settings []byte) (*program, error) {
	if err := w.check(kind); err != nil {
		return nil, err
	}
	p := &program{kind: kind, work: w, settings: settings}
	var err error
	if p.zone, err = time.LoadLocation(w.Timezone); err != nil {
		return nil, err
	}
	base, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if p.dir, err = workdir(base, w.Workdir); err != nil {
		return nil, err
	}
	p.name = w.Command[0]
	if p.path, err = findCommand(base, p.name); err != nil {
		return nil, err
	}
	if w.Persistent {
		p.pool = bridge.NewPool(p.workers())
	}
	return p, nil
}

func workdir(base, dir string) (string, error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(base, dir)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err != nil {
		return "", fmt.Errorf("workdir %s: %w", dir, plain(err))
	}
	return dir, nil
}

// findCommand finds the program: by its path where the name has a slash, else on
// the PATH, as a shell does.
func findCommand(base, name string) (string, error) {
	if name == "" {
		return "", errors.New("command: the program's name is empty")
	}
	if !strings.ContainsAny(name, `/\`) {
		path, err := exec.LookPath(name)
		if err == nil {
			return filepath.Abs(path)
		}
		if _, statErr := os.Stat(filepath.Join(base, name)); statErr == nil {
			return "", fmt.Errorf("command %s: it is not on the PATH; for the file in %s write ./%s", name, base, name)
		}
		return "", fmt.Errorf("command %s: it is not on the PATH (%s)", name, os.Getenv("PATH"))
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(base, path)
	}
	// LookPath knows what the system takes for executable.
	found, err := exec.LookPath(path)
	if err == nil {
		return found, nil
	}
	if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() {
		return "", fmt.Errorf("command %s: %s is not executable: chmod +x, or name its interpreter first", name, path)
	}
	return "", fmt.Errorf("command %s: %s: %w", name, path, plain(err))
}

// plain takes the words of the call and the path from an error of the file system.
func plain(err error) error {
	var pathErr *os.PathError
	var execErr *exec.Error
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err
	case errors.As(err, &execErr):
		return plain(execErr.Err)
	}
	return err
}

// workers are the processes of a persistent program.
func (p *program) workers() bridge.Options {
	return bridge.Options{
		Name:    "worker " + p.name,
		Command: func(context.Context) (*exec.Cmd, error) { return p.command(nil), nil },
		Hello: struct {
			Op       string          `json:"op"`
			V        int             `json:"v"`
			Kind     pluginsdk.Kind  `json:"kind"`
			Settings json.RawMessage `json:"settings"`
		}{"hello", 1, p.kind, orEmpty(p.settings)},
		Workers: p.work.Workers, MaxCalls: p.work.MaxCalls, MaxMemory: int64(p.work.MaxMemoryMB) << 20,
	}
}

// command is the command with an environment for one call.
func (p *program) command(variables []string) *exec.Cmd {
	cmd := &exec.Cmd{Path: p.path, Args: append([]string{p.name}, p.work.Command[1:]...), Dir: p.dir}
	for _, kv := range os.Environ() {
		if !hostsOwn(kv) {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	for name, value := range p.work.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, variables...)
	return cmd
}

// hostsOwn says that a variable is between the host and this process. The mark by
// which the host finds what it has to end stays.
func hostsOwn(kv string) bool {
	return strings.HasPrefix(kv, bridge.ManifestEnv+"=") || strings.HasPrefix(kv, "PLUGIN_")
}

func orEmpty(raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}
