package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// readJSON reads a page that is one JSON value.
func (f *fetch) readJSON(ctx context.Context, r *request, resp *response, page *rows, about *facts) (document any, err error) {
	document, err = f.document(resp)
	if err != nil {
		return nil, err
	}
	return document, f.runRows(ctx, r.rows, document, page, about)
}

// document reads a body as one JSON value with exact numbers.
func (f *fetch) document(resp *response) (any, error) {
	var v any
	if err := f.decode(resp, &v); err != nil {
		return nil, err
	}
	return v, nil
}

// decode reads a body as one JSON value into v.
func (f *fetch) decode(resp *response, v any) error {
	text, err := io.ReadAll(resp.body)
	if err != nil {
		return f.bodyError(resp, err)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return pluginsdk.CheckerError(f.named(errors.New("the answer is empty; JSON is expected")))
	}
	if err := decodeJSON(text, v); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return pluginsdk.Retryable(f.named(errors.New("the answer ends in the middle of its JSON: it was cut short")), 0)
		}
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the answer is no JSON (%s): %w; it begins %s", typeOf(resp), err, excerptOf(text[:min(len(text), excerptBytes)]))))
	}
	return nil
}

// decodeJSON decodes exactly one value; numbers stay as they are written.
func decodeJSON(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errNotUTF8
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("there is more behind it; several values, one in each line, are `format: ndjson`")
	}
	return nil
}

// errNotUTF8: replacing what is wrong, as encoding/json does, would make different
// keys the same.
var errNotUTF8 = errors.New("it is not UTF-8")

// typeOf is what the server calls its answer.
func typeOf(resp *response) string {
	if t := resp.Header.Get("Content-Type"); t != "" {
		return cut(t)
	}
	return "without a Content-Type"
}

// runRows gives what the program makes of an input to the host.
func (f *fetch) runRows(ctx context.Context, p *program, input any, page *rows, about *facts) error {
	return f.rowError(ctx, page, p.run(ctx, input, about, page.add))
}

// rowError says whose fault an error is that came up while rows were made. The
// host's own errors are given back as they are.
func (f *fetch) rowError(ctx context.Context, page *rows, err error) error {
	var wrong rowFault
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return pluginsdk.CheckerError(f.named(fmt.Errorf("row %d: %w", page.count+1, err)))
	case page.failed != nil:
		return page.failed
	}
	return f.programError(ctx, fmt.Errorf("rows: after %d rows: %w", page.count, err))
}

// programError is an error of a jq program.
func (f *fetch) programError(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(context.Cause(ctx), errOutOfMemory) {
		return pluginsdk.CheckerError(f.named(err))
	}
	if context.Cause(ctx) == errPageTimeout {
		return pluginsdk.Retryable(f.named(fmt.Errorf("reading the answer took longer than %s; ask for less, make the jq program simpler, or raise the setting timeout", f.settings.Timeout)), 0)
	}
	return f.named(err) // the end of the call
}

// whole refuses an answer whose end cannot be told from a cut: every line of it
// would look right. JSON and gzip say themselves where they end.
func (f *fetch) whole(resp *response) error {
	if resp.ContentLength >= 0 || resp.Uncompressed || resp.ProtoMajor >= 2 {
		return nil
	}
	for _, coding := range resp.TransferEncoding {
		if coding == "chunked" {
			return nil
		}
	}
	return pluginsdk.CheckerError(f.named(errors.New("the server does not say where its answer ends (neither Content-Length nor chunked), so that a cut could not be seen; make it say so, or have it compress with gzip")))
}

// isCSV refuses what certainly is none: an error in JSON of one line would be taken
// for the line of column names.
func (f *fetch) isCSV(resp *response) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") {
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the answer is %s and no CSV; it begins %s", kind, excerptOf(firstBytes(resp.body)))))
	}
	return nil
}
