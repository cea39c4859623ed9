package main

import "context"

// Bounds of a batch.
const (
	batchRecords = 256
	batchBytes   = 256 << 10
)

// batch gathers records of a stream for the program that makes rows of them.
type batch struct {
	*fetch
	request *request
	page    *rows
	about   *facts

	records []any
	bytes   int
}

func (f *fetch) batch(r *request, page *rows, about *facts) *batch {
	return &batch{fetch: f, request: r, page: page, about: about}
}

// add takes a record that took so many bytes.
func (b *batch) add(ctx context.Context, v any, bytes int) error {
	if b.request.rows == nil {
		return b.rowError(ctx, b.page, b.page.add(v))
	}
	b.records = append(b.records, v)
	if b.bytes += bytes; b.bytes < batchBytes && len(b.records) < batchRecords {
		return nil
	}
	return b.flush(ctx)
}

// flush makes rows of what was gathered.
func (b *batch) flush(ctx context.Context) error {
	if len(b.records) == 0 {
		return nil
	}
	err := b.request.rows.runEach(ctx, b.records, b.about, b.page.add)
	clear(b.records)
	b.records, b.bytes = b.records[:0], 0
	return b.rowError(ctx, b.page, err)
}
