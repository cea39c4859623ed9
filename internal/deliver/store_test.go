package deliver

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// mapStore is a Store in memory, with counts of what was asked of it.
type mapStore struct {
	mu       sync.Mutex
	rows     []*row
	queues   map[string][]*row // by handler: what waits, and perhaps more
	reads    int
	commits  int
	broken   error // returned by FinishDeliveries
	onCommit func()
}

type row struct {
	dwmon.Delivery
	state    dwmon.DeliveryState
	next     int64
	finished int64
	last     string
	digest   *dwmon.Digest
}

// add queues a delivery of checker lane and gives its key.
func (s *mapStore) add(handler string, lane int64, created time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := int64(len(s.rows) + 1)
	d := dwmon.Delivery{ID: id, Handler: handler, CheckerID: lane, Created: created.UnixMicro()}
	d.CheckerName = string(rune('a' + lane))
	d.Result = dwmon.Result{CheckerName: d.CheckerName, Minute: 60 * id, Status: dwmon.Bad}
	d.Key = dwmon.IdempotencyKey("inst", d.CheckerName, d.Result.Minute, 0)
	s.queue(&row{Delivery: d})
	return d.Key
}

func (s *mapStore) queue(r *row) {
	s.rows = append(s.rows, r)
	if s.queues == nil {
		s.queues = map[string][]*row{}
	}
	s.queues[r.Handler] = append(s.queues[r.Handler], r)
}

// waiting gives what waits for a handler, in order.
func (s *mapStore) waiting(handler string) []*row {
	if s.queues == nil {
		return nil
	}
	s.queues[handler] = slices.DeleteFunc(s.queues[handler], func(r *row) bool { return r.state != dwmon.DeliveryWaiting })
	return s.queues[handler]
}

func (s *mapStore) NextDeliveries(_ context.Context, q dwmon.DeliveryQuery) (dwmon.DeliveryBatch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var batch dwmon.DeliveryBatch
	blocked := map[int64]bool{}
	for _, r := range s.waiting(q.Handler) {
		if q.Skip[r.CheckerID] || blocked[r.CheckerID] {
			continue
		}
		if r.next > q.Now {
			blocked[r.CheckerID] = true
			if batch.Next == 0 || r.next < batch.Next {
				batch.Next = r.next
			}
			continue
		}
		if len(batch.Deliveries) < q.Limit {
			batch.Deliveries = append(batch.Deliveries, r.Delivery)
		}
	}
	slices.SortStableFunc(batch.Deliveries, func(a, b dwmon.Delivery) int { return cmp.Compare(a.CheckerID, b.CheckerID) })
	return batch, nil
}

func (s *mapStore) FinishDeliveries(_ context.Context, outcomes []dwmon.DeliveryOutcome) error {
	if s.onCommit != nil {
		s.onCommit()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.commits++
	for _, o := range outcomes {
		r := s.rows[o.ID-1]
		if r.state == dwmon.DeliveryCollapsed && o.State != dwmon.DeliverySent {
			continue // a digest tells of it
		}
		r.state, r.next, r.finished, r.last = o.State, o.Next, o.At, o.Error
		r.Attempts++
	}
	return nil
}

func (s *mapStore) CollapseDeliveries(_ context.Context, handler string, keep, now int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting []*row
	for _, r := range s.waiting(handler) {
		if r.CheckerID != 0 {
			waiting = append(waiting, r)
		}
	}
	over := int64(len(waiting)) - keep
	if over <= 0 {
		return 0, nil
	}
	d := s.openDigest(handler, now)
	for _, r := range waiting[:over] {
		r.state = dwmon.DeliveryCollapsed
		d.digest.Add(r.CheckerName, r.Result.Minute, r.Result.Status, 1)
	}
	notice := d.digest.Notice()
	d.Notice = &notice
	return over, nil
}

// openDigest gives the handler's digest that was not tried yet, a new one at need.
func (s *mapStore) openDigest(handler string, now int64) *row {
	for _, r := range s.waiting(handler) {
		if r.digest != nil && r.Attempts == 0 {
			return r
		}
	}
	id := int64(len(s.rows) + 1)
	r := &row{digest: &dwmon.Digest{}, Delivery: dwmon.Delivery{ID: id, Handler: handler, Created: now, Key: dwmon.NoticeKey("inst", "digest", id)}}
	s.queue(r)
	return r
}

func (s *mapStore) SentDeliveries(_ context.Context, handler string, after, now int64, limit int) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var at []int64
	for _, r := range s.rows {
		if r.Handler == handler && r.state == dwmon.DeliverySent && r.finished > after && r.finished <= now {
			at = append(at, r.finished)
		}
	}
	slices.Sort(at)
	return at[max(len(at)-limit, 0):], nil
}

// states counts the rows by state.
func (s *mapStore) states() map[dwmon.DeliveryState]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[dwmon.DeliveryState]int{}
	for _, r := range s.rows {
		counts[r.state]++
	}
	return counts
}

// recorder is a check handler that writes down what it was told.
type recorder struct {
	mu     sync.Mutex
	told   []telling
	answer func(ctx context.Context, key string, try int) error
	tries  map[string]int
}

type telling struct {
	key string
	at  time.Time
}

func (r *recorder) HandleCheck(ctx context.Context, req dwmon.HandleRequest) error {
	return r.take(ctx, req.IdempotencyKey)
}

func (r *recorder) HandleNotice(ctx context.Context, req dwmon.NoticeRequest) error {
	return r.take(ctx, req.IdempotencyKey)
}

func (r *recorder) take(ctx context.Context, key string) error {
	r.mu.Lock()
	if r.tries == nil {
		r.tries = map[string]int{}
	}
	r.tries[key]++
	try := r.tries[key]
	r.told = append(r.told, telling{key, time.Now()})
	r.mu.Unlock()
	if r.answer == nil {
		return nil
	}
	return r.answer(ctx, key, try)
}

func (r *recorder) keys() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := make([]string, len(r.told))
	for i, t := range r.told {
		keys[i] = t.key
	}
	return keys
}

func (r *recorder) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

func (r *recorder) tried(key string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[key]
}

func (r *recorder) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := make([]time.Time, len(r.told))
	for i, t := range r.told {
		at[i] = t.at
	}
	return at
}

var errBusy = errors.New("busy")

func retry(after time.Duration) error {
	return &dwmon.HandleError{Fault: dwmon.HandleRetry, RetryAfter: after, Err: errBusy}
}

func down() error {
	return &dwmon.HandleError{Fault: dwmon.HandleRetry, Down: true, Err: errors.New("connection refused")}
}

func never() error {
	return &dwmon.HandleError{Fault: dwmon.HandleNever, Err: errors.New("no such channel")}
}
