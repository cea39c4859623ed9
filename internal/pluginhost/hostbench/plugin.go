package hostbench

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/dwmon/dwmon/pluginsdk"
)

// PluginName names the fake plugin. It serves rows, a check handler that takes
// whatever it is told, and a purger that keeps all.
const PluginName = "bench"

// Feed is a source of the fake plugin: a table that grows between two fetches of
// a checker, of which each gives the newest rows, newest first.
type Feed struct {
	// Rows is how many rows a fetch gives, Start how many the table has at the first
	// (at least Rows), Step how many are new with each one after it.
	Rows  int `json:"rows"`
	Start int `json:"start,omitempty"`
	Step  int `json:"step"`
	// First is the timestamp of row 0 and Every the time between two rows;
	// microseconds.
	First int64 `json:"first"`
	Every int64 `json:"every"`
}

// Query is the QUERY section that asks for the feed.
func (f Feed) Query() string {
	text, _ := json.Marshal(f)
	return string(text)
}

// Head is how many rows the table has at the nth fetch, counted from 0.
func (f Feed) Head(nth int) int { return max(f.Start, f.Rows) + nth*f.Step }

// Micros is the timestamp of a row.
func (f Feed) Micros(row int) int64 { return f.First + int64(row)*f.Every }

func servePlugin() {
	var settings struct {
		N int `json:"n"` // tells instances apart
	}
	var feeds feeds
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: PluginName, Version: "0.0.1", Settings: &settings,
		RowGetter:    pluginsdk.RowGetterFunc(feeds.getRows),
		CheckHandler: pluginsdk.CheckHandlerFunc(func(context.Context, pluginsdk.CheckEvent) error { return nil }),
		Purger: pluginsdk.PurgerFunc(func(context.Context, pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			return pluginsdk.Keep(), nil
		}),
	})
}

// feeds counts the fetches of each checker.
type feeds struct {
	mu      sync.Mutex
	fetches map[string]int
}

func (fs *feeds) next(checker string) int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.fetches == nil {
		fs.fetches = make(map[string]int)
	}
	n := fs.fetches[checker]
	fs.fetches[checker]++
	return n
}

func (fs *feeds) getRows(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	var f Feed
	if err := json.Unmarshal([]byte(q.Text), &f); err != nil {
		return pluginsdk.CheckerError(fmt.Errorf("the query is no feed: %w", err))
	}
	head := f.Head(fs.next(q.Checker.Name))
	key := make([]byte, KeyBytes)
	for i := head - 1; i >= head-f.Rows; i-- {
		putKey(key, i)
		if err := out.AppendBytes(key, f.Micros(i)); err != nil {
			return err
		}
	}
	return nil
}

// putKey writes "key-" and twenty digits.
func putKey(key []byte, i int) {
	copy(key, "key-00000000000000000000")
	for at := len(key) - 1; i > 0; at-- {
		key[at] = byte('0' + i%10)
		i /= 10
	}
}
