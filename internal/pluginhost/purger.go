package pluginhost

import (
	"cmp"
	"context"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// Purger is the purger of an instance.
func (h *Host) Purger(spec InstanceSpec) dwmon.Purger {
	return &purger{in: h.instance(spec), timeout: spec.Timeout}
}

type purger struct {
	in      *instance
	timeout time.Duration
}

// IdentifyOld asks the plugin. An error, an *Error, purges nothing.
func (g *purger) IdentifyOld(ctx context.Context, req dwmon.PurgeRequest) (dwmon.Cutoff, error) {
	wire := &pluginv1.IdentifyOldRequest{
		RequestId:     req.RequestID,
		Checker:       checkerRef(req.Checker),
		ExtraJson:     req.Checker.Extra,
		NowEpoch:      req.Now,
		OldestEpoch:   req.Oldest,
		NewestEpoch:   req.Newest,
		KeepFromEpoch: req.KeepFrom,
	}
	limits := g.in.host.limits(g.in.plugin)
	var cut dwmon.Cutoff
	err := g.in.do(ctx, call{
		kind: Purger, op: "IdentifyOld",
		timeout: cmp.Or(g.timeout, time.Duration(limits.Purge), g.in.host.t.Purge),
		again:   func() bool { return true },
	}, func(ctx context.Context, p *process) error {
		resp, err := pluginv1.NewPurgerServiceClient(p.conn).IdentifyOld(ctx, wire)
		if err != nil {
			return err
		}
		cut = dwmon.Cutoff{
			Set:       resp.DeleteOlderThanEpoch != nil,
			OlderThan: resp.GetDeleteOlderThanEpoch(),
			Reason:    p.child.logs.shown(resp.GetReason()),
		}
		return nil
	})
	return cut, err
}
