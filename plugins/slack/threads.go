package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// threads remembers under which message of a bot's an incident was told first, so that
// what follows is posted below it. It is a help and no more: what is lost of it costs
// a message its place.
type threads struct {
	mu   sync.Mutex
	path string // empty: nothing outlives the process
	list []thread
}

// thread is where an incident was told first.
type thread struct {
	Incident string `json:"incident"`
	Channel  string `json:"channel"` // as it was asked for
	TS       string `json:"ts"`
}

// maxThreads bounds those that are remembered; the oldest go first.
const maxThreads = 1000

// openThreads reads what is remembered in a folder, which may be empty for none.
func openThreads(folder string) (*threads, error) {
	t := &threads{}
	if folder == "" {
		return t, nil
	}
	t.path = filepath.Join(folder, "threads.json")
	text, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &t.list)
	}
	if err != nil {
		t.list = nil
		return t, fmt.Errorf("the threads of Slack messages are begun anew: %w", err)
	}
	return t, nil
}

// find gives the message's timestamp, empty where there is none.
func (t *threads) find(incident, channel string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.index(incident, channel); i >= 0 {
		return t.list[i].TS
	}
	return ""
}

func (t *threads) index(incident, channel string) int {
	return slices.IndexFunc(t.list, func(o thread) bool { return o.Incident == incident && o.Channel == channel })
}

// begin notes where an incident was told first.
func (t *threads) begin(incident, channel, ts string) error {
	return t.change(incident, channel, thread{incident, channel, ts})
}

// end forgets an incident.
func (t *threads) end(incident, channel string) error { return t.change(incident, channel) }

// change puts something in the place of what is remembered, and writes all of it.
func (t *threads) change(incident, channel string, by ...thread) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.index(incident, channel); i >= 0 {
		t.list = slices.Delete(t.list, i, i+1)
	}
	t.list = append(t.list, by...)
	t.list = t.list[max(0, len(t.list)-maxThreads):]
	if t.path == "" {
		return nil
	}
	text, err := json.Marshal(t.list)
	if err != nil {
		return err
	}
	// By renaming, so that a crash leaves the old file or the new one.
	if err := os.WriteFile(t.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(t.path+".new", t.path)
}
