package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/alerting"
	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

// PreviewKinds are the kinds of notices that can be looked at. unknown is that a
// checker cannot be evaluated.
var PreviewKinds = []string{
	string(dwmon.NoticeOpened), string(dwmon.NoticeRepeated), string(dwmon.NoticeRecovered),
	string(dwmon.NoticeDigest), string(dwmon.NoticeCorrected), previewUnknown,
}

const previewUnknown = "unknown"

// PreviewRequest asks for a notice that nobody is told.
type PreviewRequest struct {
	Checker string
	// Kind is one of PreviewKinds; empty: what is open, else opened.
	Kind string
	// Handler is whose template is meant; empty: nobody's.
	Handler string
}

// Preview is a notice that nobody is told.
type Preview struct {
	Notice dwmon.Notice
	// Handler is whose template was meant; empty: nobody's.
	Handler string
	// Notes say what of it is made up, and why the handler would not be told it.
	Notes []string
}

// ErrPreview is a preview that cannot be made as it was asked for.
type ErrPreview struct{ Err error }

func (e *ErrPreview) Error() string { return e.Err.Error() }
func (e *ErrPreview) Unwrap() error { return e.Err }

// PreviewNotice words a notice about a checker as it would be told now: of its file
// as it stands, and of what the database knows of it. What is not known there is
// made up. The error is an *ErrPreview where something is asked for that there is
// not, and dwmon.FileFaults where the file is bad.
func PreviewNotice(ctx context.Context, cfg *config.Config, q PreviewRequest, now time.Time) (*Preview, error) {
	p := &previewer{cfg: cfg, ctx: ctx, now: now}
	if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return p.preview(q)
	}
	r, err := OpenReader(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.r = r
	preview, err := p.preview(q)
	return preview, errors.Join(err, r.Close())
}

// previewer makes a preview.
type previewer struct {
	ctx context.Context
	cfg *config.Config
	// r is nil where there is no database yet.
	r   *Reader
	now time.Time

	checker  *dwmon.Checker
	progress *dwmon.Progress
	// incidents are the checker's, oldest first.
	incidents []dwmon.Incident
	handler   *config.Handler // nil for none
	d         notice.Data
	notes     []string
}

func (p *previewer) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

func (p *previewer) preview(q PreviewRequest) (*Preview, error) {
	if q.Kind != "" && !slices.Contains(PreviewKinds, q.Kind) {
		return nil, &ErrPreview{fmt.Errorf("%q is no kind of notice: %s", q.Kind, strings.Join(PreviewKinds, ", "))}
	}
	if err := p.find(q); err != nil {
		return nil, err
	}
	template, err := p.template()
	if err != nil {
		return nil, err
	}
	if err := p.collect(); err != nil {
		return nil, err
	}
	p.d = notice.Data{Checker: p.checker, Zone: p.checker.Zone(p.cfg.Timezone), Now: p.now.UnixMicro(), Installation: "preview"}
	if p.r != nil {
		if p.d.Installation, err = p.r.Installation(p.ctx); err != nil {
			return nil, err
		}
	}
	if err := p.fill(p.kind(q.Kind)); err != nil {
		return nil, err
	}
	n, err := alerting.Word(p.d, template)
	if err != nil {
		p.note("the template could not be applied: %v", err)
	}
	return &Preview{n, q.Handler, p.notes}, nil
}

// find finds the checker and the handler.
func (p *previewer) find(q PreviewRequest) (err error) {
	if p.checker, err = p.findChecker(q.Checker); err != nil || q.Handler == "" {
		return err
	}
	handlers := p.cfg.Handlers
	if handlers == nil {
		handlers = []config.Handler{{Name: defaultHandler, Plugin: defaultHandler}}
	}
	names := make([]string, len(handlers))
	for i := range handlers {
		names[i] = handlers[i].Name
	}
	at := slices.Index(names, q.Handler)
	if at < 0 {
		return &ErrPreview{noHandler(q.Handler, names)}
	}
	p.handler = &handlers[at]
	p.doubt()
	return nil
}

// noHandler says that there is no handler of a name, and what may have been meant.
func noHandler(name string, names []string) error {
	if meant, ok := dwmon.Nearest(name, names); ok {
		return fmt.Errorf("no handler is named %s; did you mean %s?", name, meant)
	}
	return fmt.Errorf("no handler is named %s; there are: %s", name, list(names))
}

// doubt says why the handler would not be told.
func (p *previewer) doubt() {
	h, c := p.handler, p.checker
	switch {
	case c.Options.Handlers != nil && !slices.Contains(c.Options.Handlers, h.Name):
		p.note("%s is not told of this checker: its OPTIONS handlers do not name it", h.Name)
	case c.Options.Handlers == nil && !h.Match.Match(c.Subject()):
		p.note("%s is not told of this checker: its match is %s", h.Name, h.Match)
	case h.On == dwmon.OnEvery || h.On == dwmon.OnBad:
		p.note("%s is told results, not incidents: it has on: %s", h.Name, h.On)
	}
}

