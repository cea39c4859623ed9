package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// start runs a Deliverer with one handler "h" until the test ends; stop ends it
// earlier and gives how long that took.
func start(t *testing.T, s *mapStore, r *recorder, change func(*Options)) (d *Deliverer, stop func() time.Duration) {
	t.Helper()
	d = mustNew(t, s, r, change)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = func() time.Duration {
		at := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(at)
	}
	return d, stop
}

func mustNew(t *testing.T, s *mapStore, r *recorder, change func(*Options)) *Deliverer {
	t.Helper()
	opts := Options{Store: s, Handlers: map[string]Handler{"h": {CheckHandler: r}}, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&opts)
	}
	d, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTellsInOrderWithinALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		s.onCommit = func() { time.Sleep(5 * time.Millisecond) }
		want := map[string][]string{}
		for i := range 300 {
			lane := int64(i % 7)
			key := s.add("h", lane, time.Now())
			name := strings.Split(key, "/")[1]
			want[name] = append(want[name], key)
		}
		r.answer = func(context.Context, string, int) error {
			time.Sleep(rand.N(10 * time.Millisecond))
			return nil
		}
		_, stop := start(t, s, r, func(o *Options) { o.Batch = 20 })
		time.Sleep(5 * time.Second)
		stop()
		got := map[string][]string{}
		for _, key := range r.keys() {
			name := strings.Split(key, "/")[1]
			got[name] = append(got[name], key)
		}
		for name, keys := range want {
			if !slices.Equal(got[name], keys) {
				t.Errorf("lane %s: told %v, want %v", name, got[name], keys)
			}
		}
		if s.commits > 150 {
			t.Errorf("%d commits for 300 deliveries: answers that come together share one", s.commits)
		}
	})
}

func TestRetriesHoldUpTheirLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		head := s.add("h", 1, time.Now())
		behind := s.add("h", 1, time.Now())
		other := s.add("h", 2, time.Now())
		r.answer = func(_ context.Context, key string, try int) error {
			if key == head && try < 4 {
				return retry(0)
			}
			return nil
		}
		_, stop := start(t, s, r, nil)
		synctest.Wait()
		if r.tried(other) != 1 || r.tried(behind) != 0 {
			t.Fatalf("at first: other lane %d times, behind the head %d times; want 1 and 0", r.tried(other), r.tried(behind))
		}
		time.Sleep(10 * time.Second) // 1 + 2 + 4 at most
		stop()
		var lane []string
		var at []time.Time
		for _, told := range r.told {
			if told.key != other {
				lane, at = append(lane, told.key), append(at, told.at)
			}
		}
		if want := []string{head, head, head, head, behind}; !slices.Equal(lane, want) {
			t.Fatalf("told %v, want %v", lane, want)
		}
		for i, most := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if wait := at[i+1].Sub(at[i]); wait < most/2-time.Millisecond || wait > most+time.Millisecond {
				t.Errorf("wait %d was %s, want %s to %s", i+1, wait, most/2, most)
			}
		}
	})
}

func TestHonoursRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		wait time.Duration
	}{
		{"LongerThanTheLongestBackoff", retry(40 * time.Minute), 40 * time.Minute},
		{"OfTheWholeHandler", &dwmon.HandleError{Down: true, RetryAfter: 40 * time.Minute, Err: errBusy}, 40 * time.Minute},
		{"UpToADay", retry(24 * time.Hour), dwmon.MaxRetryAfter},
		{"NoMoreThanADay", retry(1000 * time.Hour), dwmon.MaxRetryAfter},
		{"NoLessThanTheFirstBackoff", retry(time.Nanosecond), time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := &mapStore{}, &recorder{}
				s.add("h", 1, time.Now())
				r.answer = func(_ context.Context, _ string, try int) error {
					if try == 1 {
						return tt.err
					}
					return nil
				}
				_, stop := start(t, s, r, nil)
				time.Sleep(30 * time.Hour)
				stop()
				at := r.times()
				if len(at) != 2 || at[1].Sub(at[0]) < tt.wait || at[1].Sub(at[0]) > tt.wait+time.Second {
					t.Fatalf("tried at %v, want the second %s after the first", at, tt.wait)
				}
			})
		})
	}
}

