package soak

import (
	"context"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/procfs"
)

// measures in the order in which they are shown; those of tables follow.
var measures = []Measure{
	{Name: "goroutines", Floor: 3},
	{Name: "descriptors", Floor: 3},
	{Name: "plugin processes", Floor: 1},
	{Name: "heap after a collection", Unit: "bytes", Floor: 1 << 20},
	{Name: "memory after a collection", Unit: "bytes", Floor: 3 << 20},
	{Name: "memory as it is", Unit: "bytes", Floor: 6 << 20},
	{Name: "descriptors of plugins", Floor: 4},
	{Name: "memory of plugins", Unit: "bytes", Floor: 8 << 20},
	{Name: "database and WAL", Unit: "bytes", Floor: 1 << 20, Swept: true},
	{Name: "files", Floor: 3},
}

// floorRows is the growth of a table that is never held against it.
const floorRows = 30

// watcher takes samples.
type watcher struct {
	*site
	samples int
	series  map[string]*Series
	order   []string
}

func (w *watcher) add(m Measure, value float64) {
	if w.series == nil {
		w.series = map[string]*Series{}
	}
	s := w.series[m.Name]
	if s == nil {
		s = &Series{Measure: m}
		w.series[m.Name] = s
		w.order = append(w.order, m.Name)
	}
	s.Values = append(s.Values, value)
}

// looks is how often a number is looked at that passes and calls under way change, and
// betweenThem how long, of the world's time, lies between two: the least counts.
const (
	looks       = 10
	betweenThem = 200 * time.Millisecond
)

// sample notes what is held now.
func (w *watcher) sample(ctx context.Context) error {
	least := map[string]float64{}
	note := func(name string, value float64) {
		if was, ok := least[name]; !ok || value < was {
			least[name] = value
		}
	}
	pid := w.daemon.Process.Pid
	asItIs, err := procfs.Memory(pid, "VmRSS")
	if err != nil {
		return err
	}
	note("memory as it is", float64(asItIs))
	for range looks {
		n, err := w.hold("")
		if err != nil {
			return err
		}
		anon, err := procfs.Memory(pid, "RssAnon")
		if err != nil {
			return err
		}
		open, err := procfs.Descriptors(pid)
		if err != nil {
			return err
		}
		plugins := w.plugins()
		pluginOpen, pluginMemory := 0.0, 0.0
		for _, plugin := range plugins {
			n, openErr := procfs.Descriptors(plugin)
			m, memoryErr := procfs.Memory(plugin, "RssAnon")
			if openErr != nil || memoryErr != nil {
				pluginOpen, pluginMemory = math.Inf(1), math.Inf(1) // it has ended meanwhile: another look counts
			}
			pluginOpen, pluginMemory = pluginOpen+float64(n), pluginMemory+float64(m)
		}
		note("goroutines", float64(n.Goroutines))
		note("heap after a collection", float64(n.Heap))
		note("memory after a collection", float64(anon))
		note("descriptors", float64(open))
		note("plugin processes", float64(len(plugins)))
		note("descriptors of plugins", pluginOpen)
		note("memory of plugins", pluginMemory)
		note("files", float64(len(w.files())))
		if err := pause(ctx, betweenThem); err != nil {
			return err
		}
	}
	size := 0.0
	for _, name := range []string{"dwmon.db", "dwmon.db-wal"} {
		if info, err := os.Stat(w.path(name)); err == nil {
			size += float64(info.Size())
		}
	}
	note("database and WAL", size)
	for _, m := range measures {
		w.add(m, least[m.Name])
	}
	tables, err := w.tables(ctx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		n, err := w.count(ctx, "SELECT count(*) FROM "+table)
		if err != nil {
			return err
		}
		_, aged := ageOf[table]
		w.add(Measure{Name: "rows of " + table, Floor: floorRows, Swept: true, Paced: aged}, float64(n))
	}
	for _, table := range slices.Sorted(maps.Keys(ageOf)) {
		n, err := w.leftOver(ctx, table, w.lapse.Now())
		if err != nil {
			return err
		}
		w.add(Measure{Name: "left over in " + table, Floor: floorRows}, float64(n))
	}
	w.samples++
	return nil
}

// files are all that there are but for the log, which grows, and what the soak itself
// writes down.
func (s *site) files() []string {
	return slices.DeleteFunc(filesBelow(s.dir), func(path string) bool {
		return path == s.path("daemon.log") || filepath.Dir(path) == s.path("build")
	})
}

// filesBelow lists what lies below a folder that is not a folder itself.
func filesBelow(dir string) (files []string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// profile has the daemon write down its goroutines and its heap, for whoever looks
// for a leak.
func (w *watcher) profile(name string) error {
	_, err := w.hold(w.path("build/" + name))
	return err
}

func (w *watcher) findings() (all []Finding) {
	for _, name := range w.order {
		all = append(all, judge(*w.series[name], sweepPeriod))
	}
	return all
}
