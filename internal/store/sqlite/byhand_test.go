package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dwmon/dwmon/internal/dwmon"
)

var waitingOrDead = []dwmon.DeliveryState{dwmon.DeliveryWaiting, dwmon.DeliveryDead}

// undelivered makes two checkers with deliveries in every state. By id: a1h a1g
// a2h a2g a3h a3g b1h b2h. 1 is sent, 2, 3 and 8 are dead, 5 waits for an hour.
func (w *world) undelivered() {
	w.Helper()
	w.judge(w.checker("a", epoch0, "UTC", line(1)), minutes(epoch0+60, 3, dwmon.Bad), "h", "g")
	w.judge(w.checker("b/c", epoch0, "UTC", line(1)), minutes(epoch0+60, 2, dwmon.Bad), "h")
	now := w.clock.UnixMicro()
	dead := func(id int64) dwmon.DeliveryOutcome {
		return dwmon.DeliveryOutcome{ID: id, State: dwmon.DeliveryDead, At: now, Error: "gone"}
	}
	w.finish(
		dwmon.DeliveryOutcome{ID: 1, State: dwmon.DeliverySent, At: now}, dead(2), dead(3), dead(8),
		dwmon.DeliveryOutcome{ID: 5, State: dwmon.DeliveryWaiting, At: now, Next: now + time.Hour.Microseconds(), Error: "busy"},
	)
}

// shown is what is shown of all deliveries.
func (w *world) shown() string {
	var b strings.Builder
	for _, r := range w.listed(dwmon.DeliveryFilter{}) {
		fmt.Fprintf(&b, "%d %s %d", r.ID, r.State, r.Attempts)
		if r.Next != 0 {
			fmt.Fprintf(&b, " in %s", time.UnixMicro(r.Next).Sub(w.clock))
		}
		if r.Finished != 0 {
			b.WriteString(" finished")
		}
		if r.LastError != "" {
			b.WriteString(" " + r.LastError)
		}
		if r.Orphaned {
			b.WriteString(" (orphaned)")
		}
		b.WriteString("\n")
	}
	return b.String()
}

const undelivered = `1 sent 1 finished
2 dead 1 finished gone
3 dead 1 finished gone
4 waiting 0
5 waiting 1 in 1h0m0s busy
6 waiting 0
7 waiting 0
8 dead 1 finished gone
`

