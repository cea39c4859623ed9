package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// AckRequest asks to acknowledge open incidents, or to take that back.
type AckRequest struct {
	// Target is a checker's name, source: and a source, or an incident: its number,
	// or its id as notices tell it.
	Target string `json:"target"`
	Remove bool   `json:"remove"`
	// For is how long it holds, microseconds; 0: as long as the incidents last.
	For     int64  `json:"for"`
	Comment string `json:"comment"`
	By      string `json:"by"`
}

// Acked tells which incidents were acknowledged, or not any more.
type Acked struct {
	Incidents []int64 `json:"incidents"`
	Message   string  `json:"message"`
}

// controlAcks serves what concerns acknowledgements.
func (d *daemon) controlAcks(mux *http.ServeMux) {
	handle(mux, "POST /v1/ack", func(ctx context.Context, r AckRequest) (out Acked, err error) {
		err = d.do(ctx, func(ctx context.Context) (err error) {
			out, err = acknowledge(ctx, d.db, d.cfg, r, time.Now())
			return err
		})
		d.lookAgain()
		return out, err
	})
}

// Acknowledge notes that somebody knows of incidents, or takes that back.
func Acknowledge(ctx context.Context, cfg *config.Config, r AckRequest) (Acked, error) {
	return write(ctx, cfg, "/v1/ack", r, func(ctx context.Context, db *sqlite.DB) (Acked, error) {
		return acknowledge(ctx, db, cfg, r, time.Now())
	})
}

func acknowledge(ctx context.Context, db *sqlite.DB, cfg *config.Config, r AckRequest, now time.Time) (out Acked, err error) {
	incidents, err := openIncidents(ctx, db, r.Target)
	if err != nil {
		return out, err
	}
	ack := dwmon.Ack{By: r.By, Comment: r.Comment, At: now.UnixMicro()}
	if r.For > 0 {
		ack.Until = ack.At + r.For
	}
	var lines []string
	for _, i := range incidents {
		if r.Remove && i.Ack == nil {
			continue
		}
		out.Incidents = append(out.Incidents, i.ID)
		lines = append(lines, ackLine(&i, &ack, r.Remove, cfg.Timezone))
	}
	if len(lines) == 0 {
		return out, fmt.Errorf("%s: no open incident is acknowledged", r.Target)
	}
	var changed int64
	if r.Remove {
		changed, err = db.Unacknowledge(ctx, out.Incidents)
	} else {
		changed, err = db.Acknowledge(ctx, out.Incidents, ack)
	}
	switch {
	case err != nil:
		return out, fmt.Errorf("acknowledge incidents of %s: %w", r.Target, err)
	case changed == 0:
		return out, fmt.Errorf("%s: its trouble ended this moment", r.Target)
	}
	out.Message = strings.Join(lines, "\n")
	return out, nil
}

// ackLine says what became of one incident.
func ackLine(i *dwmon.Incident, ack *dwmon.Ack, remove bool, zone *time.Location) string {
	at := func(seconds int64) string {
		return time.Unix(seconds, 0).In(zone).Format(dwmon.LocalTimeLayout + " MST")
	}
	what := fmt.Sprintf("incident %d (%s, since %s)", i.ID, i.About(), at(i.Opened))
	switch {
	case remove:
		return what + " is no longer acknowledged: it is told again each `repeat`"
	case ack.Until == 0:
		return what + " is acknowledged: it is not told again until it ends"
	default:
		return what + " is acknowledged: it is not told again until it ends, or " + at(ack.Until/1e6)
	}
}

const (
	// sourcePrefix cannot begin a checker's name.
	sourcePrefix = "source:"
	// incidentMark stands before the number in an incident's id; dwmon.IncidentKey.
	incidentMark = "/.incident/"
)

// openIncidents gives the open incidents that are meant; at least one, or an error.
func openIncidents(ctx context.Context, db *sqlite.DB, target string) (meant []dwmon.Incident, err error) {
	open, err := db.Incidents(ctx, "", false, 0)
	if err != nil {
		return nil, err
	}
	is, err := meaning(ctx, db, target)
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		if is(&i) {
			meant = append(meant, i)
		}
	}
	if len(meant) > 0 {
		return meant, nil
	}
	return nil, noneOpen(ctx, db, target, open)
}

// meaning says which incidents a target stands for.
func meaning(ctx context.Context, db *sqlite.DB, target string) (func(*dwmon.Incident) bool, error) {
	if source, ok := strings.CutPrefix(target, sourcePrefix); ok {
		return func(i *dwmon.Incident) bool { return i.Subject == dwmon.SubjectSource && i.Source == source }, nil
	}
	number := target
	if installation, rest, ok := strings.Cut(target, incidentMark); ok {
		ours, err := db.Installation(ctx)
		if err != nil {
			return nil, err
		}
		if installation != ours {
			return nil, fmt.Errorf("the incident %s is another database's; this one's ids begin with %s", target, ours)
		}
		number = rest
	}
	if id, err := strconv.ParseInt(number, 10, 64); err == nil {
		return func(i *dwmon.Incident) bool { return i.ID == id }, nil
	}
	return func(i *dwmon.Incident) bool { return i.Checker == target }, nil
}

// noneOpen says that a target has no open incident, and what may have been meant.
func noneOpen(ctx context.Context, db *sqlite.DB, target string, open []dwmon.Incident) error {
	p, err := db.Progress(ctx, target)
	if err != nil {
		return err
	}
	var there []string
	for _, i := range open {
		switch {
		case i.Checker != "":
			there = append(there, i.Checker)
		case i.Source != "":
			there = append(there, sourcePrefix+i.Source)
		}
	}
	if meant, ok := dwmon.Nearest(target, there); ok && p.ID == 0 {
		return fmt.Errorf("%s has no open incident; did you mean %s?", target, meant)
	}
	if len(open) == 0 {
		return fmt.Errorf("%s has no open incident; none is open", target)
	}
	return errors.New(target + " has no open incident; open are " + openText(open))
}

func openText(open []dwmon.Incident) string {
	var parts []string
	for _, i := range open[:min(len(open), namesShown)] {
		parts = append(parts, fmt.Sprintf("%d (%s)", i.ID, i.About()))
	}
	if more := len(open) - namesShown; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