// findChecker reads the file as it stands, else takes the text in use.
func (p *previewer) findChecker(name string) (*dwmon.Checker, error) {
	found, err := checkerNamed(p.ctx, p.cfg, p.r, name)
	var none *ErrNoChecker
	if errors.As(err, &none) {
		return nil, &ErrPreview{err}
	}
	if found.away {
		p.note("its file is not in %s: this is its last good text", p.cfg.Checks)
	}
	return found.checker, err
}

// template is the checker's over the handler's; nil for none.
func (p *previewer) template() (*notice.Template, error) {
	t, err := notice.ParseTemplate("", p.checker.Options.Template)
	if err != nil {
		return nil, fmt.Errorf("checker %s: %w", p.checker.Name, err)
	}
	if p.handler == nil {
		return t, nil
	}
	h, err := notice.ParseTemplate(p.handler.Template.Summary, p.handler.Template.Body)
	if err != nil {
		return nil, fmt.Errorf("handler %s: %w", p.handler.Name, err)
	}
	return t.Over(h), nil
}

// collect reads what the database knows of the checker.
func (p *previewer) collect() (err error) {
	p.progress = &dwmon.Progress{}
	if p.r == nil {
		return nil
	}
	if p.progress, err = p.r.Progress(p.ctx, p.checker.Name); err != nil {
		return err
	}
	p.incidents, err = p.r.Incidents(p.ctx, p.checker.Name, true, previewIncidents)
	return err
}

// previewIncidents is how many of the checker's incidents are looked at.
const previewIncidents = 100

// open is the newest open incident of a subject; nil for none.
func (p *previewer) open(subject dwmon.Subject) *dwmon.Incident {
	return p.newest(func(i *dwmon.Incident) bool { return i.Subject == subject && i.Closed == nil })
}

func (p *previewer) newest(is func(*dwmon.Incident) bool) *dwmon.Incident {
	for k := len(p.incidents) - 1; k >= 0; k-- {
		if is(&p.incidents[k]) {
			return &p.incidents[k]
		}
	}
	return nil
}

// kind is what is previewed where nobody has said it.
func (p *previewer) kind(asked string) string {
	switch {
	case asked != "":
		return asked
	case p.open(dwmon.SubjectCount) == nil && p.open(dwmon.SubjectChecker) != nil:
		return previewUnknown
	default:
		return string(dwmon.NoticeOpened)
	}
}

// fill gathers what the notice tells.
func (p *previewer) fill(kind string) error {
	switch p.d.Kind = dwmon.NoticeKind(kind); kind {
	case previewUnknown:
		p.d.Kind = dwmon.NoticeOpened
		return p.unknown()
	case string(dwmon.NoticeRecovered):
		return p.recovered()
	case string(dwmon.NoticeDigest):
		return p.digest()
	case string(dwmon.NoticeCorrected):
		return p.corrected()
	default:
		return p.trouble()
	}
}

// trouble fills in an incident that lasts: the open one, else one that the last
// check might have opened.
func (p *previewer) trouble() error {
	repeated := p.d.Kind == dwmon.NoticeRepeated
	if i := p.open(dwmon.SubjectCount); i != nil {
		p.d.Incident = *i
		minute := i.Opened
		if repeated {
			minute = p.settled()
		}
		if err := p.told(i.ID); err != nil {
			return err
		}
		return alerting.Gather(p.ctx, p.r, &p.d, minute)
	}
	line, err := p.line(dwmon.Bad, "")
	if err != nil {
		return err
	}
	minute := p.begin(line)
	if repeated {
		p.d.Times = 1
		p.d.Incident.Opened -= int64(p.checker.Options.Alert.Over(p.cfg.Alert).RepeatAfter(1) / time.Second)
	}
	return p.pretend(line, minute, dwmon.Bad)
}

// told looks up how often an incident was told: the handler, else whoever was told
// most often.
func (p *previewer) told(incident int64) error {
	if p.d.Kind != dwmon.NoticeRepeated {
		return nil
	}
	all, err := p.r.Announcements(p.ctx, []int64{incident})
	if err != nil {
		return err
	}
	for name, a := range all[incident] {
		if p.handler == nil || p.handler.Name == name {
			p.d.Times = max(p.d.Times, a.Told)
		}
	}
	p.d.Times = max(p.d.Times, 1)
	return nil
}

// settled is the minute through which the checker's walk has settled.
func (p *previewer) settled() int64 {
	if p.progress.Settled != nil {
		return *p.progress.Settled
	}
	return dwmon.FloorMinute(p.now.Unix())
}

