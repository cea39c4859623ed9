package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// world is what the real server holds: two shops' orders as counters, a backup's
// last success, a gauge of orders a minute.
type world struct {
	openMetrics
	// rises are the rows of `count: increases` of shop a, by key.
	rises map[string]int64
	from  time.Time
	end   time.Time
}

// newWorld makes an hour of samples, scraped each 15 s at an odd millisecond.
func newWorld(now time.Time) *world {
	w := &world{rises: map[string]int64{}, end: now.Truncate(time.Minute), from: now.Truncate(time.Minute).Add(-time.Hour)}
	w.family("orders", "counter")
	for _, shop := range []string{"a", "b"} {
		total := 10.0
		for i := range 240 {
			at := w.from.Add(time.Duration(i)*15*time.Second + 42*time.Millisecond)
			rise := float64(i % 3)
			if i == 100 {
				total, rise = 0, 2 // the exporter was started anew, and has seen two orders since
			}
			total += rise
			series := fmt.Sprintf(`orders_total{shop="%s"}`, shop)
			w.sample(series, total, at)
			for n := 1; shop == "a" && i > 0 && n <= int(rise); n++ {
				w.rises[fmt.Sprintf("%s %s #%d", series, promTime(at.UnixMilli()), n)] = at.UnixMicro()
			}
		}
	}
	w.family("backup_last_success_seconds", "gauge")
	w.family("queue", "gauge")
	for i := range 60 {
		at := w.from.Add(time.Duration(i) * time.Minute)
		w.sample("queue", float64(i%7), at)
	}
	return w
}

