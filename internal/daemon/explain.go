package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
	"github.com/dwmon/dwmon/internal/pluginhost"
	"github.com/dwmon/dwmon/internal/words"
)

// Explanation says of a checker in words what it does. It holds no secret.
type Explanation struct {
	CheckerName string `json:"checker_name"`
	File        string `json:"file"`
	Owner       string `json:"owner"`
	Description string `json:"description"`
	Runbook     string `json:"runbook"`
	// Notes are what else one must know: that the database knows nothing of it, that
	// its file is bad.
	Notes []string `json:"notes"`
	// Enabled is false where OPTIONS switches it off.
	Enabled      bool  `json:"enabled"`
	GraceSeconds int64 `json:"grace_seconds"`
	// State is nil where the database does not know the checker.
	State    *ExplainedState `json:"state"`
	TimeZone string          `json:"time_zone"`
	Lines    []ExplainedLine `json:"lines"`
	// Next are the next minutes at which any line is due.
	Next []NextDue `json:"next_due"`
	// ClockChanges are the next changes of the zone's clocks that lines feel.
	ClockChanges []ExplainedClockChange `json:"clock_changes"`
	// Calendars are the holiday calendars it names, ClosedDays the next days that they
	// close.
	Calendars  []string             `json:"calendars"`
	ClosedDays []ExplainedClosedDay `json:"closed_days"`
	Alert      ExplainedAlert       `json:"alert"`
	Served     ExplainedService     `json:"served_by"`
	Handlers   []ExplainedHandler   `json:"handlers"`
	Settings   []ExplainedSetting   `json:"settings"`
	// Lateness is nil where the database does not know the checker.
	Lateness *dwmon.LatenessStatus `json:"lateness"`

	now  time.Time
	zone *time.Location
}

// Now is when it was explained, in the checker's zone.
func (e *Explanation) Now() time.Time { return e.now.In(e.zone) }

// ExplainedState is what `status` says of the checker.
type ExplainedState struct {
	State          dwmon.State `json:"state"`
	Since          *int64      `json:"since_epoch"`
	Cause          string      `json:"cause"`
	Settled        *int64      `json:"settled_minute_epoch"`
	PendingMinutes int64       `json:"pending_minutes"`
}

// ExplainedLine is a requirement line in words.
type ExplainedLine struct {
	// Index is the line's place among the lines, 0 = first; FileLine that in the file.
	Index       int    `json:"requirement_index"`
	FileLine    int    `json:"file_line"`
	Requirement string `json:"requirement"`
	Words       string `json:"words"`
	// Window is the next one: "at 09:00: 08:57:00 < time < 09:00:00".
	Window  string   `json:"window"`
	Remarks []string `json:"remarks"`
	// NextDue is the line's own next minute; nil: never within five years.
	NextDue *int64 `json:"next_due_epoch"`
	// RewindMinutes is how far back the walk goes after an outage.
	RewindMinutes int64 `json:"rewind_minutes"`
	// Last is nil where the line was not checked yet.
	Last *dwmon.Result `json:"last"`
	// Recent are the line's last results, oldest first; Chart draws them.
	Recent []ExplainedCount `json:"recent"`
	Chart  string           `json:"-"`
}

// ExplainedCount is a former result.
type ExplainedCount struct {
	Minute int64  `json:"minute_epoch"`
	Count  int64  `json:"event_count"`
	Status string `json:"check_status"`
}

// NextDue is a minute at which lines are due.
type NextDue struct {
	Minute    int64  `json:"minute_epoch"`
	LocalTime string `json:"minute_local_time"`
	Offset    string `json:"utc_offset"`
	// Lines are indices into Explanation.Lines.
	Lines []int `json:"requirement_indices"`
	// Twice says that the clock shows this time twice on that day.
	Twice bool `json:"twice"`
	// JudgedAt is the earliest at which it is judged: a second after minute and grace.
	JudgedAt int64 `json:"judged_epoch"`
}

// ExplainedClockChange is a change of the clocks, and what it does.
type ExplainedClockChange struct {
	Epoch   int64    `json:"epoch"`
	Words   string   `json:"words"`
	Effects []string `json:"effects"`
}