// recovered fills in an incident that is over: the last one, else one that the last
// check might have ended.
func (p *previewer) recovered() error {
	if i := p.newest(func(i *dwmon.Incident) bool { return i.Subject == dwmon.SubjectCount && i.Closed != nil }); i != nil {
		p.d.Incident, p.d.Times = *i, 1
		return alerting.Gather(p.ctx, p.r, &p.d, *i.Closed)
	}
	line, err := p.line(dwmon.Bad, "")
	if err != nil {
		return err
	}
	minute := p.begin(line)
	i := &p.d.Incident
	i.Opened -= pretendedMinutes * 60
	i.Closed, i.ClosedAt, i.End, p.d.Times = &minute, p.d.Now, dwmon.EndRecovered, 1
	return p.pretend(line, minute, dwmon.Good)
}

// pretendedMinutes is how long an incident lasted that never was.
const pretendedMinutes = 26

// unknown fills in that the checker cannot be evaluated.
func (p *previewer) unknown() error {
	if i := p.open(dwmon.SubjectChecker); i != nil {
		p.d.Incident = *i
		return alerting.Gather(p.ctx, p.r, &p.d, i.Opened)
	}
	minute := p.settled()
	p.d.Incident = dwmon.Incident{
		Subject: dwmon.SubjectChecker, CheckerID: p.progress.ID, Checker: p.checker.Name, Opened: minute, OpenedAt: p.d.Now, Cause: "connection refused",
	}
	if f := p.progress.Failing; f != nil {
		p.d.Incident.Cause = f.Cause
		p.note("its fetches fail, and no incident of that is open yet")
	} else {
		p.note("it can be evaluated: the incident and its cause are made up")
	}
	return nil
}

// digest fills in what was made up for, and was not told yet.
func (p *previewer) digest() error {
	p.d.CatchUp = &notice.CatchUp{State: p.state()}
	var pending []dwmon.CatchUp
	if p.r != nil {
		s, err := p.r.Situation(p.ctx)
		if err != nil {
			return err
		}
		pending = slices.DeleteFunc(s.CatchUps, func(c dwmon.CatchUp) bool { return c.Checker != p.checker.Name })
	}
	for i, c := range pending {
		if i == 0 {
			p.d.CatchUp.CatchUp = c
		} else {
			p.d.CatchUp.Join(c)
		}
	}
	if len(pending) > 0 {
		return nil
	}
	to := p.settled() - 60
	p.d.CatchUp.CatchUp = dwmon.CatchUp{
		CheckerID: p.progress.ID, Checker: p.checker.Name, From: to - 149*60, To: to, Checks: 150, Bad: 3, LastBad: to - 97*60,
	}
	p.note("nothing that was made up for waits to be told: times and numbers are made up")
	return nil
}

// state is that of the checker now, as a digest tells it.
func (p *previewer) state() dwmon.State {
	switch {
	case p.open(dwmon.SubjectCount) != nil:
		return dwmon.StateBad
	case p.open(dwmon.SubjectChecker) != nil:
		return dwmon.StateUnknown
	default:
		return dwmon.StateGood
	}
}

// lateBy is by how many seconds rows come late that never were.
const lateBy = 480

// corrected fills in a low verdict that late rows have overturned: the last one, else
// one that might have been.
func (p *previewer) corrected() error {
	c, line, err := p.correction()
	if err != nil {
		return err
	}
	if c != nil {
		p.begin(line)
		p.d.Incident.Opened = c.Minute
		err = alerting.Gather(p.ctx, p.r, &p.d, c.Minute)
		p.d.Correction = &notice.Correction{Count: c.CountAfter, Status: c.Status, At: c.At}
	} else {
		err = p.pretendCorrection()
	}
	// A correction tells of its result and of the windows, and of nothing else.
	p.d.Incident, p.d.Checks, p.d.Bad, p.d.Opening = dwmon.Incident{}, 0, 0, nil
	p.d.Former, p.d.Newest, p.d.Oldest = nil, nil, nil
	return err
}

// correction is the last one of a line that the checker still has; nil for none.
func (p *previewer) correction() (last *dwmon.Correction, line int, err error) {
	if p.r == nil {
		return nil, 0, nil
	}
	all, err := p.r.Corrections(p.ctx, 0, 0)
	for i := range all {
		c := &all[i]
		at := slices.IndexFunc(p.checker.Lines, func(r dwmon.Requirement) bool { return r.Identity() == c.Requirement })
		if c.CheckerName == p.checker.Name && at >= 0 {
			last, line = c, at
		}
	}
	return last, line, err
}

func (p *previewer) pretendCorrection() error {
	line, err := p.line(dwmon.Bad, dwmon.Low)
	if err != nil {
		return err
	}
	if err := p.pretend(line, p.begin(line), dwmon.Bad); err != nil {
		return err
	}
	if p.d.Result.Reason != dwmon.Low {
		p.alter(line, dwmon.Bad)
	}
	at := min(p.d.Now, (p.d.Result.Minute+lateBy)*1e6)
	p.d.Correction = &notice.Correction{Count: someCount(p.checker.Lines[line], dwmon.Good), Status: dwmon.Good, At: at}
	p.note("what late rows have made of it is made up")
	return nil
}
