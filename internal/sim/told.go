package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/deliver"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// told follows what handlers are told, from the commit that decides it to the one that
// stores the handler's answer. Calls come from other goroutines: mu guards everything,
// and what a handler answers follows from what it is told, not from when.
type told struct {
	life     *life
	notifier *alerting.Notifier
	began    int64 // of the process, true time
	groups   map[string]*alerting.Group

	mu       sync.Mutex
	handlers map[string]*handler
	lanes    map[laneName]*lane
	byID     map[int64]*item
	// keys are those of all results, by handler.
	keys map[story]bool
	// stories are what each handler was told of each incident.
	stories map[story]dwmon.NoticeKind
	acks    map[int64]dwmon.Ack
}

type laneName struct {
	handler   string
	checkerID int64
}

type story struct{ handler, of string }

// lane is what a handler is to be told of a checker, in order.
type lane struct {
	items []*item
	// done is how many of the first are over and stored.
	done int
}

// item is one delivery.
type item struct {
	lane *lane
	at   int
	key  string // empty until the store has told it
	text []byte // of a notice, as JSON
	// taken: the handler has taken it; refused: for good; over: the outcome is stored.
	taken, refused, over bool
	created              int64
	tries                int
	what                 string // as it was told first
}

func (l *life) beginTelling() error {
	if l.told == nil {
		l.told = &told{
			life: l, handlers: map[string]*handler{}, lanes: map[laneName]*lane{}, byID: map[int64]*item{}, keys: map[story]bool{}, groups: map[string]*alerting.Group{},
			stories: map[story]dwmon.NoticeKind{}, acks: map[int64]dwmon.Ack{},
		}
		for _, r := range l.routes {
			l.told.handlers[r.Handler] = &handler{told: l.told, name: r.Handler, downUntil: l.real}
		}
		if oneIn(l.rng, 2) {
			l.told.groups["pager"] = &alerting.Group{By: []string{"source"}, Wait: 3 * time.Minute}
		}
	}
	t := l.told
	t.began = l.real
	t.notifier = alerting.New(alerting.Options{Store: tellings{l.watch, t}, Installation: "inst", Log: slog.New(slog.DiscardHandler)}, t.world())
	return nil
}

// world is what is configured now.
func (t *told) world() alerting.World {
	l := t.life
	w := alerting.World{Subjects: map[string]alerting.Subject{}, Handlers: map[string]alerting.Handler{}, Alert: dwmon.DefaultAlertRule}
	for _, f := range l.files {
		if f.off == "" {
			w.Subjects[f.name] = alerting.Subject{Checker: f.checker, Source: f.source.name, Zone: f.checker.Zone(l.zone), Alert: f.alert, Routes: l.routes}
		}
	}
	for _, r := range l.routes {
		w.Handlers[r.Handler] = alerting.Handler{Route: r, Group: t.groups[r.Handler]}
	}
	return w
}

// tell looks for what is due, and delivers now and then.
func (l *life) tell() error {
	t := l.told
	if oneIn(l.rng, 3) || !l.troubled {
		t.notifier.SetWorld(t.world())
		l.watch.failed = false
		_, err := t.notifier.Step(context.Background(), alerting.Look{Now: l.now(), Watching: l.real-t.began > 600e6})
		if err != nil && !l.watch.failed {
			l.fail("the incidents could not be looked at: %v", err)
		}
		if l.watch.dead {
			return l.restart(oneIn(l.rng, 2))
		}
	}
	if l.troubled && oneIn(l.rng, 100) {
		if err := t.acknowledge(); err != nil {
			return err
		}
	}
	for _, r := range l.routes {
		h := t.handlers[r.Handler]
		if l.troubled && l.real >= h.downUntil && oneIn(l.rng, 800) {
			h.downUntil = l.real + 60e6*pick(l.rng, l.rng.Int64N(30), l.rng.Int64N(900), 5000)
			l.note("handler %s is down until %s", h.name, time.UnixMicro(h.downUntil+l.skew).UTC().Format(time.DateTime))
		}
	}
	if !l.troubled || oneIn(l.rng, 8) {
		return t.flush()
	}
	return nil
}

// acknowledge lets somebody acknowledge an incident.
func (t *told) acknowledge() error {
	l := t.life
	s, err := l.home.telling().Situation(context.Background())
	if err != nil || len(s.Incidents) == 0 {
		return err
	}
	i := s.Incidents[l.rng.IntN(len(s.Incidents))]
	ack := dwmon.Ack{By: "anna", At: l.clock(), Until: pick(l.rng, 0, l.clock()+3600e6)}
	n, err := l.home.telling().Acknowledge(context.Background(), []int64{i.ID}, ack)
	if err == nil && n == 1 {
		t.acks[i.ID] = ack
		l.note("incident %d is acknowledged", i.ID)
	}
	return err
}

