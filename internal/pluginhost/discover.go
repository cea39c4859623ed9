package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)
	fileForm = regexp.MustCompile(`^` + pluginsdk.FilePrefix + `([a-z0-9][a-z0-9-]{0,38})(?:\.exe)?$`)
)

// Folder is a plugins folder and what is demanded of the plugins in it. Whatever
// Discover gives without an Err may be executed; nothing else ever is.
type Folder struct {
	Dir string
	// Strict demands the lock file, and refuses what others may write.
	Strict bool
	// Unlocked leaves the lock file out of account: for whoever writes it.
	Unlocked bool
}

// Found is an entry of the plugins folder that claims to be a plugin: an executable
// dwmon-plugin-NAME, or the manifest of a bundle.
type Found struct {
	Name string
	// Path is the executable's, or the manifest's.
	Path string
	// SHA256 of the file or of the bundle, hexadecimal; empty where it could not be
	// read. Size is that of the file, or of all files of the bundle, in bytes.
	SHA256 string
	Size   int64
	// Bundle is nil for an executable.
	Bundle *Bundle
	// Conflict says that another entry claims the same name: neither is used.
	Conflict bool
	// Err says why it cannot be run; nil where nothing is known against it. It is a
	// *Refusal.
	Err error
	// Warnings are for people.
	Warnings []string
	// Sidecar are the operator's settings for the plugin: NAME.json beside it.
	Sidecar Sidecar
}

// program is what is executed for it.
func (f *Found) program() program {
	if f.Bundle == nil {
		return program{path: f.Path, sha256: f.SHA256}
	}
	return program{path: f.Bundle.BridgePath, sha256: f.Bundle.BridgeSHA256, bundle: filepath.Dir(f.Path), bundleSHA256: f.SHA256}
}

// key names everything that its answers depend on: the file, or bundle and bridge.
func (f *Found) key() string { return f.program().key() }

// environ is what the plugin gets beside the usual variables. The original's
// modules read DWMON_DB_USER and its like, so the bridge to them passes these on
// unless the operator says otherwise.
func (f *Found) environ() []string {
	own := f.Sidecar.environ()
	if f.Sidecar.Env == nil && (f.Name == pythonBridge || f.Bundle != nil && f.Bundle.Bridge == pythonBridge) {
		own = append([]string{"DWMON_DB_*"}, own...)
	}
	return own
}

// pythonBridge is the plugin that runs the original's modules.
const pythonBridge = "python"

// Check names what a Refusal is about.
type Check string

const (
	CheckFile         Check = "file"
	CheckBundle       Check = "bundle"
	CheckBridge       Check = "bridge"
	CheckSidecar      Check = "sidecar"
	CheckPermissions  Check = "permissions"
	CheckArchitecture Check = "architecture"
	CheckLock         Check = "lock"
)

// Refusal says why an entry of the plugins folder is not run.
type Refusal struct {
	Check Check
	Err   error
	// Remedy says what to do about it; empty where Err does.
	Remedy string
}

func (r *Refusal) Error() string {
	if r.Remedy == "" {
		return r.Err.Error()
	}
	return r.Err.Error() + ": " + r.Remedy
}

func (r *Refusal) Unwrap() error { return r.Err }

func refuse(check Check, remedy, format string, args ...any) error {
	return &Refusal{check, fmt.Errorf(format, args...), remedy}
}

// refusal makes a Refusal of any error, unless it is one or none.
func refusal(check Check, err error) error {
	if r := (*Refusal)(nil); err == nil || errors.As(err, &r) {
		return err
	}
	return &Refusal{Check: check, Err: err}
}

// Discover lists the plugins of a folder, by path, as its lock file allows them. A
// folder that is not there holds none.
func Discover(dir string) ([]Found, error) { return Folder{Dir: dir}.Discover() }

// Discover lists the plugins of the folder, by path. Entries that do not claim to be
// plugins are not looked at.
func (d Folder) Discover() ([]Found, error) {
	candidates, _, err := d.scan()
	if err != nil {
		return nil, err
	}
	return d.examine(candidates, candidates), nil
}

// find lists the plugins of one name.
func (d Folder) find(name string) ([]Found, error) {
	all, _, err := d.scan()
	if err != nil {
		return nil, err
	}
	var wanted []candidate
	for _, c := range all {
		if c.name == name {
			wanted = append(wanted, c)
		}
	}
	return d.examine(wanted, all), nil
}

// candidate is an entry of the folder that claims to be a plugin.
type candidate struct {
	name, path string
	bundle     bool
	manifest   manifest
	err        error
}

// scan reads the folder's entries, and of bundles the manifests.
func (d Folder) scan() (candidates []candidate, ignored []Ignored, err error) {
	entries, err := os.ReadDir(d.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the plugins folder: %w", err)
	}
	dir, err := filepath.Abs(d.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("the plugins folder: %w", err)
	}
	for _, e := range entries {
		c, why := sight(dir, e)
		if why != "" {
			ignored = append(ignored, Ignored{e.Name(), filepath.Join(dir, e.Name()), why})
		} else {
			candidates = append(candidates, c)
		}
	}
	nameBroken(candidates)
	ignored = slices.DeleteFunc(ignored, func(f Ignored) bool { return belongs(candidates, f.Name) })
	sort.Slice(candidates, func(i, j int) bool { return candidates[i].path < candidates[j].path })
	return candidates, ignored, nil
}

