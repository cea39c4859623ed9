package daemon

import (
	"os"
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

	checkers    *checkerMetrics
	passes      *prometheus.HistogramVec // by source
	deliveries  *prometheus.CounterVec
	deliverTime *prometheus.HistogramVec
	beats       *prometheus.CounterVec
	lastBeat    prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry(), checkers: newCheckerMetrics()}
	seconds := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	m.passes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dwmon_pass_duration_seconds",
		Help: "How long passes took, waiting for a place at the source included.", Buckets: seconds,
	}, []string{"source"})
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m.deliveries = counter("dwmon_deliveries_total", "Answers of handlers, by what became of the delivery: sent, waiting (to be tried again) or dead.", "handler", "state")
	m.deliverTime = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "dwmon_delivery_duration_seconds",
		Help: "How long handlers took.", Buckets: seconds,
	}, []string{"handler"})
	m.beats = counter("dwmon_heartbeat_total", "Heartbeats, by what became of them: sent, failed, or withheld because passes of the minute were not done.", "outcome")
	m.lastBeat = prometheus.NewGauge(prometheus.GaugeOpts{Name: "dwmon_heartbeat_last_sent_timestamp_seconds", Help: "When a heartbeat was last taken; 0: not since the start."})
	m.registry.MustRegister(m.beats, m.lastBeat, m.passes, m.deliveries, m.deliverTime,
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
	m.passes.WithLabelValues(r.Source).Observe(r.Took.Seconds())
	m.checkers.passed(r)
}

// delivered counts an answer of a handler.
func (m *metrics) delivered(handler string, state dwmon.DeliveryState, took time.Duration) {
	m.deliveries.WithLabelValues(handler, state.String()).Inc()
	m.deliverTime.WithLabelValues(handler).Observe(took.Seconds())
}
