package main

import "sync"

// told remembers who has had a mail of which others are still to have it, so that
// the next try does not tell them twice. After a restart it has forgotten: they get
// the same mail again, with the same Message-ID.
type told struct {
	mu    sync.Mutex
	who   map[string]map[string]bool // by idempotency key
	order []string                   // keys, oldest first
}

// maxTold bounds the keys that are remembered.
const maxTold = 1000

// left are those recipients who have not had the mail.
func (t *told) left(key string, recipients []string) (left []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range recipients {
		if !t.who[key][r] {
			left = append(left, r)
		}
	}
	return left
}

// add notes who has had the mail.
func (t *told) add(key string, recipients []string) {
	if key == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.who == nil {
		t.who = map[string]map[string]bool{}
	}
	if t.who[key] == nil {
		t.who[key] = map[string]bool{}
		t.order = append(t.order, key)
	}
	for _, r := range recipients {
		t.who[key][r] = true
	}
	if len(t.order) > maxTold {
		delete(t.who, t.order[0])
		t.order = t.order[1:]
	}
}
