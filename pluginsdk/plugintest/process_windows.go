package plugintest

import (
	"errors"
	"os/exec"
)

func setGroup(*exec.Cmd, bool) {}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

func (p *process) killGroup() {}

// groupGone has no group to look at: what a plugin starts is in the host's job
// object, which the kit does not make.
func (p *process) groupGone() bool { return true }

func (p *process) terminate() error { return errors.New("there is no SIGTERM on Windows") }

const (
	canTerminate = false
	canGoOffline = false
)