// sight says what an entry claims to be, or why it is nothing.
func sight(dir string, e fs.DirEntry) (c candidate, why string) {
	file := e.Name()
	c = candidate{name: strings.TrimPrefix(file, pluginsdk.FilePrefix), path: filepath.Join(dir, file)}
	prefixed := strings.HasPrefix(file, pluginsdk.FilePrefix)
	switch {
	case strings.HasPrefix(file, "."):
		return c, "its name begins with a dot"
	case e.IsDir() && isBundle(c.path):
		return sightBundle(c.path), ""
	case e.IsDir() && !prefixed:
		return c, "a folder without " + ManifestFile
	case file == ManifestFile:
		return c, "a manifest belongs into a folder of its own, together with what it speaks of"
	case !prefixed && e.Type()&fs.ModeSymlink != 0 && isBundle(c.path):
		return c, "a link to a bundle: move the folder itself here"
	case filepath.Ext(file) == ".json" && nameForm.MatchString(strings.TrimSuffix(file, ".json")):
		return c, "settings of a plugin " + strings.TrimSuffix(file, ".json") + " that is not here"
	case !prefixed:
		return c, "its name does not begin with " + pluginsdk.FilePrefix
	case notAProgram(file):
		return c, "its ending says that it is no program: a copy, or something that lies beside a plugin"
	}
	if m := fileForm.FindStringSubmatch(file); m != nil {
		c.name = m[1]
	} else {
		c.err = refuse(CheckFile, "", "%q is no name of a plugin: want %sNAME, where NAME is lower-case letters, digits and -, at most 39", file, pluginsdk.FilePrefix)
	}
	return c, ""
}

// belongs says that a file is the lock file or a plugin's sidecar.
func belongs(candidates []candidate, file string) bool {
	name, isJSON := strings.CutSuffix(file, ".json")
	return file == LockFile || isJSON && slices.ContainsFunc(candidates, func(c candidate) bool { return c.name == name })
}

// notAProgram leaves out what lies beside plugins: manifests, checksums, and files
// that are being written or were replaced.
func notAProgram(file string) bool {
	switch filepath.Ext(file) {
	case ".json", ".sha256", ".sig", ".asc", ".tmp", ".bak", ".old", ".md", ".txt":
		return true
	}
	return strings.HasSuffix(file, "~")
}

// examination is one look at a folder's plugins.
type examination struct {
	Folder
	all    []candidate
	lock   lockState
	others othersMay
}

// examine looks at some of the folder's candidates. What is wrong with them is part
// of the answer.
func (d Folder) examine(some, all []candidate) []Found {
	e := &examination{Folder: d, all: all, lock: d.readLockState(), others: othersMay{}}
	found := make([]Found, 0, len(some))
	for _, c := range some {
		f := e.look(c)
		if n := e.claims(c.name); n > 1 {
			f.Conflict = true
			f.Err = refuse(CheckFile, "", "%d files claim the name %s: remove all but one", n, c.name)
		}
		found = append(found, f)
	}
	return found
}

func (e *examination) claims(name string) (n int) {
	for _, c := range e.all {
		if c.name == name {
			n++
		}
	}
	return n
}

// look at one candidate.
func (e *examination) look(c candidate) Found {
	f := Found{Name: c.name, Path: c.path, Err: c.err}
	if f.Err != nil {
		return f
	}
	if c.bundle {
		f.Err = e.lookAtBundle(&f, c.manifest)
	} else {
		f.Err = e.lookAtFile(&f)
	}
	if f.Err == nil {
		f.Err = e.lock.check(&f, e.Strict)
	}
	if f.Err == nil {
		f.Err = e.lookAtSidecar(&f)
	}
	if f.Err == nil && !e.Strict {
		f.warn(e.Dir, "put plugins into")
		if e.lock.lock != nil {
			f.warn(e.lock.path, "change")
		}
	}
	return f
}

// lookAtFile looks at an executable.
func (e *examination) lookAtFile(f *Found) error {
	if err := insideDir(e.Dir, f.Path); err != nil {
		return refusal(CheckFile, err)
	}
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		return refusal(CheckFile, err)
	case info.IsDir():
		return refuse(CheckFile, "", "%s is a folder; a plugin is an executable file, or a folder with %s", f.Path, ManifestFile)
	case !info.Mode().IsRegular():
		return refuse(CheckFile, "", "%s is not a file", f.Path)
	case !executable(info):
		return refuse(CheckFile, "chmod +x it", "%s is not executable", f.Path)
	}
	if err := e.permissions(f, f.Path); err != nil {
		return err
	}
	f.Size = info.Size()
	if f.SHA256, err = hashFile(f.Path); err != nil {
		return refusal(CheckFile, err)
	}
	return refusal(CheckArchitecture, rightSystem(f.Path))
}

// lookAtSidecar reads the operator's settings.
func (e *examination) lookAtSidecar(f *Found) (err error) {
	path := filepath.Join(e.Dir, f.Name+".json")
	if _, err := os.Lstat(path); err == nil {
		if err := e.permissions(f, path); err != nil {
			return err
		}
	}
	f.Sidecar, err = readSidecar(path)
	return refusal(CheckSidecar, err)
}

// permissions refuses, or without Strict warns of, a file that others may write.
func (e *examination) permissions(f *Found, path string) error {
	if e.Strict {
		return e.others.refuse(e.Dir, path)
	}
	f.warn(path, "change")
	return nil
}

// insideDir refuses links that leave the folder: who may write there decides what
// is run.
func insideDir(dir, path string) error {
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	realDir, err = filepath.Abs(realDir)
	if err != nil {
		return err
	}
	target, err = filepath.Abs(target)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(realDir, target); err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("%s is a link to %s, outside the plugins folder: copy the file instead", path, target)
	}
	return nil
}
