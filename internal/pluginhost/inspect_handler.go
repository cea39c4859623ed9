package pluginhost

import (
	"cmp"
	"context"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// HandleCheck tells the plugin a result, as a daemon would, and gives what it has to
// say about that: an id, or what the receiver answered.
func (i *Inspection) HandleCheck(ctx context.Context, settings []byte, req dwmon.HandleRequest) (receipts []string, err error) {
	err = i.handle(ctx, settings, "HandleCheck", func(ctx context.Context, p *process) error {
		resp, err := pluginv1.NewCheckHandlerServiceClient(p.conn).HandleCheck(ctx, handleCheckRequest(&req))
		receipts = p.receipts(resp.GetReceipts())
		return err
	})
	return receipts, err
}

// HandleNotice is as HandleCheck, of a notice.
func (i *Inspection) HandleNotice(ctx context.Context, settings []byte, req dwmon.NoticeRequest) (receipts []string, err error) {
	err = i.handle(ctx, settings, "HandleNotice", func(ctx context.Context, p *process) error {
		resp, err := pluginv1.NewCheckHandlerServiceClient(p.conn).HandleNotice(ctx, noticeRequest(&req))
		receipts = p.receipts(resp.GetReceipts())
		return err
	})
	return receipts, err
}

func (i *Inspection) handle(ctx context.Context, settings []byte, op string, f func(context.Context, *process) error) error {
	in := i.host.instance(i.spec(settings))
	limits := i.host.limits(in.plugin)
	return in.do(ctx, call{kind: CheckHandler, op: op, timeout: cmp.Or(time.Duration(limits.Handle), i.host.t.Handle)}, f)
}

// maxReceipts is how many receipts of a call are shown.
const maxReceipts = 20

// receipts are those that a plugin gave, fit to be shown.
func (p *process) receipts(given []string) (shown []string) {
	for _, text := range given[:min(len(given), maxReceipts)] {
		shown = append(shown, p.child.logs.shown(text))
	}
	return shown
}
