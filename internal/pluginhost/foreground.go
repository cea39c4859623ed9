package pluginhost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// foregroundGrace is how long a plugin in the foreground may take to end.
const foregroundGrace = 6 * time.Second

// Foreground runs a plugin of the folder opt.Dir, or of a path, by itself and waits
// for a daemon to attach to it: what it writes to standard output, the attach line
// first, goes to out, its log to opt.Log. It runs until ctx ends or it ends by
// itself, which is an error. It is given the environment that a daemon would give it.
func Foreground(ctx context.Context, opt Options, target string, out io.Writer) error {
	found, err := opt.folder().Locate(target)
	if err != nil {
		return err
	}
	if found.Err != nil {
		return fmt.Errorf("plugin %s: %w", found.Name, found.Err)
	}
	redact := opt.Redact
	if redact == nil {
		redact = func(s string) string { return s }
	}
	log := opt.Log.With("plugin", found.Name)
	lines := newLineLog(log, redact)
	var private *copies
	if opt.Strict {
		if private, err = openCopies(opt.CacheDir, log); err != nil {
			return err
		}
		defer private.close()
	}
	program, release, err := private.of(&found)
	if err != nil {
		return err
	}
	defer release()
	command, err := found.command(program)
	if err != nil {
		return err
	}
	cmd := exec.Command(command.Path, "--debug")
	cmd.Dir = opt.WorkDir
	cmd.Env = command.Env
	if command.Manifest != "" {
		cmd.Env = append(cmd.Env, ManifestEnv+"="+command.Manifest)
	}
	cmd.SysProcAttr = childAttributes()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := spawn(cmd.Start); err != nil {
		return fmt.Errorf("execute %s: %w%s", found.Path, err, execHint(err))
	}
	var readers sync.WaitGroup
	readers.Go(func() { _, _ = io.Copy(out, stdout) })
	readers.Go(func() { readLines(stderr, redact, func(text []byte) { lines.line(textLineAsJSON(text)) }) })
	return attend(ctx, cmd, &readers, lines)
}

// attend ends the process when ctx does, and says why it ended otherwise.
func attend(ctx context.Context, cmd *exec.Cmd, readers *sync.WaitGroup, lines *lineLog) error {
	c := &child{pid: cmd.Process.Pid}
	ended := make(chan struct{})
	var guard sync.WaitGroup
	guard.Go(func() {
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		if cmd.Process.Signal(syscall.SIGTERM) != nil { // a system without signals
			c.killGroup()
		}
		select {
		case <-ended:
		case <-time.After(foregroundGrace):
			c.killGroup()
		}
	})
	readers.Wait()
	err := cmd.Wait()
	close(ended)
	guard.Wait()
	if ctx.Err() != nil {
		return nil
	}
	how := "exit status 0"
	if err != nil {
		how = err.Error()
	}
	text := "it ended by itself (" + how + ")"
	if words := lastWords(lines.lastLines(20)); words != "" {
		text += "; it last wrote: " + words
	}
	return errors.New(text)
}

// textLineAsJSON turns a line of slog's text form (time=… level=… msg=…) into one of
// its JSON form, in the order of its attributes. Any other line stays as it is.
func textLineAsJSON(line []byte) []byte {
	if !bytes.HasPrefix(line, []byte("time=")) {
		return line
	}
	var b bytes.Buffer
	b.WriteByte('{')
	in := bufio.NewReader(bytes.NewReader(line))
	for first := true; ; first = false {
		key, err := in.ReadString('=')
		if err != nil {
			if strings.TrimSpace(key) != "" {
				return line
			}
			break
		}
		value, ok := textValue(in)
		if !ok {
			return line
		}
		if !first {
			b.WriteByte(',')
		}
		name, _ := json.Marshal(strings.TrimSpace(strings.TrimSuffix(key, "=")))
		text, _ := json.Marshal(value)
		b.Write(name)
		b.WriteByte(':')
		b.Write(text)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// textValue reads a value, quoted as Go quotes or not, up to the next space.
func textValue(in *bufio.Reader) (string, bool) {
	next, err := in.Peek(1)
	if err != nil || next[0] != '"' {
		value, _ := in.ReadString(' ')
		return strings.TrimSuffix(value, " "), true
	}
	var raw []byte
	for escaped := false; ; {
		c, err := in.ReadByte()
		if err != nil {
			return "", false
		}
		raw = append(raw, c)
		if c == '"' && !escaped && len(raw) > 1 {
			break
		}
		escaped = c == '\\' && !escaped
	}
	value, err := strconv.Unquote(string(raw))
	if err != nil {
		return "", false
	}
	_, _ = in.ReadString(' ')
	return value, true
}
