package dwmon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestIdentity(t *testing.T) {
	full := every(180)
	tests := []struct {
		name string
		line func(*Requirement)
		want string
	}{
		{"everything", func(r *Requirement) {}, "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS180"},
		{"steps", func(r *Requirement) { r.Minutes = MinuteSet(StepSet(20, 60)) }, "CHECKHOURS0-23 CHECKMINUTES*/20 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS180"},
		{"one minute", func(r *Requirement) { r.Minutes = 1 }, "CHECKHOURS0-23 CHECKMINUTES0 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS180"},
		{"lists", func(r *Requirement) { r.Hours = 1<<9 | 1<<13 | 1<<22 | 1<<23 }, "CHECKHOURS9,13,22-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MINNUM1 LOOKBACKSECONDS180"},
		{"days, Sunday last", func(r *Requirement) { r.Days = 1<<time.Sunday | 1<<time.Monday | 1<<time.Wednesday | 1<<time.Thursday }, "CHECKHOURS0-23 CHECKMINUTES0-59 CHECKDAYSMON,WED-THU,SUN MINNUM1 LOOKBACKSECONDS180"},
		{"a bound on the other side", func(r *Requirement) { r.Min, r.Max, r.HalfOpen = Bound{}, At(0), true }, "CHECKHOURS0-23 CHECKMINUTES0-59 WEEKENDS WEEKDAYS MAXNUM0 LOOKBACKSECONDS180 HALFOPEN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := full
			tt.line(&r)
			if got := r.Identity(); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWeigh(t *testing.T) {
	r := every(60)
	r.Min, r.Max = At(2), At(4)
	w := r.Window(6000)
	tests := []struct {
		name     string
		evidence Evidence
		count    int64
		status   Status
		reason   Reason
	}{
		{"in the range", Evidence{}, 2, Good, ""},
		{"at its upper end", Evidence{}, 4, Good, ""},
		{"too few", Evidence{}, 1, Bad, Low},
		{"too many", Evidence{}, 5, Bad, High},
		{"too few of what was purged", Evidence{PurgeMark: ptr(5941)}, 1, Unknown, Purged},
		{"the mark lies below the window", Evidence{PurgeMark: ptr(5940)}, 1, Bad, Low},
		{"too many, though some were purged", Evidence{PurgeMark: ptr(5941)}, 5, Bad, High},
		{"a missed span at its end", Evidence{Missed: []Span{{From: 5_999_999_999, Until: 7_000_000_000}}}, 5, Unknown, AssumedTime},
		{"a missed span after it", Evidence{Missed: []Span{{From: 6_000_000_000, Until: 7_000_000_000}}}, 5, Bad, High},
		{"a missed span before it", Evidence{Missed: []Span{{From: 0, Until: 5_940_000_000}}}, 3, Good, ""},
		{"few, but watched only since its middle", Evidence{KnownFrom: ptr(5_970_000_000)}, 1, Unknown, AssumedTime},
		{"many, though watched only since its middle", Evidence{KnownFrom: ptr(5_970_000_000)}, 5, Bad, High},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, reason := tt.evidence.Weigh(r, w, tt.count)
			if status != tt.status || reason != tt.reason {
				t.Errorf("%s %s, want %s %s", status, reason, tt.status, tt.reason)
			}
		})
	}
}

func TestWindowIsOpenAtBothEnds(t *testing.T) {
	r := every(60)
	inside := func(us int64) bool { w := r.Window(6000); return w.From <= us && us < w.Until }
	if inside(5_940_000_000) || !inside(5_940_000_001) || !inside(5_999_999_999) || inside(6_000_000_000) {
		t.Error("the window is not 5940 < ts < 6000")
	}
	if r.HalfOpen = true; !inside(5_940_000_000) || inside(6_000_000_000) {
		t.Error("with HALFOPEN the window is not 5940 ≤ ts < 6000")
	}
}

func TestWants(t *testing.T) {
	streak := func(last Status, incident int64) Streak {
		return Streak{Last: last, Trouble: Trouble{Incident: incident}}
	}
	var none Streak
	good, bad, unknown := streak(Good, 0), streak(Bad, 1), streak(Unknown, 0)
	latest := func(on On) Route { return Route{On: on, CatchUp: CatchUpLatest} }
	tests := []struct {
		name  string
		route Route
		told  Told
		want  bool
	}{
		{"every: good", Route{On: OnEvery}, Told{After: good}, true},
		{"every: before the origin", Route{On: OnEvery}, Told{After: bad, Old: true, CatchUp: true}, true},
		{"every, but only the latest: before the origin", latest(OnEvery), Told{After: bad, Old: true, CatchUp: true}, false},
		{"every, but UNKNOWN was not asked for", Route{On: OnEvery}, Told{After: unknown}, false},
		{"every, with UNKNOWN", Route{On: OnEvery, Unknown: true}, Told{After: unknown}, true},
		{"bad: good", Route{On: OnBad}, Told{After: good}, false},
		{"bad: again bad", Route{On: OnBad}, Told{Before: bad, After: bad}, true},
		{"bad: before the origin", Route{On: OnBad}, Told{After: bad, Old: true}, false},
		{"change: the first is good", Route{On: OnChange}, Told{Before: none, After: good}, false},
		{"change: the first is bad", Route{On: OnChange}, Told{Before: none, After: bad}, true},
		{"change: bad, but not often enough for an incident", Route{On: OnChange}, Told{Before: good, After: streak(Bad, 0)}, false},
		{"change: still bad", Route{On: OnChange}, Told{Before: bad, After: bad}, false},
		{"change: recovered", Route{On: OnChange}, Told{Before: bad, After: good}, true},
		{"change: good, but not often enough for the end of the incident", Route{On: OnChange}, Told{Before: bad, After: streak(Good, 1)}, false},
		{"change: good again after an UNKNOWN it was not told of", Route{On: OnChange}, Told{Before: unknown, After: good}, false},
		{"change: good again after an UNKNOWN it was told of", Route{On: OnChange, Unknown: true}, Told{Before: unknown, After: good}, true},
		{"change, by notices: it is told of incidents instead", Route{On: OnChange, Notices: true}, Told{Before: good, After: bad}, false},
		{"nothing that was caught up", Route{On: OnEvery, CatchUp: CatchUpNone}, Told{After: bad, CatchUp: true, Since: &good}, false},
		{"a digest instead of what was caught up", Route{On: OnBad, Notices: true, CatchUp: CatchUpDigest}, Told{After: bad, CatchUp: true, Since: &good}, false},
		{"a digest for who takes none is the latest", Route{On: OnBad, CatchUp: CatchUpDigest}, Told{After: bad, CatchUp: true, Since: &good}, true},
		{"latest: not the last of its line", latest(OnChange), Told{Before: good, After: bad, CatchUp: true}, false},
		{"latest: as before the outage", latest(OnChange), Told{Before: bad, After: good, CatchUp: true, Since: &good}, false},
		{"latest: other than before the outage", latest(OnChange), Told{Before: bad, After: bad, CatchUp: true, Since: &good}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.route.Wants(tt.told); got != tt.want {
				t.Errorf("wants %v", got)
			}
		})
	}
}

