// Command dwmon counts things in datastores, and tells who asked when the counts
// are not what they should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // checkers name zones on machines that have none

	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// Exit codes.
const (
	exitDone        = 0
	exitFault       = 1 // found a fault, or could not finish
	exitUsage       = 2 // wrong usage or configuration
	exitEnvironment = 3 // permission, port, lock, the database's file
)

func main() { os.Exit(run()) }

// run is main as tests call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal kills
	root := newRoot()
	errs := onScreen(os.Stderr)
	root.SetOut(onScreen(os.Stdout))
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	return report(errs, err)
}

// usageError is a command line that cannot be meant as it stands.
type usageError struct {
	err error
	try string // a command line that helps
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errFault ends a command that has said already what is wrong.
var errFault = errors.New("a fault was found")

// report says to errs what went wrong, for people, and gives the exit code.
func report(errs io.Writer, err error) int {
	var faults dwmon.FileFaults
	var usage *usageError
	var env *daemon.EnvironmentError
	var file *sqlite.Error
	var none *daemon.ErrNoChecker
	switch {
	case errors.Is(err, errFault):
		return exitFault
	case errors.As(err, &faults):
		fmt.Fprint(errs, faults.Text())
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "dwmon: %v\n", err)
		if usage.try != "" {
			fmt.Fprintf(errs, "Try: %s\n", usage.try)
		}
		return exitUsage
	case errors.As(err, &none):
		fmt.Fprintf(errs, "dwmon: %v\n", err)
		return exitUsage
	case errors.As(err, &env), errors.As(err, &file):
		fmt.Fprintf(errs, "dwmon: %v\n", err)
		return exitEnvironment
	default:
		fmt.Fprintf(errs, "dwmon: %v\n", err)
		return exitFault
	}
}
