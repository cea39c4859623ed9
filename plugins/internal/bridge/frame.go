package bridge

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxLine is the longest line of the protocol, in bytes, in either direction.
const MaxLine = 16 << 20

// Frame is one line of a worker.
type Frame struct {
	ID *int64 `json:"id"`
	// OK and Done end a call that succeeded, Error one that did not.
	OK    bool   `json:"ok"`
	Done  bool   `json:"done"`
	Error *Fault `json:"error"`

	// Keys and TS are the rows of one chunk, Count how many there were in all.
	Keys  json.RawMessage `json:"keys"`
	TS    json.RawMessage `json:"ts"`
	Count *int64          `json:"count"`

	// Cutoff answers identify_old.
	Cutoff json.RawMessage `json:"delete_older_than_epoch"`

	// Raw is the whole line.
	Raw []byte `json:"-"`
}

// final says that the frame ends its call.
func (f *Frame) final() bool { return f.OK || f.Done || f.Error != nil }

// parseFrame reads a line.
func parseFrame(line []byte) (*Frame, error) {
	f := &Frame{Raw: line}
	if err := json.Unmarshal(line, f); err != nil {
		return nil, fmt.Errorf("it is no frame: %w", err)
	}
	if f.ID == nil {
		return nil, errors.New("it is no frame: it has no id")
	}
	return f, nil
}

// errLongLine is a line beyond MaxLine.
var errLongLine = fmt.Errorf("a line is longer than %d MiB; send fewer rows in each", MaxLine>>20)

// readLine reads one line without its end, at most MaxLine bytes of it. The last
// line may lack its end only where there is nothing in it.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > MaxLine+1 {
			return nil, errLongLine
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// encodeRequest writes a request as one line of ASCII with the id as its first
// member.
func encodeRequest(id int64, request any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(request); err != nil {
		return nil, fmt.Errorf("write the request as JSON: %w", err)
	}
	body := bytes.TrimSpace(b.Bytes())
	if len(body) < 2 || body[0] != '{' {
		return nil, errors.New("a request is a JSON object")
	}
	line := strconv.AppendInt([]byte(`{"id":`), id, 10)
	if body[1] != '}' {
		line = append(line, ',')
	}
	line = append(appendASCII(line, body[1:]), '\n')
	if len(line) > MaxLine {
		return nil, fmt.Errorf("the request is %d bytes long; at most %d fit", len(line), MaxLine)
	}
	return line, nil
}

// appendASCII appends JSON with every character beyond ASCII escaped. Such stand
// in strings only.
func appendASCII(dst, text []byte) []byte {
	for len(text) > 0 {
		if c := text[0]; c < utf8.RuneSelf {
			dst, text = append(dst, c), text[1:]
			continue
		}
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r >= 0x10000 {
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
			continue
		}
		dst = fmt.Appendf(dst, `\u%04x`, r)
	}
	return dst
}
