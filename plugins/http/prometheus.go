package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// promQuery is a query in PromQL and how its result is counted.
type promQuery struct {
	query template
	from  value
	count counting
	step  time.Duration
}

// counting says what a row is.
type counting string

// All ways of counting.
const (
	// countSamples: each sample of the result is a row.
	countSamples counting = "samples"
	// countValues: each unit of a sample's value is a row.
	countValues counting = "values"
	// countIncreases: each unit by which a counter rose from one stored sample to
	// the next is a row.
	countIncreases counting = "increases"
	// countTimes: each distinct value is a row, at the time that it is.
	countTimes counting = "times"
)

const (
	defaultStep = time.Minute
	// maxSteps is how many evaluations are asked for at once: Prometheus refuses
	// more than 11,000.
	maxSteps = 10_000
	// maxUnits bounds the rows of one sample: no such number of things was meant.
	maxUnits = 1_000_000
)

// prometheus reads the directives of a Prometheus query.
func (p *parser) prometheus(has map[string]value) *promQuery {
	q := &promQuery{count: countSamples, step: defaultStep, from: has["prometheus"]}
	if q.from.from == nil {
		return q
	}
	q.query = p.template(q.from, &quoting{promQL: true})
	for _, part := range q.query {
		if part.hole != nil && part.hole.root == "next" {
			p.in(q.from, part.hole.offset, "{{next}} is for pages; a Prometheus query has none")
		}
	}
	if v, ok := has["count"]; ok {
		q.count = counting(v.text)
		all := []string{string(countSamples), string(countValues), string(countIncreases), string(countTimes)}
		if !slices.Contains(all, v.text) {
			p.in(v, 0, "want %s%s", strings.Join(all, ", "), didYouMean(v.text, all))
		}
	}
	if v, ok := has["step"]; ok {
		q.step = p.duration(v, time.Second, 24*time.Hour)
		if q.step > 0 && time.Minute%q.step != 0 && q.step%time.Minute != 0 {
			p.in(v, 0, "want a step that divides a minute, or whole minutes, so that windows of one length hold equally many")
		}
		if q.count == countIncreases {
			p.in(v, 0, "`count: increases` reads the samples as they were scraped; there is no step")
		}
	}
	return q
}

// prometheus asks for the range from since to now.
func (f *fetch) prometheus(ctx context.Context, q *promQuery) error {
	query, err := q.query.render(&f.env)
	if err != nil {
		return pluginsdk.CheckerError(err)
	}
	if q.count == countIncreases {
		return f.increases(ctx, query)
	}
	first, last := q.steps(f.env.since, f.env.now)
	for f.page = 1; first <= last; f.page++ {
		until := min(last, first+(maxSteps-1)*q.step.Milliseconds())
		series, err := f.promAsk(ctx, "query_range", url.Values{
			"query": {query}, "start": {promTime(first)}, "end": {promTime(until)},
			"step": {strconv.FormatInt(int64(q.step/time.Second), 10)},
		})
		if err != nil {
			return err
		}
		if err := f.samples(q, series); err != nil {
			return err
		}
		first = until + q.step.Milliseconds()
	}
	return nil
}

// steps are the first and the last evaluation between two times, in milliseconds.
// They lie on a grid that hangs on the step alone, so that each fetch finds the
// same samples. That of countSamples is shifted: what lies on a full minute would
// lie on the edge of windows and belong to none.
func (q *promQuery) steps(since, now time.Time) (first, last int64) {
	step, shift := q.step.Milliseconds(), int64(0)
	if q.count == countSamples {
		shift = q.offEdge()
	}
	first = (since.UnixMilli()-shift+step-1)/step*step + shift
	last = (now.UnixMilli()-shift)/step*step + shift
	return first, last
}

// offEdge is how far from full minutes rows are kept, in milliseconds: half a step,
// at most half a minute.
func (q *promQuery) offEdge() int64 { return min(q.step, time.Minute).Milliseconds() / 2 }

// promTime writes milliseconds as Prometheus reads them.
func promTime(ms int64) string {
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// promSeries is a series of a result.
type promSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []promSample      `json:"values"`
	Histograms []json.RawMessage `json:"histograms"`
}

// promSample is a time in milliseconds and a value as Prometheus writes it.
type promSample struct {
	ms    int64
	value string
}

func (s *promSample) UnmarshalJSON(raw []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil {
		return err
	}
	whole, fraction, _ := bytes.Cut(pair[0], []byte("."))
	ms, err := strconv.ParseInt(string(whole)+(string(fraction) + "000")[:3], 10, 64)
	if err != nil || max(ms, -ms) >= tooManySeconds*1000 {
		return fmt.Errorf("%s is no time of a sample", cut(string(pair[0])))
	}
	s.ms = ms
	return json.Unmarshal(pair[1], &s.value)
}

// promAnswer is what the API answers.
type promAnswer struct {
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType"`
	Error     string   `json:"error"`
	Warnings  []string `json:"warnings"`
	Data      struct {
		ResultType string       `json:"resultType"`
		Result     []promSeries `json:"result"`
	} `json:"data"`
}

