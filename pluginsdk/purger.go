package pluginsdk

import (
	"context"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// Purger says which rows of a checker are no longer wanted.
type Purger interface {
	IdentifyOld(ctx context.Context, p PurgeInput) (Cutoff, error)
}

// PurgerFunc is a function that is a Purger.
type PurgerFunc func(ctx context.Context, p PurgeInput) (Cutoff, error)

// IdentifyOld calls f.
func (f PurgerFunc) IdentifyOld(ctx context.Context, p PurgeInput) (Cutoff, error) { return f(ctx, p) }

// PurgeInput is what a purger is asked.
type PurgeInput struct {
	Checker Checker
	// ExtraJSON is the EXTRA section, byte for byte.
	ExtraJSON []byte
	// Now is the time of the pass. A purger uses it rather than its own clock.
	Now time.Time
	// Oldest and Newest are the times of the oldest and newest stored row; zero
	// where there are none.
	Oldest, Newest time.Time
	// KeepFrom is the oldest second that an open window still needs; a later
	// cut-off is clamped to it. Zero where it is not known.
	KeepFrom time.Time
}

// Extra decodes the EXTRA section; see Query.Extra.
func (p PurgeInput) Extra(v any) error { return decodeExtra(p.ExtraJSON, v) }

// Cutoff is a purger's answer. The zero value keeps everything.
type Cutoff struct {
	set    bool
	epoch  int64
	reason string
}

// Keep purges nothing.
func Keep() Cutoff { return Cutoff{} }

// DeleteOlderThan purges every row with a time before t, floored to the second.
func DeleteOlderThan(t time.Time) Cutoff { return Cutoff{set: true, epoch: t.Unix()} }

// Because adds a reason, for people.
func (c Cutoff) Because(reason string) Cutoff {
	c.reason = reason
	return c
}

// OlderThan is the cut-off; false where everything is kept.
func (c Cutoff) OlderThan() (time.Time, bool) { return time.Unix(c.epoch, 0), c.set }

// Reason is what was said with Because.
func (c Cutoff) Reason() string { return c.reason }

// purgerServer is the gRPC side of a Purger.
type purgerServer struct {
	pluginv1.UnimplementedPurgerServiceServer
	*server
}

func (s *purgerServer) IdentifyOld(ctx context.Context, req *pluginv1.IdentifyOldRequest) (*pluginv1.IdentifyOldResponse, error) {
	c := call{kind: KindPurger, method: "IdentifyOld", request: req.GetRequestId(), checker: checkerOf(req.GetChecker()), extra: req.GetExtraJson()}
	var cut Cutoff
	err := s.run(ctx, c, func(ctx context.Context) (err error) {
		cut, err = s.plugin.Purger.IdentifyOld(ctx, PurgeInput{
			Checker:   c.checker,
			ExtraJSON: req.GetExtraJson(),
			Now:       time.Unix(req.GetNowEpoch(), 0),
			Oldest:    timeOrZero(req.GetOldestEpoch()),
			Newest:    timeOrZero(req.GetNewestEpoch()),
			KeepFrom:  timeOrZero(req.GetKeepFromEpoch()),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := &pluginv1.IdentifyOldResponse{Reason: cut.reason}
	if cut.set {
		resp.DeleteOlderThanEpoch = &cut.epoch
	}
	return resp, nil
}

// timeOrZero reads an epoch second of which 0 means none.
func timeOrZero(epoch int64) time.Time {
	if epoch == 0 {
		return time.Time{}
	}
	return time.Unix(epoch, 0)
}
