package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// orgPackage is the folder of an organisation's modules.
const orgPackage = "your_org"

// modules are those of the kinds.
var modules = map[pluginsdk.Kind]string{
	pluginsdk.KindRowGetter:    "your_orgs_row_getter",
	pluginsdk.KindCheckHandler: "your_orgs_check_handler",
	pluginsdk.KindPurger:       "your_orgs_row_purger",
}

// organisation is the folder org_dir.
type organisation struct{ dir string }

// file is where the module of a kind is wanted.
func (o organisation) file(kind pluginsdk.Kind) string {
	return filepath.Join(o.dir, orgPackage, modules[kind]+".py")
}

// has says that the module of a kind is there: as a file or a package, in your_org
// or, as in older programs, beside it.
func (o organisation) has(kind pluginsdk.Kind) bool {
	for _, folder := range []string{filepath.Join(o.dir, orgPackage), o.dir} {
		for _, form := range []string{".py", ".pyc", filepath.FromSlash("/__init__.py")} {
			if info, err := os.Stat(filepath.Join(folder, modules[kind]+form)); err == nil && info.Mode().IsRegular() {
				return true
			}
		}
	}
	return false
}

// missing are the kinds whose modules are not there.
func (o organisation) missing(kinds []pluginsdk.Kind) (missing []pluginsdk.Kind) {
	for _, kind := range kinds {
		if !o.has(kind) {
			missing = append(missing, kind)
		}
	}
	return missing
}

// need is an error where the module of a kind is not there.
func (o organisation) need(kind pluginsdk.Kind) error {
	if o.has(kind) {
		return nil
	}
	return pluginsdk.ConfigError(fmt.Errorf("%s is missing", o.file(kind)))
}

// changedSince says that a .py file of the organisation is younger than a time, or
// came or went, as its folder then tells. Folders beside your_org are not looked at:
// a virtual environment holds thousands of files.
func (o organisation) changedSince(t time.Time) bool {
	changed := false
	look := func(path string, d fs.DirEntry) {
		if !d.IsDir() && filepath.Ext(path) != ".py" {
			return
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(t) {
			changed = true
		}
	}
	_ = filepath.WalkDir(filepath.Join(o.dir, orgPackage), func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			look(path, d)
		}
		return nil
	})
	beside, _ := os.ReadDir(o.dir)
	for _, d := range beside {
		if !d.IsDir() {
			look(filepath.Join(o.dir, d.Name()), d)
		}
	}
	return changed
}
