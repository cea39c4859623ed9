package main

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dwmon/dwmon/pluginsdk"
)

// accepted says whether a response promises the whole of what was asked for, in a
// form that can be read.
func (f *fetch) accepted(resp *response) error {
	switch resp.StatusCode {
	case http.StatusOK, http.StatusNonAuthoritativeInfo:
	default:
		return f.refused(resp.Response, firstBytes(resp.Body))
	}
	if coding := resp.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the answer is coded as %q although only gzip was asked for", cut(coding))))
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/html" || kind == "application/xhtml+xml" {
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the answer is a web page (%s) and no data; is it a login page? It begins %s", kind, excerptOf(firstBytes(resp.Body)))))
	}
	resp.body = &limited{from: resp.Body, fetch: f, page: f.settings.MaxBytes}
	return nil
}

// refused makes an error of a status code that is not a success: whose fault it is,
// and when to try again.
func (f *fetch) refused(resp *http.Response, body []byte) error {
	code := resp.StatusCode
	said := fmt.Sprintf("the server answered %d %s", code, http.StatusText(code))
	if text := excerptOf(body); text != "" {
		said += ": " + text
	}
	wrong := func(hint string) error { return f.named(errors.New(said + hint)) }
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		hint := "; look at the source's credentials and at what they may read"
		if f.own {
			hint = "; name a source of dwmon.yaml that has credentials"
		}
		return f.owned(pluginsdk.CredentialsError, wrong(hint))
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return pluginsdk.Retryable(wrong(""), retryAfter(resp.Header))
	case code == http.StatusAccepted:
		return pluginsdk.Retryable(wrong("; it is still at it"), retryAfter(resp.Header))
	case code == http.StatusNoContent, code == http.StatusResetContent:
		return pluginsdk.CheckerError(wrong(fmt.Sprintf("; where this says that there are no rows, write `empty: %d`", code)))
	case code == http.StatusNotFound:
		return pluginsdk.CheckerError(wrong("; look at the path; where this says that there are no rows, write `empty: 404`"))
	case code < 400:
		return pluginsdk.CheckerError(wrong(", which does not promise the whole result"))
	default:
		return pluginsdk.CheckerError(wrong(""))
	}
}

// maxRetryAfter bounds how long a server can put us off.
const maxRetryAfter = time.Hour

// retryAfter reads Retry-After, in seconds or as a date; 0 where there is none.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from := time.Now()
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		from = date // the server's clock, whatever ours says
	}
	return min(max(at.Sub(from), 0), maxRetryAfter)
}

// excerptBytes is how much of an answer is shown in an error.
const excerptBytes = 300

// firstBytes reads the beginning of an answer.
func firstBytes(body io.Reader) []byte {
	text, _ := io.ReadAll(io.LimitReader(body, 4*excerptBytes))
	return text
}

// excerptOf shows the beginning of an answer in one line.
func excerptOf(body []byte) string {
	if !utf8.Valid(body) {
		body = []byte(strings.ToValidUTF8(string(body), "\uFFFD"))
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, oneLine(body))
	if len(text) > excerptBytes {
		text = strings.ToValidUTF8(text[:excerptBytes], "") + "…"
	}
	return text
}

// bodyError says what is wrong with a body that cannot be read to its end.
func (f *fetch) bodyError(resp *response, err error) error {
	switch {
	case resp.body.over != nil && errors.Is(resp.body.over, errTooLarge) && f.read > f.settings.MaxTotalBytes:
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the fetch has more than %d bytes; ask for less (`window`), or raise max_total_bytes", f.settings.MaxTotalBytes)))
	case resp.body.over != nil, errors.Is(err, errTooLarge):
		return pluginsdk.CheckerError(f.named(fmt.Errorf("the page has more than %d bytes; ask for smaller pages, use ndjson or csv where the server has them, or raise max_bytes", f.settings.MaxBytes)))
	case resp.ctx.Err() != nil:
		return f.transportError(resp.ctx, resp.Request.URL, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return pluginsdk.Retryable(f.named(errors.New("the answer was cut short")), 0)
	default:
		return pluginsdk.Retryable(f.named(fmt.Errorf("the answer could not be read to its end: %s", oneLine([]byte(err.Error())))), 0)
	}
}