func TestPrometheus(t *testing.T) {
	now := time.Now()
	w := newWorld(now)
	finished := []time.Time{w.from.Add(-30 * time.Minute), w.from.Add(20*time.Minute + 7*time.Second)}
	text := strings.Replace(w.String(), "# TYPE queue gauge\n", fmt.Sprintf(
		"backup_last_success_seconds{job=\"db\"} %d %d\nbackup_last_success_seconds{job=\"db\"} %d %d\nbackup_last_success_seconds{job=\"db\"} %d %d\n# TYPE queue gauge\n",
		finished[0].Unix(), w.from.Add(time.Minute).Unix(), finished[0].Unix(), w.from.Add(4*time.Minute).Unix(), finished[1].Unix(), w.from.Add(25*time.Minute).Unix()), 1)
	server := prometheusServer(t, text+"# EOF\n")
	g := start(t, server)
	get := func(query string) map[string]int64 {
		t.Helper()
		rows := map[string]int64{}
		for _, r := range g.MustGet(t, query).Rows {
			if _, twice := rows[r.Key]; twice {
				t.Fatalf("%s: the key %s is there twice", query, r.Key)
			}
			rows[r.Key] = r.Micros
		}
		return rows
	}

	t.Run("Increases", func(t *testing.T) {
		query := "prometheus: orders_total{shop=\"a\"}\ncount: increases\nwindow: 2h"
		if got := get(query); !maps.Equal(got, w.rises) {
			t.Errorf("%d rows, want %d: %v", len(got), len(w.rises), got)
		}
		// A shorter window knows less before its first sample, and nothing else.
		for key, at := range get("prometheus: orders_total{shop=\"a\"}\ncount: increases\nwindow: 30m") {
			if w.rises[key] != at {
				t.Errorf("the key %s is new", key)
			}
		}
		if n := len(get("prometheus: orders_total\ncount: increases\nwindow: 2h")); n != 2*len(w.rises) {
			t.Errorf("both shops: %d rows, want %d", n, 2*len(w.rises))
		}
	})
	t.Run("Samples", func(t *testing.T) {
		// queue > 5 holds for the minute after each sample of 6: evaluated at :30.
		got := get("prometheus: queue > 5\nwindow: 2h")
		want := map[string]int64{}
		for i := range 60 {
			// The last sample stays for five minutes.
			if at := w.from.Add(time.Duration(i)*time.Minute + 30*time.Second); i%7 == 6 && at.Before(now) {
				want["queue{} "+promTime(at.UnixMilli())] = at.UnixMicro()
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		again := get("prometheus: queue > 5\nwindow: 110m") // begins elsewhere, and finds the same
		if !maps.Equal(got, again) {
			t.Errorf("got %v, then %v", got, again)
		}
	})
	t.Run("Values", func(t *testing.T) {
		got := get("prometheus: sum by (shop) (count_over_time(orders_total[1m]))\ncount: values\nwindow: 2h")
		if len(got) != 2*240 { // four scrapes a minute and shop
			t.Errorf("%d rows, want 480", len(got))
		}
		for key, at := range got {
			if at%60_000_000 != 30_000_000 {
				t.Fatalf("%s lies at %d", key, at)
			}
		}
		_, err := g.Get(t.Context(), "prometheus: increase(orders_total{shop=\"a\"}[50s])\ncount: values\nwindow: 2h")
		gettertest.WantFault(t, err, codes.InvalidArgument, "", `{shop="a"} at `, "no whole number of things", "`count: increases`")
	})
	t.Run("Times", func(t *testing.T) {
		got := get("prometheus: backup_last_success_seconds{job=\"db\"}\ncount: times\nwindow: 2h")
		var at []int64
		for _, us := range got {
			at = append(at, us)
		}
		slices.Sort(at)
		if want := []int64{finished[0].UnixMicro(), finished[1].UnixMicro()}; !slices.Equal(at, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("LongWindowsInPieces", func(t *testing.T) {
		got := get("prometheus: vector(1) and on() (orders_total{shop=\"a\"} > 0)\nstep: 1s\nwindow: 5h")
		// 18,000 evaluations are two pieces. The series is there from its first
		// scrape to five minutes after its last.
		first := w.from.Add(500 * time.Millisecond)
		last := min(w.from.Add(239*15*time.Second+5*time.Minute).Unix(), time.Now().Unix())
		if n := last - first.Unix(); int64(len(got)) < n-2 || int64(len(got)) > n+2 {
			t.Errorf("%d rows, want about %d", len(got), n)
		}
	})
	t.Run("Faults", func(t *testing.T) {
		for query, words := range map[string][]string{
			"sum(":                          {"400 Bad Request", "parse error"},
			"nosuch{":                       {"parse error"},
			"orders_total[5m]":              {"400 Bad Request", "must be Scalar or instant Vector"},
			"x\ncount: increases\n#":        nil, // a series that is not there is no fault
			"rate(x[5m])\ncount: increases": {"400 Bad Request", "parse error"},
			"queue\ncount: increases":       nil, // a gauge that falls looks like a counter that was reset
			"queue * 0.5\ncount: values":    {"no whole number"},
			"-queue\ncount: values":         {"below 0"},
			"queue * 1e9\ncount: values":    {"more than 1000000 things at once"},
			"queue * 1e12\ncount: times":    {"milliseconds"},
		} {
			_, err := g.Get(t.Context(), "prometheus: "+query+"\nwindow: 2h")
			if words == nil && err == nil {
				continue
			}
			gettertest.WantFault(t, err, codes.InvalidArgument, "", words...)
		}
		sink := g.MustGet(t, "prometheus: queue / 0 * 0\ncount: values\nwindow: 2h")
		if len(sink.Rows) != 0 || sink.Skipped == 0 {
			t.Errorf("NaN: %d rows, %d skipped", len(sink.Rows), sink.Skipped)
		}
	})
	t.Run("PlainRequest", func(t *testing.T) {
		sink := g.MustGet(t, "GET /api/v1/query?query=sum(queue)\nrows: .data.result[] | {key: .value[1], time: .value[0]}")
		if len(sink.Rows) > 1 {
			t.Error(sink.Rows)
		}
	})
}

// TestRises compares with a naive count, over any counters.
func TestRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(-1, 5), 0, 30).Draw(t, "steps") // -1: a reset
		total, want := rapid.IntRange(0, 9).Draw(t, "first"), 0
		samples := []promSample{{ms: 1_700_000_000_123, value: fmt.Sprint(total)}}
		for i, step := range steps {
			if step < 0 {
				if total < 2 {
					continue // a reset to where it stood, or above, cannot be seen
				}
				total = 1
				want++
			} else {
				total += step
				want += step
			}
			samples = append(samples, promSample{ms: samples[0].ms + int64(i+1)*15_000, value: fmt.Sprint(total)})
		}
		sink := &gettertest.Sink{}
		f := &fetch{out: sink, credentials: &credentials{secrets: redactor(nil)}}
		if err := f.rises("x{}", samples); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range sink.Rows {
			seen[r.Key] = true
		}
		if len(sink.Rows) != want || len(seen) != want {
			t.Fatalf("%v: %d rows, %d keys, want %d", samples, len(sink.Rows), len(seen), want)
		}
		// A later first sample brings no row that was not there.
		if from := rapid.IntRange(0, len(samples)-1).Draw(t, "from"); true {
			later := &gettertest.Sink{}
			f.out = later
			if err := f.rises("x{}", samples[from:]); err != nil {
				t.Fatal(err)
			}
			for _, r := range later.Rows {
				if !seen[r.Key] {
					t.Fatalf("the key %s is new", r.Key)
				}
			}
		}
	})
}

// TestEvaluationsHangOnNothingButTheStep: fetches at any time find the same grid, of
// which each window of n steps holds n.
func TestEvaluationsHangOnNothingButTheStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := &promQuery{count: rapid.SampledFrom([]counting{countSamples, countValues, countTimes}).Draw(t, "count")}
		q.step = rapid.SampledFrom([]time.Duration{1, 2, 5, 15, 30, 60, 120, 300, 3600}).Draw(t, "step") * time.Second
		since := time.UnixMilli(rapid.Int64Range(1_700_000_000_000, 1_700_100_000_000).Draw(t, "since"))
		now := since.Add(time.Duration(rapid.Int64Range(0, 1e14).Draw(t, "window")))
		first, last := q.steps(since, now)
		step := q.step.Milliseconds()
		if first < since.UnixMilli() || first-step >= since.UnixMilli() || last > now.UnixMilli() || last+step <= now.UnixMilli() {
			t.Fatalf("from %d to %d: evaluated from %d to %d", since.UnixMilli(), now.UnixMilli(), first, last)
		}
		if q.count == countTimes {
			return
		}
		at := first // where rows lie
		if q.count == countValues {
			at -= q.offEdge()
		}
		// A window of three steps (at least a minute) that ends at any full minute.
		length := max(3*step, 60_000)
		minute := (at/60_000 + 10_000) * 60_000
		n := int64(0)
		for ; at < minute; at += step {
			if at == minute-length {
				t.Fatal("a row lies on the edge of a window")
			}
			if at > minute-length {
				n++
			}
		}
		if at == minute || n != length/step {
			t.Fatalf("a window of %d ms holds %d rows of step %d", length, n, step)
		}
	})
}

