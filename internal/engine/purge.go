package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// purge asks the purger once, after a pass that performed checks. Its failure is
// reported and changes nothing.
func (p *pass) purge(ctx context.Context) {
	if p.job.Purger == nil || p.settled == nil || len(p.report.Judged) == 0 {
		return
	}
	if err := p.purgeNow(ctx, *p.settled); err != nil {
		p.report.PurgeErr = fmt.Errorf("checker %s: purge: %w", p.job.Checker.Name, err)
		p.log.Warn("the purge was left out", "checker", p.job.Checker.Name, "error", err)
	}
}

func (p *pass) purgeNow(ctx context.Context, settled int64) error {
	oldest, newest, any, err := p.store.Extent(ctx, p.progress.ID)
	if err != nil {
		return err
	}
	lookback := p.job.Checker.LongestLookback()
	cutoff, err := p.job.Purger.IdentifyOld(ctx, dwmon.PurgeRequest{
		RequestID: fmt.Sprintf("%s@%d", p.job.Checker.Name, p.m),
		Checker:   p.job.Checker,
		Now:       p.Engine.now().Unix(),
		Oldest:    time.UnixMicro(oldest).Unix(),
		Newest:    time.UnixMicro(newest).Unix(),
		KeepFrom:  settled - lookback,
	})
	if err != nil || !cutoff.Set {
		return err
	}
	before, clamped := dwmon.ClampCutoff(cutoff.OlderThan, settled, lookback)
	if clamped {
		p.log.Warn("the purger named a cut-off inside a window that is still needed; it was clamped",
			"checker", p.job.Checker.Name, "cutoff", cutoff.OlderThan, "clamped_to", before)
	}
	if mark := p.progress.PurgeMark; mark != nil && *mark >= before && (!any || oldest >= before*1e6) {
		return nil
	}
	n, err := p.store.Purge(context.WithoutCancel(ctx), p.progress.ID, before)
	p.report.Purged = n
	return err
}