func TestGivesUp(t *testing.T) {
	t.Run("PermanentAtOnce", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			bad, good := s.add("h", 1, time.Now()), s.add("h", 1, time.Now())
			r.answer = func(_ context.Context, key string, _ int) error {
				if key == bad {
					return never()
				}
				return nil
			}
			_, stop := start(t, s, r, nil)
			synctest.Wait()
			stop()
			if got := r.keys(); !slices.Equal(got, []string{bad, good}) {
				t.Fatalf("told %v", got)
			}
			if s.rows[0].state != dwmon.DeliveryDead || s.rows[0].last != "no such channel" {
				t.Errorf("the refused delivery is %v with %q", s.rows[0].state, s.rows[0].last)
			}
		})
	})
	t.Run("RetriableAfter72Hours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			bad, good := s.add("h", 1, time.Now()), s.add("h", 1, time.Now())
			r.answer = func(_ context.Context, key string, _ int) error {
				if key == bad {
					return retry(0)
				}
				return nil
			}
			_, stop := start(t, s, r, nil)
			time.Sleep(72*time.Hour - time.Second)
			if s.states()[dwmon.DeliveryWaiting] != 2 {
				t.Fatalf("before 72 h: %v", s.states())
			}
			time.Sleep(6 * time.Minute)
			stop()
			if s.rows[0].state != dwmon.DeliveryDead || r.tried(good) != 1 {
				t.Fatalf("after 72 h the head is %v and the next was told %d times", s.rows[0].state, r.tried(good))
			}
			if !strings.Contains(s.rows[0].last, errBusy.Error()) {
				t.Errorf("the error that is shown is %q", s.rows[0].last)
			}
			// 5 minutes at most, 2.5 at least between two tries.
			if n := r.tried(bad); n < 864 || n > 1740 {
				t.Errorf("%d tries in 72 h", n)
			}
		})
	})
}

// A delivery that somebody has made wait again has its 72 hours from then on.
func TestARevivedDeliveryIsNotGivenUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		s.add("h", 1, time.Now().Add(-100*time.Hour))
		s.rows[0].Revived = time.Now().UnixMicro()
		r.answer = func(context.Context, string, int) error { return retry(0) }
		_, stop := start(t, s, r, nil)
		time.Sleep(72*time.Hour - time.Second)
		if s.states()[dwmon.DeliveryWaiting] != 1 {
			t.Errorf("before 72 h: %v", s.states())
		}
		time.Sleep(6 * time.Minute)
		stop()
		if s.states()[dwmon.DeliveryDead] != 1 {
			t.Errorf("after 72 h: %v", s.states())
		}
	})
}

func TestHandlerThatIsDownPausesAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for i := range 200 {
			s.add("h", int64(i%50), time.Now())
		}
		var up atomic.Bool
		r.answer = func(context.Context, string, int) error {
			if up.Load() {
				return nil
			}
			return down()
		}
		_, stop := start(t, s, r, nil)
		time.Sleep(time.Hour)
		calls := r.calls()
		// 4 at first, then one probe after each back-off of at most 5 minutes.
		if calls < 15 || calls > 50 {
			t.Errorf("%d calls in an hour to a handler that is down, want one probe at a time", calls)
		}
		if at := r.times(); at[4].Sub(at[0]) > time.Second+time.Millisecond {
			t.Errorf("the first probe came after %s: calls that fail together are one failure", at[4].Sub(at[0]))
		}
		up.Store(true)
		time.Sleep(5*time.Minute + 2*time.Second)
		stop()
		if got := s.states()[dwmon.DeliverySent]; got != 200 {
			t.Errorf("%d of 200 sent after it came up", got)
		}
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		d, stop := start(t, s, r, nil)
		synctest.Wait()
		s.add("h", 1, time.Now())
		d.Wake("h", "not configured")
		synctest.Wait()
		if r.calls() != 1 {
			t.Errorf("told %d after the wake, want 1", r.calls())
		}
		s.add("h", 1, time.Now())
		d.Wake()
		synctest.Wait()
		if r.calls() != 2 {
			t.Errorf("told %d after the wake of all, want 2", r.calls())
		}
		s.add("h", 1, time.Now())
		time.Sleep(time.Minute + time.Second)
		if r.calls() != 3 {
			t.Errorf("told %d a minute later without a wake, want 3", r.calls())
		}
		stop()
	})
}

