package daemon

import (
	"context"
	"encoding/json"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// GetterTrial is one fetch. Times are those of the fetch; a failed one counts what
// came before.
type GetterTrial struct {
	Readiness
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"key_bytes"`
	// Seconds until the summary, and until the first batch.
	Seconds           float64  `json:"seconds"`
	FirstBatchSeconds *float64 `json:"first_batch_seconds"`
	RowsPerSecond     float64  `json:"rows_per_second"`
	Batches           int64    `json:"batches"`
	// SmallestBatch and LargestBatch are in rows.
	SmallestBatch int  `json:"smallest_batch"`
	LargestBatch  int  `json:"largest_batch"`
	Cut           bool `json:"cut"`
	// SkippedNull are rows without a time; SkippedFuture lie more than a day ahead.
	SkippedNull   int64        `json:"skipped_null"`
	SkippedFuture int64        `json:"skipped_future"`
	SourceSeconds *float64     `json:"source_seconds"`
	SourceNow     *json.Number `json:"source_now_epoch"`
	// ClockAheadSeconds is how far the source's clock is ahead of ours.
	ClockAheadSeconds *float64     `json:"clock_ahead_seconds"`
	DataAsOf          *json.Number `json:"data_as_of_epoch"`
	Oldest            *json.Number `json:"oldest_epoch"`
	Newest            *json.Number `json:"newest_epoch"`
	Warnings          []string     `json:"warnings,omitempty"`
	FirstRows         []TrialRow   `json:"first_rows"`
}

// TrialRow is a row for people.
type TrialRow struct {
	// Key is as people see it: what is no text is written as \xHH.
	Key string `json:"key"`
	// Time is RFC 3339, in UTC.
	Time       string      `json:"time"`
	Epoch      json.Number `json:"timestamp_epoch"`
	AgeSeconds float64     `json:"age_seconds"`
}

func (t *trial) tryGetter(ctx context.Context, settings []byte, g *GetterTrial) {
	g.FirstRows = []TrialRow{}
	if g.Failure != nil {
		return
	}
	source := t.cfg.Sources[t.checker.Source]
	began := time.Now()
	var oldest, newest int64
	summary, err := t.seen.RowGetter(settings).GetRows(ctx, dwmon.FetchRequest{
		RequestID: requestID(), Checker: t.checker, MaxRows: source.MaxRows, MaxBytes: source.MaxBytes,
		Timeout: firstNonZero(t.checker.Options.Timeout, source.Timeout),
	}, func(b *dwmon.Batch) error {
		if g.Batches == 0 {
			first := seconds(time.Since(began))
			g.FirstBatchSeconds = &first
			oldest, newest = b.Micros[0], b.Micros[0]
		}
		for _, us := range b.Micros {
			oldest, newest = min(oldest, us), max(newest, us)
		}
		t.count(g, b)
		return nil
	})
	g.Seconds = seconds(time.Since(began))
	if g.Seconds > 0 {
		g.RowsPerSecond = float64(int64(float64(g.Rows) / g.Seconds))
	}
	if g.Rows > 0 {
		g.Oldest, g.Newest = epoch(&oldest), epoch(&newest)
	}
	if err != nil {
		g.Failure = pluginhost.Explain(pluginhost.RowGetter, err)
		return
	}
	t.summarise(g, &summary)
	if g.Rows > 1 && oldest == newest && !t.checker.Options.Assumed {
		g.Warnings = append(g.Warnings, "all rows bear one and the same time: where the query gives the present time, say `timestamps: assumed` in OPTIONS")
	}
}

func firstNonZero(a, b time.Duration) time.Duration {
	if a != 0 {
		return a
	}
	return b
}

// count takes note of a batch, which is gone when it returns.
func (t *trial) count(g *GetterTrial, b *dwmon.Batch) {
	n := b.Rows()
	if g.Batches == 0 {
		g.SmallestBatch = n
	}
	g.SmallestBatch, g.LargestBatch = min(g.SmallestBatch, n), max(g.LargestBatch, n)
	g.Batches++
	g.Rows += int64(n)
	g.Bytes += int64(len(b.Keys))
	future := t.now.Add(dwmon.FarFuture).UnixMicro()
	for _, us := range b.Micros {
		if us > future {
			g.SkippedFuture++
		}
	}
	at := 0
	for i := 0; i < n && len(g.FirstRows) < t.opts.Rows; i++ {
		key := b.Keys[at : at+int(b.Lengths[i])]
		at += len(key)
		when := time.UnixMicro(b.Micros[i]).UTC()
		g.FirstRows = append(g.FirstRows, TrialRow{
			Key: dwmon.ShownKey(key), Time: when.Format(time.RFC3339Nano), Epoch: dwmon.Seconds(b.Micros[i]), AgeSeconds: seconds(t.now.Sub(when)),
		})
	}
}

func (t *trial) summarise(g *GetterTrial, s *dwmon.FetchSummary) {
	g.Cut, g.SkippedNull, g.Warnings = s.Cut, s.SkippedNull, s.Warnings
	if s.SourceTime > 0 {
		took := seconds(s.SourceTime)
		g.SourceSeconds = &took
	}
	g.SourceNow, g.DataAsOf = epoch(s.SourceNow), epoch(s.DataAsOf)
	if s.SourceNow != nil {
		ahead := seconds(time.Until(time.UnixMicro(*s.SourceNow)))
		g.ClockAheadSeconds = &ahead
	}
}

// HandlerTrial is one result that was told.
type HandlerTrial struct {
	Readiness
	Seconds float64 `json:"seconds"`
	// Told says that the plugin took it: its receiver has been told.
	Told           bool          `json:"told"`
	IdempotencyKey string        `json:"idempotency_key"`
	Result         *dwmon.Result `json:"result"`
}

// TestChecker is the name of the checker of a result that is only a test.
const TestChecker = "dwmon_plugin_test"

func (t *trial) tryHandler(ctx context.Context, settings []byte, h *HandlerTrial) {
	if h.Failure != nil {
		return
	}
	result := t.result()
	h.Result = &result
	h.IdempotencyKey = dwmon.IdempotencyKey(requestID(), result.CheckerName, result.Minute, 0)
	req := dwmon.HandleRequest{RequestID: requestID(), IdempotencyKey: h.IdempotencyKey, Result: result, Extra: []byte("{}")}
	if c := t.checker; c != nil {
		req.CheckerFile, req.Revision, req.Extra = c.File, c.Revision, c.Extra
	}
	began := time.Now()
	err := t.seen.CheckHandler(settings).HandleCheck(ctx, req)
	h.Seconds = seconds(time.Since(began))
	h.Told, h.Failure = err == nil, pluginhost.Explain(pluginhost.CheckHandler, err)
}

// result is one that a checker might have, marked as a test in its name and labels.
func (t *trial) result() dwmon.Result {
	line := dwmon.Requirement{
		Hours: 1<<24 - 1, Minutes: 1<<60 - 1, Days: dwmon.Weekdays | dwmon.Weekends, Min: dwmon.At(1), Max: dwmon.At(100), Lookback: 300,
	}
	name, source, owner, labels, zone := TestChecker, "test", "", map[string]string{}, t.cfg.Timezone
	if c := t.checker; c != nil {
		name += "/" + c.Name
		source, owner, zone = c.ShownSource(), c.Options.Owner, c.Zone(zone)
		for k, v := range c.Options.Labels {
			labels[k] = v
		}
		if len(c.Lines) > 0 {
			line = c.Lines[0]
		}
	}
	labels["test"] = "true"
	r := resultOf(line, t.opts.Status, dwmon.FloorMinute(t.now.Unix()), zone, t.now)
	r.CheckerName, r.Source, r.Owner, r.Labels = name, source, owner, labels
	return r
}

// someCount is a count that a line judges as wanted, where it can.
func someCount(line dwmon.Requirement, status dwmon.Status) int64 {
	good := line.Min.N
	if !line.Min.Set {
		good = line.Max.N
	}
	switch {
	case status != dwmon.Bad:
		return good
	case line.Min.Set && line.Min.N > 0:
		return line.Min.N - 1
	default:
		return line.Max.N + 1
	}
}

// PurgerTrial is one cut-off.
type PurgerTrial struct {
	Readiness
	Seconds float64 `json:"seconds"`
	// OlderThan is the cut-off as the daemon would apply it; nil: nothing is purged.
	OlderThan *int64 `json:"delete_older_than_epoch"`
	// Named is the plugin's own, where the daemon would clamp it.
	Named  *int64 `json:"named_epoch,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Asked is what it was told of the rows.
	Asked PurgeAsked `json:"asked"`
}

// PurgeAsked is what a purger was told: seconds since the epoch.
type PurgeAsked struct {
	Now      int64 `json:"now_epoch"`
	Oldest   int64 `json:"oldest_epoch"`
	Newest   int64 `json:"newest_epoch"`
	KeepFrom int64 `json:"keep_from_epoch"`
}

// trialAge is how old the oldest row is said to be.
const trialAge = 400 * 24 * time.Hour

func (t *trial) tryPurger(ctx context.Context, settings []byte, p *PurgerTrial) {
	c := t.checker
	if c == nil {
		c = &dwmon.Checker{Name: TestChecker, Source: "test", Extra: []byte("{}")}
	}
	minute, lookback := dwmon.FloorMinute(t.now.Unix()), max(c.LongestLookback(), 60)
	p.Asked = PurgeAsked{Now: t.now.Unix(), Oldest: t.now.Add(-trialAge).Unix(), Newest: t.now.Unix(), KeepFrom: minute - lookback}
	if p.Failure != nil {
		return
	}
	began := time.Now()
	cut, err := t.seen.Purger(settings).IdentifyOld(ctx, dwmon.PurgeRequest{
		RequestID: requestID(), Checker: c, Now: p.Asked.Now, Oldest: p.Asked.Oldest, Newest: p.Asked.Newest, KeepFrom: p.Asked.KeepFrom,
	})
	p.Seconds = seconds(time.Since(began))
	if err != nil {
		p.Failure = pluginhost.Explain(pluginhost.Purger, err)
		return
	}
	p.Reason = cut.Reason
	if cut.Set {
		at, clamped := dwmon.ClampCutoff(cut.OlderThan, minute, lookback)
		p.OlderThan = &at
		if clamped {
			p.Named = &cut.OlderThan
		}
	}
}
