package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// maxRedirects bounds the hops of one page.
const maxRedirects = 5

// response is an answer whose body is to be read within ctx.
type response struct {
	*http.Response
	ctx  context.Context
	body *limited
}

// errTooLarge is what a body beyond its limit fails with.
var errTooLarge = errors.New("too large")

// limited counts what is read of all pages and fails beyond the limits.
type limited struct {
	from  io.Reader
	fetch *fetch
	page  int64 // bytes left of this page
	over  error // a limit that was exceeded
	err   error // what ended the body, io.EOF where it is complete
}

// broken says that the body did not end, but failed.
func (l *limited) broken() bool { return l.err != nil && l.err != io.EOF }

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.err = err
	l.fetch.read += int64(n)
	if l.page -= int64(n); l.page < 0 || l.fetch.read > l.fetch.settings.MaxTotalBytes {
		l.over, l.err = errTooLarge, errTooLarge
		return 0, errTooLarge
	}
	return n, err
}

// send asks for a page. The response is nil where the status code is one of empty.
// stop must be called after the body was read.
func (f *fetch) send(ctx context.Context, c call, empty []int) (*response, func(), error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.settings.Timeout.Std(), errPageTimeout)
	resp, err := f.roundTrip(ctx, c)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	stop := func() {
		cancel()
		resp.Body.Close()
	}
	for _, code := range empty {
		if resp.StatusCode == code {
			stop()
			return nil, nil, nil
		}
	}
	if err := f.accepted(resp); err != nil {
		stop()
		return nil, nil, err
	}
	if f.page <= 1 {
		f.tellClock(resp.Response)
	}
	return resp, stop, nil
}

// tellClock tells the host what the server's clock says, unless it was a cache
// that answered.
func (f *fetch) tellClock(resp *http.Response) {
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err == nil && resp.Header.Get("Age") == "" && f.out != nil {
		f.out.SourceNow(at)
	}
}

var errPageTimeout = errors.New("the time for one page is over")

// roundTrip sends a call and follows redirects.
func (f *fetch) roundTrip(ctx context.Context, c call) (*response, error) {
	f.doing = c.method + " " + where(c.url)
	for hop := 0; ; hop++ {
		resp, err := f.hop(ctx, c)
		if err != nil {
			return nil, f.transportError(ctx, c.url, err)
		}
		location := resp.Header.Get("Location")
		if resp.StatusCode < 300 || resp.StatusCode > 308 || location == "" || resp.StatusCode == http.StatusNotModified {
			return &response{Response: resp, ctx: ctx}, nil
		}
		drain(resp)
		if hop == maxRedirects {
			return nil, pluginsdk.CheckerError(f.named(fmt.Errorf("the server redirected more than %d times, lastly to %s", maxRedirects, cut(location))))
		}
		if c.url, err = f.redirect(&c, resp.StatusCode, location); err != nil {
			return nil, pluginsdk.CheckerError(f.named(err))
		}
	}
}

// redirect finds where a redirect leads and whether it may be followed.
func (f *fetch) redirect(c *call, status int, location string) (*url.URL, error) {
	if c.method != http.MethodGet && status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
		return nil, fmt.Errorf("the server redirected a %s with %d, after which a GET would be sent; name the right URL: %s", c.method, status, cut(location))
	}
	ref, err := url.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("the server redirected to %q, which is no URL", cut(location))
	}
	u := c.url.ResolveReference(ref)
	u.Fragment, u.User = "", nil
	if err := f.mayAsk(u); err != nil {
		return nil, fmt.Errorf("the server redirected: %w", err)
	}
	return u, nil
}

// drain reads a little of a body that nobody wants, so that the connection can be
// used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
}

// foreignHeaders are those of a checker that go to other hosts too.
var foreignHeaders = []string{"Accept", "Content-Type"}

// hop sends one request. Whether credentials go along hangs on its URL alone.
func (f *fetch) hop(ctx context.Context, c call) (*http.Response, error) {
	home := originOf(c.url) == f.base.origin
	u := *c.url
	client := f.foreign
	if home {
		client = f.home
		setParams(&u, f.credentials.params)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	if len(c.body) == 0 {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	if home {
		req.Header = c.headers.Clone()
		if req.Header == nil {
			req.Header = http.Header{}
		}
		for name, values := range f.credentials.headers {
			req.Header[name] = values
		}
	} else {
		for _, name := range foreignHeaders {
			if v := c.headers.Get(name); v != "" {
				req.Header.Set(name, v)
			}
		}
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", f.settings.UserAgent)
	}
	return client.Do(req)
}

// setParams adds secret parameters to a URL. One that is there already, as in a URL
// that the server gave, is replaced.
func setParams(u *url.URL, params map[string]string) {
	if len(params) == 0 {
		return
	}
	var kept []string
	for _, p := range strings.Split(u.RawQuery, "&") {
		name, _, _ := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(name)
		if _, ours := params[plain]; p != "" && (err != nil || !ours) {
			kept = append(kept, p)
		}
	}
	values := url.Values{}
	for name, value := range params {
		values.Set(name, value)
	}
	u.RawQuery = strings.Join(append(kept, values.Encode()), "&")
}

// transportError says in words what kept an answer from coming. The text of
// net/http's own error holds the whole URL, and is not shown.
func (f *fetch) transportError(ctx context.Context, u *url.URL, err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err
	}
	if context.Cause(ctx) == errPageTimeout {
		return pluginsdk.Retryable(f.named(fmt.Errorf("no answer within %s; ask for less, or raise the setting timeout", f.settings.Timeout)), 0)
	}
	if text := tlsFault(u, err); text != "" {
		return f.owned(pluginsdk.ConfigError, f.named(errors.New(text)))
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		err = &quoted{fmt.Sprintf("there is no host %s: the name server does not know it", dns.Name), err}
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"): // net/http has no type for it; a test pins its words
		return f.owned(pluginsdk.ConfigError, f.named(errors.New("the server does not speak TLS at this port; is the URL http:// rather than https://?")))
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return pluginsdk.Retryable(f.named(errors.New("the server closed the connection without an answer")), 0)
	}
	return f.named(&quoted{oneLine([]byte(err.Error())), err})
}

// tlsFault says what is wrong with a certificate; empty where it is something else.
func tlsFault(u *url.URL, err error) string {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		refused *net.OpError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("the certificate of %s is not trusted: no known authority has signed it; name the authority's file in tls.ca", u.Host)
	case errors.As(err, &host):
		return fmt.Sprintf("the certificate of %s is for another name: %v; mend the url, or set tls.server_name", u.Host, host)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the certificate of %s is not valid: %v", u.Host, invalid)
	case errors.As(err, &refused) && refused.Op == "remote error": // an alert; its type is not exported
		return fmt.Sprintf("%s refused the TLS connection: %v; does it want a certificate (tls.cert and tls.key)?", u.Host, refused.Err)
	case errors.As(err, &record):
		return fmt.Sprintf("%s does not speak TLS at this port; is the URL http:// rather than https://?", u.Host)
	}
	return ""
}

// overdue says that the call's own time was over.
func (f *fetch) overdue(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.Canceled) {
		return f.asking() + ": the host gave up"
	}
	return f.asking() + ": the time limit was over; ask for less, or raise the timeout of the checker or the source"
}
