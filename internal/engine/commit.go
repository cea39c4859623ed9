package engine

import (
	"context"
	"fmt"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// commit stores the rows of a complete fetch and judges what is due, oldest
// minute first, piece by piece: each piece is one transaction that also moves the
// walk. A pass that has its rows is not torn by a stop.
func (p *pass) commit(ctx context.Context, f *fetched, plan *dwmon.Plan, piece dwmon.Piece) error {
	ctx = context.WithoutCancel(ctx)
	j := p.newJudge(f)
	ok := true
	if j.baseline || j.until < p.m {
		plan = j.replan()
		piece, ok = plan.Next(dwmon.PieceLimit)
	}
	if !ok {
		if err := j.commitRows(ctx); err != nil {
			return err
		}
	}
	for ; ok; piece, ok = plan.Next(dwmon.PieceLimit) {
		if err := j.commit(ctx, piece); err != nil {
			return err
		}
	}
	p.report.Fetch = f.record
	return nil
}

// judge carries the verdicts of a pass from piece to piece.
type judge struct {
	*pass
	fetched  *fetched
	baseline bool
	// until is the newest minute that the source's data reach to.
	until    int64
	coverage dwmon.Coverage
	fetchID  int64 // 0 until the first piece has stored the fetch
	streaks  []dwmon.Streak
}

func (p *pass) newJudge(f *fetched) *judge {
	j := &judge{
		pass: p, fetched: f,
		baseline: p.job.Checker.Options.Assumed && p.progress.Baseline == nil,
		until:    dwmon.Judgeable(p.m, f.summary.DataAsOf, p.job.Checker.Options.Grace),
		coverage: p.coverage(f),
	}
	for _, l := range p.progress.Lines {
		j.streaks = append(j.streaks, l.Streak)
	}
	return j
}

// replan plans the walk as far as the fetch allows: not beyond the source's data,
// and of a baseline nothing is judged.
func (j *judge) replan() *dwmon.Plan {
	w, reason := j.walk(), j.gapReason()
	if j.baseline {
		w.Blind, reason = true, dwmon.GapBaseline
	}
	return w.Plan(j.until, reason)
}

// commitRows stores a fetch after which nothing can be judged, nor the walk moved.
func (j *judge) commitRows(ctx context.Context) error {
	record := j.fetched.record
	err := j.store.InTx(ctx, func(tx dwmon.Tx) error {
		if err := j.unmoved(tx); err != nil {
			return err
		}
		_, err := j.keep(tx, &record, dwmon.Piece{})
		return err
	})
	if err == nil {
		j.fetched.record = record
	}
	return err
}

// commit does one piece in one transaction.
func (j *judge) commit(ctx context.Context, piece dwmon.Piece) error {
	var verdicts []dwmon.Verdict
	var told []dwmon.Telling
	record, fetchID := j.fetched.record, j.fetchID
	streaks := append([]dwmon.Streak(nil), j.streaks...)
	err := j.store.InTx(ctx, func(tx dwmon.Tx) (err error) {
		if err := j.unmoved(tx); err != nil {
			return err
		}
		if fetchID == 0 {
			if fetchID, err = j.keep(tx, &record, piece); err != nil {
				return err
			}
		}
		if verdicts, told, err = j.weigh(tx, piece.Due, streaks); err != nil {
			return err
		}
		if len(verdicts) > 0 {
			err = tx.Record(dwmon.Record{
				Progress: j.progress, FetchID: fetchID, EvaluatedAt: record.Started, Verdicts: verdicts, Streaks: streaks,
			})
			if err != nil {
				return fmt.Errorf("record %d verdicts: %w", len(verdicts), err)
			}
		}
		if len(told) > 0 {
			if err := tx.Enqueue(j.progress.ID, told); err != nil {
				return fmt.Errorf("enqueue %d deliveries: %w", len(told), err)
			}
		}
		return tx.Settle(j.progress, piece.Settled, piece.Gaps)
	})
	if err != nil {
		return err
	}
	j.fetched.record, j.fetchID, j.streaks = record, fetchID, streaks
	j.account(piece, verdicts)
	return nil
}

// keep stores the rows and the record of the fetch.
func (j *judge) keep(tx dwmon.Tx, record *dwmon.Fetch, piece dwmon.Piece) (int64, error) {
	ingested, err := tx.Ingest(j.progress, j.fetched.intake, j.baseline)
	if err != nil {
		return 0, fmt.Errorf("store the rows: %w", err)
	}
	record.Ingested, record.Baseline = ingested, j.baseline
	if err := j.cover(tx); err != nil {
		return 0, err
	}
	if err := j.correct(tx, ingested); err != nil {
		return 0, err
	}
	if span, missed := j.missed(piece); missed {
		if err := tx.AddMissed(j.progress.ID, span); err != nil {
			return 0, fmt.Errorf("store the missed span: %w", err)
		}
	}
	id, err := tx.SaveFetch(*record)
	if err != nil {
		return 0, fmt.Errorf("record the fetch: %w", err)
	}
	return id, nil
}

// missed says whether a fetch of assumed timestamps comes later than one that
// was due: rows that arrived since the fetch before bear the time of this one. So do
// those that another query than before has brought along.
func (j *judge) missed(piece dwmon.Piece) (dwmon.Span, bool) {
	p := j.progress
	if !j.job.Checker.Options.Assumed || j.baseline {
		return dwmon.Span{}, false
	}
	late := len(piece.Due) > 0 && piece.Due[0].Minute != j.until
	if !late && p.QueryFetched != nil {
		return dwmon.Span{}, false
	}
	return dwmon.Span{From: *p.Reach, Until: j.fetched.record.Ended}, true
}

// weigh judges the due pairs in order. Pairs that have a verdict already, because
// the walk was moved back by hand, are left as they are.
func (j *judge) weigh(tx dwmon.Tx, due []dwmon.Due, streaks []dwmon.Streak) ([]dwmon.Verdict, []dwmon.Telling, error) {
	due, err := j.unrecorded(tx, due)
	if err != nil || len(due) == 0 {
		return nil, nil, err
	}
	windows := make([]dwmon.Window, len(due))
	for i, d := range due {
		windows[i] = j.progress.Lines[d.Line].Window(d.Minute)
	}
	counts, err := tx.Counts(j.progress.ID, windows)
	if err != nil {
		return nil, nil, fmt.Errorf("count %d windows: %w", len(windows), err)
	}
	weighed, err := j.weighAll(tx, j.requirements(due), windows, counts)
	if err != nil {
		return nil, nil, err
	}
	verdicts, results := make([]dwmon.Verdict, len(due)), make([]dwmon.Told, len(due))
	for i, d := range due {
		line, streak := &j.progress.Lines[d.Line], &streaks[d.Line]
		v := dwmon.Verdict{Minute: d.Minute, LineID: line.ID, LineIndex: line.Index, Count: counts[i], Previous: streak.Last}
		v.Status, v.Reason = weighed[i].status, weighed[i].reason
		old := d.Minute < j.progress.Origin
		v.CatchUp = old || j.until-d.Minute > dwmon.LateAfter
		before := *streak
		*streak = streak.Then(v.Status, v.Minute)
		v.ConsecutiveBad = streak.ConsecutiveBad
		if !old {
			if err := j.turn(tx, line, streak, &v); err != nil {
				return nil, nil, err
			}
		}
		verdicts[i] = v
		results[i] = dwmon.Told{Before: before, After: *streak, Old: old, CatchUp: v.CatchUp}
	}
	if err := j.makeUp(tx, verdicts); err != nil {
		return nil, nil, err
	}
	told, err := j.tell(tx, verdicts, results)
	return verdicts, told, err
}

// tell gives what the handlers want of the verdicts.
func (j *judge) tell(tx dwmon.Tx, verdicts []dwmon.Verdict, results []dwmon.Told) (told []dwmon.Telling, err error) {
	if len(j.job.Routes) == 0 {
		return nil, nil
	}
	since, last := map[int64]*dwmon.Streak{}, map[int64]int{}
	for i := range results {
		if t, line := &results[i], verdicts[i].LineID; t.CatchUp && !t.Old {
			if since[line] == nil {
				since[line] = &t.Before
			}
			last[line] = i
		}
	}
	for line, i := range last {
		results[i].Since = since[line]
	}
	quiet := quiet{tx: tx, subject: j.job.Checker.Subject(), now: j.now.UnixMicro()}
	for i := range verdicts {
		v := &verdicts[i]
		for _, route := range j.job.Routes {
			if !route.Wants(results[i]) || route.On != dwmon.OnEvery && v.Status != dwmon.Good && quiet.covers(v) {
				continue
			}
			told = append(told, dwmon.Telling{Handler: route.Handler, Minute: v.Minute, LineID: v.LineID, LineIndex: v.LineIndex})
		}
	}
	return told, quiet.err
}

func (j *judge) unrecorded(tx dwmon.Tx, due []dwmon.Due) ([]dwmon.Due, error) {
	if len(due) == 0 || j.progress.Recorded == nil || *j.progress.Recorded < due[0].Minute {
		return due, nil
	}
	recorded, err := tx.Recorded(j.progress.ID, due[0].Minute)
	if err != nil {
		return nil, fmt.Errorf("read the minutes judged before: %w", err)
	}
	var left []dwmon.Due
	for _, d := range due {
		if !recorded[dwmon.RecordedKey{Minute: d.Minute, LineID: j.progress.Lines[d.Line].ID}] {
			left = append(left, d)
		}
	}
	return left, nil
}

// account adds a committed piece to the report.
func (j *judge) account(piece dwmon.Piece, verdicts []dwmon.Verdict) {
	r := j.report
	for _, v := range verdicts {
		r.Judged[v.Status]++
	}
	r.Results = append(r.Results, verdicts...)
	if extra := len(r.Results) - dwmon.PieceLimit; extra > 0 {
		r.Results = r.Results[extra:]
	}
	j.countGaps(piece.Gaps)
	settled := piece.Settled
	j.settled = &settled
}

func (p *pass) countGaps(gaps []dwmon.Gap) {
	for _, g := range gaps {
		p.report.Gap += g.Minutes
	}
}
