package daemon

import (
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// metrics are what /metrics shows. Labels name checkers, sources, handlers and
// plugins; never a row's key.
type metrics struct {
	registry *prometheus.Registry

	passes      *prometheus.HistogramVec // by source
	fetches     *prometheus.CounterVec
	fetchTime   *prometheus.CounterVec
	lastFetch   *prometheus.GaugeVec
	rows        *prometheus.CounterVec
	fresh       *prometheus.CounterVec
	skipped     *prometheus.CounterVec
	verdicts    *prometheus.CounterVec
	gaps        *prometheus.CounterVec
	purged      *prometheus.CounterVec
	state       *prometheus.GaugeVec
	settled     *prometheus.GaugeVec
	deliveries  *prometheus.CounterVec
	deliverTime *prometheus.HistogramVec
	beats       *prometheus.CounterVec
	lastBeat    prometheus.Gauge

	mu    sync.Mutex
	known map[string]string // checker → source, for dropping series
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), known: map[string]string{}}
	seconds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	m.passes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dwmon_pass_duration_seconds",
		Help: "How long passes took, waiting for a place at the source included.", Buckets: seconds,
	}, []string{"source"})
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m.fetches = counter("dwmon_fetches_total", "Fetches, by outcome: ok or failed.", "checker", "source", "outcome")
	m.fetchTime = counter("dwmon_fetch_duration_seconds_total", "Time spent in fetches.", "checker", "source")
	m.lastFetch = gauge("dwmon_fetch_duration_seconds", "How long the last fetch took.", "checker", "source")
	m.rows = counter("dwmon_fetch_rows_total", "Rows that fetches brought.", "checker", "source")
	m.fresh = counter("dwmon_fetch_new_rows_total", "Rows whose key was new.", "checker", "source")
	m.skipped = counter("dwmon_fetch_skipped_rows_total", "Rows without a timestamp, or one far in the future.", "checker", "source")
	m.verdicts = counter("dwmon_checks_total", "Checks judged, by status.", "checker", "status")
	m.gaps = counter("dwmon_gap_minutes_total", "Eligible minutes that were never judged.", "checker")
	m.purged = counter("dwmon_purged_rows_total", "Rows purged.", "checker")
	m.state = gauge("dwmon_checker_state", "1 for the state that the checker is in after its last pass.", "checker", "state")
	m.settled = gauge("dwmon_checker_settled_timestamp_seconds", "The minute through which the checker's walk has settled.", "checker")
	m.deliveries = counter("dwmon_deliveries_total", "Answers of handlers, by what became of the delivery: sent, waiting (to be tried again) or dead.", "handler", "state")
	m.deliverTime = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dwmon_delivery_duration_seconds",
		Help: "How long handlers took.", Buckets: seconds,
	}, []string{"handler"})
	m.beats = counter("dwmon_heartbeat_total", "Heartbeats, by what became of them: sent, failed, or withheld because passes of the minute were not done.", "outcome")
	m.lastBeat = prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwmon_heartbeat_last_sent_timestamp_seconds", Help: "When a heartbeat was last taken; 0: not since the start."})
	m.registry.MustRegister(m.beats, m.lastBeat, m.passes, m.fetches, m.fetchTime, m.lastFetch, m.rows, m.fresh, m.skipped, m.verdicts, m.gaps, m.purged,
		m.state, m.settled, m.deliveries, m.deliverTime,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwmon_build_info", Help: "1.", ConstLabels: prometheus.Labels{"version": Version}})
	info.Set(1)
	m.registry.MustRegister(info)
	return m
}

