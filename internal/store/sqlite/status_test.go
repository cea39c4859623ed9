package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func (w *world) record(name string) dwmon.CheckerRecord {
	w.Helper()
	records, err := w.Status(w.ctx())
	w.must(err)
	i := slices.IndexFunc(records, func(r dwmon.CheckerRecord) bool { return r.Name == name })
	if i < 0 {
		w.Fatalf("no status of %s among %d", name, len(records))
	}
	return records[i]
}

func TestStatusTellsWhatIsKnown(t *testing.T) {
	w := newWorld(t)
	p := w.checker("b", epoch0, "UTC", line(5), line(6))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Good}, {epoch0 + 60, 1, dwmon.Bad}, {epoch0 + 120, 0, dwmon.Good}})
	w.checker("a", epoch0, "UTC", line(1))
	w.must(w.SaveFaults(w.ctx(), []dwmon.FaultyFile{
		{Name: "broken", File: "checks/broken.dwmon", Since: 7, Faults: []dwmon.FileFault{{File: "checks/broken.dwmon", Line: 3, Column: 2, Severity: dwmon.SeverityError, Message: "no QUERY", LineText: "x"}}},
		{Name: "b", File: "checks/b.dwmon", Since: 7, Faults: []dwmon.FileFault{{File: "checks/b.dwmon", Line: 1, Column: 1, Severity: dwmon.SeverityError, Message: "bad"}}},
	}))
	records, err := w.Status(w.ctx())
	w.must(err)
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
	}
	if want := []string{"a", "b", "broken"}; !slices.Equal(names, want) {
		t.Fatalf("status of %v, want %v", names, want)
	}
	b := records[1]
	if b.Fetch == nil || b.Fetch.Slot != epoch0+120 || b.Owner != "owner of b" || b.Last[0].Minute != epoch0+120 || b.Last[1].Status != dwmon.Bad {
		t.Errorf("record of b: %+v", b)
	}
	at := dwmon.StateAt{Now: epoch0 + 300, Minute: epoch0 + 240, Zone: time.UTC, CatchUp: 1440}
	text, err := json.Marshal(b.Status(at))
	w.must(err)
	last := func(r *dwmon.Result) string { text, _ := json.Marshal(r); return string(text) }
	want := fmt.Sprintf(`{"checker_name":"b","state":"BAD","since_epoch":%d,"cause":"not checked since 2025-06-16 00:02:00: no dwmon runs on this database; %d rows in the 180 s before 2025-06-16 00:01:00, fewer than 6; checks/b.dwmon:1:1: bad",`+
		`"silenced":null,"acknowledged":null,"settled_minute_epoch":%d,"pending_minutes":4,"file":"checks/b.dwmon","owner":"owner of b","source":"AWS","lines":[%s,%s]}`,
		epoch0+60, (epoch0+60)%97, epoch0+120, last(b.Last[0]), last(b.Last[1]))
	if string(text) != want {
		t.Errorf("got\n%s, want\n%s", text, want)
	}
	if s := records[2].Status(at); s.State != dwmon.StateUnknown || s.Cause != "it was never checked, for its file is bad; checks/broken.dwmon:3:2: no QUERY" {
		t.Errorf("a file that never was good: %+v", s)
	}
	if s := records[0].Status(at); s.State != dwmon.StatePending || s.Lines[0].Last != nil {
		t.Errorf("a checker that was never checked: %+v", s)
	}
}

func TestStatusOfFailingFetches(t *testing.T) {
	w := newWorld(t)
	p := w.checker("a", epoch0, "UTC", line(5))
	w.judge(p, []mark{{epoch0 + 60, 0, dwmon.Bad}})
	failing := &dwmon.Failing{Since: (epoch0 + 120) * 1e6, Next: (epoch0 + 180) * 1e6, Count: 3, Cause: "connection refused"}
	w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
		_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: epoch0 + 120, Started: (epoch0 + 120) * 1e6, Ended: (epoch0 + 121) * 1e6, Err: errors.New("connection refused"), Failing: failing})
		return err
	}))
	r := w.record("a")
	s := r.Status(dwmon.StateAt{Now: epoch0 + 200, Minute: epoch0 + 180, Zone: time.UTC, CatchUp: 1440})
	want := fmt.Sprintf("fetches fail since 2025-06-16 00:02:00 (3 in a row): connection refused; BAD before: %d rows in the 180 s before 2025-06-16 00:01:00, fewer than 5", (epoch0+60)%97)
	if s.State != dwmon.StateUnknown || *s.Since != epoch0+120 || s.Cause != want || s.Pending != 2 {
		t.Errorf("status %+v\nwant cause %s", s, want)
	}
	if r.Fetch == nil || r.Fetch.OK || r.Fetch.Error != "connection refused" || r.Fetch.Fault != "unavailable" {
		t.Errorf("last fetch %+v", r.Fetch)
	}
}

