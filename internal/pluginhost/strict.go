package pluginhost

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Strict mode runs nothing that somebody else may write. A path is safe when
//
//   - it, and where it is a link its target, belongs to root or to the user that
//     dwmon runs as,
//   - neither its group nor others may write it,
//   - and the same holds for every folder that leads to it. Of the folders above the
//     plugins folder, those that others may write are safe where they are sticky, as
//     /tmp is: nobody can rename what is not theirs there.
//
// othersMay remembers the folders that one look has found safe.
type othersMay map[string]bool

// refuse says why a path is not safe.
func (o othersMay) refuse(dir, path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return refusal(CheckPermissions, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return refusal(CheckPermissions, err)
	}
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return refusal(CheckPermissions, err)
	}
	if top, err = filepath.Abs(top); err != nil {
		return refusal(CheckPermissions, err)
	}
	for at := real; ; at = filepath.Dir(at) {
		if !o[at] {
			above := at != top && strings.HasPrefix(top+string(filepath.Separator), strings.TrimSuffix(at, string(filepath.Separator))+string(filepath.Separator))
			if err := unsafePath(at, above); err != nil {
				return err
			}
			o[at] = true
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// unsafePath judges one file or folder. above: it is a folder above the plugins
// folder.
func unsafePath(path string, above bool) error {
	info, err := os.Stat(path)
	if err != nil {
		return refusal(CheckPermissions, err)
	}
	if uid, ok := strangeOwner(info); ok {
		return refuse(CheckPermissions, fmt.Sprintf("chown it to root, or to the user that dwmon runs as (uid %d)", os.Getuid()),
			"%s belongs to uid %d, who may write it", path, uid)
	}
	if who := writers(info); who != "" && !(above && info.Mode()&fs.ModeSticky != 0) {
		return refuse(CheckPermissions, "chmod go-w it", "%s may be written by %s (mode %v)", path, who, info.Mode().Perm())
	}
	return nil
}

// mostWarnings bounds what is warned of for one plugin.
const mostWarnings = 5

// warn notes what everybody may write, where strict mode is off.
func (f *Found) warn(path, what string) {
	if info, err := os.Stat(path); err == nil && worldWritable(info) && len(f.Warnings) < mostWarnings {
		f.Warnings = append(f.Warnings, fmt.Sprintf("everybody on this machine may %s %s: chmod o-w it", what, path))
	}
}
