package endtoend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// misbehaving are the plugins that do what no plugin should, and those that watch
// how they are treated themselves.
var misbehaving map[string]func(name string)

func init() {
	misbehaving = map[string]func(string){
		"leaker":   getter(leak),
		"frozen":   getter(freeze),
		"orphaner": getter(orphan),
		"flooder":  getter(flood),
		"keeper":   serveKeeper,
		"steady":   getter(steady),
	}
}

// getter serves a row getter that claims its own name as SOURCE.
func getter(get pluginsdk.RowGetterFunc) func(string) {
	return func(name string) {
		pluginsdk.Serve(pluginsdk.Plugin{Name: name, Version: "1.0.0", Sources: []string{name}, RowGetter: get})
	}
}

func leak(context.Context, pluginsdk.Query, pluginsdk.RowSink) error {
	var held [][]byte
	for range 2000 {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("held %d MiB, and nobody minded", len(held))
}

// freeze stops the whole process, as a debugger or an operator's mistake does.
func freeze(ctx context.Context, _ pluginsdk.Query, _ pluginsdk.RowSink) error {
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	<-ctx.Done()
	return ctx.Err()
}

// orphan leaves a process in a session of its own that holds our standard error,
// and crashes.
func orphan(context.Context, pluginsdk.Query, pluginsdk.RowSink) error {
	cmd := exec.Command("sleep", "3600")
	cmd.Stderr = os.NewFile(2, "stderr")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go panic("left a process behind")
	select {}
}

func flood(_ context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
	for i := range 20_000 {
		_, _ = fmt.Fprintf(os.Stderr, "line %d of many\n", i)
	}
	_, _ = fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
	return out.Append("one", time.Now())
}

// steady appends a line to the file that the query names when a call begins and
// one when it ends, and takes its time between.
func steady(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	file, wait, _ := strings.Cut(q.Text, " ")
	takes, err := time.ParseDuration(wait)
	if err != nil {
		return pluginsdk.CheckerError(err)
	}
	note := func(what string) error {
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "%s %d %s\n", what, os.Getpid(), q.Checker.Name)
		return errors.Join(err, f.Close())
	}
	if err := note("begin"); err != nil {
		return err
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return errors.Join(ctx.Err(), note("cancelled"))
	}
	if err := out.Append(q.Checker.Name, time.Now().Add(-90*time.Second)); err != nil {
		return err
	}
	return note("end")
}

// observation is what a keeper finds in its own process.
type observation struct {
	Pid     int      `json:"pid"`
	Role    string   `json:"role"`
	Secrets []string `json:"secrets"` // whatever looks like one, anywhere
	Most    int64    `json:"most"`    // calls at the same time so far
	State   string   `json:"state"`
}

// secretForm is what the secrets of these tests look like.
var secretForm = regexp.MustCompile(`SECRET-[a-z]+-[0-9a-f]{16}`)

// serveKeeper is a plugin that looks for secrets in its environment, its arguments
// and all of its memory, and writes down what it finds.
func serveKeeper(name string) {
	var settings struct {
		Role  string `json:"role"`
		Token string `json:"token" secret:"true"`
		Dir   string `json:"dir"`
	}
	var now, most atomic.Int64
	var writing sync.Mutex
	observe := func(ctx context.Context) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		time.Sleep(300 * time.Millisecond)
		writing.Lock()
		defer writing.Unlock()
		text, err := json.Marshal(observation{
			Pid: os.Getpid(), Role: settings.Role, Secrets: ownSecrets(), Most: most.Load(), State: pluginsdk.StateDir(ctx),
		})
		if err != nil {
			return err
		}
		file := filepath.Join(settings.Dir, settings.Role+"-"+strconv.Itoa(os.Getpid())+".json")
		if err := os.WriteFile(file+".tmp", text, 0o600); err != nil {
			return err
		}
		return os.Rename(file+".tmp", file)
	}
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: name, Version: "1.0.0", Settings: &settings, DefaultOn: pluginsdk.OnEvery,
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, _ pluginsdk.Query, out pluginsdk.RowSink) error {
			if err := observe(ctx); err != nil {
				return err
			}
			return out.Append("key", time.Now())
		}),
		CheckHandler: pluginsdk.CheckHandlerFunc(func(ctx context.Context, _ pluginsdk.CheckEvent) error { return observe(ctx) }),
	})
}

// ownSecrets searches environment, arguments and writable memory.
func ownSecrets() []string {
	found := map[string]bool{}
	look := func(text []byte) {
		for _, m := range secretForm.FindAll(text, -1) {
			found[string(m)] = true
		}
	}
	for _, file := range []string{"/proc/self/environ", "/proc/self/cmdline"} {
		text, _ := os.ReadFile(file)
		look(text)
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return []string{"no look at the memory: " + err.Error()}
	}
	defer memory.Close()
	block := make([]byte, 1<<20)
	for line := range strings.SplitSeq(string(maps), "\n") {
		var from, to uint64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") {
			continue
		}
		for at := from; at < to; at += uint64(len(block) - 64) { // a secret may lie across the border of two blocks
			n, _ := memory.ReadAt(block[:min(to-at, uint64(len(block)))], int64(at))
			look(block[:n])
		}
	}
	list := make([]string, 0, len(found))
	for s := range found {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}
