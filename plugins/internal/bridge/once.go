package bridge

import (
	"io"
	"log/slog"
	"os/exec"

	"github.com/dwmon/dwmon/pluginsdk"
)

// StartOnce is StartProcess for a program that is run for one call. settled is
// called when the program has ended, before what it has left running is killed:
// whoever wants to know whether anything was looks now.
func StartOnce(cmd *exec.Cmd, settled func()) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = groupAttributes()
	if err := spawn(cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.exited)
		p.awaitSettled(settled)
	}()
	return p, nil
}

// Terminate asks the process and its group to end.
func (p *Process) Terminate() { p.unlessReaped(p.terminateGroup) }

// Words is where what a program prints for people goes: to a log, line by line,
// and the last lines of it into the error of a call that fails.
type Words struct{ output output }

// NewWords makes an empty one.
func NewWords(log *slog.Logger) *Words {
	return &Words{output{log: func() *slog.Logger { return log }}}
}

// Read logs every line until the end. It may be called for several readers at the
// same time.
func (w *Words) Read(r io.ReadCloser) { w.output.read(r) }

// Last is the end of an error: what was printed last, or nothing.
func (w *Words) Last() string { return w.output.lastWords() }

// AppendKey appends the key that a JSON value stands for: a text, with \udc80 to
// \udcff for bytes that belong to no character, or a number. raw must be valid JSON.
func AppendKey(dst, raw []byte) ([]byte, error) { return appendKey(dst, raw) }

// ReadCutoff reads a purger's answer: whole seconds since the epoch, or nothing.
func ReadCutoff(text []byte) (pluginsdk.Cutoff, error) { return cutoff(text) }

// Note says something to the log beside what the program prints.
func (w *Words) Note(text string) { w.output.log().Warn(text) }
