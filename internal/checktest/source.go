package checktest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// source is the row getter of a test: it gives the rows that are there, as the
// query asks for them.
type source struct {
	script sourceScript
	// rows are in the order in which the query asks for them.
	rows    []row
	limit   int64 // of the query; 0: none
	assumed bool
	now     int64
}

func newSource(c *dwmon.Checker, t *Test) *source {
	s := &source{script: t.source, rows: slices.Clone(t.rows), assumed: c.Options.Assumed}
	s.limit, _ = dwmon.RowLimit(c.Query)
	newest := dwmon.NewestFirst(c.Query)
	slices.SortStableFunc(s.rows, func(a, b row) int {
		if newest {
			a, b = b, a
		}
		return cmp.Compare(a.at, b.at)
	})
	return s
}

var errDown = errors.New("the source is down, as the test says")

// GetRows implements dwmon.RowGetter.
func (s *source) GetRows(_ context.Context, _ dwmon.FetchRequest, sink func(*dwmon.Batch) error) (summary dwmon.FetchSummary, err error) {
	if within(s.script.down, s.now) {
		return summary, errDown
	}
	asOf := s.now
	if s.script.lag > 0 {
		asOf -= s.script.lag
		summary.DataAsOf = &asOf
	}
	var b dwmon.Batch
	for i := range s.rows {
		r := &s.rows[i]
		if r.seen > asOf {
			continue
		}
		if s.limit > 0 && summary.Rows == s.limit {
			break
		}
		if s.script.limit > 0 && summary.Rows == s.script.limit {
			summary.Cut = true
			break
		}
		s.add(&b, r)
		summary.Rows++
		if b.Rows() == dwmon.MaxBatchRows {
			if err := sink(&b); err != nil {
				return summary, err
			}
			b = dwmon.Batch{}
		}
	}
	return summary, sink(&b)
}

func (s *source) add(b *dwmon.Batch, r *row) {
	b.Keys = append(b.Keys, r.key...)
	b.Lengths = append(b.Lengths, uint32(len(r.key)))
	at := r.at
	if s.assumed {
		at = s.now
	}
	b.Micros = append(b.Micros, at)
}
