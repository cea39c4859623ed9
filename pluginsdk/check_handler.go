package pluginsdk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// CheckHandler is told of check results.
type CheckHandler interface {
	// HandleCheck takes one result. nil means that it was taken. Permanent: it is
	// never tried again. Any other error: it is tried again later, for 72 hours.
	// Delivery is at least once: ev.IdempotencyKey tells a repetition.
	HandleCheck(ctx context.Context, ev CheckEvent) error
}

// CheckHandlerFunc is a function that is a CheckHandler.
type CheckHandlerFunc func(ctx context.Context, ev CheckEvent) error

// HandleCheck calls f.
func (f CheckHandlerFunc) HandleCheck(ctx context.Context, ev CheckEvent) error { return f(ctx, ev) }

// Result is the verdict on one minute of one requirement line. Marshalled to
// JSON it is the object that `dwmon history --json` prints, without what became of
// the result later (corrected).
type Result struct {
	CheckerName string
	EventCount  int64
	// MinRequired and MaxAllowed are the range; nil: no bound on that side.
	MinRequired, MaxAllowed *int64
	CheckStatus             Status
	// MinuteEpoch is the minute judged, seconds since the epoch, MinuteLocalTime
	// the same as YYYY-MM-DD HH:MM:SS in TimeZone.
	MinuteEpoch     int64
	MinuteLocalTime string
	LookbackSeconds int64

	// Reason is low or high; truncated, purged, assumed or query_changed when
	// unknown; empty when good.
	Reason string
	// Requirement is the line's tokens, RequirementIndex its place in the file, 0
	// for the first.
	Requirement      string
	RequirementIndex int
	TimeZone         string
	Source           string
	Owner            string
	Labels           map[string]string
	// CatchUp: judged late, or for a minute before the checker was first seen.
	CatchUp bool
	// EvaluatedAt is the start of the fetch.
	EvaluatedAt time.Time
	// PreviousStatus is that of the line's result before this one; empty at first.
	PreviousStatus Status
	// ConsecutiveBad includes this result; 0 when good, unchanged by unknown.
	ConsecutiveBad int
}

// Good says that the count lies in the range.
func (r *Result) Good() bool { return r.CheckStatus == Good }

// Bad says that the count is too low or too high.
func (r *Result) Bad() bool { return r.CheckStatus == Bad }

// Minute is the minute judged.
func (r *Result) Minute() time.Time { return time.Unix(r.MinuteEpoch, 0) }

// MarshalJSON writes the fields under the names of the documentation. A reason or
// previous status that is empty and a bound that is nil are null.
func (r Result) MarshalJSON() ([]byte, error) {
	labels := r.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return json.Marshal(struct {
		CheckerName      string            `json:"checker_name"`
		EventCount       int64             `json:"event_count"`
		MinRequired      *int64            `json:"min_required"`
		MaxAllowed       *int64            `json:"max_allowed"`
		CheckStatus      Status            `json:"check_status"`
		MinuteEpoch      int64             `json:"minute_epoch"`
		MinuteLocalTime  string            `json:"minute_local_time"`
		LookbackSeconds  int64             `json:"lookback_seconds"`
		Reason           *string           `json:"reason"`
		Requirement      string            `json:"requirement"`
		RequirementIndex int               `json:"requirement_index"`
		TimeZone         string            `json:"time_zone"`
		Source           string            `json:"source"`
		Owner            string            `json:"owner"`
		Labels           map[string]string `json:"labels"`
		CatchUp          bool              `json:"catch_up"`
		EvaluatedAt      json.Number       `json:"evaluated_at"`
		PreviousStatus   *string           `json:"previous_status"`
		ConsecutiveBad   int               `json:"consecutive_bad"`
	}{
		r.CheckerName, r.EventCount, r.MinRequired, r.MaxAllowed, r.CheckStatus, r.MinuteEpoch, r.MinuteLocalTime,
		r.LookbackSeconds, textOrNull(r.Reason), r.Requirement, r.RequirementIndex, r.TimeZone, r.Source, r.Owner, labels,
		r.CatchUp, epochSeconds(r.EvaluatedAt), textOrNull(string(r.PreviousStatus)), r.ConsecutiveBad,
	})
}