func TestRetryAndDrop(t *testing.T) {
	lineIDs := map[string]int{"a": 1, "b/c": 2}
	key := func(checker string, minute int) string {
		return fmt.Sprintf("%s/%d/%d", checker, epoch0+60*int64(minute), lineIDs[checker])
	}
	cases := []struct {
		name    string
		choice  dwmon.DeliveryChoice
		drop    bool
		retried dwmon.Retried
		dropped int64
		err     string
		// change are lines of undelivered that become others.
		change map[string]string
	}{
		{
			name: "the dead ones wait again, with their tries", choice: dwmon.DeliveryChoice{States: []dwmon.DeliveryState{dwmon.DeliveryDead}},
			retried: dwmon.Retried{Dead: 3},
			change: map[string]string{
				"2 dead 1 finished gone": "2 waiting 1 gone", "3 dead 1 finished gone": "3 waiting 1 gone", "8 dead 1 finished gone": "8 waiting 1 gone",
			},
		},
		{
			name: "the waiting ones of a handler are due at once", choice: dwmon.DeliveryChoice{Handler: "h", States: []dwmon.DeliveryState{dwmon.DeliveryWaiting}},
			retried: dwmon.Retried{Waiting: 2}, change: map[string]string{"5 waiting 1 in 1h0m0s busy": "5 waiting 1 busy"},
		},
		{
			name: "a key chooses the deliveries of every handler", choice: dwmon.DeliveryChoice{Keys: []string{"INST/" + key("a", 2), key("b/c", 2)}, States: waitingOrDead},
			retried: dwmon.Retried{Dead: 2, Waiting: 1},
			change:  map[string]string{"3 dead 1 finished gone": "3 waiting 1 gone", "8 dead 1 finished gone": "8 waiting 1 gone"},
		},
		{
			name: "a key and a handler", choice: dwmon.DeliveryChoice{Keys: []string{key("a", 1)}, Handler: "g", States: waitingOrDead},
			retried: dwmon.Retried{Dead: 1}, change: map[string]string{"2 dead 1 finished gone": "2 waiting 1 gone"},
		},
		{
			name: "a key that chooses nothing changes nothing", choice: dwmon.DeliveryChoice{Keys: []string{key("a", 3), key("a", 1)}, Handler: "h", States: waitingOrDead},
			err: "no delivery that is waiting or dead has the key " + key("a", 1),
		},
		{
			name: "a handler that was never told", choice: dwmon.DeliveryChoice{Handler: "x", States: waitingOrDead},
			err: "nothing was ever queued for a handler x",
		},
		{
			name: "what waits for a handler is dropped", drop: true, choice: dwmon.DeliveryChoice{Handler: "g", States: []dwmon.DeliveryState{dwmon.DeliveryWaiting}},
			dropped: 2, change: map[string]string{"4 waiting 0": "4 dead 0 finished by hand", "6 waiting 0": "6 dead 0 finished by hand"},
		},
		{
			name: "what is dead cannot be dropped", drop: true, choice: dwmon.DeliveryChoice{Keys: []string{key("b/c", 2)}, States: []dwmon.DeliveryState{dwmon.DeliveryWaiting}},
			err: "no delivery that is waiting has the key " + key("b/c", 2),
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.undelivered()
			if diff := cmp.Diff(undelivered, w.shown()); diff != "" {
				t.Fatalf("before (-want +got):\n%s", diff)
			}
			inst, err := w.Installation(w.ctx())
			w.must(err)
			for i, k := range c.choice.Keys {
				c.choice.Keys[i] = strings.Replace(k, "INST", inst, 1)
			}
			var retried dwmon.Retried
			var dropped int64
			if c.drop {
				dropped, err = w.DropDeliveries(w.ctx(), c.choice, "by hand", w.clock.UnixMicro())
			} else {
				retried, err = w.RetryDeliveries(w.ctx(), c.choice, w.clock.UnixMicro())
			}
			if c.err == "" {
				w.must(err)
			} else if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if retried != c.retried || dropped != c.dropped {
				t.Errorf("retried %+v, dropped %d", retried, dropped)
			}
			want := undelivered
			for from, to := range c.change {
				want = strings.Replace(want, from+"\n", to+"\n", 1)
			}
			if diff := cmp.Diff(want, w.shown()); diff != "" {
				t.Errorf("after (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARevivedDeliveryGoesBeforeThoseBehindIt(t *testing.T) {
	w := newWorld(t)
	w.undelivered()
	w.clock = w.clock.Add(100 * time.Hour)
	_, err := w.RetryDeliveries(w.ctx(), dwmon.DeliveryChoice{Handler: "h", States: waitingOrDead}, w.clock.UnixMicro())
	w.must(err)
	b := w.next("h", w.clock.UnixMicro(), 100)
	var ids []int64
	for _, d := range b.Deliveries {
		ids = append(ids, d.ID)
		if revived := d.ID == 3 || d.ID == 8; (d.Revived == w.clock.UnixMicro()) != revived {
			t.Errorf("delivery %d was revived at %d", d.ID, d.Revived)
		}
	}
	if !slices.Equal(ids, []int64{3, 5, 7, 8}) {
		t.Errorf("to be told: %v", ids)
	}
}

func TestSentDeliveries(t *testing.T) {
	w := newWorld(t)
	w.judge(w.checker("a", epoch0, "UTC", line(1)), minutes(epoch0+60, 6, dwmon.Bad), "h", "g")
	for id, at := range map[int64]int64{1: 10, 3: 50, 5: 30, 7: 40, 2: 35} { // 2 is the other handler's
		w.finish(dwmon.DeliveryOutcome{ID: id, State: dwmon.DeliverySent, At: at})
	}
	w.finish(dwmon.DeliveryOutcome{ID: 9, State: dwmon.DeliveryDead, At: 41}, dwmon.DeliveryOutcome{ID: 11, State: dwmon.DeliveryWaiting, At: 42, Next: 43})
	for _, tt := range []struct {
		handler    string
		after, now int64
		limit      int
		want       []int64
	}{
		{"h", 0, 100, 10, []int64{10, 30, 40, 50}},
		{"h", 10, 49, 10, []int64{30, 40}},
		{"h", 0, 100, 2, []int64{40, 50}},
		{"g", 0, 100, 10, []int64{35}},
		{"x", 0, 100, 10, nil},
	} {
		got, err := w.SentDeliveries(w.ctx(), tt.handler, tt.after, tt.now, tt.limit)
		w.must(err)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: got %v", tt, got)
		}
	}
}
