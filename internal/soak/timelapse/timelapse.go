// Package timelapse builds programs whose time runs faster: all of it, what the clock
// says, timers, deadlines and pauses alike. An hour of the world is a day of theirs, and
// nothing in their own code knows.
//
// The dilation is compiled in, by an overlay over Go's own runtime, and set by the linker.
// So it can be reached by whoever builds the program, never by a flag, a setting or the
// environment; a program that was built as usual has not a byte of it. The overlay
// changes a handful of lines of the runtime, each of which must be found as it is known:
// where a new version of Go has changed one, New says so.
//
// All programs that were built with the same Lapse agree on the time, as TLS between them
// wants. The kernel does not follow: times of files are the world's.
package timelapse

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ErrUnsupported says that programs cannot be built so here: another system, or a
// version of Go whose runtime is not known.
var ErrUnsupported = errors.New("a faster clock cannot be built in here")

// Lapse is the time of the programs that were built for it.
type Lapse struct {
	// Rate is how many times as fast as the world's it runs, at least 1; at 1 programs are
	// built as usual.
	Rate int64
	// Anchor is where both agree, in whole seconds.
	Anchor time.Time
}

// At is the programs' time at a moment of the world.
func (l Lapse) At(world time.Time) time.Time {
	return l.Anchor.Add(world.Sub(l.Anchor) * time.Duration(l.Rate))
}

// Now is the programs' time now.
func (l Lapse) Now() time.Time { return l.At(time.Now()) }

// InWorld is how long the world takes for a span of the programs' time.
func (l Lapse) InWorld(d time.Duration) time.Duration { return d / time.Duration(l.Rate) }

// Builder builds programs.
type Builder struct {
	lapse   Lapse
	overlay string
}

// New makes a builder whose files are kept in a folder. The error wraps
// ErrUnsupported where the runtime is not known here.
func New(ctx context.Context, dir string, l Lapse) (*Builder, error) {
	if l.Rate < 1 || l.Anchor.Nanosecond() != 0 || l.Anchor.Unix() < 0 {
		return nil, fmt.Errorf("timelapse: a rate of %d from %s on: the rate must be at least 1, the anchor a whole second after 1970", l.Rate, l.Anchor)
	}
	if l.Rate == 1 {
		return &Builder{lapse: l}, nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("%w: the runtime of %s/%s is not known, only that of linux/amd64", ErrUnsupported, runtime.GOOS, runtime.GOARCH)
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("ask go where it is: %w", err)
	}
	b := &Builder{lapse: l, overlay: filepath.Join(dir, "overlay.json")}
	return b, b.write(filepath.Join(strings.TrimSpace(string(root)), "src", "runtime"), dir)
}

// Build builds a package into a file.
func (b *Builder) Build(ctx context.Context, pkg, file string) error {
	args, link := []string{"build", "-trimpath", "-o", file}, "-s -w"
	if b.overlay != "" {
		args = append(args, "-overlay", b.overlay)
		link += fmt.Sprintf(" -X 'runtime.lapse=%d %d'", b.lapse.Rate, b.lapse.Anchor.Unix())
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-ldflags", link, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// edit replaces a text in a file of the runtime that must be there once.
type edit struct{ file, old, new string }

var edits = []edit{
	{"time_nofake.go", "\treturn nanotime1()\n", "\treturn lapsed(nanotime1())\n"},
	{"time_linux_amd64.s", "TEXT time·now<ABIInternal>(SB),", "TEXT ·realNow<ABIInternal>(SB),"},
	{"timeasm.go", "//go:linkname time_now time.now\nfunc time_now() ", "func realNow() "},
	{"os_linux.go", "\tts.setNsec(ns)\n\tfutex(unsafe.Pointer(addr), _FUTEX_WAIT_PRIVATE", "\tts.setNsec(unlapsed(ns))\n\tfutex(unsafe.Pointer(addr), _FUTEX_WAIT_PRIVATE"},
	{"netpoll_epoll.go", "\tvar waitms int32\n", "\tdelay = unlapsed(delay)\n\tvar waitms int32\n"},
	{"proc.go", "\nfunc schedinit() {\n", "\nfunc schedinit() {\n\tlapseInit()\n"},
}

// added is the file that is added to the runtime.
//
//go:embed runtime.go.txt
var added []byte

// write makes the changed files and the overlay that names them.
func (b *Builder) write(from, dir string) error {
	replace := map[string]string{}
	put := func(name string, text []byte) error {
		path := filepath.Join(dir, name)
		replace[filepath.Join(from, name)] = path
		return os.WriteFile(path, text, 0o600)
	}
	for _, e := range edits {
		text, err := os.ReadFile(filepath.Join(from, e.file))
		if err != nil {
			return fmt.Errorf("%w: read Go's runtime: %w", ErrUnsupported, err)
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			return fmt.Errorf("%w: in %s of %s, %q stands %d times instead of once; adapt internal/soak/timelapse to this version",
				ErrUnsupported, e.file, runtime.Version(), e.old, n)
		}
		if err := put(e.file, []byte(strings.Replace(string(text), e.old, e.new, 1))); err != nil {
			return err
		}
	}
	if err := put("timelapse_linux_amd64.go", added); err != nil {
		return err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(b.overlay, text, 0o600)
}