func TestFetchesAndSlow(t *testing.T) {
	w := newWorld(t)
	fetch := func(p *dwmon.Progress, slot int64, took time.Duration, fail error) {
		f := dwmon.Fetch{Progress: p, Slot: slot, Started: slot * 1e6, Ended: slot*1e6 + took.Microseconds(), Err: fail, Tally: dwmon.Tally{Rows: 3, Oldest: 5, Newest: 9}}
		if fail != nil {
			f.Failing = &dwmon.Failing{Since: f.Started, Count: 1}
		}
		w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error { _, err := tx.SaveFetch(f); return err }))
	}
	a, b := w.checker("a", epoch0, "UTC", line(5)), w.checker("b", epoch0, "UTC", line(5))
	w.checker("idle", epoch0, "UTC", line(5))
	fetch(a, epoch0-60, time.Hour, nil) // before since
	for i := range 100 {
		fetch(a, epoch0+60*int64(i), time.Duration((i*37)%100+1)*time.Second, nil)
	}
	fetch(b, epoch0, 2*time.Minute, errors.New("down"))
	slow, err := w.Slow(w.ctx(), epoch0)
	w.must(err)
	want := []dwmon.SlowChecker{
		{
			CheckerName: "a", Owner: "owner of a", Source: "AWS", Count: 100, Total: 5050 * time.Second, Max: 100 * time.Second,
			Mean: 50500 * time.Millisecond, Median: 50 * time.Second, P95: 95 * time.Second, Last: 64 * time.Second,
		},
		{
			CheckerName: "b", Owner: "owner of b", Source: "AWS", Count: 1, Failures: 1, Total: 2 * time.Minute, Max: 2 * time.Minute,
			Mean: 2 * time.Minute, Median: 2 * time.Minute, P95: 2 * time.Minute, Last: 2 * time.Minute,
		},
	}
	if !slices.Equal(slow, want) {
		t.Errorf("slow\n%+v, want\n%+v", slow, want)
	}
	fetches, err := w.Fetches(w.ctx(), "a", 2)
	w.must(err)
	if len(fetches) != 2 || fetches[0].Slot != epoch0+60*99 || fetches[1].Slot != epoch0+60*98 || *fetches[0].Newest != 9 {
		t.Errorf("fetches %+v", fetches)
	}
	if _, err := w.Fetches(w.ctx(), "never", 2); !errors.Is(err, dwmon.ErrNoChecker) {
		t.Errorf("error %v", err)
	}
}

func TestConstantTimestamps(t *testing.T) {
	w := newWorld(t)
	// Each fetch is its rows and whether they have one timestamp.
	cases := []struct {
		name    string
		fetches [][2]int64 // rows, newest - oldest
		failed  bool       // a failed fetch in between
		want    bool
	}{
		{"constant", [][2]int64{{5, 0}, {2, 0}, {9, 0}}, false, true},
		{"constant lately", [][2]int64{{5, 7}, {2, 0}, {9, 0}, {2, 0}}, true, true},
		{"too few fetches", [][2]int64{{5, 0}, {2, 0}}, false, false},
		{"one row proves nothing", [][2]int64{{5, 0}, {1, 0}, {9, 0}}, false, false},
		{"one differs", [][2]int64{{5, 0}, {2, 1}, {9, 0}}, false, false},
		{"no rows", [][2]int64{{0, 0}, {0, 0}, {0, 0}}, false, false},
	}
	var want []string
	for _, c := range cases {
		p := w.checker(c.name, epoch0, "UTC", line(1))
		for i, f := range c.fetches {
			slot := epoch0 + 60*int64(i)
			w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
				_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: slot, Tally: dwmon.Tally{Rows: f[0], Oldest: 1000, Newest: 1000 + f[1]}})
				return err
			}))
			if c.failed {
				w.must(w.InTx(w.ctx(), func(tx dwmon.Tx) error {
					_, err := tx.SaveFetch(dwmon.Fetch{Progress: p, Slot: slot, Err: errors.New("down"), Failing: &dwmon.Failing{Count: 1}})
					return err
				}))
			}
		}
		if c.want {
			want = append(want, c.name)
		}
	}
	got, err := w.ConstantTimestamps(w.ctx())
	w.must(err)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
