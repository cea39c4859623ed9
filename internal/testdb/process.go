package testdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// process is a server's process.
type process struct {
	cmd  *exec.Cmd
	log  string // path of its output
	quit os.Signal
	done chan struct{} // closed when the process has ended
}

// account is the user a server runs as; nil for the user of the test.
type account struct{ uid, gid int }

// accountFor returns the account of a server that refuses to run as root: the
// system user of that name where the test runs as root.
func accountFor(name string) (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("%w; the server does not run as root", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &account{uid: uid, gid: gid}, nil
}

// own gives a path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// run runs a program of the set-up to its end.
func run(as *account, dir, program string, args ...string) error {
	var out bytes.Buffer
	cmd := command(as, dir, program, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, tail(out.Bytes()))
	}
	return nil
}

// launch starts a server, which ends cleanly at the signal quit.
func launch(as *account, dir string, quit os.Signal, program string, args ...string) (*process, error) {
	log := filepath.Join(dir, "server.log")
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := command(as, dir, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, quit: quit, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait()
	}()
	return p, nil
}

// command prepares a program in the C locale, and in UTC.
func command(as *account, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + dir}
	confine(cmd, as)
	return cmd
}

// ready waits until try succeeds, the server has ended or startLimit is over.
func (p *process) ready(try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("the server ended\n%s", p.tail())
		case <-ctx.Done():
			p.stop()
			return fmt.Errorf("no answer after %v: %w\n%s", startLimit, err, p.tail())
		case <-tick.C:
		}
	}
}

// stop ends the server: cleanly within five seconds, else by force.
func (p *process) stop() {
	p.cmd.Process.Signal(p.quit)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) tail() []byte {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return tail(b)
}

// tail returns the last 2 KiB.
func tail(b []byte) []byte {
	if len(b) > 2048 {
		b = b[len(b)-2048:]
	}
	return b
}

// freePort returns a loopback port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// onFreePort calls boot with a free port, again where somebody else took the
// port in between.
func onFreePort(boot func(port int) (*instance, error)) (*instance, error) {
	var errs []error
	for range 3 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		inst, err := boot(port)
		if err == nil {
			return inst, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// find looks for programs in PATH and in the folders given, which may be glob
// patterns; of several matches the last wins (the newest version).
func find(folders []string, names ...string) (map[string]string, error) {
	found := make(map[string]string)
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			found[name] = path
			continue
		}
		for _, folder := range folders {
			matches, _ := filepath.Glob(filepath.Join(folder, name))
			if len(matches) > 0 {
				found[name] = matches[len(matches)-1]
			}
		}
		if found[name] == "" {
			return nil, fmt.Errorf("no program %s in PATH or %v", name, folders)
		}
	}
	return found, nil
}
