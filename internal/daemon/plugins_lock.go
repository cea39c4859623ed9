package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/pluginsdk"
)

// What LockPlugins has done with a plugin.
const (
	LockAdded     = "added"
	LockChanged   = "changed"
	LockUnchanged = "unchanged"
	LockRemoved   = "removed"
	LockRefused   = "refused"
)

// LockChange is what became of one plugin's entry in the lock file.
type LockChange struct {
	Plugin   string `json:"plugin"`
	Platform string `json:"platform,omitempty"`
	// Change is one of the Lock constants.
	Change string `json:"change"`
	// SHA256 is the digest that is trusted now, OldSHA256 that of before.
	SHA256    string `json:"sha256,omitempty"`
	OldSHA256 string `json:"old_sha256,omitempty"`
	// Error says why the plugin was refused: its entry, if it has one, stays.
	Error string `json:"error,omitempty"`
}

// LockPlugins writes what lies in the plugins folder into its lock file, so that it
// and nothing else is run from then on: the plugins of the names, or without names
// all that say what they are. Entries for other platforms stay. Each plugin is
// started once; who locks it, trusts it. Those that were refused are part of the
// answer.
func LockPlugins(ctx context.Context, o Options, names []string) ([]LockChange, error) {
	dir := o.Config.Plugins
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, &EnvironmentError{fmt.Errorf("the plugins folder %s: %w", dir, cmp.Or(err, errors.New("it is no folder")))}
	}
	old, err := pluginhost.ReadLock(dir)
	if err != nil {
		return nil, err
	}
	if old == nil {
		old = &pluginhost.Lock{}
	}
	found, err := pluginhost.Folder{Dir: dir, Unlocked: true}.Discover()
	if err != nil {
		return nil, &EnvironmentError{err}
	}
	l := &locking{dir: dir, names: names, found: found, old: old, lock: copyLock(old)}
	if err := l.lockAll(ctx, o); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		l.removeGone()
	}
	slices.SortStableFunc(l.changes, func(a, b LockChange) int { return cmp.Compare(a.Plugin, b.Plugin) })
	if !l.changed() {
		return l.changes, nil
	}
	if err := pluginhost.WriteLock(dir, l.lock); err != nil {
		return nil, &EnvironmentError{err}
	}
	return l.changes, nil
}

// locking is one run of LockPlugins.
type locking struct {
	dir   string
	names []string // empty: all
	found []pluginhost.Found

	old, lock *pluginhost.Lock
	changes   []LockChange
}

func copyLock(old *pluginhost.Lock) *pluginhost.Lock {
	l := &pluginhost.Lock{Plugins: map[string]pluginhost.Locked{}}
	for name, p := range old.Plugins {
		p.Files = maps.Clone(p.Files)
		l.Plugins[name] = p
	}
	return l
}

func (l *locking) wanted(name string) bool {
	return len(l.names) == 0 || slices.Contains(l.names, name)
}

// refused notes a plugin that is not locked.
func (l *locking) refused(name string, err error) {
	l.changes = append(l.changes, LockChange{Plugin: name, Change: LockRefused, Error: err.Error()})
}