// flush delivers what waits, one handler after the other. Now and then the process ends
// in the middle: the handler has taken one, and nothing of it is stored.
func (t *told) flush() error {
	l := t.life
	for _, r := range l.routes {
		h := t.handlers[r.Handler]
		if !t.waits(h.name) && !oneIn(l.rng, 20) {
			continue
		}
		if h.down = l.real < h.downUntil; h.down && !oneIn(l.rng, 10) {
			continue
		}
		h.calls, h.dying = 0, l.troubled && oneIn(l.rng, 150)
		d, err := deliver.New(deliver.Options{
			Store: tellings{l.watch, t}, Log: slog.New(slog.DiscardHandler), Handlers: map[string]deliver.Handler{h.name: {CheckHandler: h, Concurrency: 1}},
		})
		if err != nil {
			return err
		}
		report, err := d.Flush(context.Background(), l.now())
		dying := h.dying
		h.dying = false
		if err != nil && !dying {
			l.fail("deliveries to %s: %v", h.name, err)
		}
		if dying {
			l.note("%s: dwmon ends in the middle of deliveries", h.name)
			return l.restart(oneIn(l.rng, 2))
		}
		if report.Sent+report.Failed+report.Dead > 0 {
			l.note("%s: %d delivered, %d failed, %d given up", h.name, report.Sent, report.Failed, report.Dead)
		}
		if l.failed() {
			return nil
		}
	}
	return nil
}

// givenUpAfter is how long what fails is tried, microseconds.
const givenUpAfter = 72 * 3600e6

// handler is a check handler, somewhere outside.
type handler struct {
	told      *told
	name      string
	downUntil int64 // true time
	// down and dying are those of the present flush, calls counts its calls.
	down, dying bool
	calls       int
}

var errDown = &dwmon.HandleError{Down: true, Err: errors.New("connection refused")}

// take is told something under a key, and answers.
func (h *handler) take(key, what string, check func() string) error {
	t, l := h.told, h.told.life
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.calls++; h.down || h.dying && h.calls > 1 {
		return errDown
	}
	i := t.find(h.name, key)
	if i == nil {
		l.fail("handler %s is told %s, which it is not to be told: %s", h.name, key, what)
		return nil
	}
	for _, before := range i.lane.items[i.lane.done:i.at] {
		givenUp := before.tries > 0 && l.clock()-before.created >= givenUpAfter
		if !before.taken && !before.refused && !givenUp {
			l.fail("handler %s is told %s before %s", h.name, key, before.key)
		}
	}
	if i.over || i.what != "" && i.what != what {
		l.fail("handler %s is told %s again (its outcome was stored: %v):\n%s\nand before:\n%s", h.name, key, i.over, what, i.what)
	}
	if wrong := check(); wrong != "" {
		l.fail("handler %s is told %s: %s", h.name, key, wrong)
	}
	i.what = what
	i.tries++
	return h.answer(i, key)
}

// answer is what a handler says, which follows from the key and from how often it was
// asked.
func (h *handler) answer(i *item, key string) error {
	stats := &h.told.life.stats
	again := i.taken
	hash := fnv.New64a()
	_, rest, _ := strings.Cut(key, "/")
	fmt.Fprintf(hash, "%d %s %s %d", h.told.life.o.Seed, h.name, rest, i.tries)
	chance := hash.Sum64() >> 20 % 1000
	if !h.told.life.troubled {
		chance = 999
	}
	if chance < 30 && chance >= 5 {
		stats.Refused++
		return &dwmon.HandleError{Err: errors.New("not now"), RetryAfter: time.Duration(chance) * time.Minute}
	}
	if chance < 5 && !again {
		i.refused = true
		stats.Dead++
		return &dwmon.HandleError{Fault: dwmon.HandleNever, Err: errors.New("no such channel")}
	}
	i.taken = true
	stats.Delivered++
	if again {
		stats.Again++
	}
	if i.text != nil {
		stats.Notices++
	}
	if chance < 60 {
		return &dwmon.HandleError{Err: errors.New("the answer was lost")}
	}
	return nil
}

// find gives the delivery of a key that is not over.
func (t *told) find(handler, key string) *item {
	for name, l := range t.lanes {
		if name.handler != handler {
			continue
		}
		for _, i := range l.items[l.done:] {
			if i.key == key {
				return i
			}
		}
	}
	return nil
}

func (h *handler) HandleCheck(_ context.Context, req dwmon.HandleRequest) error {
	r := req.Result
	return h.take(req.IdempotencyKey, fmt.Sprintf("%+v", r), func() string {
		k := h.told.life.oracle.checkers[r.CheckerName]
		i, known := k.at[place{r.Minute, k.memory[r.Requirement]}]
		if !known {
			return "there is no such verdict"
		}
		v := k.verdicts[i]
		got := keptVerdict{r.Minute, r.Requirement, r.EventCount, r.Status, r.Reason, r.CatchUp, r.Previous, r.ConsecutiveBad}
		if got != v {
			return fmt.Sprintf("%+v, but the verdict is %+v", got, v)
		}
		return ""
	})
}

