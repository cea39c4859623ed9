package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
	"github.com/dwmon/dwmon/internal/strictyaml"
)

// SilenceRequest asks for a silence.
type SilenceRequest struct {
	// Matchers are written as dwmon.ParseMatcher reads them; none: everything.
	Matchers []string `json:"matchers"`
	// Starts and Ends are as in dwmon.Silence, microseconds since the epoch.
	Starts int64 `json:"starts"`
	Ends   int64 `json:"ends"`
	// Every is as dwmon.ParseRecurrence reads it; empty: the silence does not recur.
	Every string `json:"every"`
	// Zone is that of Every; empty: the daemon's.
	Zone    string `json:"zone"`
	Comment string `json:"comment"`
	By      string `json:"by"`
}

// Silence reads the request, which is made at a time; zone is the daemon's.
func (r *SilenceRequest) Silence(now time.Time, zone *time.Location) (s dwmon.Silence, err error) {
	s = dwmon.Silence{Starts: r.Starts, Ends: r.Ends, Comment: strings.TrimSpace(r.Comment), By: r.By, Created: now.UnixMicro()}
	if s.Matchers, err = dwmon.ParseMatchers(r.Matchers); err != nil {
		return s, err
	}
	if r.Zone != "" {
		if zone, err = strictyaml.LoadZone(r.Zone); err != nil {
			return s, fmt.Errorf("%w; %s", err, strictyaml.ZoneHint)
		}
	}
	if r.Every != "" {
		if s.Recurrence, err = dwmon.ParseRecurrence(r.Every, zone); err != nil {
			return s, err
		}
	}
	return s, s.Check()
}

// EndSilencesRequest asks to end silences now.
type EndSilencesRequest struct {
	IDs []int64 `json:"ids"`
}

// SilenceAdded tells of a silence that was made.
type SilenceAdded struct {
	ID int64 `json:"id"`
	// Covers are the checkers there are now that it is about.
	Covers []string `json:"covers"`
	// Message is for people; Warning says why it may not be what was meant.
	Message string `json:"message"`
	Warning string `json:"warning,omitempty"`
}

// controlSilences serves what concerns silences. Passes go on meanwhile.
func (d *daemon) controlSilences(mux *http.ServeMux) {
	handle(mux, "POST /v1/silences/add", func(ctx context.Context, r SilenceRequest) (out SilenceAdded, err error) {
		err = d.do(ctx, func(ctx context.Context) (err error) {
			out, err = addSilence(ctx, d.db, d.cfg, r, time.Now())
			return err
		})
		d.lookAgain()
		return out, err
	})
	handle(mux, "POST /v1/silences/end", func(ctx context.Context, r EndSilencesRequest) (Outcome, error) {
		defer d.lookAgain()
		return endSilences(ctx, d.db, r, time.Now())
	})
}

// AddSilence makes a silence.
func AddSilence(ctx context.Context, cfg *config.Config, r SilenceRequest) (SilenceAdded, error) {
	return write(ctx, cfg, "/v1/silences/add", r, func(ctx context.Context, db *sqlite.DB) (SilenceAdded, error) {
		return addSilence(ctx, db, cfg, r, time.Now())
	})
}

// EndSilences ends silences: all of them, or none.
func EndSilences(ctx context.Context, cfg *config.Config, r EndSilencesRequest) (Outcome, error) {
	return write(ctx, cfg, "/v1/silences/end", r, func(ctx context.Context, db *sqlite.DB) (Outcome, error) {
		return endSilences(ctx, db, r, time.Now())
	})
}

func addSilence(ctx context.Context, db *sqlite.DB, cfg *config.Config, r SilenceRequest, now time.Time) (out SilenceAdded, err error) {
	s, err := r.Silence(now, cfg.Timezone)
	if err != nil {
		return out, err
	}
	subjects, err := db.Subjects(ctx)
	if err != nil {
		return out, err
	}
	if s.ID, err = db.AddSilence(ctx, s); err != nil {
		return out, fmt.Errorf("store the silence: %w", err)
	}
	out = SilenceAdded{ID: s.ID, Covers: covered(&s, subjects)}
	if len(out.Covers) == 0 {
		out.Warning = "it covers no checker that there is now" + missed(s.Matchers, subjects)
	}
	out.Message = fmt.Sprintf("silence %d holds %s\n%s", s.ID, whenSilent(&s, cfg.Timezone), coversText(&s, out.Covers, subjects))
	return out, nil
}

// covered names the checkers that a silence is about.
func covered(s *dwmon.Silence, subjects []dwmon.SilenceSubject) []string {
	names := []string{}
	for _, subject := range subjects {
		if s.Matches(subject) {
			names = append(names, subject.Checker)
		}
	}
	return names
}

