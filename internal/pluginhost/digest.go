package pluginhost

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dwmon/dwmon/internal/textfile"
)

// Most that a bundle may hold.
const (
	maxBundleFiles = 10_000
	maxBundleBytes = 256 << 20
)

// program is what a process executes: a file, or a bridge and the bundle that it
// serves. Nothing is executed whose digests are not those that were expected.
type program struct {
	path, sha256 string
	// bundle is the bundle's folder; empty for an executable.
	bundle, bundleSHA256 string
}

// key names file, or bundle and bridge, by content.
func (p program) key() string {
	if p.bundleSHA256 == "" {
		return p.sha256
	}
	sum := sha256.Sum256([]byte("bundle " + p.bundleSHA256 + " bridge " + p.sha256))
	return hex.EncodeToString(sum[:])
}

// digest is the one that people know: of the executable, or of the bundle.
func (p program) digest() string { return cmp.Or(p.bundleSHA256, p.sha256) }

// changedError is a file that is not what it was when it was looked at.
type changedError struct{ path, want, is string }

func (e *changedError) Error() string {
	return fmt.Sprintf("%s has changed since it was looked at (sha256 %.12s, was %.12s): it is looked at again", e.path, e.is, e.want)
}

// isChanged says that a start failed because the file had just been replaced.
func isChanged(err error) bool {
	var changed *changedError
	return errors.As(err, &changed)
}

// verify reads everything once more.
func (p program) verify() error {
	sum, err := hashFile(p.path)
	if err != nil {
		return err
	}
	if sum != p.sha256 {
		return &changedError{p.path, p.sha256, sum}
	}
	if p.bundle == "" {
		return nil
	}
	t, err := readTree(p.bundle, nil)
	if err != nil {
		return err
	}
	if sum := t.digest(); sum != p.bundleSHA256 {
		return &changedError{p.bundle, p.bundleSHA256, sum}
	}
	return nil
}

// manifest is where a bridge finds the manifest; empty for an executable.
func (p program) manifest() string {
	if p.bundle == "" {
		return ""
	}
	return filepath.Join(p.bundle, ManifestFile)
}

// hashFile is the SHA-256 of a regular file, hexadecimal.
func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a file", path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Kinds of a treeEntry.
const (
	plainFile      = '-'
	executableFile = 'x'
	linkFile       = 'l'
)

// treeEntry is a file below a bundle's folder.
type treeEntry struct {
	path   string // with slashes
	kind   byte
	sha256 string // of the contents, or of where a link points
}

// tree is everything below a bundle's folder.
type tree struct {
	entries []treeEntry
	size    int64
	folders []string // with slashes
}

// digest is the SHA-256, hexadecimal, of the sorted list of path, kind and SHA-256
// of every file. It does not hang on times, owners or empty folders, so that a copy
// made by any tool has the same.
func (t *tree) digest() string {
	slices.SortFunc(t.entries, func(a, b treeEntry) int { return cmp.Compare(a.path, b.path) })
	h := sha256.New()
	fmt.Fprintln(h, "dwmon bundle 1")
	for _, e := range t.entries {
		fmt.Fprintf(h, "%c %s %q\n", e.kind, e.sha256, e.path)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// paths are the folder and all that is in it.
func (t *tree) paths(dir string) []string {
	paths := []string{dir}
	for _, p := range t.folders {
		paths = append(paths, filepath.Join(dir, filepath.FromSlash(p)))
	}
	for _, e := range t.entries {
		paths = append(paths, filepath.Join(dir, filepath.FromSlash(e.path)))
	}
	return paths
}

// keeper takes a copy of a tree while it is read.
type keeper interface {
	folder(path string) error
	link(path, target string) error
	// file gives where the contents go.
	file(path string, executable bool) (io.WriteCloser, error)
}

// readTree reads every file below a bundle's folder, and copies it on the way where
// keep is not nil. Links may point to what is in the folder, by a relative path.
func readTree(dir string, keep keeper) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the bundle %s: %w", dir, textfile.Cause(err))
	}
	defer root.Close()
	t := &tree{}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		return t.read(root, name, e, keep)
	})
	if err != nil {
		return nil, fmt.Errorf("the bundle %s: %w", dir, err)
	}
	return t, nil
}

func (t *tree) read(root *os.Root, name string, e fs.DirEntry, keep keeper) error {
	if len(t.entries)+len(t.folders) >= maxBundleFiles {
		return fmt.Errorf("it holds more than %d files: keep in it only what the plugin needs", maxBundleFiles)
	}
	switch {
	case e.IsDir():
		t.folders = append(t.folders, name)
		if keep != nil {
			return keep.folder(name)
		}
		return nil
	case e.Type()&fs.ModeSymlink != 0:
		return t.readLink(root, name, keep)
	case !e.Type().IsRegular():
		return fmt.Errorf("%s is neither file nor folder nor link: remove it", name)
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s changed while it was read", name)
	}
	entry := treeEntry{path: name, kind: plainFile}
	if info.Mode()&0o111 != 0 {
		entry.kind = executableFile
	}
	out := io.WriteCloser(discard{})
	if keep != nil {
		if out, err = keep.file(name, entry.kind == executableFile); err != nil {
			return err
		}
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, out), io.LimitReader(f, maxBundleBytes-t.size+1))
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if t.size += n; t.size > maxBundleBytes {
		return fmt.Errorf("it holds more than %d MiB: keep in it only what the plugin needs", maxBundleBytes>>20)
	}
	entry.sha256 = hex.EncodeToString(h.Sum(nil))
	t.entries = append(t.entries, entry)
	return nil
}

// readLink takes a link for what it is: its target is read where it stands.
func (t *tree) readLink(root *os.Root, name string, keep keeper) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	slash := filepath.ToSlash(target)
	away := path.IsAbs(slash) || filepath.IsAbs(target) || !filepath.IsLocal(filepath.FromSlash(path.Join(path.Dir(name), slash)))
	if !away {
		// What lies between may be links too: the root does not let them out.
		if _, err := root.Stat(name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s is a link to %s, which is not there", name, target)
			}
			away = true
		}
	}
	if away {
		return fmt.Errorf("%s is a link to %s, outside the bundle: copy what it points to, or use a relative link within the folder", name, target)
	}
	sum := sha256.Sum256([]byte(slash))
	t.entries = append(t.entries, treeEntry{name, linkFile, hex.EncodeToString(sum[:])})
	if keep != nil {
		return keep.link(name, target)
	}
	return nil
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Close() error                { return nil }

// isDigest says whether a text is a SHA-256 as we write them.
func isDigest(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}
