package scaffold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ToolchainError says that a plugin was written but could not be built, or did not
// pass its own tests.
type ToolchainError struct {
	// Missing: there is no Go here at all.
	Missing bool
	// Step is the command that failed; Output is what it said.
	Step, Output string
	Err          error
}

func (e *ToolchainError) Error() string {
	if e.Missing {
		return "there is no Go on this machine's PATH, and the plugin was not built: install it (https://go.dev/dl), then run go build and go test yourself"
	}
	return fmt.Sprintf("%s: %v", e.Step, e.Err)
}

func (e *ToolchainError) Unwrap() error { return e.Err }

// Build builds a Go plugin and runs its tests; tell is told of each step before it
// begins. With the SDK's sources it needs no network where dwmon itself can be built
// without one. The error is a *ToolchainError.
func Build(ctx context.Context, m *Made, name string, tell func(step string)) error {
	if _, err := exec.LookPath("go"); err != nil {
		return &ToolchainError{Missing: true, Err: err}
	}
	if m.sdk {
		if err := pruneModules(ctx, m.Dir); err != nil {
			return err
		}
	} else {
		tell("go mod tidy")
		if _, err := goCommand(ctx, m.Dir, "mod", "tidy"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"build", "-o", "dwmon-plugin-" + name + exeSuffix, "."},
		{"test", "./..."},
	} {
		tell("go " + strings.Join(args, " "))
		if _, err := goCommand(ctx, m.Dir, args...); err != nil {
			return err
		}
	}
	return nil
}

// goCommand runs Go in a folder and gives what it prints.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	step := "go " + args[0]
	if args[0] == "mod" {
		step += " " + args[1]
	}
	return "", &ToolchainError{Step: step, Output: complaint.String() + out.String(), Err: err}
}
