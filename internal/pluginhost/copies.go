package pluginhost

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// copies is the private folder from which strict mode runs plugins:
// SHA256/dwmon-plugin-NAME, and for a bundle SHA256/NAME/. Between the check of a
// file and its execution nobody else can put another in its place, and the file in
// the plugins folder can be replaced while its copy runs. Whatever is in it may be
// removed at any time when nothing runs.
type copies struct {
	dir       string
	temporary bool // it is removed with the host
	log       *slog.Logger

	mu   sync.Mutex
	held map[string]int // by digest: processes that run it, or will
}

// openCopies makes the folder, closed to everybody else.
func openCopies(dir string, log *slog.Logger) (*copies, error) {
	c := &copies{dir: dir, log: log, held: map[string]int{}}
	if dir == "" {
		tmp, err := os.MkdirTemp("", "dwmon-cache-")
		if err != nil {
			return nil, fmt.Errorf("a folder for private copies of plugins: %w", err)
		}
		c.dir, c.temporary = tmp, true
		return c, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for private copies of plugins: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder for private copies of plugins: %w", err)
	}
	if !info.IsDir() || !ownedByUs(info) || !private(info) {
		return nil, fmt.Errorf("%s, for private copies of plugins, must be a folder of this user that nobody else may enter (0700): remove it", dir)
	}
	var abs string
	if abs, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	c.dir = abs
	return c, nil
}

func (c *copies) close() {
	if c != nil && c.temporary {
		removeTree(c.dir)
	}
}

// of gives the program of a plugin from its private copy, which stays until release
// is called. Without copies it is what lies in the plugins folder.
func (c *copies) of(f *Found) (p program, release func(), err error) {
	src := f.program()
	if c == nil {
		return src, func() {}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p = program{path: c.file(src), sha256: src.sha256, bundleSHA256: src.bundleSHA256}
	if err := c.keepFile(src.path, p.path, src.sha256); err != nil {
		return p, nil, copyError(err)
	}
	if src.bundle != "" {
		p.bundle = filepath.Join(c.dir, src.bundleSHA256, f.Name)
		if err := c.keepTree(src.bundle, p.bundle, src.bundleSHA256); err != nil {
			return p, nil, copyError(err)
		}
	}
	digests := []string{src.sha256, src.bundleSHA256}
	for _, d := range digests {
		c.held[d]++
	}
	return p, sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, d := range digests {
			if c.held[d]--; c.held[d] == 0 {
				delete(c.held, d)
			}
		}
	}), nil
}

func copyError(err error) error {
	if isChanged(err) {
		return err
	}
	return fmt.Errorf("make the private copy that strict mode runs: %w", err)
}

func (c *copies) file(src program) string {
	return filepath.Join(c.dir, src.sha256, filepath.Base(src.path))
}

// keepFile sees to it that the copy of a file is there and right.
func (c *copies) keepFile(from, to, want string) error {
	switch sum, err := hashFile(to); {
	case err == nil && sum == want:
		return nil
	case err == nil:
		c.log.Warn("the private copy of a plugin was changed: it is made anew", "path", to)
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(to), ".new-")
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	if err := errors.Join(err, out.Chmod(0o500), out.Close()); err != nil {
		_ = os.Remove(out.Name())
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != want {
		_ = os.Remove(out.Name())
		return &changedError{from, want, sum}
	}
	return os.Rename(out.Name(), to)
}

// keepTree does the same for a bundle.
func (c *copies) keepTree(from, to, want string) error {
	if t, err := readTree(to, nil); err == nil {
		if t.digest() == want {
			return nil
		}
		c.log.Warn("the private copy of a plugin was changed: it is made anew", "path", to)
	}
	removeTree(to)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(to), ".new-")
	if err != nil {
		return err
	}
	defer removeTree(tmp)
	t, err := readTree(from, treeCopy(tmp))
	if err != nil {
		return err
	}
	if sum := t.digest(); sum != want {
		return &changedError{from, want, sum}
	}
	return os.Rename(tmp, to)
}

// treeCopy is a folder that a bundle is copied to.
type treeCopy string

func (t treeCopy) at(path string) string { return filepath.Join(string(t), filepath.FromSlash(path)) }

func (t treeCopy) folder(path string) error       { return os.Mkdir(t.at(path), 0o700) }
func (t treeCopy) link(path, target string) error { return os.Symlink(target, t.at(path)) }

// file keeps the executable bit: it is part of the digest.
func (t treeCopy) file(path string, executable bool) (io.WriteCloser, error) {
	mode := fs.FileMode(0o400)
	if executable {
		mode = 0o500
	}
	return os.OpenFile(t.at(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

// sweep removes copies that nobody runs and nobody wants any more: those of files
// that were replaced.
func (c *copies) sweep(found []Found) {
	if c == nil {
		return
	}
	wanted := map[string]bool{}
	for i := range found {
		p := found[i].program()
		wanted[p.sha256], wanted[p.bundleSHA256] = true, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isDigest(e.Name()) && !wanted[e.Name()] && c.held[e.Name()] == 0 {
			removeTree(filepath.Join(c.dir, e.Name()))
		}
	}
}

// removeTree removes what we have copied. What resists is swept the next time.
func removeTree(dir string) { _ = os.RemoveAll(dir) }

// startFound starts what lies in the folder, as it was found there or not at all.
func (h *Host) startFound(ctx context.Context, f Found, l launch) (*process, error) {
	if a, ok := h.opt.Attach[f.Name]; ok {
		l.name = f.Name
		return h.attach(ctx, l, a)
	}
	program, release, err := h.copies.of(&f)
	if err != nil {
		h.distrust(err)
		return nil, &startError{failedRejected, fmt.Errorf("plugin %s: %w", f.Name, err)}
	}
	l.name, l.program, l.plainText = f.Name, program, f.Sidecar.plainText()
	if m := program.manifest(); m != "" {
		l.env = append(l.env[:len(l.env):len(l.env)], ManifestEnv+"="+m)
	}
	p, err := h.start(ctx, l)
	if err != nil {
		h.distrust(err)
		release()
		return nil, err
	}
	go func() {
		<-p.released
		release()
	}()
	return p, nil
}

// distrust has everything looked at again where a file turned out to be another one
// than was found, though it looked the same.
func (h *Host) distrust(err error) {
	if isChanged(err) {
		h.mu.Lock()
		h.seen = ""
		h.mu.Unlock()
	}
}