// lockAll asks the wanted plugins what they are, and enters those that say it. What
// a bundle's bridge is must be trusted before anything of it is executed.
func (l *locking) lockAll(ctx context.Context, o Options) error {
	var ask []string
	for _, name := range l.names {
		if !slices.ContainsFunc(l.found, func(f pluginhost.Found) bool { return f.Name == name }) {
			l.refused(name, fmt.Errorf("there is no plugin %s in %s", name, l.dir))
		}
	}
	for _, f := range l.found {
		switch err := l.trustworthy(f); {
		case !l.wanted(f.Name):
		case err != nil:
			l.refused(f.Name, err)
		default:
			ask = append(ask, f.Name)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	opt, err := folderOptions(o)
	if err != nil {
		return err
	}
	opt.Unlocked, opt.Only = true, ask
	host, closeHost, err := openHost(ctx, opt)
	if err != nil {
		return err
	}
	defer closeHost()
	plugins, err := host.Plugins(ctx)
	if err != nil {
		return err
	}
	said := map[string]pluginhost.Plugin{}
	for _, p := range plugins {
		said[p.Name] = p
	}
	l.enterAll(host.Found(), said)
	return nil
}

// trustworthy says why a found plugin cannot be locked.
func (l *locking) trustworthy(f pluginhost.Found) error {
	if f.Err != nil || f.Bundle == nil || l.wanted(f.Bundle.Bridge) {
		return f.Err
	}
	bridge := l.old.Plugins[f.Bundle.Bridge].Files[pluginhost.Platform()]
	if bridge.SHA256 != f.Bundle.BridgeSHA256 {
		return fmt.Errorf("its bridge %s is not in the lock file as it is now: if you trust it, run `dwmon plugin lock %s %s`",
			f.Bundle.Bridge, f.Bundle.Bridge, f.Name)
	}
	return nil
}

// enterAll enters executables first: bundles hang on them.
func (l *locking) enterAll(found []pluginhost.Found, said map[string]pluginhost.Plugin) {
	slices.SortStableFunc(found, func(a, b pluginhost.Found) int {
		return cmp.Compare(fmt.Sprint(a.Bundle != nil), fmt.Sprint(b.Bundle != nil))
	})
	for _, f := range found {
		p := said[f.Name]
		switch {
		case p.State != pluginhost.StateVerified:
			l.refused(f.Name, errors.New(cmp.Or(p.Err, "it is "+string(p.State))))
		case f.Bundle != nil && l.lock.Plugins[f.Bundle.Bridge].Files[pluginhost.Platform()].SHA256 != f.Bundle.BridgeSHA256:
			l.refused(f.Name, fmt.Errorf("its bridge %s could not be locked", f.Bundle.Bridge))
		default:
			l.enter(f, p)
		}
	}
}

// enter locks one plugin.
func (l *locking) enter(f pluginhost.Found, p pluginhost.Plugin) {
	platform, file := pluginhost.LockedFileOf(f)
	before := l.old.Plugins[f.Name]
	entry := pluginhost.Locked{Version: p.Version, Kinds: p.Kinds, Protocol: pluginsdk.ProtocolVersion, Files: maps.Clone(before.Files)}
	if entry.Files == nil || platform == pluginhost.AnyPlatform {
		entry.Files = map[string]pluginhost.LockedFile{}
	}
	delete(entry.Files, pluginhost.AnyPlatform) // it has become an executable
	entry.Files[platform] = file
	l.lock.Plugins[f.Name] = entry
	was, known := before.Files[platform]
	change := LockChange{Plugin: f.Name, Platform: platform, Change: LockChanged, SHA256: file.SHA256, OldSHA256: was.SHA256}
	switch {
	case !known:
		change.Change = LockAdded
	case sameEntry(before, entry):
		change.Change = LockUnchanged
	}
	l.changes = append(l.changes, change)
}

func sameEntry(a, b pluginhost.Locked) bool {
	return a.Version == b.Version && a.Protocol == b.Protocol && slices.Equal(a.Kinds, b.Kinds) && maps.Equal(a.Files, b.Files)
}

// removeGone drops what is no longer in the folder: files of this platform, and
// bundles.
func (l *locking) removeGone() {
	for name, entry := range l.lock.Plugins {
		if slices.ContainsFunc(l.found, func(f pluginhost.Found) bool { return f.Name == name }) {
			continue
		}
		for _, platform := range []string{pluginhost.Platform(), pluginhost.AnyPlatform} {
			if was, ok := entry.Files[platform]; ok {
				l.changes = append(l.changes, LockChange{Plugin: name, Platform: platform, Change: LockRemoved, OldSHA256: was.SHA256})
				delete(entry.Files, platform)
			}
		}
		if len(entry.Files) == 0 {
			delete(l.lock.Plugins, name)
		}
	}
}

// changed says whether the file is to be written. A first one that holds nothing is
// not: it would refuse everything.
func (l *locking) changed() bool {
	if _, err := os.Lstat(filepath.Join(l.dir, pluginhost.LockFile)); err != nil {
		return len(l.lock.Plugins) > 0
	}
	return !maps.EqualFunc(l.old.Plugins, l.lock.Plugins, sameEntry)
}

// folderOptions are those of a host that looks at the plugins folder and needs no
// database.
func folderOptions(o Options) (pluginhost.Options, error) {
	opt := pluginhost.Options{
		Dir: o.Config.Plugins, Log: o.Log, Redact: o.Config.Redact, Secret: o.Config.Conceal, HostVersion: Version, GuardCommand: o.Guard, LogLevel: o.LogLevel,
	}
	if o.Config.File != "" {
		dir, err := filepath.Abs(filepath.Dir(o.Config.File))
		if err != nil {
			return opt, fmt.Errorf("find the configuration's folder: %w", err)
		}
		opt.WorkDir = dir
	}
	if len(opt.GuardCommand) == 0 {
		self, err := os.Executable()
		if err != nil {
			return opt, fmt.Errorf("find this program's own file, for the guard of the plugins: %w", err)
		}
		opt.GuardCommand = []string{self, "guard"}
	}
	return opt, nil
}
