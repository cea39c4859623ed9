package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// client speaks with the event service.
type client struct {
	http  *http.Client
	base  *url.URL
	token string
}

func (c *client) configure(cfg *settings) error {
	base, err := url.Parse(cfg.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return pluginsdk.ConfigError(errors.New("setting url: want a URL such as https://events.acme.example"))
	}
	if cfg.Timeout <= 0 {
		return pluginsdk.ConfigError(errors.New("setting timeout: want more than 0s"))
	}
	if _, err := parseKeep(cfg.Keep); err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("setting %w", err))
	}
	c.base, c.token, c.http.Timeout = base, cfg.Token, cfg.Timeout
	return nil
}

func (c *client) ping(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, c.base.JoinPath("v1/ping"), nil, nil, nil)
}

// call sends a request, and decodes the answer into out where that is not nil. Its
// errors say whose fault they are.
func (c *client) call(ctx context.Context, method string, to *url.URL, header http.Header, body, out any) error {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, to.String(), payload)
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err // the SDK knows a network that is down, and a time that has run out
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fault(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, to.Path, err)
	}
	return nil
}

// statusError is an answer that is none.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string { return e.text }

// fault gives an answer its class, which decides what dwmon does: try again, hold
// the plugin's checkers until its settings are mended, or point at the checker.
func fault(resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	err := &statusError{resp.StatusCode, strings.TrimSpace(fmt.Sprintf("%s %s: %s: %s",
		resp.Request.Method, resp.Request.URL.Path, resp.Status, bytes.TrimSpace(said)))}
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return pluginsdk.CredentialsError(err)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return pluginsdk.Retryable(err, retryAfter(resp.Header, time.Now()))
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		return pluginsdk.CheckerError(err)
	}
	return err
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}
