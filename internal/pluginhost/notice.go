package pluginhost

import (
	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// noticeRequest writes a notice for the wire.
func noticeRequest(req *dwmon.NoticeRequest) *pluginv1.HandleNoticeRequest {
	wire := &pluginv1.HandleNoticeRequest{
		RequestId:      req.RequestID,
		IdempotencyKey: req.IdempotencyKey,
		Kind:           noticeKinds[req.Kind],
		Summary:        req.Summary,
		Detail:         req.Detail,
		Templated:      req.Templated,
		ExtraJson:      req.Extra,
		Incident:       incident(req.Incident),
		Source:         req.Source,
		Owner:          req.Owner,
		Labels:         req.Labels,
		Description:    req.Description,
		Runbook:        req.Runbook,
		Keys:           req.Keys,
		CreatedEpoch:   req.Created,
	}
	if req.Checker != "" {
		wire.Checker = &pluginv1.CheckerRef{Name: req.Checker, Path: req.File, Revision: req.Revision}
	}
	for i := range req.Results {
		wire.Results = append(wire.Results, checkResult(&req.Results[i]))
	}
	for _, f := range req.Facts {
		wire.Facts = append(wire.Facts, &pluginv1.NoticeFact{Label: f.Label, Value: f.Value})
	}
	for _, w := range req.Windows {
		wire.Windows = append(wire.Windows, &pluginv1.NoticeWindow{MinuteEpoch: w.Minute, EventCount: w.Count, CheckStatus: checkStatus(w.Status)})
	}
	for i := range req.Items {
		wire.Items = append(wire.Items, noticeItem(&req.Items[i]))
	}
	return wire
}

func noticeItem(i *dwmon.NoticeItem) *pluginv1.NoticeItem {
	wire := &pluginv1.NoticeItem{
		Kind: noticeKinds[i.Kind], Summary: i.Summary, Incident: incident(i.Incident), Source: i.Source, Owner: i.Owner, Labels: i.Labels,
	}
	if i.Checker != "" {
		wire.Checker = &pluginv1.CheckerRef{Name: i.Checker}
	}
	return wire
}

func incident(i *dwmon.IncidentView) *pluginv1.Incident {
	if i == nil {
		return nil
	}
	return &pluginv1.Incident{
		Id: i.ID, Subject: subjects[i.Subject], Cause: i.Cause, OpenedEpoch: i.Opened, OpenedLocalTime: i.OpenedLocal,
		ClosedEpoch: i.Closed, ClosedLocalTime: i.ClosedLocal, End: string(i.End), Checks: i.Checks, BadChecks: i.Bad, Checkers: i.Checkers,
	}
}

var noticeKinds = map[dwmon.NoticeKind]pluginv1.NoticeKind{
	dwmon.NoticeOpened:    pluginv1.NoticeKind_NOTICE_KIND_OPENED,
	dwmon.NoticeRepeated:  pluginv1.NoticeKind_NOTICE_KIND_REPEATED,
	dwmon.NoticeRecovered: pluginv1.NoticeKind_NOTICE_KIND_RECOVERED,
	dwmon.NoticeCorrected: pluginv1.NoticeKind_NOTICE_KIND_CORRECTED,
	dwmon.NoticeDigest:    pluginv1.NoticeKind_NOTICE_KIND_DIGEST,
	dwmon.NoticeTest:      pluginv1.NoticeKind_NOTICE_KIND_TEST,
}

var subjects = map[dwmon.Subject]pluginv1.IncidentSubject{
	dwmon.SubjectCount:   pluginv1.IncidentSubject_INCIDENT_SUBJECT_COUNT,
	dwmon.SubjectChecker: pluginv1.IncidentSubject_INCIDENT_SUBJECT_CHECKER,
	dwmon.SubjectSource:  pluginv1.IncidentSubject_INCIDENT_SUBJECT_SOURCE,
	dwmon.SubjectDwmon:   pluginv1.IncidentSubject_INCIDENT_SUBJECT_DWMON,
}