func TestStreak(t *testing.T) {
	var s Streak
	steps := []struct {
		status Status
		bad    int64
		since  int64
	}{{Bad, 1, 60}, {Bad, 2, 60}, {Unknown, 2, 180}, {Bad, 3, 240}, {Good, 0, 300}, {Good, 0, 300}, {Unknown, 0, 420}}
	for i, step := range steps {
		minute := int64(i+1) * 60
		s = s.Then(step.status, minute)
		if s.ConsecutiveBad != step.bad || s.Since != step.since || s.Last != step.status || s.LastMinute != minute {
			t.Fatalf("after step %d: %+v, want %+v", i, s, step)
		}
	}
	if s.Settled != Good {
		t.Errorf("the last settled status is %v", s.Settled)
	}
}

func TestSecondsIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(-4e15, 4e15).Draw(t, "us")
		text := Seconds(us).String()
		var back json.Number
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatalf("%s is no JSON number: %v", text, err)
		}
		f, _ := back.Float64()
		if got := int64(f*1e6 + sign(us)*0.5); got != us {
			t.Fatalf("%d µs are written %s", us, text)
		}
	})
}

func sign(n int64) float64 {
	if n < 0 {
		return -1
	}
	return 1
}

func TestBatchCheck(t *testing.T) {
	long := make([]byte, MaxKeyBytes+1)
	tests := []struct {
		name  string
		batch Batch
		ok    bool
	}{
		{"empty", Batch{}, true},
		{"two rows, one key empty", Batch{Keys: []byte("ab"), Lengths: []uint32{2, 0}, Micros: []int64{1, 2}}, true},
		{"fewer lengths than timestamps", Batch{Keys: []byte("ab"), Lengths: []uint32{2}, Micros: []int64{1, 2}}, false},
		{"lengths beyond the keys", Batch{Keys: []byte("ab"), Lengths: []uint32{3}, Micros: []int64{1}}, false},
		{"a key of 1 MiB", Batch{Keys: long[1:], Lengths: []uint32{MaxKeyBytes}, Micros: []int64{1}}, true},
		{"a longer one", Batch{Keys: long, Lengths: []uint32{MaxKeyBytes + 1}, Micros: []int64{1}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.batch.Check(); (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestShownSourceHasNoPassword(t *testing.T) {
	tests := []struct{ source, want string }{
		{"AWS", "AWS"},
		{"sqlite:demo.db", "sqlite:demo.db"},
		{"postgres://dwmon:hunter2@db/sales?sslmode=disable", "postgres://dwmon:…@db/sales?sslmode=disable"},
		{"mysql://u:p%40x@h:3306/d", "mysql://u:…@h:3306/d"},
		{"postgres://db/sales", "postgres://db/sales"},
		{"http://h:8080/a@b", "http://h:8080/a@b"},
		{"http://[::1]:8080/a@b", "http://[::1]:8080/a@b"},
		{"postgres://u:p@ss@db/sales", "postgres://u:…@db/sales"},
		{"postgres://u:pa/ss@db/sales", "postgres://u:…@db/sales"},
		{"postgres://u:pa#s?s@db:5432/sales", "postgres://u:…@db:5432/sales"},
		{"postgres://db/sales?user=u&password=hunter2&sslmode=disable", "postgres://db/sales?user=u&password=…&sslmode=disable"},
		{"http://h/orders?Access_Token=abc", "http://h/orders?Access_Token=…"},
		{"a\x1b[31mb\r\nc\u202ed", "a\ufffd[31mb\ufffd\nc\ufffdd"},
	}
	for _, tt := range tests {
		if got := (&Checker{Source: tt.source}).ShownSource(); got != tt.want {
			t.Errorf("%s is shown as %s", tt.source, got)
		}
	}
}

func TestZoneShift(t *testing.T) {
	fetch := func(minutes float64, fresh int64) FetchRecord {
		newest := int64(1e15)
		return FetchRecord{OK: true, Started: newest + int64(minutes*60e6), Newest: &newest, Fresh: fresh}
	}
	tests := []struct {
		name    string
		fetches []FetchRecord
		want    time.Duration
	}{
		{"rows of the last seconds", []FetchRecord{fetch(0.2, 1), fetch(0.1, 2), fetch(0.4, 1)}, 0},
		{"two hours old each time", []FetchRecord{fetch(120.2, 1), fetch(120.9, 2), fetch(120.1, 1)}, 2 * time.Hour},
		{"in the future each time", []FetchRecord{fetch(-329.5, 1), fetch(-329.9, 2), fetch(-329.1, 1)}, -330 * time.Minute},
		{"nothing new comes: the source is quiet", []FetchRecord{fetch(120.2, 0), fetch(119.2, 0), fetch(118.2, 1)}, 0},
		{"now two hours, now less", []FetchRecord{fetch(120.2, 1), fetch(97, 2), fetch(120.1, 1)}, 0},
		{"too few fetches to tell", []FetchRecord{fetch(120.2, 1), fetch(120.3, 1)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ZoneShift(tt.fetches); got != tt.want {
				t.Errorf("shift %s, want %s", got, tt.want)
			}
		})
	}
}

func TestShownKeysMoveNoCursor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		shown := ShownKey(rapid.SliceOf(rapid.Byte()).Draw(rt, "key"))
		if !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			rt.Fatalf("%q", shown)
		}
	})
	for key, want := range map[string]string{"plain": "plain", "a\tb": `a\x09b`, "\xff": `\xFF`, "日本": "日本", "\x1b[2J": `\x1B[2J`} {
		if got := ShownKey([]byte(key)); got != want {
			t.Errorf("%q: %q", key, got)
		}
	}
	if got := ShownKey([]byte(strings.Repeat("k", 1000))); len(got) > 250 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes", len(got))
	}
}