// ExplainedClosedDay is a day on which nothing is owed.
type ExplainedClosedDay struct {
	Day  string `json:"day"`
	Name string `json:"name"`
}

// ExplainedAlert is the rule of incidents in force.
type ExplainedAlert struct {
	After        int      `json:"after"`
	Of           int      `json:"of"`
	Recover      int      `json:"recover"`
	Repeat       float64  `json:"repeat_seconds"`
	Growth       float64  `json:"growth"`
	UnknownAfter int      `json:"unknown_after"`
	From         string   `json:"from"`
	Words        []string `json:"words"`
}

// ExplainedService says who fetches the rows.
type ExplainedService struct {
	// Source is SOURCE without a password.
	Source string `json:"source"`
	Plugin string `json:"plugin"`
	Why    string `json:"why"`
	Path   string `json:"path"`
	State  string `json:"state"`
	// Error says why nobody does, and who could; empty where somebody does.
	Error string `json:"error"`
}

// ExplainedHandler says what a handler is told of the checker.
type ExplainedHandler struct {
	Name   string `json:"name"`
	Plugin string `json:"plugin"`
	Told   bool   `json:"told"`
	Words  string `json:"words"`
	// Error says what keeps it from its work.
	Error string `json:"error"`
}

// ExplainedSetting is a setting in force, and where it comes from.
type ExplainedSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Where settings come from.
const (
	fromOptions = "OPTIONS"
	fromConfig  = "configuration"
	fromDefault = "default"
)

const (
	// explainedDue is how many of the next due minutes are shown.
	explainedDue = 10
	// explainedRecent is how many former results of each line are shown.
	explainedRecent = 30
	// explainedDays is how far ahead closed days are shown, in days.
	explainedDays = 366
	// explainedClosed is how many closed days are shown.
	explainedClosed = 5
)