func (h *handler) HandleNotice(_ context.Context, req dwmon.NoticeRequest) error {
	text, err := json.Marshal(req.Notice)
	if err != nil {
		return err
	}
	return h.take(req.IdempotencyKey, string(text), func() string { return "" })
}

// enqueued: results are to be told.
func (t *told) enqueued(checkerID int64, name string, tellings []dwmon.Telling) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range tellings {
		i := &item{key: fmt.Sprintf("%s/%d/%d", name, w.Minute, w.LineID), created: t.life.clock()}
		of := story{w.Handler, i.key}
		if t.keys[of] {
			t.life.fail("handler %s is to be told two results of the key %s", w.Handler, i.key)
		}
		t.keys[of] = true
		t.lane(w.Handler, checkerID).add(i)
	}
}

func (t *told) lane(handler string, checkerID int64) *lane {
	name := laneName{handler, checkerID}
	if t.lanes[name] == nil {
		t.lanes[name] = &lane{}
	}
	return t.lanes[name]
}

func (l *lane) add(i *item) {
	i.lane, i.at = l, len(l.items)
	l.items = append(l.items, i)
}

// stored: notices are to be told.
func (t *told) stored(what *dwmon.Tellings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range what.Deliveries {
		text, err := json.Marshal(d.Notice)
		if err != nil {
			t.life.fail("a notice cannot be written: %v", err)
			return
		}
		t.lane(d.Handler, d.CheckerID).add(&item{text: text, created: t.life.clock()})
		t.tale(d.Handler, &d.Notice)
		for _, m := range d.Marks {
			if ack, acked := t.acks[m.Incident]; acked && m.Before.Told > 0 && !m.After.Ended && ack.Holds(t.life.clock()) {
				t.life.fail("handler %s is told again of incident %d, which is acknowledged: %+v", d.Handler, m.Incident, ack)
			}
		}
	}
}

// tale holds the notices of an incident against the rule that whoever hears of its
// beginning hears of its end, once each, and of nothing else.
func (t *told) tale(handler string, n *dwmon.Notice) {
	parts := n.Items
	if parts == nil {
		parts = []dwmon.NoticeItem{{Kind: n.Kind, Incident: n.Incident}}
	}
	for _, part := range parts {
		if part.Incident == nil {
			continue
		}
		of := story{handler, part.Incident.ID}
		before := t.stories[of]
		if (before == "") != (part.Kind == dwmon.NoticeOpened) || before == dwmon.NoticeRecovered {
			t.life.fail("handler %s is told %q of %s, after %q", handler, part.Kind, part.Incident.ID, before)
		}
		t.stories[of] = part.Kind
	}
}

// given: the store says what is to be told next.
func (t *told) given(q dwmon.DeliveryQuery, batch dwmon.DeliveryBatch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[int64]int{}
	for i := range batch.Deliveries {
		d := &batch.Deliveries[i]
		l := t.lane(q.Handler, d.CheckerID)
		at := l.done + next[d.CheckerID]
		next[d.CheckerID]++
		if at >= len(l.items) {
			t.life.fail("handler %s is to be told %s, of which nothing was stored", q.Handler, d.Key)
			return
		}
		if wrong := l.items[at].is(d); wrong != "" {
			t.life.fail("handler %s is to be told %s next of checker %d: %s", q.Handler, d.Key, d.CheckerID, wrong)
			return
		}
		t.byID[d.ID] = l.items[at]
	}
}

// is says what is wrong with a delivery that should be the item.
func (i *item) is(d *dwmon.Delivery) string {
	if i.text == nil {
		if d.Notice != nil || !strings.HasSuffix(d.Key, "/"+strings.TrimPrefix(i.key, d.Key[:strings.Index(d.Key, "/")+1])) {
			return "want " + i.key
		}
		i.key = d.Key
		return ""
	}
	if d.Notice == nil || i.key != "" && i.key != d.Key {
		return fmt.Sprintf("want the notice %s %s", i.key, i.text)
	}
	text, err := json.Marshal(d.Notice)
	if err != nil || !bytes.Equal(text, i.text) {
		return fmt.Sprintf("%s, want the notice %s", text, i.text)
	}
	i.key = d.Key
	return ""
}