// epochSeconds writes a time as a JSON number of seconds, to the microsecond and
// without rounding.
func epochSeconds(t time.Time) json.Number {
	if t.IsZero() {
		return "0"
	}
	us := t.UnixMicro()
	if us%1e6 == 0 {
		return json.Number(fmt.Sprint(us / 1e6))
	}
	sign := ""
	if us < 0 {
		sign, us = "-", -us
	}
	return json.Number(fmt.Sprintf("%s%d.%06d", sign, us/1e6, us%1e6))
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// CheckEvent is one result on its way to a check handler.
type CheckEvent struct {
	Result
	// IdempotencyKey is the same for every attempt to deliver this result.
	IdempotencyKey string
	Checker        Checker
	// ExtraJSON is the EXTRA section, byte for byte.
	ExtraJSON []byte
}

// Extra decodes the EXTRA section; see Query.Extra.
func (ev CheckEvent) Extra(v any) error { return decodeExtra(ev.ExtraJSON, v) }

// Receipt notes what the receiver answered, for instance a message id. It is
// shown by `dwmon deliveries`. ctx is that of HandleCheck or HandleNotice.
func Receipt(ctx context.Context, text string) {
	if r := scopeOf(ctx).receipts; r != nil {
		r.add(text)
	}
}

// checkHandlerServer is the gRPC side of a CheckHandler.
type checkHandlerServer struct {
	pluginv1.UnimplementedCheckHandlerServiceServer
	*server
}

func (s *checkHandlerServer) HandleCheck(ctx context.Context, req *pluginv1.HandleCheckRequest) (*pluginv1.HandleCheckResponse, error) {
	c := call{kind: KindCheckHandler, method: "HandleCheck", request: req.GetRequestId(), checker: checkerOf(req.GetChecker()), extra: req.GetExtraJson(), receipts: new(receipts)}
	err := s.run(ctx, c, func(ctx context.Context) error {
		if req.GetResult() == nil {
			return newCallError(classChecker, fmt.Errorf("the request holds no result"))
		}
		return s.plugin.CheckHandler.HandleCheck(ctx, CheckEvent{
			Result:         resultOf(req.GetResult()),
			IdempotencyKey: req.GetIdempotencyKey(),
			Checker:        c.checker,
			ExtraJSON:      req.GetExtraJson(),
		})
	})
	if err != nil {
		return nil, err
	}
	return &pluginv1.HandleCheckResponse{Receipts: c.receipts.take()}, nil
}

func (s *checkHandlerServer) HandleNotice(ctx context.Context, req *pluginv1.HandleNoticeRequest) (*pluginv1.HandleNoticeResponse, error) {
	h, ok := s.plugin.CheckHandler.(NoticeHandler)
	if !ok {
		return s.UnimplementedCheckHandlerServiceServer.HandleNotice(ctx, req)
	}
	c := call{kind: KindCheckHandler, method: "HandleNotice", request: req.GetRequestId(), checker: checkerOf(req.GetChecker()), extra: req.GetExtraJson(), receipts: new(receipts)}
	err := s.run(ctx, c, func(ctx context.Context) error {
		n := noticeOf(req)
		n.Checker = c.checker
		return h.HandleNotice(ctx, n)
	})
	if err != nil {
		return nil, err
	}
	return &pluginv1.HandleNoticeResponse{Receipts: c.receipts.take()}, nil
}

func resultOf(r *pluginv1.CheckResult) Result {
	return Result{
		CheckerName:      r.GetCheckerName(),
		EventCount:       r.GetEventCount(),
		MinRequired:      r.MinRequired,
		MaxAllowed:       r.MaxAllowed,
		CheckStatus:      statusOf(r.GetCheckStatus()),
		MinuteEpoch:      r.GetMinuteEpoch(),
		MinuteLocalTime:  r.GetMinuteLocalTime(),
		LookbackSeconds:  r.GetLookbackSeconds(),
		Reason:           r.GetReason(),
		Requirement:      r.GetRequirement(),
		RequirementIndex: int(r.GetRequirementIndex()),
		TimeZone:         r.GetTimeZone(),
		Source:           r.GetSource(),
		Owner:            r.GetOwner(),
		Labels:           r.GetLabels(),
		CatchUp:          r.GetCatchUp(),
		EvaluatedAt:      time.UnixMicro(r.GetEvaluatedAtUs()),
		PreviousStatus:   statusOf(r.GetPreviousStatus()),
		ConsecutiveBad:   int(r.GetConsecutiveBad()),
	}
}

func statusOf(s pluginv1.CheckStatus) Status {
	switch s {
	case pluginv1.CheckStatus_CHECK_STATUS_GOOD:
		return Good
	case pluginv1.CheckStatus_CHECK_STATUS_BAD:
		return Bad
	case pluginv1.CheckStatus_CHECK_STATUS_UNKNOWN:
		return Unknown
	default:
		return ""
	}
}