func TestDoesNotSpin(t *testing.T) {
	cases := map[string]func(*mapStore, *recorder){
		"nothing waits": func(*mapStore, *recorder) {},
		"one backs off": func(s *mapStore, r *recorder) {
			s.add("h", 1, time.Now())
			r.answer = func(context.Context, string, int) error { return retry(0) }
		},
		"one hangs": func(s *mapStore, r *recorder) {
			for range 10 {
				s.add("h", 1, time.Now())
			}
			r.answer = func(ctx context.Context, _ string, _ int) error { <-ctx.Done(); return ctx.Err() }
		},
		"the rate is used up": func(s *mapStore, r *recorder) {
			for range 100 {
				s.add("h", 1, time.Now())
			}
		},
		"the store refuses": func(s *mapStore, r *recorder) {
			s.add("h", 1, time.Now())
			s.broken = errors.New("disk full")
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, r := &mapStore{}, &recorder{}
				prepare(s, r)
				var change func(*Options)
				if name == "the rate is used up" {
					change = limited(dwmon.Rate{Count: 1, Per: time.Minute})
				}
				d := mustNew(t, s, r, change)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_ = d.Run(ctx)
				if s.reads > 300 || r.calls() > 100 {
					t.Errorf("%d reads and %d calls in an hour", s.reads, r.calls())
				}
			})
		})
	}
}

func TestStopsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		quick := s.add("h", 1, time.Now())
		hangs := s.add("h", 2, time.Now())
		s.add("h", 1, time.Now())
		r.answer = func(ctx context.Context, key string, _ int) error {
			wait := 400 * time.Millisecond
			if key == hangs {
				wait = time.Hour
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
				return nil
			}
		}
		_, stop := start(t, s, r, nil)
		synctest.Wait()
		if took := stop(); took > time.Second {
			t.Errorf("the stop took %s", took)
		}
		if r.tried(quick) != 1 || s.rows[0].state != dwmon.DeliverySent {
			t.Errorf("what was answered within the grace is %v", s.rows[0].state)
		}
		if got := s.rows[1]; got.state != dwmon.DeliveryWaiting || got.Attempts != 0 {
			t.Errorf("what was broken off is %v after %d attempts, want waiting and none", got.state, got.Attempts)
		}
		if r.calls() != 2 {
			t.Errorf("%d calls: nothing begins after the stop", r.calls())
		}
	})
}

func TestCrashBetweenAnswerAndCommitRepeatsTheKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		key := s.add("h", 1, time.Now())
		s.broken = errors.New("the process was killed")
		d := mustNew(t, s, r, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Run(ctx); err == nil {
			t.Error("Run hides that outcomes were not stored")
		}
		if r.calls() != 1 {
			t.Fatalf("%d calls while the outcome could not be stored, want 1", r.calls())
		}
		s.broken = nil
		_, stop := start(t, s, r, nil)
		synctest.Wait()
		stop()
		if got := r.keys(); !slices.Equal(got, []string{key, key}) {
			t.Errorf("told %v, want the same key twice", got)
		}
		if s.rows[0].state != dwmon.DeliverySent {
			t.Errorf("state %v", s.rows[0].state)
		}
	})
}

func TestStoreThatComesBackIsGivenTheOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for i := range 10 {
			s.add("h", int64(i), time.Now())
		}
		s.broken = errors.New("disk full")
		_, stop := start(t, s, r, nil)
		time.Sleep(30 * time.Second)
		s.mu.Lock()
		s.broken = nil
		s.mu.Unlock()
		time.Sleep(2 * time.Minute)
		stop()
		if s.states()[dwmon.DeliverySent] != 10 || r.calls() != 10 {
			t.Errorf("%v after %d calls, want 10 sent by 10 calls", s.states(), r.calls())
		}
	})
}

func TestSlowLaneDoesNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		slow := s.add("h", 0, time.Now())
		for i := range 400 {
			s.add("h", int64(1+i%20), time.Now())
		}
		r.answer = func(ctx context.Context, key string, _ int) error {
			if key == slow {
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(time.Millisecond)
			return nil
		}
		_, stop := start(t, s, r, func(o *Options) { o.Batch = 30 })
		time.Sleep(5 * time.Second)
		if got := s.states()[dwmon.DeliverySent]; got != 400 {
			t.Errorf("%d of 400 sent beside a call that hangs", got)
		}
		time.Sleep(6 * time.Second)
		stop()
		if !strings.HasPrefix(s.rows[0].last, "no answer within 10s") {
			t.Errorf("the error of the call that hung is %q", s.rows[0].last)
		}
	})
}

func TestTooManyBecomeADigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for range 50 {
			s.add("h", 1, time.Now())
		}
		_, stop := start(t, s, r, func(o *Options) { o.Keep = 10 })
		synctest.Wait()
		stop()
		if s.states()[dwmon.DeliveryCollapsed] != 40 || s.states()[dwmon.DeliverySent] != 11 {
			t.Errorf("states %v, want 40 collapsed, 10 results and a digest sent", s.states())
		}
		if got := r.keys(); !slices.Contains(got, "inst/.digest/51") {
			t.Errorf("told %v, want the digest among them", got)
		}
	})
}

func TestDigestDoesNotGrowWhileItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		for range 50 {
			s.add("h", 1, time.Now())
		}
		r.answer = func(_ context.Context, key string, _ int) error {
			wait := 20 * time.Millisecond
			if strings.Contains(key, "/.digest/") {
				wait = 8 * time.Second
			}
			time.Sleep(wait)
			return nil
		}
		d, stop := start(t, s, r, func(o *Options) { o.Keep, o.Poll = 10, 100*time.Millisecond })
		synctest.Wait()
		for range 70 {
			for range 20 {
				s.add("h", 2, time.Now())
			}
			d.Wake()
			time.Sleep(100 * time.Millisecond)
			if got := s.states()[dwmon.DeliveryCollapsed]; got != 40 {
				t.Fatalf("%d collapsed while the digest of 40 was being told", got)
			}
		}
		time.Sleep(5 * time.Second)
		stop()
		if got := s.states()[dwmon.DeliveryCollapsed]; got < 50 {
			t.Errorf("%d collapsed after it was told, want more", got)
		}
	})
}

func TestUnconfiguredHandlerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mapStore{}, &recorder{}
		s.add("gone", 1, time.Now())
		_, stop := start(t, s, r, nil)
		time.Sleep(time.Hour)
		stop()
		if s.states()[dwmon.DeliveryWaiting] != 1 || r.calls() != 0 {
			t.Errorf("%v, %d calls", s.states(), r.calls())
		}
	})
}

func TestFlush(t *testing.T) {
	t.Run("TriesEachLaneUntilOneFails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			fails := s.add("h", 1, time.Now())
			behind := s.add("h", 1, time.Now())
			for range 30 {
				s.add("h", 2, time.Now())
			}
			waits := s.add("h", 3, time.Now())
			s.rows[len(s.rows)-1].next = time.Now().Add(time.Hour).UnixMicro()
			r.answer = func(_ context.Context, key string, _ int) error {
				if key == fails {
					return retry(0)
				}
				return nil
			}
			d := mustNew(t, s, r, func(o *Options) { o.Batch = 4 })
			report, err := d.Flush(t.Context(), time.Now())
			if err != nil || report != (Report{Sent: 31, Failed: 1}) {
				t.Errorf("Flush gave %+v, %v", report, err)
			}
			if r.tried(fails) != 1 || r.tried(behind) != 0 || r.tried(waits) != 1 {
				t.Errorf("tries: failing %d, behind it %d, backing off %d; want 1, 0, 1", r.tried(fails), r.tried(behind), r.tried(waits))
			}
		})
	})
	t.Run("EndsWithItsContext", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			for range 1000 {
				s.add("h", 1, time.Now())
			}
			r.answer = func(context.Context, string, int) error { time.Sleep(time.Second); return nil }
			d := mustNew(t, s, r, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			at := time.Now()
			report, err := d.Flush(ctx, at)
			if err != nil || report.Sent < 29 || report.Sent > 31 || time.Since(at) > 31*time.Second {
				t.Errorf("Flush gave %+v, %v after %s", report, err, time.Since(at))
			}
			if int64(s.states()[dwmon.DeliverySent]) != report.Sent {
				t.Errorf("%v stored, %d reported", s.states(), report.Sent)
			}
		})
	})
	t.Run("StopsAtAHandlerThatIsDown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			for i := range 100 {
				s.add("h", int64(i), time.Now())
			}
			r.answer = func(context.Context, string, int) error { return down() }
			at := time.Now()
			d := mustNew(t, s, r, nil)
			if _, err := d.Flush(t.Context(), at); err != nil {
				t.Error(err)
			}
			if r.calls() > 4 || time.Since(at) > time.Second {
				t.Errorf("%d calls in %s", r.calls(), time.Since(at))
			}
		})
	})
	t.Run("TakesTheClockFromOutside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			s.add("h", 1, time.Now())
			r.answer = func(context.Context, string, int) error { return retry(0) }
			d := mustNew(t, s, r, nil)
			report, err := d.Flush(t.Context(), time.Now().Add(73*time.Hour))
			if err != nil || report.Dead != 1 {
				t.Errorf("Flush 73 h later gave %+v, %v", report, err)
			}
		})
	})
}

