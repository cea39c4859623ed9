package daemon

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// checkerMetrics are the figures of each checker, of which ten thousand have a hundred
// thousand series. Vectors of the library would keep half a KiB for each, and sort and
// check all of them anew at each scrape; here a checker is one struct, and its series
// are made, in order, when somebody asks.
type checkerMetrics struct {
	mu sync.Mutex
	by map[string]*checkerFigures
}

// checkerFigures are the figures of one checker. What never came about has no series.
type checkerFigures struct {
	source string

	ok, failed           float64 // fetches
	fetchTime, lastFetch float64 // seconds
	rows, fresh, skipped float64
	checks               [4]float64 // by dwmon.Status
	gaps, purged         float64
	state                dwmon.Status // NoStatus: not known yet
	settled              *int64       // seconds since the epoch
}

func newCheckerMetrics() *checkerMetrics {
	return &checkerMetrics{by: map[string]*checkerFigures{}}
}

// passed counts a pass.
func (m *checkerMetrics) passed(r engine.Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.by[r.Checker.Name]
	if f == nil {
		f = &checkerFigures{}
		m.by[r.Checker.Name] = f
	}
	if f.source != r.Source { // the series of another source end
		*f = checkerFigures{source: r.Source, checks: f.checks, gaps: f.gaps, purged: f.purged, state: f.state, settled: f.settled}
	}
	if r.Fetched {
		f.fetched(r)
	}
	for status, n := range r.Judged {
		f.checks[status] += float64(n)
	}
	f.gaps += float64(r.Gap)
	f.purged += float64(r.Purged)
	if len(r.Results) > 0 {
		slot := r.Slot // the report itself is not to be kept
		f.settled = &slot
	}
	if state := stateAfter(r); state != dwmon.NoStatus {
		f.state = state
	}
}

func (f *checkerFigures) fetched(r engine.Report) {
	f.lastFetch = float64(r.Fetch.Ended-r.Fetch.Started) / 1e6
	f.fetchTime += f.lastFetch
	if r.Fetch.Err != nil {
		f.failed++
	} else {
		f.ok++
	}
	f.rows += float64(r.Fetch.Tally.Rows)
	f.fresh += float64(r.Fetch.Ingested.Fresh)
	f.skipped += float64(r.Fetch.Tally.Skipped + r.Fetch.SkippedNull)
}

// stateAfter is the worst of the last verdicts of the checker's lines; UNKNOWN where
// the pass could not evaluate it. A pass with nothing due changes nothing: NoStatus.
func stateAfter(r engine.Report) dwmon.Status {
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
	return state
}

// keep drops the series of checkers that are not there any more.
func (m *checkerMetrics) keep(names map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.by {
		if !names[name] {
			delete(m.by, name)
		}
	}
}

// checkerFamily makes the series that one metric has of a checker. The pairs of labels
// are shared by all of a checker's series.
type checkerFamily struct {
	name, help string
	kind       dto.MetricType
	series     func(f *checkerFigures, checker, source *dto.LabelPair, add func(value float64, labels ...*dto.LabelPair))
}

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(value)}
}

var (
	outcomeFailed, outcomeOK = pair("outcome", "failed"), pair("outcome", "ok")

	// shownStatuses are in the order of their names, as are the labels of a series.
	shownStatuses = []dwmon.Status{dwmon.Bad, dwmon.Good, dwmon.Unknown}
	stateLabels   = statusLabels("state")
	checkLabels   = statusLabels("status")
)

func statusLabels(name string) (labels [4]*dto.LabelPair) {
	for _, s := range shownStatuses {
		labels[s] = pair(name, s.String())
	}
	return labels
}

// perFetch are the series of checkers that were fetched at all, by checker and source.
func perFetch(name, help string, kind dto.MetricType, value func(*checkerFigures) float64) checkerFamily {
	return checkerFamily{name, help, kind, func(f *checkerFigures, checker, source *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
		if f.ok+f.failed > 0 {
			add(value(f), checker, source)
		}
	}}
}

// perChecker are the series of checkers of which there is something to count.
func perChecker(name, help string, value func(*checkerFigures) float64) checkerFamily {
	return checkerFamily{name, help, dto.MetricType_COUNTER, func(f *checkerFigures, checker, _ *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
		if v := value(f); v > 0 {
			add(v, checker)
		}
	}}
}