// gauges adds the figures that are read when somebody asks.
func (m *metrics) gauges(d *daemon) {
	add := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	add("dwmon_slot_lag_seconds", "How far the slot begun last lies behind the clock.", func() float64 { return d.lag().Seconds() })
	add("dwmon_missed_slots_total", "Minute slots that were never begun.", func() float64 { return float64(d.stats().MissedSlots) })
	add("dwmon_skipped_passes_total", "Passes not started because the one before still ran.", func() float64 { return float64(d.stats().SkippedPasses) })
	add("dwmon_passes_running", "Passes on their way.", func() float64 { return float64(d.stats().Running) })
	add("dwmon_wal_bytes", "Size of the database's write-ahead log.", func() float64 {
		info, err := os.Stat(d.cfg.DB + "-wal")
		if err != nil {
			return 0
		}
		return float64(info.Size())
	})
	m.registry.MustRegister(&liveCollector{d})
}

// passed counts a pass.
func (m *metrics) passed(r engine.Report) {
	name := r.Checker.Name
	m.mu.Lock()
	m.known[name] = r.Source
	m.mu.Unlock()
	m.passes.WithLabelValues(r.Source).Observe(r.Took.Seconds())
	if r.Fetched {
		m.fetched(name, r)
	}
	for status, n := range r.Judged {
		m.verdicts.WithLabelValues(name, status.String()).Add(float64(n))
	}
	if r.Gap > 0 {
		m.gaps.WithLabelValues(name).Add(float64(r.Gap))
	}
	if r.Purged > 0 {
		m.purged.WithLabelValues(name).Add(float64(r.Purged))
	}
	m.setState(name, r)
}

func (m *metrics) fetched(name string, r engine.Report) {
	took := float64(r.Fetch.Ended-r.Fetch.Started) / 1e6
	outcome := "ok"
	if r.Fetch.Err != nil {
		outcome = "failed"
	}
	m.fetches.WithLabelValues(name, r.Source, outcome).Inc()
	m.fetchTime.WithLabelValues(name, r.Source).Add(took)
	m.lastFetch.WithLabelValues(name, r.Source).Set(took)
	m.rows.WithLabelValues(name, r.Source).Add(float64(r.Fetch.Tally.Rows))
	m.fresh.WithLabelValues(name, r.Source).Add(float64(r.Fetch.Ingested.Fresh))
	m.skipped.WithLabelValues(name, r.Source).Add(float64(r.Fetch.Tally.Skipped + r.Fetch.SkippedNull))
}

// setState shows the worst of the last verdicts of the checker's lines; UNKNOWN
// where the pass could not evaluate it. A pass with nothing due changes nothing.
func (m *metrics) setState(name string, r engine.Report) {
	state := dwmon.NoStatus
	if r.Err != nil {
		state = dwmon.Unknown
	}
	last := map[int64]dwmon.Status{}
	for _, v := range r.Results {
		last[v.LineID] = v.Status
	}
	for _, s := range last {
		if state == dwmon.NoStatus || s == dwmon.Bad || s == dwmon.Unknown && state == dwmon.Good {
			state = s
		}
	}
	if n := len(r.Results); n > 0 {
		m.settled.WithLabelValues(name).Set(float64(r.Slot))
	}
	if state == dwmon.NoStatus {
		return
	}
	for _, s := range []dwmon.Status{dwmon.Good, dwmon.Bad, dwmon.Unknown} {
		value := 0.0
		if s == state {
			value = 1
		}
		m.state.WithLabelValues(name, s.String()).Set(value)
	}
}

// delivered counts an answer of a handler.
func (m *metrics) delivered(handler string, state dwmon.DeliveryState, took time.Duration) {
	m.deliveries.WithLabelValues(handler, state.String()).Inc()
	m.deliverTime.WithLabelValues(handler).Observe(took.Seconds())
}

// keep drops the series of checkers that are not there any more: the library
// keeps every series for ever.
func (m *metrics) keep(names map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.known {
		if names[name] {
			continue
		}
		delete(m.known, name)
		label := prometheus.Labels{"checker": name}
		for _, c := range []*prometheus.CounterVec{m.fetches, m.fetchTime, m.rows, m.fresh, m.skipped, m.verdicts, m.gaps, m.purged} {
			c.DeletePartialMatch(label)
		}
		for _, g := range []*prometheus.GaugeVec{m.lastFetch, m.state, m.settled} {
			g.DeletePartialMatch(label)
		}
	}
}
