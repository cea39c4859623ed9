package provider

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

const (
	// defaultTimeout is below the ten seconds that dwmon gives a call, so that the
	// error says what was waited for.
	defaultTimeout = 8 * time.Second
	// maxAnswer is how much of an answer is read.
	maxAnswer = 1 << 20
)

// Settings are those of every handler over HTTP. Embed them.
type Settings struct {
	Timeout pluginsdk.Duration `json:"timeout" doc:"of one request; default 8s"`
	TLS     TLS                `json:"tls"`
}

// Options describe a client.
type Options struct {
	// Provider is the service's name in errors, such as "PagerDuty".
	Provider string
	// Plugin and Version make the User-Agent: dwmon-PLUGIN/VERSION.
	Plugin, Version string
	Settings        Settings
	// Secrets are taken out of every text; see SecretsOf for those of a URL.
	Secrets []string
}

// Client sends requests to one provider. It may be used by several goroutines.
type Client struct {
	provider  string
	userAgent string
	timeout   time.Duration
	http      *http.Client
	secrets   *strings.Replacer
}

// New makes a client. It does not connect. An error is a ConfigError.
func New(o Options) (*Client, error) {
	if o.Settings.Timeout < 0 {
		return nil, pluginsdk.ConfigError(errors.New("timeout must be above 0"))
	}
	config, err := o.Settings.TLS.config()
	if err != nil {
		return nil, pluginsdk.ConfigError(err)
	}
	return &Client{
		provider:  o.Provider,
		userAgent: "dwmon-" + o.Plugin + "/" + o.Version,
		timeout:   cmp.Or(o.Settings.Timeout.Std(), defaultTimeout),
		secrets:   redactor(o.Secrets),
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				TLSClientConfig:        config,
				ForceAttemptHTTP2:      true,
				MaxIdleConnsPerHost:    4,
				IdleConnTimeout:        time.Minute,
				TLSHandshakeTimeout:    10 * time.Second,
				MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is what is sent.
type Request struct {
	// Method is POST where it is left empty.
	Method string
	URL    *url.URL
	// Header is added to User-Agent and, where there is a Body, Content-Type:
	// application/json; it may replace both.
	Header http.Header
	Body   []byte
	// Idempotent says that the receiver knows a repetition: what was sent over a
	// connection that had just been closed is sent again at once.
	Idempotent bool
}

// Answer is what a server said that took the request. Body is at most its first MiB.
type Answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

var errNoAnswer = errors.New("the time for one request is over")

// Do sends a request. The package's comment has the classes of its errors.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errNoAnswer)
	defer cancel()
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, c.noAnswer(ctx, r.URL, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if resp.StatusCode/100 != 2 {
		return nil, c.refused(r.URL, resp, body)
	}
	if err != nil {
		return nil, c.noAnswer(ctx, r.URL, err)
	}
	return &Answer{Code: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Probe says whether the server can be reached: an OPTIONS, which changes nothing,
// and of which any answer is as good as another.
func (c *Client) Probe(ctx context.Context, u *url.URL) error {
	_, err := c.Do(ctx, Request{Method: http.MethodOptions, URL: u, Idempotent: true})
	var answered *Refusal
	if errors.As(err, &answered) {
		return nil
	}
	return err
}

func (c *Client) send(ctx context.Context, r Request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.Method, http.MethodPost), r.URL.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.userAgent)
	if len(r.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.Idempotent {
		req.Header["X-Idempotency-Key"] = nil // for net/http; a nil one is not sent
	}
	return c.http.Do(req)
}

// Redact takes the client's secrets out of a text.
func (c *Client) Redact(text string) string { return c.secrets.Replace(text) }

// named puts in front of an error whom it is about.
func (c *Client) named(u *url.URL, err error) error {
	return fmt.Errorf("%s at %s: %w", c.provider, Where(u), err)
}

// quoted is an error whose text is not its cause's, which may hold secrets.
type quoted struct {
	text  string
	cause error
}

func (q *quoted) Error() string { return q.text }
func (q *quoted) Unwrap() error { return q.cause }
