package pluginhost

import (
	"cmp"
	"context"
	"errors"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// CheckHandler is the check handler of an instance.
func (h *Host) CheckHandler(spec InstanceSpec) dwmon.CheckHandler {
	return &checkHandler{in: h.instance(spec), timeout: spec.Timeout}
}

type checkHandler struct {
	in      *instance
	timeout time.Duration
}

// HandleCheck tells the plugin of a result. Any error is a *dwmon.HandleError.
// Nothing is tried again here: the queue of deliveries does that.
func (c *checkHandler) HandleCheck(ctx context.Context, req dwmon.HandleRequest) error {
	wire := handleCheckRequest(&req)
	return c.call(ctx, "HandleCheck", func(ctx context.Context, p *process) error {
		resp, err := pluginv1.NewCheckHandlerServiceClient(p.conn).HandleCheck(ctx, wire)
		if err == nil {
			p.remarks(req.Result.CheckerName, resp.GetDiagnostics())
		}
		return err
	})
}

func handleCheckRequest(req *dwmon.HandleRequest) *pluginv1.HandleCheckRequest {
	return &pluginv1.HandleCheckRequest{
		RequestId:      req.RequestID,
		IdempotencyKey: req.IdempotencyKey,
		Checker:        &pluginv1.CheckerRef{Name: req.Result.CheckerName, Path: req.CheckerFile, Revision: req.Revision},
		Result:         checkResult(&req.Result),
		ExtraJson:      req.Extra,
	}
}

// HandleNotice tells the plugin a notice. Any error is a *dwmon.HandleError.
func (c *checkHandler) HandleNotice(ctx context.Context, req dwmon.NoticeRequest) error {
	wire := noticeRequest(&req)
	return c.call(ctx, "HandleNotice", func(ctx context.Context, p *process) error {
		resp, err := pluginv1.NewCheckHandlerServiceClient(p.conn).HandleNotice(ctx, wire)
		if err == nil {
			p.remarks(req.Checker, resp.GetDiagnostics())
		}
		return err
	})
}

func (c *checkHandler) call(ctx context.Context, op string, f func(context.Context, *process) error) error {
	limits := c.in.host.limits(c.in.plugin)
	err := c.in.do(ctx, call{
		kind: CheckHandler, op: op,
		timeout: cmp.Or(c.timeout, time.Duration(limits.Handle), c.in.host.t.Handle),
	}, f)
	if err == nil {
		return nil
	}
	return handleError(op, err)
}

// handleError says what becomes of the delivery. A call that ended its process may
// have been the cause, so the next delivery is not held up for it.
func handleError(op string, err error) *dwmon.HandleError {
	he := &dwmon.HandleError{Fault: dwmon.HandleRetry, Err: err}
	var e *Error
	if !errors.As(err, &e) {
		return he
	}
	he.RetryAfter = e.RetryAfter
	if e.State != "" {
		he.Down = true
		return he
	}
	switch e.Code {
	case codes.InvalidArgument, codes.NotFound, codes.OutOfRange:
		he.Fault = dwmon.HandleNever
	case codes.Unimplemented:
		if op == "HandleNotice" {
			he.Fault = dwmon.HandleNever
		} else {
			he.Down = true
		}
	case codes.Unavailable:
		he.Down = !e.Crashed
	case codes.FailedPrecondition, codes.Unauthenticated, codes.PermissionDenied:
		he.Down = true
	}
	return he
}

// remarks logs what a plugin has to say about a call that succeeded.
func (p *process) remarks(checker string, ds []*pluginv1.Diagnostic) {
	for i, d := range ds {
		if i == maxWarnings {
			return
		}
		p.log.Warn("the plugin has a remark", "checker", checker, "remark", p.child.logs.shown(diagnosticText(d)))
	}
}

func checkResult(r *dwmon.Result) *pluginv1.CheckResult {
	return &pluginv1.CheckResult{
		CheckerName:      r.CheckerName,
		EventCount:       r.EventCount,
		MinRequired:      r.Min.Ptr(),
		MaxAllowed:       r.Max.Ptr(),
		CheckStatus:      checkStatus(r.Status),
		MinuteEpoch:      r.Minute,
		MinuteLocalTime:  r.LocalTime,
		LookbackSeconds:  r.LookbackSeconds,
		RequirementIndex: uint32(r.RequirementIndex),
		Requirement:      r.Requirement,
		TimeZone:         r.TimeZone,
		CatchUp:          r.CatchUp,
		PreviousStatus:   checkStatus(r.Previous),
		ConsecutiveBad:   uint32(min(r.ConsecutiveBad, 1<<32-1)),
		Reason:           string(r.Reason),
		Source:           r.Source,
		Owner:            r.Owner,
		Labels:           r.Labels,
		EvaluatedAtUs:    r.EvaluatedAt,
	}
}

func checkStatus(s dwmon.Status) pluginv1.CheckStatus {
	switch s {
	case dwmon.Good:
		return pluginv1.CheckStatus_CHECK_STATUS_GOOD
	case dwmon.Bad:
		return pluginv1.CheckStatus_CHECK_STATUS_BAD
	case dwmon.Unknown:
		return pluginv1.CheckStatus_CHECK_STATUS_UNKNOWN
	default:
		return pluginv1.CheckStatus_CHECK_STATUS_UNSPECIFIED
	}
}
