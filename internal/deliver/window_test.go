package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// most is the largest number of times that lie within one span.
func most(at []time.Time, per time.Duration) int {
	n := 0
	for i := range at {
		in := 1
		for in < len(at)-i && at[i+in].Sub(at[i]) < per {
			in++
		}
		n = max(n, in)
	}
	return n
}

// However calls come, no span holds more than the rate, and none is kept waiting
// that could have begun.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rate := dwmon.Rate{Count: rapid.IntRange(1, 6).Draw(rt, "count"), Per: time.Minute}
		w := window{rate: rate}
		var taken []time.Time
		now := time.Unix(1_750_000_000, 0)
		for range rapid.IntRange(1, 60).Draw(rt, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "seconds")) * time.Second)
			within := 0
			for _, at := range taken {
				if now.Sub(at) < rate.Per {
					within++
				}
			}
			if got := w.room(now); got != rate.Count-within {
				rt.Fatalf("room %d at %v after %v", got, now, taken)
			}
			opens := w.opens(now)
			if within < rate.Count {
				if opens.After(now) {
					rt.Fatalf("opens %v, later than now, with room", opens)
				}
				w.take(now)
				taken = append(taken, now)
				continue
			}
			if want := taken[len(taken)-rate.Count].Add(rate.Per); !opens.Equal(want) {
				rt.Fatalf("opens %v, want %v", opens, want)
			}
		}
		if got := most(taken, rate.Per); got > rate.Count {
			rt.Fatalf("%d in one span", got)
		}
	})
}

func TestWindowOfAClockThatWasSetBack(t *testing.T) {
	w := window{rate: dwmon.Rate{Count: 2, Per: time.Minute}}
	now := time.Unix(1_750_000_000, 0)
	w.take(now)
	w.take(now)
	if got := w.room(now.Add(-time.Hour)); got != 2 {
		t.Errorf("room %d an hour before the calls, want 2", got)
	}
}

func limited(rate dwmon.Rate) func(*Options) {
	return func(o *Options) {
		h := o.Handlers["h"]
		h.Rate = rate
		o.Handlers["h"] = h
	}
}

func TestRateIsKeptAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		want := map[string][]string{}
		for i := range 200 {
			key := s.add("h", int64(i%7), time.Now())
			name := strings.Split(key, "/")[1]
			want[name] = append(want[name], key)
		}
		r.answer = func(_ context.Context, _ string, try int) error {
			time.Sleep(rand.N(3 * time.Second))
			if rand.N(10) == 0 {
				return retry(0)
			}
			return nil
		}
		_, stop := start(t, s, r, limited(dwmon.Rate{Count: 10, Per: time.Minute}))
		synctest.Wait()
		if r.calls() != 4 {
			t.Errorf("%d calls at once, want the 4 that may run side by side", r.calls())
		}
		time.Sleep(time.Hour)
		stop()
		if got := s.states()[dwmon.DeliverySent]; got != 200 {
			t.Errorf("%d of 200 sent after an hour", got)
		}
		if got := most(r.times(), time.Minute); got > 10 {
			t.Errorf("%d calls within a minute", got)
		}
		got := map[string][]string{}
		for _, key := range r.keys() {
			name := strings.Split(key, "/")[1]
			if n := len(got[name]); n == 0 || got[name][n-1] != key { // a retry
				got[name] = append(got[name], key)
			}
		}
		for name, keys := range want {
			if !slices.Equal(got[name], keys) {
				t.Errorf("lane %s: told %v, want %v", name, got[name], keys)
			}
		}
		// 200 deliveries and their retries, ten a minute: no time was lost.
		if at := r.times(); at[len(at)-1].Sub(at[0]) > time.Duration(len(at)/10+1)*time.Minute {
			t.Errorf("%d calls took %s", len(at), at[len(at)-1].Sub(at[0]))
		}
	})
}

func TestRateCountsWhatWasSentBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for i := range 30 {
			s.add("h", int64(i), time.Now())
		}
		rate := limited(dwmon.Rate{Count: 5, Per: time.Minute})
		for range 10 { // a restart every ten seconds
			_, stop := start(t, s, r, rate)
			time.Sleep(10 * time.Second)
			stop()
		}
		if got := most(r.times(), time.Minute); got != 5 {
			t.Errorf("%d calls within a minute, want 5", got)
		}
		if got := r.calls(); got != 10 {
			t.Errorf("%d calls in 100 s, want 10", got)
		}
	})
}

func TestRateDoesNotKeepADigestFromBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for range 20 {
			s.add("h", 1, time.Now())
		}
		d, stop := start(t, s, r, func(o *Options) {
			o.Keep = 15
			limited(dwmon.Rate{Count: 1, Per: time.Hour})(o)
		})
		synctest.Wait()
		for range 20 {
			s.add("h", 1, time.Now())
		}
		time.Sleep(2 * time.Minute)
		d.Wake()
		time.Sleep(2 * time.Minute)
		stop()
		states := s.states()
		if states[dwmon.DeliveryCollapsed] != 24 || r.calls() != 1 {
			t.Errorf("%v after %d calls, want one of 40 sent, the newest 15 waiting and 24 collapsed", states, r.calls())
		}
	})
}

func TestFlushHeedsTheRate(t *testing.T) {
	for _, tt := range []struct {
		name string
		rate dwmon.Rate
		sent int64
		took time.Duration // at most
	}{
		{"GoesOnWithinItsTime", dwmon.Rate{Count: 2, Per: time.Second}, 60, 31 * time.Second},
		{"DoesNotWaitForWhatComesTooLate", dwmon.Rate{Count: 7, Per: time.Hour}, 7, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := &mapStore{}, &recorder{}
				for i := range 100 {
					s.add("h", int64(i%3), time.Now())
				}
				d := mustNew(t, s, r, limited(tt.rate))
				ctx, cancel := context.WithTimeout(t.Context(), 29500*time.Millisecond)
				defer cancel()
				at := time.Now()
				report, err := d.Flush(ctx, at)
				if err != nil || report.Sent != tt.sent || report.Failed != 0 || report.Dead != 0 {
					t.Errorf("Flush gave %+v, %v, want %d sent", report, err, tt.sent)
				}
				if took := time.Since(at); took > tt.took {
					t.Errorf("Flush took %s", took)
				}
				if got := s.states()[dwmon.DeliveryWaiting]; int64(got) != 100-tt.sent {
					t.Errorf("%d wait, want %d", got, 100-tt.sent)
				}
			})
		})
	}
}

func TestRateWithAStoreThatFailsToSayWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &forgetful{mapStore: &mapStore{}}, &recorder{}
		s.add("h", 1, time.Now())
		opts := Options{Store: s, Handlers: map[string]Handler{"h": {CheckHandler: r, Rate: dwmon.Rate{Count: 1, Per: time.Minute}}}, Log: slog.New(slog.DiscardHandler)}
		d, err := New(opts)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_ = d.Run(ctx)
		if r.calls() != 1 || s.asked != 3 {
			t.Errorf("%d calls after the store was asked %d times, want 1 and 3", r.calls(), s.asked)
		}
	})
}

// forgetful fails to say what was sent, twice.
type forgetful struct {
	*mapStore
	asked int
}

func (s *forgetful) SentDeliveries(ctx context.Context, handler string, after, now int64, limit int) ([]int64, error) {
	if s.asked++; s.asked < 3 {
		return nil, errors.New("the disk is slow today")
	}
	return s.mapStore.SentDeliveries(ctx, handler, after, now, limit)
}
