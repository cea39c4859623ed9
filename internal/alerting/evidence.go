package alerting

import (
	"context"
	"fmt"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/notice"
)

const (
	windowsTold = 24
	formerTold  = 4
	keysTold    = 3
)

// LineStore is where evidence comes from.
type LineStore interface {
	LineEvidence(ctx context.Context, q dwmon.LineQuery) (dwmon.LineEvidence, error)
}

// Gather adds to what a notice tells what the store knows of the line that its
// incident is about; minute is the last one that the notice speaks of. It adds
// nothing where the incident is about no line.
func Gather(ctx context.Context, store LineStore, d *notice.Data, minute int64) error {
	i := &d.Incident
	if i.LineID == 0 || d.Checker == nil {
		return nil
	}
	q := dwmon.LineQuery{
		CheckerID: i.CheckerID, LineID: i.LineID, Since: i.Opened, Minute: minute,
		Windows: windowsTold, Former: formerTold, Keys: keysTold,
	}
	line := slices.IndexFunc(d.Checker.Lines, func(r dwmon.Requirement) bool { return r.Identity() == i.Requirement })
	if line >= 0 {
		q.Requirement = d.Checker.Lines[line]
	} else { // it was edited: its windows are not known any more
		q.Former, q.Keys = 0, 0
	}
	if d.Checker.Options.HideKeys {
		q.Keys = 0
	}
	e, err := store.LineEvidence(ctx, q)
	if err != nil {
		return fmt.Errorf("read what a notice tells: %w", err)
	}
	d.Result, d.Opening, d.Checks, d.Bad, d.Windows = e.Result, e.Opening, e.Checks, e.Bad, e.Windows
	for weeks, count := range e.Former {
		d.Former = append(d.Former, notice.Former{WeeksAgo: weeks + 1, Count: count})
	}
	d.Newest, d.Oldest = shown(e.Newest), shown(e.Oldest)
	return nil
}

func shown(keys [][]byte) (texts []string) {
	for _, k := range keys {
		texts = append(texts, dwmon.ShownKey(k))
	}
	return texts
}

// Word composes a notice and lets a user's words replace ours; nil keeps ours. The
// error says that the template could not be applied: the notice then has our words.
func Word(d notice.Data, t *notice.Template) (dwmon.Notice, error) {
	n := notice.Compose(d)
	if t == nil {
		return n, nil
	}
	err := t.Apply(&n, d)
	return n, err
}
