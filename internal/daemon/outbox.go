package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// startOutbox starts to deliver with the present routing.
func (d *daemon) startOutbox(ctx context.Context) error {
	out, err := d.newDeliverer(d.metrics.delivered)
	if err != nil {
		return err
	}
	d.deliverer.Store(out)
	ctx, cancel := context.WithCancel(ctx)
	d.outbox = &parts{cancel: cancel}
	d.outbox.done.Go(func() {
		if err := out.Run(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the outbox has stopped", "error", err)
		}
	})
	return nil
}

func (d *daemon) stopOutbox() {
	d.outbox.end()
	d.outbox = nil
}

// changeOutbox changes deliveries while nobody holds any: the outbox is stopped
// meanwhile, which takes moments, and its handlers' back-off ends.
func (d *daemon) changeOutbox(ctx context.Context, f func(context.Context) (Outcome, error)) (out Outcome, err error) {
	err = d.do(ctx, func(ctx context.Context) (err error) {
		d.stopOutbox()
		out, err = f(ctx)
		if startErr := d.startOutbox(ctx); startErr != nil {
			d.unable = startErr
			err = errors.Join(err, startErr)
		}
		return err
	})
	return out, err
}

func (d *daemon) retryDeliveries(ctx context.Context, c dwmon.DeliveryChoice) (Outcome, error) {
	return d.changeOutbox(ctx, func(ctx context.Context) (Outcome, error) { return retryDeliveries(ctx, d.db, c) })
}

func (d *daemon) dropDeliveries(ctx context.Context, c dwmon.DeliveryChoice) (Outcome, error) {
	return d.changeOutbox(ctx, func(ctx context.Context) (Outcome, error) { return dropDeliveries(ctx, d.db, c) })
}

// RetryDeliveries makes dead deliveries wait again, and waiting ones due at once.
func RetryDeliveries(ctx context.Context, cfg *config.Config, c dwmon.DeliveryChoice) (Outcome, error) {
	return write(ctx, cfg, "/v1/deliveries/retry", c, func(ctx context.Context, db *sqlite.DB) (Outcome, error) { return retryDeliveries(ctx, db, c) })
}

// DropDeliveries gives up deliveries that wait.
func DropDeliveries(ctx context.Context, cfg *config.Config, c dwmon.DeliveryChoice) (Outcome, error) {
	return write(ctx, cfg, "/v1/deliveries/drop", c, func(ctx context.Context, db *sqlite.DB) (Outcome, error) { return dropDeliveries(ctx, db, c) })
}

func retryDeliveries(ctx context.Context, db *sqlite.DB, c dwmon.DeliveryChoice) (Outcome, error) {
	r, err := db.RetryDeliveries(ctx, c, time.Now().UnixMicro())
	if err != nil {
		return Outcome{}, err
	}
	var done []string
	if r.Dead > 0 {
		done = append(done, counted(r.Dead, "dead delivery waits again", "dead deliveries wait again"))
	}
	if r.Waiting > 0 {
		done = append(done, counted(r.Waiting, "waiting delivery is tried at once", "waiting deliveries are tried at once"))
	}
	if len(done) == 0 {
		return Outcome{"there are no such deliveries"}, nil
	}
	return Outcome{strings.Join(done, "; ")}, nil
}

func dropDeliveries(ctx context.Context, db *sqlite.DB, c dwmon.DeliveryChoice) (Outcome, error) {
	n, err := db.DropDeliveries(ctx, c, "dropped by hand", time.Now().UnixMicro())
	switch {
	case err != nil:
		return Outcome{}, err
	case n == 0:
		return Outcome{"there are no such deliveries"}, nil
	}
	return Outcome{counted(n, "waiting delivery was dropped", "waiting deliveries were dropped")}, nil
}

func counted(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// markHandlers notes which handlers are configured, so that what waits for others
// is shown as orphaned. Where the store does not take it, the next sweep does it.
func (a *assembly) markHandlers(ctx context.Context) {
	if err := a.db.MarkHandlers(ctx, a.routing.configuredNames(), a.opts.now().UnixMicro()); err != nil {
		a.log.Error("it could not be stored which handlers are configured", "error", err)
	}
}

// configuredNames are the handlers that this configuration speaks of, whether or not
// they can be served at present. Without `handlers` it speaks of those that may stand
// in for them: a plugin that is broken today is not a handler that was removed.
func (r *routing) configuredNames() []string {
	var names []string
	for _, h := range r.cfg.Handlers {
		names = append(names, h.Name)
	}
	if r.cfg.Handlers != nil {
		return names
	}
	names = append(names, defaultHandler)
	if slices.Contains(r.yourOrg().kinds, pluginhost.CheckHandler) {
		names = append(names, pythonPlugin)
	}
	return names
}

// tendOrphans gives up what has waited too long for handlers that are not configured.
func (d *daemon) tendOrphans(ctx context.Context) {
	var configured []string
	err := d.do(ctx, func(context.Context) error {
		configured = d.routing.configuredNames()
		return nil
	})
	if err == nil {
		err = d.dropOrphans(ctx, configured)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Error("the deliveries of handlers that are not configured could not be tended", "error", err)
	}
}

// dropOrphans marks handlers once more before it drops anything: what was configured
// again must not lose its deliveries because a mark was not stored.
func (a *assembly) dropOrphans(ctx context.Context, configured []string) error {
	now := a.opts.now()
	if err := a.db.MarkHandlers(ctx, configured, now.UnixMicro()); err != nil {
		return err
	}
	dropped, err := a.db.DropOrphans(ctx, now.Add(-dwmon.OrphanedFor).UnixMicro(), now.UnixMicro())
	for handler, n := range dropped {
		a.log.Warn("deliveries were dropped: their handler has not been configured for a week", "handler", handler, "deliveries", n)
	}
	return err
}
