package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// place is a file or folder whose mode matters.
type place struct {
	path, what string
	// holds says why nobody else may read it; empty where everybody may.
	holds string
	// can says what somebody does who may write it.
	can string
}

// permissions looks at who else may read or write what dwmon rests on. Access control
// lists are not looked at.
func (x *examination) permissions(context.Context) {
	runDir, err := runDirOf(x.cfg.DB)
	if x.holder != nil && x.holder.RunDir != "" {
		runDir, err = x.holder.RunDir, nil
	}
	if err != nil {
		x.warn("permissions", x.cfg.DB, "", "the run folder cannot be found: %v", err)
	}
	const rows, history = "holds row keys and the texts of checkers", "can change what was counted and judged"
	places := []place{
		{x.cfg.DB, "the database", rows, history},
		{x.cfg.DB + "-wal", "the WAL", rows, history},
		{x.cfg.DB + "-shm", "the WAL's index", rows, history},
		{x.cfg.DB + ".lock", "the lock file", "says where the control socket is", "can send commands to a socket of their own"},
		{filepath.Dir(x.cfg.DB), "the database's folder", "", "can put another database there"},
		{x.cfg.Checks, "the checks folder", "", "decides what the sources are asked with dwmon's credentials"},
		{x.cfg.Plugins, "the plugins folder", "", "can run programs as dwmon's user"},
		{filepath.Join(filepath.Dir(x.cfg.DB), "plugin-state"), "the plugins' state", "holds what plugins keep", "can change what plugins remember"},
		{filepath.Join(filepath.Dir(x.cfg.DB), "plugin-cache"), "the private copies of plugins", "is what strict mode executes", "can have files of their own looked at"},
	}
	if org := findYourOrg(x.cfg); org.dir != "" {
		places = append(places, place{filepath.Join(org.dir, orgPackage), "your_org", "", "can run programs as dwmon's user, through the plugin python"})
	}
	if x.cfg.File != "" {
		places = append(places, place{x.cfg.File, "the configuration", "", "decides which plugins run, and with which secrets"})
	}
	if runDir != "" {
		places = append(places,
			place{runDir, "the run folder", "leads to the control socket", "can put a control socket there"},
			place{filepath.Join(runDir, socketName), "the control socket", "takes commands", "can forget checkers and silence alerts"},
		)
	}
	for _, p := range places {
		x.place(p)
	}
}

func (x *examination) place(p place) {
	info, err := os.Stat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return // who needs it says so
	case err != nil:
		x.warn("permissions", p.path, "run the doctor as the user that dwmon runs as", "%s cannot be looked at: %v", p.what, err)
		return
	}
	mode := info.Mode()
	remedy := "chmod go-w it"
	if p.holds != "" {
		remedy = "chmod go-rwx it"
	}
	uid, known := uidOf(info)
	sticky := info.IsDir() && mode&fs.ModeSticky != 0
	switch {
	case known && uid != 0 && uid != x.owner:
		x.fault("permissions", p.path, "chown it to the user that dwmon runs as, or to root", "%s belongs to uid %d and not to %d, whose installation this is: who may write it %s", p.what, uid, x.owner, p.can)
	case mode.Perm()&0o002 != 0 && !sticky:
		x.fault("permissions", p.path, remedy, "everybody on this machine may write %s (%v): who does %s", p.what, mode.Perm(), p.can)
	case p.holds != "" && mode.Perm()&0o077 != 0:
		x.warn("permissions", p.path, remedy, "others may read %s (%v), which %s", p.what, mode.Perm(), p.holds)
	case mode.Perm()&0o020 != 0:
		x.warn("permissions", p.path, remedy+", or see to who is in its group", "the group of %s may write it (%v): who does %s", p.what, mode.Perm(), p.can)
	default:
		x.ok("permissions", p.path, "%s: %v", p.what, mode.Perm())
	}
}

