package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// readNDJSON reads a page of one JSON value a line, as it comes.
func (f *fetch) readNDJSON(ctx context.Context, r *request, resp *response, page *rows, about *facts) error {
	if err := f.whole(resp); err != nil {
		return err
	}
	resp.body.page = f.settings.MaxTotalBytes
	most := int(min(f.settings.MaxBytes, 1<<30))
	lines := bufio.NewScanner(resp.body)
	lines.Buffer(make([]byte, 0, min(most, 64<<10)), most)
	values, batch := newLineDecoder(), f.batch(r, page, about)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		v, err := values.decode(line)
		if err != nil {
			err = f.lineError(n, line, err, lines)
		} else {
			err = batch.add(ctx, v, len(line))
		}
		switch {
		case err == nil:
		case page.failed == nil && resp.body.broken():
			return f.bodyError(resp, resp.body.err) // the line was cut, whatever else it looks like
		default:
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return pluginsdk.CheckerError(f.named(fmt.Errorf("a line has more than %d bytes; raise max_bytes if that is right", f.settings.MaxBytes)))
	} else if err != nil {
		return f.bodyError(resp, err)
	}
	return batch.flush(ctx)
}

// lineError says what is wrong with a line that is no JSON. The last one may be half
// a line, of a server that gave up; anywhere else it is the form that is wrong.
func (f *fetch) lineError(n int, line []byte, err error, rest *bufio.Scanner) error {
	err = f.named(fmt.Errorf("line %d is no JSON: %w; it begins %s", n, err, excerptOf(line[:min(len(line), excerptBytes)])))
	if errors.Is(err, io.ErrUnexpectedEOF) && !rest.Scan() {
		return pluginsdk.Retryable(err, 0)
	}
	return pluginsdk.CheckerError(err)
}

// lineDecoder decodes one value a line with a single decoder: making one for each
// line would cost more than the decoding.
type lineDecoder struct {
	dec  *json.Decoder
	line []byte // what the decoder has not read of the line
	end  int64  // offset of the line's end in all that the decoder was given
}

func newLineDecoder() *lineDecoder {
	d := &lineDecoder{}
	d.dec = json.NewDecoder(d)
	d.dec.UseNumber()
	return d
}

// Read gives the decoder the line and no more.
func (d *lineDecoder) Read(p []byte) (int, error) {
	if len(d.line) == 0 {
		return 0, io.EOF
	}
	n := copy(p, d.line)
	d.line = d.line[n:]
	return n, nil
}

// decode decodes a line. After an error the decoder is of no more use.
func (d *lineDecoder) decode(line []byte) (any, error) {
	if !utf8.Valid(line) {
		return nil, errNotUTF8
	}
	line = bytes.TrimSpace(line)
	d.line = line
	d.end += int64(len(line))
	var v any
	if err := d.dec.Decode(&v); err != nil {
		return nil, err
	}
	if d.dec.InputOffset() != d.end {
		return nil, errors.New("there is more behind it")
	}
	return v, nil
}