// whenSilent says when a silence holds.
func whenSilent(s *dwmon.Silence, zone *time.Location) string {
	at := func(micros int64) string {
		return time.UnixMicro(micros).In(zone).Format(dwmon.LocalTimeLayout + " MST")
	}
	var parts []string
	if s.Recurrence != nil {
		zone = s.Recurrence.Zone
		parts = append(parts, s.Recurrence.String())
	}
	if s.Starts > s.Created {
		parts = append(parts, "from "+at(s.Starts))
	}
	if s.Ends != 0 {
		parts = append(parts, "until "+at(s.Ends))
	}
	text := strings.Join(parts, " ")
	if s.Recurrence == nil {
		return text
	}
	next := s.Next(s.Created)
	ending := func(end int64) string {
		if end == 0 {
			return "until it is ended"
		}
		return "until " + at(end)
	}
	if s.Covers(s.Created) {
		return text + "; it holds now, " + ending(next)
	}
	return text + "; first from " + at(next) + " " + ending(s.Next(next))
}

// namesShown is how many checkers are named to people.
const namesShown = 20

func coversText(s *dwmon.Silence, names []string, subjects []dwmon.SilenceSubject) string {
	text := "it covers no checker"
	switch shown := names[:min(len(names), namesShown)]; {
	case len(names) == 1:
		text = "it covers 1 checker: " + names[0]
	case len(names) > namesShown:
		text = fmt.Sprintf("it covers %d checkers: %s and %d more", len(names), strings.Join(shown, ", "), len(names)-namesShown)
	case len(names) > 1:
		text = fmt.Sprintf("it covers %d checkers: %s", len(names), strings.Join(shown, ", "))
	}
	if len(s.Matchers) == 0 {
		return text + "; and whatever is told of sources, and of dwmon itself"
	}
	var sources []string
	for _, subject := range subjects {
		if s.Matches(dwmon.SilenceSubject{Source: subject.Source}) {
			sources = append(sources, subject.Source)
		}
	}
	slices.Sort(sources)
	switch sources = slices.Compact(sources); {
	case len(sources) == 1:
		return text + "; and the source " + sources[0] + " as a whole"
	case len(sources) > 1:
		return fmt.Sprintf("%s; and %d sources as a whole", text, len(sources))
	}
	return text
}

// missed says which matcher no checker matches, and what may have been meant.
func missed(matchers dwmon.Matchers, subjects []dwmon.SilenceSubject) string {
	if len(subjects) == 0 {
		return ""
	}
	for _, m := range matchers {
		if slices.ContainsFunc(subjects, m.Match) {
			continue
		}
		text := ": none matches " + m.String()
		if meant, ok := dwmon.Nearest(m.Value, valuesOf(m.Key, subjects)); ok && !m.Not {
			text += "; did you mean " + dwmon.Matcher{Key: m.Key, Value: meant}.String() + "?"
		}
		return text
	}
	return ": each of the matchers matches some, but none matches all"
}

// valuesOf gives what checkers have of a matcher's key.
func valuesOf(key string, subjects []dwmon.SilenceSubject) (values []string) {
	for _, s := range subjects {
		value := ""
		switch key {
		case "name":
			value = s.Checker
		case "owner":
			value = s.Owner
		case "source":
			value = s.Source
		default:
			value = s.Labels[strings.TrimPrefix(key, "label.")]
		}
		if value != "" {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func endSilences(ctx context.Context, db *sqlite.DB, r EndSilencesRequest, now time.Time) (Outcome, error) {
	if err := db.EndSilence(ctx, now.UnixMicro(), r.IDs...); err != nil {
		return Outcome{}, fmt.Errorf("nothing was ended: %w", err)
	}
	texts := make([]string, len(r.IDs))
	for i, id := range r.IDs {
		texts[i] = fmt.Sprintf("silence %d has ended", id)
	}
	return Outcome{strings.Join(texts, "\n")}, nil
}

// SilenceViews gives the silences that are not over, with ended all that are kept,
// as they are at a time: active ones first, those that are over last.
func (r *Reader) SilenceViews(ctx context.Context, ended bool, now time.Time) ([]dwmon.SilenceView, error) {
	silences, err := r.Silences(ctx, ended)
	if err != nil {
		return nil, err
	}
	subjects, err := r.Subjects(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]dwmon.SilenceView, len(silences))
	for i, s := range silences {
		views[i] = dwmon.SilenceView{Silence: s, Now: now.UnixMicro(), Checkers: covered(&s, subjects)}
	}
	order := []dwmon.SilenceState{dwmon.SilenceActive, dwmon.SilenceWaiting, dwmon.SilenceEnded}
	slices.SortStableFunc(views, func(a, b dwmon.SilenceView) int {
		return cmp.Compare(slices.Index(order, a.State(a.Now)), slices.Index(order, b.State(b.Now)))
	})
	return views, nil
}
