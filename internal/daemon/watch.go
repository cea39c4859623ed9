package daemon

import (
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watch tells what may have changed below a folder. It is a hint: what it misses is
// found by the regular rescan.
type watch struct {
	// changed has room for one.
	changed chan struct{}
	dir     string
	watcher *fsnotify.Watcher
	log     *slog.Logger

	mu      sync.Mutex
	touched map[string]bool
}

// mostTouched is how many paths are told apart; beyond it the folder as a whole has
// changed.
const mostTouched = 1000

func newWatch(dir string, log *slog.Logger) *watch {
	w := &watch{changed: make(chan struct{}, 1), dir: dir, log: log}
	var err error
	if w.watcher, err = fsnotify.NewWatcher(); err != nil {
		log.Warn("changes of checker files are seen only every 30 seconds: the folder cannot be watched", "error", err)
		return w
	}
	w.add(dir)
	go w.run()
	return w
}

// add watches a folder and those below it. The folder itself may be a link.
func (w *watch) add(dir string) {
	dir = filepath.Clean(dir)
	_ = filepath.WalkDir(dir+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path = filepath.Clean(path); path != dir && strings.HasPrefix(d.Name(), ".") {
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
			if info, err := os.Lstat(ev.Name); ev.Has(fsnotify.Create) && err == nil && info.IsDir() {
				w.add(ev.Name)
			}
			w.touch(ev.Name)
		case _, ok := <-w.watcher.Errors:
			if !ok {
				return
			}
			w.touch(w.dir) // events were lost
		}
	}
}

func (w *watch) touch(path string) {
	w.mu.Lock()
	if w.touched == nil {
		w.touched = map[string]bool{}
	}
	if w.touched[path] = true; len(w.touched) > mostTouched {
		w.touched = map[string]bool{w.dir: true}
	}
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// take gives the paths that were touched since it was last called.
func (w *watch) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	paths := slices.Collect(maps.Keys(w.touched))
	w.touched = nil
	return paths
}

func (w *watch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}