func TestPrometheusAnswers(t *testing.T) {
	const empty = `{"status": "success", "data": {"resultType": "matrix", "result": []}}`
	var form url.Values
	answer := empty
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm
		if r.URL.Path != "/thanos/api/v1/query_range" {
			t.Errorf("asked %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, answer)
	})
	g := start(t, s.URL+"/thanos")
	sink, err := fetchWith(t.Context(), g, "prometheus:\n  sum by (x) (\n    up{job=\"{{extra.job}}\"}\n  )", `{"job": "a\"b"}`)
	if err != nil || len(sink.Rows) != 0 {
		t.Fatal(err)
	}
	if got := form.Get("query"); got != "sum by (x) (\n  up{job=\"a\\\"b\"}\n)" || form.Get("partial_response") != "false" || form.Get("step") != "60" {
		t.Errorf("asked %v", form)
	}
	for text, c := range map[string]struct {
		code codes.Code
		word string
	}{
		`{"status": "success", "warnings": ["No StoreAPIs matched"], "data": {"resultType": "matrix", "result": []}}`:         {codes.Unavailable, "the result may be incomplete: No StoreAPIs matched"},
		`{"status": "success", "warnings": ["PromQL warning: no histogram"], "data": {"resultType": "matrix", "result": []}}`: {codes.OK, ""},
		`{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}`:                                         {codes.InvalidArgument, "is no JSON"},
		`{"status": "success", "data": {"resultType": "vector", "result": []}}`:                                               {codes.InvalidArgument, "gives a vector and no series over time"},
		`{"status": "error", "error": "oops"}`:                                                                                {codes.InvalidArgument, "oops"},
		`{}`:                                                                                                                  {codes.InvalidArgument, `the answer says ""`},
		`{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"__name__": "h"}, "histograms": [[1, {}]]}]}}`:               {codes.InvalidArgument, "h{} is a native histogram"},
		`{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [["x", "1"]]}]}}`:                               {codes.InvalidArgument, "no time of a sample"},
		`{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"b": "2", "a": "x\"y"}, "values": [[1700000000.5, "1"]]}]}}`: {codes.OK, ""},
	} {
		answer = text
		sink, err := g.Get(t.Context(), "prometheus: up")
		gettertest.WantFault(t, err, c.code, "", c.word)
		if strings.Contains(text, "x\\\"y") && (len(sink.Rows) != 1 || sink.Rows[0] != gettertest.At(`{a="x\"y",b="2"} 1700000000.500`, "2023-11-14T22:13:20.5Z")) {
			t.Errorf("got %v", sink.Rows)
		}
	}
}
