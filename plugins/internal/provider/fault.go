package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dwmon/dwmon/pluginsdk"
)

// maxRetryAfter bounds how long a provider can put us off.
const maxRetryAfter = time.Hour

// excerptLength is how much of an answer is quoted, in characters.
const excerptLength = 300

// Refusal is an answer that is no success.
type Refusal struct {
	Code int
	// Excerpt is the beginning of its body on one line, without secrets.
	Excerpt string
	// Body is as it came, at most 1 MiB: it may hold secrets.
	Body []byte
}

func (r *Refusal) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("the server answered %d %s", r.Code, http.StatusText(r.Code)))
	if r.Excerpt != "" {
		text += ": " + r.Excerpt
	}
	return text
}

// permanent says that the same request will never be taken.
func (r *Refusal) permanent() bool {
	switch r.Code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return r.Code/100 == 4
}

// refused makes an error of an answer that is no success.
func (c *Client) refused(u *url.URL, resp *http.Response, body []byte) error {
	r := &Refusal{Code: resp.StatusCode, Excerpt: c.excerpt(body), Body: body}
	err := c.named(u, r)
	switch {
	case r.Code == http.StatusUnauthorized, r.Code == http.StatusForbidden, r.Code == http.StatusProxyAuthRequired:
		return pluginsdk.CredentialsError(fmt.Errorf("%w; look at the handler's credentials", err))
	case r.permanent():
		return pluginsdk.Permanent(err)
	case r.Code/100 == 3:
		return pluginsdk.ConfigError(fmt.Errorf("%w; redirects are not followed%s: mend the url", err, leadingTo(u, resp.Header.Get("Location"))))
	default:
		return pluginsdk.Retryable(err, retryAfter(resp.Header, time.Now()))
	}
}

// leadingTo says to which server a redirect leads.
func leadingTo(from *url.URL, location string) string {
	to, err := from.Parse(location)
	if location == "" || err != nil {
		return ""
	}
	return ", and this one leads to " + Where(to)
}

// retryAfter reads Retry-After, in seconds or as a date; 0 where there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date // the server's clock, whatever ours says
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

// noAnswer says in words what kept an answer from coming. The text of net/http's
// own error holds the whole URL, and is not shown.
func (c *Client) noAnswer(ctx context.Context, u *url.URL, err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err
	}
	if context.Cause(ctx) == errNoAnswer {
		return pluginsdk.Retryable(c.named(u, fmt.Errorf("no answer within %s", pluginsdk.Duration(c.timeout))), 0)
	}
	if over := ctx.Err(); over != nil {
		return c.named(u, over)
	}
	if text := tlsFault(u, err); text != "" {
		return pluginsdk.ConfigError(c.named(u, errors.New(text)))
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		err = &quoted{fmt.Sprintf("there is no host %s: the name server does not know it", dns.Name), err}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = &quoted{"the server closed the connection without an answer", err}
	default:
		err = &quoted{c.excerpt([]byte(err.Error())), err}
	}
	return pluginsdk.Retryable(c.named(u, err), 0)
}

// tlsFault says what is wrong with a certificate or with the port; empty where it is
// something else.
func tlsFault(u *url.URL, err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		alert   *net.OpError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return "its certificate is not trusted: no known authority has signed it; name the authority's file in tls.ca"
	case errors.As(err, &host):
		return fmt.Sprintf("its certificate is for another name: %v; mend the url, or set tls.server_name", host)
	case errors.As(err, &invalid):
		return fmt.Sprintf("its certificate is not valid: %v", invalid)
	case errors.As(err, &alert) && alert.Op == "remote error": // an alert; its type is not exported
		return fmt.Sprintf("it refused the TLS connection: %v; does it want a certificate (tls.cert and tls.key)?", alert.Err)
	case errors.As(err, &record),
		// net/http has no type for it; a test pins its words
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it does not speak TLS at this port; is the url http:// rather than https://?"
	}
	return ""
}

// excerpt is the beginning of a text on one line, without secrets.
func (c *Client) excerpt(text []byte) string {
	line := c.Redact(strings.ToValidUTF8(string(text), "\uFFFD"))
	return Cut(OneLine(line), excerptLength)
}

// OneLine makes white space single spaces, and control characters too.
func OneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// Cut gives at most so many characters of a text; one that is longer ends in an
// ellipsis.
func Cut(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n == most { // the ellipsis takes the place of this one and all others
			if len([]rune(text[i:])) == 1 {
				break
			}
			return text[:i] + "…"
		}
	}
	return text
}

// Worst makes one error of what came of several requests for one delivery, nil where
// all were taken. Its class is that of the first that may be taken yet, so that the
// delivery is not given up for one that was refused for good; all of it waits as
// long as the one that asks for most.
func Worst(errs ...error) error {
	var (
		worst error
		after time.Duration
		texts []string
	)
	for _, err := range errs {
		if err == nil {
			continue
		}
		texts = append(texts, err.Error())
		after = max(after, pluginsdk.RetryAfter(err))
		if worst == nil || isPermanent(worst) && !isPermanent(err) {
			worst = err
		}
	}
	if worst == nil {
		return nil
	}
	all := &quoted{strings.Join(texts, "; "), worst}
	if after > 0 {
		return pluginsdk.Retryable(all, after)
	}
	return all
}

func isPermanent(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.permanent()
}
