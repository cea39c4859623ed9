package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/dwmon/dwmon/internal/suggest/proof"
)

// suggestOnAYear is row 17. It is a time: `dwmon suggest` as people run it, on row
// 16's year.
func suggestOnAYear(ctx context.Context, b *bench) ([]figure, error) {
	program, err := b.program(ctx)
	if err != nil {
		return nil, err
	}
	y, err := newYearOf(ctx, b)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, checker+".dwmon")
	text := fmt.Sprintf("__QUERY__\n%s\n__REQUIREMENTS__\n%s\n__SOURCE__\n%s\n", y.checker.Query, y.checker.Lines[0].Identity(), y.checker.Source)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	b.say("row 17: suggesting lines from a year")
	var took []time.Duration
	var answer suggested
	for range b.turns(3) {
		cmd := exec.CommandContext(ctx, program, "suggest", checker, "--json", "--timezone", "UTC", "--db", filepath.Join(b.dir, "year.db"), "--checks", b.dir)
		cmd.Dir = b.dir
		start := time.Now()
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w\n%s%s", err, out, exit.Stderr)
			}
			return nil, err
		}
		took = append(took, time.Since(start))
		if err := json.Unmarshal(out, &answer); err != nil {
			return nil, err
		}
		if err := y.agrees(answer); err != nil {
			return nil, err
		}
	}
	return []figure{{value: median(took).Seconds(), detail: fmt.Sprintf("%d rows, %d checks replayed", answer.Rows, answer.Present.Checks)}}, nil
}

// suggested is what is checked of the answer.
type suggested struct {
	From    int64 `json:"from_epoch"`
	Until   int64 `json:"until_epoch"`
	Rows    int64 `json:"rows"`
	Present struct {
		Checks int `json:"checks"`
	} `json:"present"`
	Lines []struct {
		Min int64 `json:"min_required"`
		Max int64 `json:"max_allowed"`
	} `json:"lines"`
}

// agrees checks an answer against what the year was filled with.
func (y *year) agrees(s suggested) error {
	want := int64(0)
	for i := range y.rows {
		if ts := y.micros(i); ts >= s.From*1e6 && ts < s.Until*1e6 {
			want++
		}
	}
	if s.Rows != want || want < y.rows-20 {
		return fmt.Errorf("suggest looked at %d rows, there are %d", s.Rows, want)
	}
	for _, l := range s.Lines { // an hour has 416 or 417
		if l.Min <= 0 || l.Min > 416 || l.Max < 417 {
			return fmt.Errorf("a line wants %d to %d rows", l.Min, l.Max)
		}
	}
	return nil
}

// trial is how lines for a shape of traffic fared.
type trial struct {
	shape proof.Shape
	proof.Outcome
	seeds int
	err   error
}

// suggestTrials tries all shapes, once.
func (b *bench) suggestTrials(ctx context.Context) []trial {
	if b.trials != nil {
		return b.trials
	}
	seeds := 4
	if b.quick {
		seeds = 1
	}
	for _, s := range proof.Shapes {
		t := trial{shape: s, seeds: seeds}
		for seed := range seeds {
			b.say("rows 18 and 19: %s", s.Name)
			if t.err = ctx.Err(); t.err != nil {
				break
			}
			o, err := s.Try(uint64(seed)+1, 1)
			if err != nil {
				t.err = err
				break
			}
			t.Add(o)
		}
		b.trials = append(b.trials, t)
	}
	return b.trials
}

func shapeNames() (names []string) {
	for _, s := range proof.Shapes {
		names = append(names, s.Name)
	}
	return names
}

// falseAlarmsOfSuggest is row 18. The same seeds always give the same figures.
func falseAlarmsOfSuggest(ctx context.Context, b *bench) (figures []figure, _ error) {
	for _, t := range b.suggestTrials(ctx) {
		f := figure{part: t.shape.Name, err: t.err}
		if t.err == nil {
			f.value = t.FalseAlarmsPerWeek()
			f.detail = fmt.Sprintf("%d in %d weeks, from %d weeks of history; %.0f lines", t.FalseAlarms, t.Weeks, t.shape.Train, float64(t.Lines)/float64(t.seeds))
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// outagesFoundBySuggest is row 19, of the same trials.
func outagesFoundBySuggest(ctx context.Context, b *bench) (figures []figure, _ error) {
	for _, t := range b.suggestTrials(ctx) {
		f := figure{part: t.shape.Name, err: t.err, value: 100 * t.FoundShare()}
		f.detail = fmt.Sprintf("%d of %d", t.Found, t.Planted)
		if t.Planted == 0 && t.err == nil {
			f.err = fmt.Errorf("%w: no outage was planted", errMissing)
		}
		figures = append(figures, f)
	}
	return figures, nil
}