// Whatever handlers answer and however often the process dies, each delivery ends
// as sent or dead, lanes are told in order, and what is sent was told.
func TestEveryDeliveryEndsAndLanesKeepTheirOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		answers := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "retry", "after", "down", "never", "plain"}), 1, 40).Draw(rt, "answers")
		lanes := rapid.SliceOfN(rapid.Int64Range(0, 4), 1, 60).Draw(rt, "lanes")
		crashes := rapid.IntRange(0, 3).Draw(rt, "crashes")
		batch := rapid.IntRange(1, 20).Draw(rt, "batch")
		synctest.Test(t, func(t *testing.T) {
			s, r := &mapStore{}, &recorder{}
			for _, lane := range lanes {
				s.add("h", lane, time.Now())
			}
			calls := 0
			r.answer = func(context.Context, string, int) error {
				r.mu.Lock()
				calls++
				answer := answers[min(calls, len(answers))-1]
				if calls > len(answers) {
					answer = "ok"
				}
				wait := time.Duration(calls%7) * time.Millisecond
				r.mu.Unlock()
				time.Sleep(wait)
				return map[string]error{
					"retry": retry(0), "after": retry(7 * time.Second), "down": down(), "never": never(), "plain": errBusy,
				}[answer]
			}
			for range crashes {
				s.broken = errors.New("killed")
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				_ = mustNew(t, s, r, func(o *Options) { o.Batch = batch }).Run(ctx)
				cancel()
				s.broken = nil
			}
			before := r.calls()
			_, stop := start(t, s, r, func(o *Options) { o.Batch = batch })
			time.Sleep(24 * time.Hour)
			stop()
			if got := s.states(); got[dwmon.DeliverySent]+got[dwmon.DeliveryDead] != len(lanes) {
				rt.Fatalf("after a day: %v", got)
			}
			last := map[string]int64{}
			for _, told := range r.told[before:] {
				i := slices.IndexFunc(s.rows, func(x *row) bool { return x.Key == told.key })
				if s.rows[i].ID < last[s.rows[i].CheckerName] {
					rt.Fatalf("%s was told after a later one of its lane", told.key)
				}
				last[s.rows[i].CheckerName] = s.rows[i].ID
			}
			for _, row := range s.rows {
				if row.state == dwmon.DeliverySent && r.tried(row.Key) == 0 {
					rt.Fatalf("%s is sent but was never told", row.Key)
				}
			}
		})
	})
}

func TestBackoff(t *testing.T) {
	for failures := int64(0); failures < 200; failures++ {
		want := 5 * time.Minute
		if failures < 10 {
			want = min(want, time.Second<<max(failures-1, 0))
		}
		for range 20 {
			if got := backoff(time.Second, 5*time.Minute, failures); got < want/2 || got > want {
				t.Fatalf("after %d failures: %s, want %s to %s", failures, got, want/2, want)
			}
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no store was accepted")
	}
	if _, err := New(Options{Store: &mapStore{}, Handlers: map[string]Handler{"h": {}}}); err == nil {
		t.Error("a handler without a check handler was accepted")
	}
}
