package pluginhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dwmon/dwmon/internal/textfile"
)

// The lock file pins what may be executed, by digest. Where it is there it is
// obeyed by whatever starts plugins, before anything of a plugin runs, Describe
// included; one that cannot be read refuses everything.

const (
	// LockFile is its name, in the plugins folder.
	LockFile = "dwmon-plugins.lock.json"
	// AnyPlatform is the key of a bundle's digest: it is the same everywhere.
	AnyPlatform = "any"

	lockSchema   = 1
	maxLockBytes = 4 << 20
)

// Platform is the key of this system's executables in a lock file.
func Platform() string { return runtime.GOOS + "/" + runtime.GOARCH }

// Lock is the contents of a lock file.
type Lock struct {
	Schema  int               `json:"schema"`
	Plugins map[string]Locked `json:"plugins"` // by name
}

// Locked is a plugin that is trusted. Version, kinds and protocol are what it said
// of itself when it was locked: for people; the digests decide.
type Locked struct {
	Version  string                `json:"version"`
	Kinds    []Kind                `json:"kinds"`
	Protocol int                   `json:"protocol"`
	Files    map[string]LockedFile `json:"files"` // by platform
}

// LockedFile is a plugin on one platform.
type LockedFile struct {
	// File is its name in the plugins folder, a bundle's that of its folder.
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Bridge is a bundle's.
	Bridge string `json:"bridge,omitempty"`
}

// LockedFileOf is how a found plugin stands in a lock file.
func LockedFileOf(f Found) (platform string, l LockedFile) {
	if f.Bundle != nil {
		return AnyPlatform, LockedFile{File: filepath.Base(filepath.Dir(f.Path)), SHA256: f.SHA256, Size: f.Size, Bridge: f.Bundle.Bridge}
	}
	return Platform(), LockedFile{File: filepath.Base(f.Path), SHA256: f.SHA256, Size: f.Size}
}

// ReadLock reads the lock file of a plugins folder; nil: there is none.
func ReadLock(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockFile)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	l, err := readLock(path)
	if err != nil {
		return nil, &Refusal{
			CheckLock, fmt.Errorf("the lock file %s: %w", path, err),
			"nothing of the folder is run until it is mended; restore it, or remove it and write a new one with `dwmon plugin lock`",
		}
	}
	return l, nil
}

func readLock(path string) (*Lock, error) {
	text, err := textfile.Read(path, maxLockBytes)
	if err != nil {
		return nil, err
	}
	var head struct{ Schema int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	if head.Schema != lockSchema {
		return nil, fmt.Errorf("its schema is %d, this dwmon reads %d", head.Schema, lockSchema)
	}
	l := &Lock{}
	if err := decodeStrict(text, l); err != nil {
		return nil, err
	}
	return l, l.check()
}

// check says what a lock may not say.
func (l *Lock) check() error {
	for name, p := range l.Plugins {
		if !nameForm.MatchString(name) {
			return fmt.Errorf("%s is no name of a plugin", quoteCut(name, 80))
		}
		if len(p.Files) == 0 {
			return fmt.Errorf("plugin %s has no files", name)
		}
		for platform, f := range p.Files {
			if !isDigest(f.SHA256) {
				return fmt.Errorf("plugin %s, %s: %s is no SHA-256 (64 digits 0-9 and a-f)", name, quoteCut(platform, 40), quoteCut(f.SHA256, 80))
			}
		}
	}
	return nil
}

// WriteLock replaces the lock file of a plugins folder: as a whole or not at all,
// and always in the same order, so that it lives well under version control.
func WriteLock(dir string, l *Lock) (err error) {
	l.Schema = lockSchema
	if err := l.check(); err != nil {
		return fmt.Errorf("the lock file would be faulty: %w", err)
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(l); err != nil {
		return err
	}
	path := filepath.Join(dir, LockFile)
	tmp, err := os.CreateTemp(dir, "."+LockFile+".tmp-")
	if err != nil {
		return fmt.Errorf("write the lock file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
			err = fmt.Errorf("write the lock file: %w", err)
		}
	}()
	_, err = tmp.Write(text.Bytes())
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	syncFolder(dir)
	return nil
}

// syncFolder makes a rename last. Where folders cannot be synced, the file system
// sees to it.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// lockState is what one look at the folder obeys.
type lockState struct {
	lock *Lock // nil: there is none
	err  error // everything is refused for it
	off  bool  // it is not obeyed
	path string
}

func (d Folder) readLockState() lockState {
	s := lockState{off: d.Unlocked, path: filepath.Join(d.Dir, LockFile)}
	if d.Unlocked {
		return s
	}
	if s.lock, s.err = ReadLock(d.Dir); s.err == nil && s.lock != nil && d.Strict {
		s.err = othersMay{}.refuse(d.Dir, s.path)
	}
	return s
}

// check says whether the lock lets a plugin run.
func (s lockState) check(f *Found, strict bool) error {
	trust := fmt.Sprintf("if you trust it, run `dwmon plugin lock %s`", f.Name)
	switch {
	case s.err != nil:
		return s.err
	case s.off, s.lock == nil && !strict:
		return nil
	case s.lock == nil:
		return refuse(CheckLock, "write it with `dwmon plugin lock`", "there is no lock file %s, which strict mode demands", s.path)
	}
	p, ok := s.lock.Plugins[f.Name]
	if !ok {
		return refuse(CheckLock, trust, "it is not in the lock file %s", s.path)
	}
	platform, have := LockedFileOf(*f)
	want, ok := p.Files[platform]
	switch {
	case !ok:
		return refuse(CheckLock, trust, "the lock file %s has it for %s only, not for %s", s.path, quoteList(slices.Sorted(maps.Keys(p.Files))), platform)
	case want.SHA256 != have.SHA256:
		return refuse(CheckLock, trust, "its sha256 %.12s is not that of the lock file %s, %.12s", have.SHA256, s.path, want.SHA256)
	case want.Bridge != have.Bridge:
		return refuse(CheckLock, trust, "its bridge is %s, that of the lock file %s is %s", have.Bridge, s.path, quoteCut(want.Bridge, 80))
	}
	return nil
}

func quoteList(words []string) string {
	var b bytes.Buffer
	for i, w := range words {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteCut(w, 40))
	}
	return b.String()
}
