package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Misbehaviour that a query asks for, beside that in obey.
var misdeeds = map[string]func(ctx context.Context, out pluginsdk.RowSink, words []string) error{
	"stubborn": func(context.Context, pluginsdk.RowSink, []string) error { // deaf to the end of the call
		time.Sleep(time.Hour)
		return nil
	},
	"leak": func(_ context.Context, _ pluginsdk.RowSink, words []string) error { // leak MIB, and stay
		hold(number(words[1]))
		time.Sleep(time.Hour)
		return nil
	},
	"leak-apart": func(context.Context, pluginsdk.RowSink, []string) error { // in a grandchild that has left us
		if err := startApart("leaker", "400"); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		return nil
	},
	"grandchild-crash": func(_ context.Context, out pluginsdk.RowSink, _ []string) error {
		if err := grandchild(out, true); err != nil {
			return err
		}
		panicApart("left a child")
		return nil
	},
	"unsocket": func(context.Context, pluginsdk.RowSink, []string) error { return deleteSocket() },
	"unsocket-cut": func(context.Context, pluginsdk.RowSink, []string) error {
		if err := deleteSocket(); err != nil {
			return err
		}
		cutSockets()
		time.Sleep(time.Hour)
		return nil
	},
	"tell-secret": func(context.Context, pluginsdk.RowSink, []string) error {
		panicApart("cannot log in with " + secretWord)
		return nil
	},
}

// secretWord must never be shown.
const secretWord = "hunter2"

// panicApart ends the process from outside of the call, as the SDK would catch a
// panic within it.
func panicApart(words string) {
	go panic(words)
	time.Sleep(time.Hour)
}

var held [][]byte

// hold takes memory, page by page and not too fast to be seen.
func hold(mib int) {
	for range mib {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		held = append(held, block)
		time.Sleep(4 * time.Millisecond)
	}
}

// startApart starts ourselves as a process that is nobody's child any more, in a
// session of its own.
func startApart(args ...string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(exe, append([]string{"orphan"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Run()
}

// actApart is what the processes do that fixtures start.
func actApart(args []string) {
	switch args[0] {
	case "orphan": // starts another one and ends, so that init adopts it
		exe, err := os.Executable()
		if err != nil {
			panic(err)
		}
		cmd := exec.Command(exe, args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
	case "leaker":
		hold(number(args[1]))
		time.Sleep(time.Hour)
	}
}

// deleteSocket is what systemd-tmpfiles does to sockets that are older than it likes.
func deleteSocket() error {
	files, err := filepath.Glob(filepath.Join(os.Getenv(plugin.EnvUnixSocketDir), "*"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, errors.New("there is no socket to delete"))
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// cutSockets ends every connection of ours.
func cutSockets() {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			_ = syscall.Shutdown(fd, syscall.SHUT_RDWR)
		}
	}
}

// serveJunkSecret prints a secret where the handshake should be.
func serveJunkSecret(string) {
	fmt.Println("password: " + secretWord)
	time.Sleep(time.Minute)
}