// finished: outcomes are stored.
func (t *told) finished(outcomes []dwmon.DeliveryOutcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range outcomes {
		i := t.byID[o.ID]
		switch {
		case i == nil:
			t.life.fail("the outcome of delivery %d is stored, which nobody was given", o.ID)
			return
		case o.State == dwmon.DeliverySent && !i.taken:
			t.life.fail("%s is stored as sent, and was not taken", i.key)
		case o.State == dwmon.DeliveryDead && !i.refused && o.At-i.created < givenUpAfter:
			t.life.fail("%s is given up after %s", i.key, time.Duration(o.At-i.created)*time.Microsecond)
		case o.State == dwmon.DeliveryDead && !i.refused:
			i.refused = true
			t.life.stats.Dead++
		}
		i.over = o.State != dwmon.DeliveryWaiting
		for i.lane.done < len(i.lane.items) && i.lane.items[i.lane.done].over {
			i.lane.done++
		}
	}
}

// atTheEnd: everything was told, or given up, and every tale has its end.
func (t *told) atTheEnd() {
	if _, err := t.notifier.Step(context.Background(), alerting.Look{Now: t.life.now(), Hurry: true}); err != nil {
		t.life.fail("the incidents could not be looked at: %v", err)
	}
	for range 100 {
		before := t.waiting()
		if err := t.flush(); err != nil {
			t.life.fail("deliveries: %v", err)
		}
		if t.waiting() == before {
			break
		}
	}
	l := t.life
	if n := t.waiting(); n > 0 {
		l.fail("%d deliveries wait, though every handler takes them", n)
	}
	s, err := l.home.telling().Situation(context.Background())
	if err != nil {
		l.fail("look at the incidents: %v", err)
	}
	lasting := map[string]bool{}
	for _, i := range s.Incidents {
		if i.Closed != nil {
			l.fail("incident %d is over, and was not finished with: %+v", i.ID, i)
		}
		lasting[dwmon.IncidentKey("inst", i.ID)] = true
	}
	for of, last := range t.stories {
		if last != dwmon.NoticeRecovered && !lasting[of.of] {
			l.fail("handler %s was never told of the end of %s", of.handler, of.of)
		}
	}
}

func (t *told) waits(handler string) bool {
	for name, l := range t.lanes {
		if name.handler == handler && l.done < len(l.items) {
			return true
		}
	}
	return false
}

func (t *told) waiting() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lanes {
		n += len(l.items) - l.done
	}
	return n
}

// tellings is the store as the code of notices and deliveries has it. The methods that
// the former calls fail at random; those of the latter do with the whole flush, for they
// come from several goroutines.
type tellings struct {
	*watch
	told *told
}

func (s tellings) store() tellingStore { return s.home.telling() }

func (s tellings) dying() bool {
	for _, h := range s.told.handlers {
		if h.dying {
			return true
		}
	}
	return false
}

func (s tellings) Situation(ctx context.Context) (dwmon.Situation, error) {
	if err := s.before(s.draw()); err != nil {
		return dwmon.Situation{}, err
	}
	return s.store().Situation(ctx)
}

func (s tellings) FetchStates(ctx context.Context) ([]dwmon.FetchState, error) {
	return s.store().FetchStates(ctx)
}

func (s tellings) LineEvidence(ctx context.Context, q dwmon.LineQuery) (dwmon.LineEvidence, error) {
	return s.store().LineEvidence(ctx, q)
}

func (s tellings) SilencesOf(ctx context.Context, now int64) ([]dwmon.Silence, error) {
	return s.store().SilencesOf(ctx, now)
}

func (s tellings) ChangeIncidents(ctx context.Context, opens []dwmon.Incident, closings []dwmon.Closing) error {
	t := s.draw()
	if err := s.before(t); err != nil {
		return err
	}
	return s.after(t, s.store().ChangeIncidents(ctx, opens, closings))
}

func (s tellings) Tell(ctx context.Context, what dwmon.Tellings) error {
	t := s.draw()
	if err := s.before(t); err != nil {
		return err
	}
	err := s.store().Tell(ctx, what)
	if err == nil {
		s.told.stored(&what)
	}
	return s.after(t, err)
}

func (s tellings) NextDeliveries(ctx context.Context, q dwmon.DeliveryQuery) (dwmon.DeliveryBatch, error) {
	batch, err := s.store().NextDeliveries(ctx, q)
	if err == nil {
		s.told.given(q, batch)
	}
	return batch, err
}

func (s tellings) FinishDeliveries(ctx context.Context, outcomes []dwmon.DeliveryOutcome) error {
	if s.dying() {
		return errDead
	}
	err := s.store().FinishDeliveries(ctx, outcomes)
	if err == nil {
		s.told.finished(outcomes)
	}
	return err
}

func (s tellings) CollapseDeliveries(ctx context.Context, handler string, keep, now int64) (int64, error) {
	return s.store().CollapseDeliveries(ctx, handler, keep, now)
}

func (s tellings) SentDeliveries(ctx context.Context, handler string, after, now int64, limit int) ([]int64, error) {
	return s.store().SentDeliveries(ctx, handler, after, now, limit)
}
