// Command daemon is `dwmon daemon` as it is soaked: it says what it holds when asked,
// forgets in minutes what is else kept for weeks, and gives plugins as much of the world's
// time as ever. Nothing else differs.
//
//	daemon CONFIG KEEP RATE
//
// CONFIG is dwmon.yaml, KEEP how long deliveries, fetch records and purged keys are
// kept, RATE how many times as fast as the world's its time runs. On standard output it
// says first at which address it serves health and metrics. Then each line on standard
// input is answered by one on standard output, as JSON: what the process holds after a
// garbage collection. One with a path has, besides, the stacks of all goroutines and the
// heap written to PATH.goroutine and PATH.heap.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/soak/held"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "guard" {
		pluginhost.GuardMain()
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 4 {
		return fmt.Errorf("daemon: a configuration, how long to keep things and the rate of time are wanted, got %q", os.Args[1:])
	}
	keep, err := time.ParseDuration(os.Args[2])
	if err != nil {
		return fmt.Errorf("daemon: how long to keep things: %w", err)
	}
	rate, err := strconv.Atoi(os.Args[3])
	if err != nil {
		return fmt.Errorf("daemon: the rate of time: %w", err)
	}
	r := &dwmon.DefaultRetention
	r.SentDeliveries, r.DeadDeliveries, r.Fetches, r.PurgedKeys = keep, keep, keep, keep
	load := func() (*config.Config, error) {
		return config.Load(config.LoadOptions{Path: os.Args[1], Template: notice.Faults})
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return daemon.Run(ctx, daemon.Options{
		Config: cfg, Reload: load, HangUp: hup, Timings: timings(time.Duration(rate)),
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Started: func(address string) {
			fmt.Println(address)
			go func() {
				answer(os.Stdin, os.Stdout)
				stop() // whoever soaks has gone
			}()
		},
	})
}

// timings are those of what the machine does in its own time, however fast ours runs: the
// defaults, many times as long. Pauses are ours, and have their defaults.
func timings(rate time.Duration) pluginhost.Timings {
	return pluginhost.Timings{
		Start: 10 * time.Second * rate, Configure: 30 * time.Second * rate,
		HealthTimeout: 2 * time.Second * rate, CrashWait: 3 * time.Second * rate,
		Handle: 10 * time.Second * rate, Purge: 5 * time.Second * rate,
		DrainCalls: 10 * time.Second * rate, Drain: 5 * time.Second * rate, Exit: 5 * time.Second * rate, Leave: 2 * time.Second * rate,
	}
}

// answer says what is held whenever it is asked.
func answer(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if path := lines.Text(); path != "" {
			if err := profile(path); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		_ = json.NewEncoder(out).Encode(now())
	}
}

// now is what is held. The second collection takes what finalizers of the first
// have let go.
func now() held.Now {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return held.Now{Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc}
}

func profile(path string) error {
	for name, debug := range map[string]int{"goroutine": 1, "heap": 0} {
		f, err := os.Create(path + "." + name)
		if err != nil {
			return err
		}
		if err := pprof.Lookup(name).WriteTo(f, debug); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
