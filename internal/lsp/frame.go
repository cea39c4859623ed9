package lsp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of a message. A checker file has 1 MiB, which JSON's escapes may make six
// times as long.
const (
	maxMessage = 32 << 20
	maxHeaders = 16
	maxHeader  = 1 << 10
)

// errFraming is a stream that is not the protocol's; where its next message
// begins cannot be known.
var errFraming = errors.New("not the Language Server Protocol")

// messageReader reads the protocol's messages: headers, an empty line, and JSON.
type messageReader struct{ r *bufio.Reader }

func newMessageReader(r io.Reader) *messageReader {
	return &messageReader{bufio.NewReaderSize(r, maxHeader)}
}

// next gives the next message's JSON, which need be none. The error is io.EOF
// where the stream ends between messages, errFraming where it cannot be read on.
func (m *messageReader) next() ([]byte, error) {
	length, err := m.headers()
	if err != nil {
		return nil, err
	}
	// The buffer grows with what really comes: the length is only said.
	var body bytes.Buffer
	if n, err := io.CopyN(&body, m.r, length); err != nil {
		return nil, fmt.Errorf("%w: a message of %d bytes ends after %d", errFraming, length, n)
	}
	return body.Bytes(), nil
}

// headers reads up to the empty line and gives Content-Length.
func (m *messageReader) headers() (length int64, err error) {
	length = -1
	for i := range maxHeaders + 1 {
		line, err := m.r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && i == 0 && len(line) == 0:
			return 0, io.EOF
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, fmt.Errorf("%w: a header is longer than %d bytes", errFraming, maxHeader)
		case err != nil:
			return 0, fmt.Errorf("%w: the stream ends within headers", errFraming)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			if length < 0 {
				return 0, fmt.Errorf("%w: a message has no Content-Length", errFraming)
			}
			return length, nil
		}
		name, value, found := strings.Cut(text, ":")
		if !found {
			return 0, fmt.Errorf("%w: %q is no header", errFraming, text)
		}
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		length, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || length < 0 || length > maxMessage {
			return 0, fmt.Errorf("%w: Content-Length is %q, not a number of bytes up to %d", errFraming, strings.TrimSpace(value), maxMessage)
		}
	}
	return 0, fmt.Errorf("%w: a message has more than %d headers", errFraming, maxHeaders)
}

// writeMessage writes a message's JSON with its header, at once.
func writeMessage(w io.Writer, body []byte) error {
	_, err := w.Write(append([]byte("Content-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"), body...))
	return err
}
