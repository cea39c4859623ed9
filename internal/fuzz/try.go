package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// withCgo are the modules that need C: the go command is told so for them alone, as
// `make heavy` does.
var withCgo = map[string]bool{"plugins/duckdb": true}

// finding is what came of trying a target.
type finding struct {
	Package string  `json:"package"`
	Target  string  `json:"target"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	// Executions is how many inputs were tried beyond the known ones; Interesting is
	// how many of them led to code that no other had reached.
	Executions  int64 `json:"executions"`
	Interesting int64 `json:"interesting"`
	// Input is the file that the target fails with, from the root; empty: it failed
	// without one. Output is what was said then.
	Input  string `json:"input,omitempty"`
	Output string `json:"output,omitempty"`

	again string // the command that repeats the failure
}

// try runs one target. The error is of the machine's, not of the target's.
func (c *campaign) try(ctx context.Context, t target) (finding, error) {
	f := finding{Package: t.pkg, Target: t.name}
	// Inputs are made smaller by a few tries only: where coverage hangs on the order of
	// goroutines or maps, the minute that is the default would be all there is.
	args := []string{"test", "-run", "^$", "-fuzz", "^" + t.name + "$", "-fuzztime", c.span.String(), "-fuzzminimizetime", "200x"}
	if c.parallel > 0 {
		args = append(args, "-parallel", strconv.Itoa(c.parallel))
	}
	cmd := exec.CommandContext(ctx, "go", append(args, t.inPackage())...)
	cmd.Dir = filepath.Join(c.root, filepath.FromSlash(t.module))
	if withCgo[t.module] {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	// The go command tells its workers, which put down what they hold.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	began := time.Now()
	err := cmd.Run()
	f.Seconds = time.Since(began).Round(time.Second / 10).Seconds()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return f, fmt.Errorf("go test cannot be run: %w", err)
	}
	f.OK = err == nil
	f.read(t, said.String())
	return f, nil
}

var (
	progress = regexp.MustCompile(`(?m)^fuzz: elapsed: .*, execs: ([0-9]+) .*new interesting: ([0-9]+) `)
	written  = regexp.MustCompile(`(?m)^\s*Failing input written to (\S+)`)
	timeUp   = regexp.MustCompile(`^--- FAIL: \S+ \(\S+\)\n\s+context deadline exceeded\nFAIL\nexit status 1\nFAIL\t`)
	seed     = regexp.MustCompile(`(?m)^failure while testing seed corpus entry: \S+?/(\S+)|^\s*--- FAIL: \S+?/(\S+) `)
)

// read takes from go test's words what is asked for.
func (f *finding) read(t target, said string) {
	if all := progress.FindAllStringSubmatch(said, -1); all != nil {
		last := all[len(all)-1]
		f.Executions, _ = strconv.ParseInt(last[1], 10, 64)
		f.Interesting, _ = strconv.ParseInt(last[2], 10, 64)
	}
	// On a busy machine the go command may call it a failure that the time was over
	// while its workers were at it. No input is behind that.
	if f.Output = failure(said); !f.OK && timeUp.MatchString(f.Output) {
		f.OK = true
	}
	if f.OK {
		f.Output = ""
		return
	}
	name := ""
	if m := written.FindStringSubmatch(said); m != nil {
		name = m[1][strings.LastIndexByte(m[1], '/')+1:]
	} else if m := seed.FindStringSubmatch(said); m != nil {
		name = m[1] + m[2]
	}
	run := t.name
	if name != "" {
		run += "/" + name
	}
	if file := filepath.Join(t.dir, "testdata", "fuzz", t.name, name); name != "" && isFile(file) {
		f.Input = strings.Join([]string{t.pkg, "testdata/fuzz", t.name, name}, "/")
	}
	f.again = fmt.Sprintf("go test -run '^%s$' %s", strings.Replace(run, "/", "$/^", 1), t.inPackage())
	if t.module != "." {
		f.again = "cd " + t.module + " && " + f.again
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// failure leaves out of the words what only tells of progress. A panic's stack may be
// long: its beginning tells most.
func failure(said string) string {
	const most = 60
	var lines []string
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "fuzz: ") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	if len(lines) > most {
		lines = append(lines[:most], "… (cut)")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
