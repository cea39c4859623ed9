package daemon

import (
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch tells that something below a folder may have changed. It is a hint: what
// it misses is found by the regular rescan.
type watch struct {
	// changed has room for one.
	changed chan struct{}
	watcher *fsnotify.Watcher
	log     *slog.Logger
}

func newWatch(dir string, log *slog.Logger) *watch {
	w := &watch{changed: make(chan struct{}, 1), log: log}
	var err error
	if w.watcher, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("changes of checker files are seen only every 30 seconds: the folder cannot be watched", "error", err)
		return w
	}
	w.add(dir)
	go w.run()
	return w
}

// add watches a folder and those below it.
func (w *watch) add(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != dir && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		_ = w.watcher.Add(path) // the rescan makes up for it
		return nil
	})
}

// run ends when the watcher is closed.
func (w *watch) run() {
	for {
		select {
		case ev, ok := <-w.watcher.Events:
			if !ok {
				return
			}
			if ev.Has(fsnotify.Create) {
				w.add(ev.Name)
			}
			select {
			case w.changed <- struct{}{}:
			default:
			}
		case _, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
		}
	}
}

func (w *watch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}