// plugins looks at the folder as a start would, and starts nothing.
func (x *examination) plugins(context.Context) {
	dir := x.cfg.Plugins
	if _, err := os.Stat(dir); err != nil {
		x.fault("plugins", dir, "name the folder with --plugins", "the plugins folder cannot be read: %v", err)
		return
	}
	found, err := (pluginhost.Folder{Dir: dir, Strict: x.cfg.Strict}).Discover()
	if err != nil {
		x.fault("plugins", dir, "", "%v", err)
		return
	}
	lock, lockErr := pluginhost.ReadLock(dir)
	switch {
	case lockErr != nil:
		x.fault("plugins", filepath.Join(dir, pluginhost.LockFile), "", "%v", lockErr)
		return // of every plugin the same would be said again
	case lock == nil:
		x.warn("plugins", dir, "write one with `dwmon plugin lock`", "there is no lock file: whatever is put there is run")
	}
	there := map[string]bool{}
	for _, f := range found {
		there[f.Name] = true
		x.plugin(f, lock != nil)
	}
	if lock != nil {
		for name := range lock.Plugins {
			if !there[name] {
				x.warn("plugins", name, "put it back, or write the lock file anew with `dwmon plugin lock`", "the lock file names a plugin that is not there")
			}
		}
	}
}

func (x *examination) plugin(f pluginhost.Found, locked bool) {
	var refused *pluginhost.Refusal
	switch {
	case errors.As(f.Err, &refused):
		x.fault("plugins", f.Path, refused.Remedy, "plugin %s is not run: %v", f.Name, refused.Err)
		return
	case f.Err != nil:
		x.fault("plugins", f.Path, "", "plugin %s is not run: %v", f.Name, f.Err)
		return
	}
	for _, w := range f.Warnings {
		x.warn("plugins", f.Path, "", "%s", w)
	}
	if locked {
		x.ok("plugins", f.Path, "sha256 %.12s, as the lock file has it", f.SHA256)
	} else {
		x.ok("plugins", f.Path, "sha256 %.12s", f.SHA256)
	}
}

// runFiles looks for what an earlier dwmon has left behind.
func (x *examination) runFiles(context.Context) {
	dir, err := runDirOf(x.cfg.DB)
	if x.holder != nil && x.holder.RunDir != "" {
		dir, err = x.holder.RunDir, nil
	}
	if err != nil {
		return // said already
	}
	left, err := pluginhost.Leftovers(dir)
	if err != nil {
		x.warn("run", dir, "", "the run files cannot be read: %v", err)
		return
	}
	orphans := 0
	for _, l := range left {
		switch {
		case x.holder != nil: // its own, or of a plugin that ended this instant
		case l.Alive:
			orphans++
			x.fault("run", l.File, "start dwmon, which ends it, or end process "+strconv.Itoa(l.Pid)+" yourself", "a plugin has outlived its dwmon: process %d, %s", l.Pid, l.Exe)
		default:
			orphans++
			x.warn("run", l.File, "remove it; the next start does", "a run file of process %d, which has ended", l.Pid)
		}
	}
	if orphans == 0 {
		x.ok("run", dir, "no plugin has outlived its dwmon")
	}
}

// checks reads the checks folder as the daemon does.
func (x *examination) checks(context.Context) {
	set, err := readPath(x.cfg.Checks)
	if err != nil {
		x.fault("checks", x.cfg.Checks, "see to its permissions, or name the folder with --checks; the last good texts go on meanwhile", "the checks folder cannot be read: %v", err)
		return
	}
	bad := 0
	for i := range set.Files {
		if dwmon.AnyError(set.Files[i].Faults) || set.Files[i].Checker == nil {
			bad++
		}
	}
	if bad > 0 {
		x.warn("checks", x.cfg.Checks, "see `dwmon validate`", "files with faults: %d of %d; what was good last goes on", bad, len(set.Files))
		return
	}
	x.ok("checks", x.cfg.Checks, "%d files, all good", len(set.Files))
}
