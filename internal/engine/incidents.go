package engine

import (
	"cmp"
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// turn lets a verdict open and close the incidents of its line.
func (j *judge) turn(tx dwmon.Tx, line *dwmon.LineProgress, streak *dwmon.Streak, v *dwmon.Verdict) error {
	trouble, turn := streak.Trouble.Then(cmp.Or(j.job.Alert, dwmon.DefaultAlertRule), v.Status)
	at := j.fetched.record.Started
	incident := dwmon.Incident{
		Subject: dwmon.SubjectCount, CheckerID: j.progress.ID, LineID: line.ID, Opened: v.Minute, OpenedAt: at, CatchUp: v.CatchUp,
	}
	var err error
	switch {
	case turn.Opens:
		trouble.Incident, err = tx.OpenIncident(incident)
	case turn.Closes:
		err = tx.CloseIncident(trouble.Incident, v.Minute, at, dwmon.EndRecovered)
		trouble.Incident = 0
	}
	if err != nil {
		return fmt.Errorf("open or close an incident: %w", err)
	}
	switch {
	case turn.UnknownOpens:
		incident.Subject = dwmon.SubjectChecker
		trouble.UnknownIncident, err = tx.OpenIncident(incident)
	case turn.UnknownCloses:
		err = tx.CloseIncident(trouble.UnknownIncident, v.Minute, at, dwmon.EndRecovered)
		trouble.UnknownIncident = 0
	}
	if err != nil {
		return fmt.Errorf("open or close an incident of UNKNOWN results: %w", err)
	}
	streak.Trouble = trouble
	return nil
}

// makeUp stores what the verdicts made up for, where there is anything to say.
func (j *judge) makeUp(tx dwmon.Tx, verdicts []dwmon.Verdict) error {
	c := dwmon.CatchUp{CheckerID: j.progress.ID, Down: "dwmon"}
	if j.progress.Failing != nil {
		c.Down = "source " + j.report.Source
	}
	for i := range verdicts {
		if v := &verdicts[i]; v.CatchUp && !j.old(v.Minute) {
			c.Add(v.Minute, v.Status)
		}
	}
	if c.Bad+c.Unknown == 0 {
		return nil
	}
	if err := tx.AddCatchUp(c); err != nil {
		return fmt.Errorf("store what was made up for: %w", err)
	}
	return nil
}

// old says that a minute lies before the checker was first seen.
func (p *pass) old(minute int64) bool { return minute < p.progress.Origin }