// Explain says what a checker does: one that is named, or the one in a file, which
// need not be loaded. It reads, asks plugins what they are where that is not known
// (in an empty environment, and only those that matter), fetches nothing and writes
// nothing. The error is an *ErrNoChecker where there is no such checker, and
// dwmon.FileFaults where a file is bad that has no last good text.
func Explain(ctx context.Context, o Options, nameOrFile string) (*Explanation, error) {
	r, err := openIfThere(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	x := &explainer{ctx: ctx, o: o, cfg: o.Config, r: r, now: o.now()}
	err = x.explain(nameOrFile)
	if r != nil {
		err = errors.Join(err, r.Close())
	}
	return &x.out, err
}

// openIfThere opens the database for reading; nil where there is none yet.
func openIfThere(ctx context.Context, cfg *config.Config) (*Reader, error) {
	if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return OpenReader(ctx, cfg)
}

// explainer makes an Explanation.
type explainer struct {
	ctx context.Context
	o   Options
	cfg *config.Config
	r   *Reader // nil: there is no database
	now time.Time

	checker *dwmon.Checker
	zone    *time.Location
	closed  *dwmon.ClosedDays
	status  *dwmon.CheckerStatus // nil: the database does not know it
	// wanted is what the plugins of handlers said last that they want.
	wanted map[string]dwmon.HandlerWants
	// live says that a running daemon was asked about its plugins. What handlers want
	// is not in its answer: it has stored that.
	live bool
	out  Explanation
}

func (x *explainer) note(format string, args ...any) {
	x.out.Notes = append(x.out.Notes, x.cfg.Redact(fmt.Sprintf(format, args...)))
}

func (x *explainer) explain(nameOrFile string) error {
	found, err := checkerAt(x.ctx, x.cfg, x.r, nameOrFile)
	if err != nil {
		return err
	}
	x.checker, x.zone = found.checker, found.checker.Zone(x.cfg.Timezone)
	x.head(found)
	x.calendars()
	if err := x.known(); err != nil {
		return err
	}
	for i, l := range x.checker.Lines {
		x.out.Lines = append(x.out.Lines, x.line(i, l))
	}
	if err := x.recent(); err != nil {
		return err
	}
	x.next()
	x.clockChanges()
	x.alert()
	x.settings()
	return x.wiring()
}

// head says what the file says of the checker.
func (x *explainer) head(found named) {
	c := x.checker
	x.out = Explanation{
		CheckerName: c.Name, File: c.File, Owner: c.Options.Owner, Description: c.Options.Description, Runbook: c.Options.Runbook,
		Notes: []string{}, TimeZone: x.zone.String(), Lines: []ExplainedLine{}, Next: []NextDue{}, ClockChanges: []ExplainedClockChange{},
		Calendars: append([]string{}, c.Options.Calendar...), ClosedDays: []ExplainedClosedDay{}, Handlers: []ExplainedHandler{},
		Enabled: !c.Options.Disabled, GraceSeconds: int64(c.Options.Grace / time.Second), now: x.now, zone: x.zone,
	}
	if found.away {
		x.note("its file is not in %s: this is its last good text", x.cfg.Checks)
	}
	for _, f := range found.faults {
		switch {
		case f.Severity == dwmon.SeverityError:
			x.note("its file is bad, and this is its last good text: %s", f.Error())
		default:
			x.note("%s", f.Error())
		}
	}
	if c.Options.Disabled {
		x.note("it is switched off (enabled: false): no minute is owed")
	}
	if c.Options.Assumed {
		x.note("timestamps are assumed: a row counts from when it was first seen, and the first fetch is a baseline")
	}
	if x.cfg.LocalIsUTC && c.Options.Timezone == nil {
		x.note("its time zone is UTC for want of TZ and /etc/localtime; set timezone where that is not meant")
	}
}

// calendars finds the days that are closed.
func (x *explainer) calendars() {
	closed, faults := closedDays(x.cfg, x.checker, x.now)
	x.closed = closed
	for _, f := range faults {
		x.note("calendar: %s", f.Error())
	}
	today := dwmon.DayAt(x.now.Unix(), x.zone)
	for d := today; d < today+explainedDays && len(x.out.ClosedDays) < explainedClosed; d++ {
		if name, ok := closed.Name(d); ok {
			x.out.ClosedDays = append(x.out.ClosedDays, ExplainedClosedDay{d.String(), name})
		}
	}
}

// known says what the database has.
func (x *explainer) known() error {
	if x.r == nil {
		x.note("there is no database %s yet: nothing was checked", x.cfg.DB)
		return nil
	}
	statuses, _, err := x.r.Statuses(x.ctx, x.now, x.checker.Name)
	switch {
	case errors.Is(err, dwmon.ErrNoChecker):
		x.note("the database knows nothing of it yet: nothing was checked")
		return nil
	case err != nil:
		return err
	case len(statuses) == 0:
		return nil
	}
	s := &statuses[0]
	progress, err := x.r.Progress(x.ctx, x.checker.Name)
	if err != nil {
		return err
	}
	x.status = s
	x.out.State = &ExplainedState{s.State, s.Since, s.Cause, s.Settled, s.Pending}
	x.out.Lateness = s.Lateness
	if progress.Revision != "" && progress.Revision != x.checker.Revision {
		x.note("the text in use is another one than this: results, state and lateness are of that one")
	}
	if mark := progress.PurgeMark; mark != nil {
		x.note("rows before %s were purged", words.Stamp(time.Unix(*mark, 0).In(x.zone)))
	}
	return nil
}

// line explains one line.
func (x *explainer) line(i int, r dwmon.Requirement) ExplainedLine {
	l := ExplainedLine{
		Index: i, FileLine: r.FileLine, Requirement: r.Identity(), Words: words.Line(r, x.zone),
		Remarks: append([]string{}, words.Remarks(r)...), Recent: []ExplainedCount{},
		RewindMinutes: min(max(dwmon.Rewind(r.Lookback), int64(x.cfg.CatchUp/time.Minute)), dwmon.MaxRewind),
	}
	if due := r.NextDue(x.zone, x.closed, x.after(), 1); len(due) > 0 {
		l.NextDue = &due[0]
		l.Window = x.window(r, due[0])
	}
	if x.status != nil {
		for _, s := range x.status.Lines {
			if s.Requirement == l.Requirement {
				l.Last = s.Last
			}
		}
	}
	return l
}

// window writes the span that is counted for a minute.
func (x *explainer) window(r dwmon.Requirement, minute int64) string {
	at := func(second int64) string {
		t := time.Unix(second, 0).In(x.zone)
		text := t.Format(words.SecondLayout)
		if day := t.Format(words.DayLayout); day != time.Unix(minute, 0).In(x.zone).Format(words.DayLayout) {
			text = day + " " + text
		}
		if words.Twice(t) {
			text += " " + words.Offset(t)
		}
		return text
	}
	lower := "<"
	if r.HalfOpen {
		lower = "≤"
	}
	return fmt.Sprintf("for %s it counts %s %s time < %s", words.Stamp(time.Unix(minute, 0).In(x.zone)), at(minute-r.Lookback), lower, at(minute))
}

// after is the minute behind which the next due ones lie: what is settled, or would be
// by a pass made now.
func (x *explainer) after() int64 {
	after := dwmon.Slot(x.now, x.checker.Options.Grace)
	if x.status != nil && x.status.Settled != nil {
		after = max(after, *x.status.Settled)
	}
	return after
}

// recent adds the last results of the lines.
func (x *explainer) recent() error {
	if x.status == nil {
		return nil
	}
	windows := map[string][]dwmon.NoticeWindow{}
	q := dwmon.HistoryQuery{Name: x.checker.Name, Limit: explainedRecent * len(x.checker.Lines)}
	err := x.r.History(x.ctx, q, func(e dwmon.Entry) error {
		if r := e.Result; r != nil {
			windows[r.Requirement] = append(windows[r.Requirement], dwmon.NoticeWindow{Minute: r.Minute, Count: r.EventCount, Status: r.Status})
		}
		return nil
	})
	for i := range x.out.Lines {
		l := &x.out.Lines[i]
		ws := windows[l.Requirement]
		ws = ws[max(len(ws)-explainedRecent, 0):]
		for _, w := range ws {
			l.Recent = append(l.Recent, ExplainedCount{w.Minute, w.Count, w.Status.String()})
		}
		if len(ws) > 1 {
			l.Chart = notice.Sparkline(ws, x.checker.Lines[i].Min, x.checker.Lines[i].Max)
		}
	}
	return err
}

// next finds the next due minutes of all lines.
func (x *explainer) next() {
	if x.checker.Options.Disabled {
		return
	}
	lines := map[int64][]int{}
	for i, r := range x.checker.Lines {
		for _, m := range r.NextDue(x.zone, x.closed, x.after(), explainedDue) {
			lines[m] = append(lines[m], i)
		}
	}
	minutes := make([]int64, 0, len(lines))
	for m := range lines {
		minutes = append(minutes, m)
	}
	slices.Sort(minutes)
	for _, m := range minutes[:min(len(minutes), explainedDue)] {
		t := time.Unix(m, 0).In(x.zone)
		x.out.Next = append(x.out.Next, NextDue{
			Minute: m, LocalTime: dwmon.LocalTime(m, x.zone), Offset: words.Offset(t), Lines: lines[m], Twice: words.Twice(t),
			JudgedAt: m + int64(x.checker.Options.Grace/time.Second) + 1,
		})
	}
}

// clockChanges says what the next changes of the clocks do to the lines, for a year.
func (x *explainer) clockChanges() {
	from := time.Unix(x.after(), 0)
	for _, c := range words.ClockChanges(x.zone, from, from.AddDate(1, 0, 0)) {
		out := ExplainedClockChange{Epoch: c.At.Unix(), Words: c.String()}
		for i, r := range x.checker.Lines {
			if effect := c.Effect(r, x.closed); effect != "" {
				out.Effects = append(out.Effects, fmt.Sprintf("line %d: %s", i+1, effect))
			}
		}
		if len(out.Effects) > 0 {
			x.out.ClockChanges = append(x.out.ClockChanges, out)
		}
	}
}

// alert explains the rule of incidents.
func (x *explainer) alert() {
	rule := x.checker.Options.Alert.Over(x.cfg.Alert)
	from := fromDefault
	switch {
	case x.checker.Options.Alert != dwmon.AlertSettings{}:
		from = fromOptions
	case x.cfg.Alert != dwmon.DefaultAlertRule:
		from = fromConfig
	}
	x.out.Alert = ExplainedAlert{
		After: rule.After, Of: rule.Of, Recover: rule.Recover, Repeat: rule.Repeat.Seconds(), Growth: rule.Growth,
		UnknownAfter: rule.UnknownAfter, From: from, Words: words.AlertRule(rule),
	}
}

// settings says what else is in force.
func (x *explainer) settings() {
	o := &x.checker.Options
	add := func(name, value, from string) {
		x.out.Settings = append(x.out.Settings, ExplainedSetting{name, value, from})
	}
	from := func(set bool, otherwise string) string {
		if set {
			return fromOptions
		}
		return otherwise
	}
	add("grace", dwmon.FormatDuration(o.Grace), from(o.Grace != 0, fromDefault))
	source, configured := x.cfg.Sources[x.checker.Source]
	timeout, whence := config.DefaultTimeout, fromDefault
	if configured && source.Timeout != 0 && source.Timeout != config.DefaultTimeout {
		timeout, whence = source.Timeout, "source "+source.Name
	}
	add("timeout", dwmon.FormatDuration(cmp.Or(o.Timeout, timeout)), from(o.Timeout != 0, whence))
	whence = fromConfig
	if x.cfg.CatchUp == config.DefaultCatchUp {
		whence = fromDefault
	}
	add("catch_up", dwmon.FormatDuration(x.cfg.CatchUp), whence)
	whence = fromConfig
	if x.cfg.Timezone == time.Local {
		whence = fromDefault
	}
	add("timezone", x.zone.String(), from(o.Timezone != nil, whence))
	if o.HideKeys {
		add("keys", "hidden", fromOptions)
	}
}

// wiring says who serves the checker, and who is told of it.
func (x *explainer) wiring() error {
	plugins, err := x.plugins()
	if err != nil {
		return err
	}
	if x.r != nil {
		if x.wanted, err = x.r.HandlerWants(x.ctx); err != nil {
			return err
		}
	}
	routing := wiring(x.cfg, plugins)
	x.served(routing)
	x.told(routing)
	return nil
}

// plugins are those of the running daemon, else of the folder: what the database
// remembers of them, and only those are asked that it does not know and that matter.
func (x *explainer) plugins() ([]pluginhost.Plugin, error) {
	listed, err := listRunning(x.ctx, x.cfg)
	if err != nil || listed != nil {
		x.live = true
		plugins := make([]pluginhost.Plugin, len(listed))
		for i, l := range listed {
			plugins[i] = l.Plugin
		}
		return plugins, err
	}
	opt, err := hostOptions(x.o)
	if err != nil {
		return nil, err
	}
	opt.Only = x.concerned()
	if x.r != nil {
		opt.Cache = readOnlyCache{describeCache{x.ctx, x.r.DB, x.o.Log}}
	}
	host, closeHost, err := openHost(x.ctx, opt)
	if err != nil {
		return nil, err
	}
	defer closeHost()
	return host.Plugins(x.ctx)
}

// concerned are the plugins that matter; none: all may, because any of them may claim
// the SOURCE.
func (x *explainer) concerned() []string {
	source, ok := x.cfg.Sources[x.checker.Source]
	if !ok {
		return nil
	}
	return append(namedPlugins(x.cfg), source.Getter)
}

// served says who fetches the rows.
func (x *explainer) served(r *routing) {
	s := &x.out.Served
	s.Source = x.cfg.Redact(x.checker.ShownSource())
	source, _, err := r.source(x.checker)
	if err != nil {
		s.Error = x.cfg.Redact(err.Error())
		return
	}
	s.Plugin = source.Plugin
	switch _, configured := x.cfg.Sources[x.checker.Source]; {
	case configured:
		s.Why = "the configuration names it under `sources`"
	case scheme.MatchString(x.checker.Source):
		s.Why = "it claims URLs of that scheme"
	default:
		s.Why = "it alone claims that name"
	}
	switch p := r.plugin(source.Plugin); {
	case p == nil:
		s.Error = fmt.Sprintf("there is no plugin %s in %s", source.Plugin, x.cfg.Plugins)
	default:
		s.Path, s.State = p.Path, string(p.State)
		switch {
		case p.Err != "":
			s.Error = x.cfg.Redact(fmt.Sprintf("plugin %s is %s: %s", p.Name, p.State, p.Err))
		case !p.Serves(pluginhost.RowGetter):
			s.Error = fmt.Sprintf("plugin %s serves %s, not row getter", p.Name, kindList(p.Kinds))
		}
	}
}

// told says who is told of the checker, and of what.
func (x *explainer) told(r *routing) {
	handlers := r.configured()
	names := x.checker.Options.Handlers
	for _, h := range handlers {
		out := ExplainedHandler{Name: h.Name, Plugin: h.Plugin}
		switch {
		case names != nil && !slices.Contains(names, h.Name):
			out.Words = "is not told: OPTIONS `handlers` does not name it"
		case names == nil && !h.Match.Match(x.checker.Subject()):
			out.Words = "is not told: its match is " + h.Match.String()
		default:
			out.Told = true
			out.Words, out.Error = x.tellsOf(r, h)
		}
		x.out.Handlers = append(x.out.Handlers, out)
	}
	known := func(name string) bool {
		return slices.ContainsFunc(handlers, func(h config.Handler) bool { return h.Name == name })
	}
	for _, name := range names {
		if !known(name) {
			x.out.Handlers = append(x.out.Handlers, ExplainedHandler{
				Name: name, Words: "is not told", Error: fmt.Sprintf("OPTIONS `handlers` names it, and there is none of that name; there are: %s", list(namesOfHandlers(handlers))),
			})
		}
	}
	for _, fault := range r.faults {
		x.note("%s", fault)
	}
}

func namesOfHandlers(handlers []config.Handler) []string {
	names := make([]string, len(handlers))
	for i, h := range handlers {
		names[i] = h.Name
	}
	return names
}

// tellsOf says what a handler is told, and what keeps it from its work.
func (x *explainer) tellsOf(r *routing, h config.Handler) (text, fault string) {
	// A plugin that is not there is told later what it said last that it wants.
	wants := x.wanted[h.Name]
	if wants.Plugin != h.Plugin {
		wants = dwmon.HandlerWants{}
	}
	switch p := r.plugin(h.Plugin); {
	case p == nil:
		fault = fmt.Sprintf("there is no plugin %s in %s", h.Plugin, x.cfg.Plugins)
	case p.Err != "":
		fault = x.cfg.Redact(fmt.Sprintf("plugin %s is %s: %s", p.Name, p.State, p.Err))
	case !p.Serves(pluginhost.CheckHandler):
		fault = fmt.Sprintf("plugin %s serves %s, not check handler", p.Name, kindList(p.Kinds))
	case !x.live:
		wants = dwmon.HandlerWants{On: p.DefaultOn, Unknown: slices.Contains(p.Statuses, dwmon.Unknown), Notices: p.Notices}
	}
	if h.Unknown != nil {
		wants.Unknown = *h.Unknown
	}
	return toldWords(cmp.Or(h.On, wants.On, dwmon.OnEvery), wants.Notices, wants.Unknown, h), fault
}

// toldWords says in words what `on` and its like mean for a handler.
func toldWords(on dwmon.On, notices, unknown bool, h config.Handler) string {
	var parts []string
	switch {
	case on == dwmon.OnEvery:
		parts = append(parts, "every result")
	case on == dwmon.OnBad:
		parts = append(parts, "every BAD result")
	case notices:
		parts = append(parts, "incidents: when they open, are told again, and close")
	default:
		parts = append(parts, "the results that open and close incidents")
	}
	if unknown {
		parts = append(parts, "what is UNKNOWN")
	}
	if h.Corrections && notices {
		parts = append(parts, "verdicts that late rows correct")
	}
	text := "is told " + words.And(parts)
	switch cmp.Or(h.CatchUp, on.CatchUp()) {
	case dwmon.CatchUpDigest:
		text += "; of what is caught up, a digest"
	case dwmon.CatchUpLatest:
		text += "; of what is caught up, only what still lasts"
	case dwmon.CatchUpNone:
		text += "; of what is caught up, nothing"
	}
	if h.Group != nil {
		by := "together"
		if len(h.Group.By) > 0 {
			by = "by " + strings.Join(h.Group.By, ", ")
		}
		text += fmt.Sprintf("; notices are grouped %s for %s", by, dwmon.FormatDuration(h.Group.Wait))
	}
	return text
}
