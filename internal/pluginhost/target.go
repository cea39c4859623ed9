package pluginhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

func (o *Options) folder() Folder {
	return Folder{Dir: o.Dir, Strict: o.Strict, Unlocked: o.Unlocked}
}

// Locate finds the plugin that somebody names: by its name in the folder, or by the
// path of its file, of its bundle or of that one's manifest. What is wrong with it is
// the Err of Found. Outside of the folder nothing is locked, and a bundle's bridge is
// that of the folder.
func (d Folder) Locate(target string) (Found, error) {
	if nameForm.MatchString(target) {
		found, err := d.find(target)
		if err != nil || len(found) > 0 {
			return first(found), err
		}
	}
	path, err := filepath.Abs(target)
	if err != nil {
		return Found{}, err
	}
	if filepath.Base(path) == ManifestFile {
		path = filepath.Dir(path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Found{}, &TargetError{fmt.Errorf("there is no plugin %s in %s, and no file of that path; %s", target, d.Dir, d.names())}
	case err != nil:
		return Found{}, &TargetError{err}
	case info.IsDir() && !isBundle(path):
		return Found{}, &TargetError{fmt.Errorf("%s is a folder without %s; a plugin is an executable file, or a folder with it", target, ManifestFile)}
	}
	if f, ok, err := d.entry(path); ok || err != nil {
		return f, err
	}
	if info.IsDir() {
		return d.bundleElsewhere(path)
	}
	return fileElsewhere(path), nil
}

func first(found []Found) Found {
	if len(found) == 0 {
		return Found{}
	}
	return found[0]
}

// entry is the plugin of a path that lies in the folder itself.
func (d Folder) entry(path string) (Found, bool, error) {
	candidates, _, err := d.scan()
	if err != nil {
		return Found{}, false, err
	}
	for _, c := range candidates {
		if c.path == path || c.path == filepath.Join(path, ManifestFile) {
			return first(d.examine([]candidate{c}, candidates)), true, nil
		}
	}
	return Found{}, false, nil
}

// bundleElsewhere looks at a bundle outside of the folder. Its sidecar lies beside it.
func (d Folder) bundleElsewhere(path string) (Found, error) {
	candidates, _, err := d.scan()
	if err != nil {
		return Found{}, err
	}
	d.Strict, d.Unlocked = false, true
	e := &examination{Folder: d, all: candidates, others: othersMay{}}
	c := sightBundle(path)
	f := Found{Name: c.name, Path: c.path, Err: c.err}
	if f.Err == nil {
		f.Err = e.lookAtBundle(&f, c.manifest)
	}
	if f.Err == nil {
		e.Dir = filepath.Dir(path)
		f.Err = e.lookAtSidecar(&f)
	}
	return f, nil
}

// fileElsewhere looks at an executable outside of the folder, whatever its name.
func fileElsewhere(path string) Found {
	dir := filepath.Dir(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		dir = filepath.Dir(real) // of a link that somebody names, the target is meant
		path = filepath.Join(dir, filepath.Base(real))
	}
	e := &examination{Folder: Folder{Dir: dir, Unlocked: true}, others: othersMay{}}
	f := Found{Name: strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), pluginsdk.FilePrefix), ".exe"), Path: path}
	if f.Err = e.lookAtFile(&f); f.Err == nil {
		f.Err = e.lookAtSidecar(&f)
	}
	return f
}

// names lists the folder's plugins, for whoever has named another one.
func (d Folder) names() string {
	names := Names(d.Dir)
	if len(names) == 0 {
		return "there are none there"
	}
	return "there are " + strings.Join(names, ", ")
}