var checkerFamilies = []checkerFamily{
	{
		"dwmon_checker_settled_timestamp_seconds", "The minute through which the checker's walk has settled.", dto.MetricType_GAUGE,
		func(f *checkerFigures, checker, _ *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
			if f.settled != nil {
				add(float64(*f.settled), checker)
			}
		},
	},
	{
		"dwmon_checker_state", "1 for the state that the checker is in after its last pass.", dto.MetricType_GAUGE,
		func(f *checkerFigures, checker, _ *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
			for _, s := range shownStatuses {
				switch f.state {
				case dwmon.NoStatus:
				case s:
					add(1, checker, stateLabels[s])
				default:
					add(0, checker, stateLabels[s])
				}
			}
		},
	},
	{
		"dwmon_checks_total", "Checks judged, by status.", dto.MetricType_COUNTER,
		func(f *checkerFigures, checker, _ *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
			for _, s := range shownStatuses {
				if n := f.checks[s]; n > 0 {
					add(n, checker, checkLabels[s])
				}
			}
		},
	},
	perFetch("dwmon_fetch_duration_seconds", "How long the last fetch took.", dto.MetricType_GAUGE, func(f *checkerFigures) float64 { return f.lastFetch }),
	perFetch("dwmon_fetch_duration_seconds_total", "Time spent in fetches.", dto.MetricType_COUNTER, func(f *checkerFigures) float64 { return f.fetchTime }),
	perFetch("dwmon_fetch_new_rows_total", "Rows whose key was new.", dto.MetricType_COUNTER, func(f *checkerFigures) float64 { return f.fresh }),
	perFetch("dwmon_fetch_rows_total", "Rows that fetches brought.", dto.MetricType_COUNTER, func(f *checkerFigures) float64 { return f.rows }),
	perFetch("dwmon_fetch_skipped_rows_total", "Rows without a timestamp, or one far in the future.", dto.MetricType_COUNTER, func(f *checkerFigures) float64 { return f.skipped }),
	{
		"dwmon_fetches_total", "Fetches, by outcome: ok or failed.", dto.MetricType_COUNTER,
		func(f *checkerFigures, checker, source *dto.LabelPair, add func(float64, ...*dto.LabelPair)) {
			if f.failed > 0 {
				add(f.failed, checker, outcomeFailed, source)
			}
			if f.ok > 0 {
				add(f.ok, checker, outcomeOK, source)
			}
		},
	},
	perChecker("dwmon_gap_minutes_total", "Eligible minutes that were never judged.", func(f *checkerFigures) float64 { return f.gaps }),
	perChecker("dwmon_purged_rows_total", "Rows purged.", func(f *checkerFigures) float64 { return f.purged }),
}

// labelled is a checker's figures at one moment, with the labels of its series.
type labelled struct {
	name            string
	figures         checkerFigures
	checker, source *dto.LabelPair
}

// snapshot gives the figures of all checkers, by name.
func (m *checkerMetrics) snapshot() []labelled {
	m.mu.Lock()
	all := make([]labelled, 0, len(m.by))
	for name, f := range m.by {
		all = append(all, labelled{name: name, figures: *f})
	}
	m.mu.Unlock()
	sources := map[string]*dto.LabelPair{}
	for i := range all {
		l := &all[i]
		if sources[l.figures.source] == nil {
			sources[l.figures.source] = pair("source", strings.ToValidUTF8(l.figures.source, "\uFFFD"))
		}
		l.checker, l.source = pair("checker", l.name), sources[l.figures.source]
	}
	slices.SortFunc(all, func(a, b labelled) int { return cmp.Compare(a.name, b.name) })
	return all
}

// families are the metrics that have any series, by name, their series by their labels.
func (m *checkerMetrics) families() (families []*dto.MetricFamily) {
	all := m.snapshot()
	for k := range checkerFamilies {
		of := &checkerFamilies[k]
		family := &dto.MetricFamily{Name: &of.name, Help: &of.help, Type: &of.kind}
		add := func(value float64, labels ...*dto.LabelPair) {
			metric := &dto.Metric{Label: labels}
			if of.kind == dto.MetricType_COUNTER {
				metric.Counter = &dto.Counter{Value: &value}
			} else {
				metric.Gauge = &dto.Gauge{Value: &value}
			}
			family.Metric = append(family.Metric, metric)
		}
		for i := range all {
			of.series(&all[i].figures, all[i].checker, all[i].source, add)
		}
		if len(family.Metric) > 0 {
			families = append(families, family)
		}
	}
	return families
}

// Gather gives all metrics, by name: the library's, and those of the checkers.
func (m *metrics) Gather() ([]*dto.MetricFamily, error) {
	families, err := m.registry.Gather()
	families = append(families, m.checkers.families()...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, err
}

var _ prometheus.Gatherer = (*metrics)(nil)