// promAsk posts a query and gives the series of its result.
func (f *fetch) promAsk(ctx context.Context, endpoint string, form url.Values) ([]promSeries, error) {
	u, err := f.base.resolve("/api/v1/" + endpoint)
	if err != nil {
		return nil, pluginsdk.CheckerError(err)
	}
	form.Set("timeout", f.settings.Timeout.String())
	// Thanos would leave out stores that it cannot reach; Prometheus knows nothing
	// of it.
	form.Set("partial_response", "false")
	resp, stop, err := f.send(ctx, call{
		method: http.MethodPost, url: u, body: []byte(form.Encode()),
		headers: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}},
	}, nil)
	if err != nil {
		return nil, err
	}
	defer stop()
	var answer promAnswer
	if err := f.decode(resp, &answer); err != nil {
		return nil, err
	}
	switch {
	case answer.Status != "success":
		return nil, pluginsdk.CheckerError(f.named(fmt.Errorf("the answer says %q: %s", cut(answer.Status), cut(answer.Error))))
	case answer.Data.ResultType != "matrix":
		return nil, pluginsdk.CheckerError(f.named(fmt.Errorf("the query gives a %s and no series over time", cut(answer.Data.ResultType))))
	}
	return answer.Data.Result, f.promWarnings(answer.Warnings)
}

// promWarnings looks at what came with a result. Notes on the query itself leave
// the result whole; anything else says that data is missing.
func (f *fetch) promWarnings(warnings []string) error {
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL ") {
			return pluginsdk.Retryable(f.named(fmt.Errorf("the result may be incomplete: %s", cut(w))), 0)
		}
		f.out.Warn(cut(f.credentials.secrets.Replace(w)))
	}
	return nil
}

// promName writes a series as Prometheus does, labels in order.
func promName(metric map[string]string) string {
	var b strings.Builder
	b.WriteString(metric["__name__"])
	names := make([]string, 0, len(metric))
	for name := range metric {
		if name != "__name__" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", name, metric[name])
	}
	b.WriteByte('}')
	return b.String()
}

// samples makes rows of evaluations.
func (f *fetch) samples(q *promQuery, all []promSeries) error {
	for _, s := range all {
		name := promName(s.Metric)
		if len(s.Histograms) > 0 {
			return f.noHistograms(name)
		}
		for i, sample := range s.Values {
			if q.count == countTimes && i > 0 && sample.value == s.Values[i-1].value {
				continue // the same time, seen again
			}
			v, err := strconv.ParseFloat(sample.value, 64)
			switch {
			case err != nil:
				err = wrongRow("the value %q is no number", cut(sample.value))
			case math.IsNaN(v):
				f.out.SkipNull() // 0/0 is no answer
				continue
			default:
				err = f.sample(q, name, sample, v)
			}
			var wrong rowFault
			if errors.As(err, &wrong) {
				return pluginsdk.CheckerError(f.named(fmt.Errorf("%s at %s: %w", name, promTime(sample.ms), err)))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// sample makes the rows of one evaluation.
func (f *fetch) sample(q *promQuery, name string, s promSample, v float64) error {
	switch q.count {
	case countValues:
		units, err := wholeUnits(v)
		if err != nil {
			return err
		}
		return f.units(name, s.ms, s.ms-q.offEdge(), units)
	case countTimes:
		us, _, err := micros(v, f.zone)
		if err != nil {
			return err
		}
		return f.out.AppendMicros(name+" "+s.value, us)
	default:
		return f.out.AppendMicros(name+" "+promTime(s.ms), s.ms*1000)
	}
}

func (f *fetch) noHistograms(name string) error {
	return pluginsdk.CheckerError(f.named(fmt.Errorf("%s is a native histogram; take a number of it, such as histogram_count(…)", name)))
}

// wholeUnits reads a number of things.
func wholeUnits(v float64) (int, error) {
	switch {
	case v < 0:
		return 0, wrongRow("the value %v is below 0, and no number of things", v)
	case v != math.Trunc(v):
		return 0, wrongRow("the value %v is no whole number of things; increase() and rate() extrapolate: take `count: increases` of the counter itself, or round() in the query", v)
	case v > maxUnits:
		return 0, wrongRow("the value %v is more than %d things at once; count something coarser, or use `count: samples` and a condition", v, maxUnits)
	}
	return int(v), nil
}

// units makes a row of each of some things. Its key is the same at each fetch.
func (f *fetch) units(name string, ms, at int64, n int) error {
	key := []byte(name + " " + promTime(ms) + " #")
	base := len(key)
	for i := 1; i <= n; i++ {
		key = strconv.AppendInt(key[:base], int64(i), 10)
		if err := f.out.AppendBytes(key, at*1000); err != nil {
			return err
		}
	}
	return nil
}

// increases reads the stored samples of counters and makes a row of each unit by
// which one rose.
func (f *fetch) increases(ctx context.Context, selector string) error {
	seconds := int64(math.Ceil(f.env.now.Sub(f.env.since).Seconds()))
	series, err := f.promAsk(ctx, "query", url.Values{
		"query": {fmt.Sprintf("%s[%ds]", selector, seconds)}, "time": {promTime(f.env.now.UnixMilli())},
	})
	if err != nil {
		return err
	}
	for _, s := range series {
		name := promName(s.Metric)
		if len(s.Histograms) > 0 {
			return f.noHistograms(name)
		}
		if err := f.rises(name, s.Values); err != nil {
			return err
		}
	}
	return nil
}

// rises goes along the samples of one counter. What it stood at before the first is
// not known. A fall is a reset, after which it began from 0.
func (f *fetch) rises(name string, samples []promSample) error {
	before, known := 0.0, false
	for _, s := range samples {
		v, err := strconv.ParseFloat(s.value, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return pluginsdk.CheckerError(f.named(fmt.Errorf("%s at %s is %s, which no counter is", name, promTime(s.ms), cut(s.value))))
		}
		rise := v - before
		if v < before {
			rise = v
		}
		if known {
			units, err := wholeUnits(rise)
			if err != nil {
				return pluginsdk.CheckerError(f.named(fmt.Errorf("%s rose by %v until %s: %w", name, rise, promTime(s.ms), err)))
			}
			if err := f.units(name, s.ms, s.ms, units); err != nil {
				return err
			}
		}
		before, known = v, true
	}
	return nil
}
