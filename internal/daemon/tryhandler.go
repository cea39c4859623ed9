package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
	"github.com/dwmon/dwmon/internal/pluginhost"
)

// HandlerTest is what came of trying a configured handler.
type HandlerTest struct {
	Handler string `json:"handler"`
	Plugin  string `json:"plugin"`
	Version string `json:"version"`
	// Notice says that it was told a notice; else a result, for it takes no others.
	Notice bool `json:"notice"`
	// Summary is what it was told, on one line.
	Summary string `json:"summary"`
	Key     string `json:"idempotency_key"`
	// Taken says that the plugin took it: its receiver has been told.
	Taken bool `json:"taken"`
	// Receipts are what the receiver answered, as far as the plugin says.
	Receipts []string `json:"receipts"`
	// Seconds is how long that took.
	Seconds float64 `json:"seconds"`
	// Failure is nil where it was taken.
	Failure *pluginhost.Failure `json:"failure,omitempty"`
}

// TryHandler tells a configured handler that it is tried, with its own settings and
// at once, past the outbox. What fails is part of the answer; the error is an
// *ErrTrial where there is no such handler, a *pluginhost.TargetError where there is
// no such plugin, and says else why the plugin could not be started.
func TryHandler(ctx context.Context, o Options, name string) (*HandlerTest, error) {
	plugin, err := pluginOf(o.Config, name)
	if err != nil {
		return nil, err
	}
	t := &trial{opts: TrialOptions{As: name}, cfg: o.Config, now: o.now(), out: &Trial{}}
	var given givenSecrets
	seen, closePlugin, err := inspect(ctx, o, plugin, &given)
	if err != nil {
		return nil, err
	}
	defer closePlugin()
	t.seen = seen
	if t.plugin, err = seen.Plugin(ctx); err != nil {
		return nil, err
	}
	if !t.plugin.Serves(pluginhost.CheckHandler) {
		return nil, &ErrTrial{fmt.Errorf("handler %s: plugin %s is no check handler: it serves %s", name, plugin, KindNames(t.plugin.Kinds))}
	}
	settings, _, err := t.handlerSettings()
	if err != nil {
		return nil, err
	}
	return t.tellTest(ctx, settings), ctx.Err()
}

// pluginOf is the plugin of a configured handler.
func pluginOf(cfg *config.Config, name string) (string, error) {
	handlers := cfg.Handlers
	if handlers == nil {
		handlers = []config.Handler{{Name: defaultHandler, Plugin: defaultHandler}}
		if findYourOrg(cfg).fillsIn(cfg) {
			handlers = append(handlers, config.Handler{Name: pythonPlugin, Plugin: pythonPlugin})
		}
	}
	names := make([]string, len(handlers))
	for i, h := range handlers {
		if h.Name == name {
			return h.Plugin, nil
		}
		names[i] = h.Name
	}
	return "", &ErrTrial{noHandler(name, names)}
}

// tellTest tells the handler, by a notice where it takes any.
func (t *trial) tellTest(ctx context.Context, settings []byte) *HandlerTest {
	test := &HandlerTest{
		Handler: t.opts.As, Plugin: t.plugin.Name, Version: t.plugin.Version, Notice: t.plugin.Notices, Receipts: []string{}, Key: requestID(),
	}
	began := time.Now()
	err := t.seen.Configure(ctx, settings)
	var receipts []string
	if test.Notice {
		n := notice.Test(t.opts.As, t.now.UnixMicro())
		test.Key, test.Summary = dwmon.NoticeKey(test.Key, "test", t.now.UnixMicro()), n.Summary
		if err == nil {
			receipts, err = t.seen.HandleNotice(ctx, settings, dwmon.NoticeRequest{Notice: n, RequestID: requestID(), IdempotencyKey: test.Key})
		}
	} else {
		r := t.testResult()
		test.Key, test.Summary = dwmon.IdempotencyKey(test.Key, r.CheckerName, r.Minute, 0), fmt.Sprintf("%s %s: count %d", r.Status, r.CheckerName, r.EventCount)
		if err == nil {
			receipts, err = t.seen.HandleCheck(ctx, settings, dwmon.HandleRequest{RequestID: requestID(), IdempotencyKey: test.Key, Result: r, Extra: []byte("{}")})
		}
	}
	test.Seconds = seconds(time.Since(began))
	test.Receipts = append(test.Receipts, receipts...)
	test.Taken, test.Failure = err == nil, pluginhost.Explain(pluginhost.CheckHandler, err)
	return test
}

// testResult is a result that the handler takes: BAD where it does.
func (t *trial) testResult() dwmon.Result {
	t.opts.Status = dwmon.Bad
	if !t.takes() {
		t.opts.Status = slices.Max(append([]dwmon.Status{dwmon.Good}, t.plugin.Statuses...))
	}
	return t.result()
}
