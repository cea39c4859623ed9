package message

import "sync"

// Told remembers who has had a message of which others are still to have it, so that
// the next try does not tell them twice. After a restart it has forgotten. The zero
// value is ready.
type Told struct {
	mu    sync.Mutex
	who   map[string]map[string]bool // by idempotency key
	order []string                   // keys, oldest first
}

// maxTold bounds the keys that are remembered.
const maxTold = 1000

// Left are those recipients who have not had the message with that key.
func (t *Told) Left(key string, recipients []string) (left []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range recipients {
		if !t.who[key][r] {
			left = append(left, r)
		}
	}
	return left
}

// Add notes who has had it. Without a key there is nothing to remember it by.
func (t *Told) Add(key string, recipients []string) {
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
