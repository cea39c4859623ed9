package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // plugins run where there is no zone database

	"github.com/dwmon/dwmon/pluginsdk"
)

// settings are those of one instance.
type settings struct {
	URL        string            `json:"url" doc:"the base below which requests stand; left out: the checker's SOURCE section is the URL"`
	Bearer     string            `json:"bearer" secret:"true" doc:"token for Authorization: Bearer"`
	BearerFile string            `json:"bearer_file" doc:"file with that token, read anew for each fetch"`
	User       string            `json:"user" doc:"user name for Authorization: Basic"`
	Password   string            `json:"password" secret:"true"`
	Headers    map[string]string `json:"headers" secret:"true" doc:"headers sent with each request to the base, such as an API key"`
	Params     map[string]string `json:"params" secret:"true" doc:"parameters of the URL sent with each request to the base, such as an API key"`
	TLS        tlsSettings       `json:"tls"`

	Timezone      string             `json:"timezone" doc:"zone of times that carry none, such as Europe/Berlin; default UTC"`
	Timeout       pluginsdk.Duration `json:"timeout" doc:"of one page; default 30s"`
	MaxBytes      int64              `json:"max_bytes" doc:"of one page of JSON, uncompressed, and of one line of ndjson or csv; default 32 MiB"`
	MaxTotalBytes int64              `json:"max_total_bytes" doc:"of all pages of a fetch; default 1 GiB"`
	MaxPages      int                `json:"max_pages" doc:"pages of a fetch; default 1000"`
	MaxMemory     int64              `json:"max_memory" doc:"bytes of heap at which jq programs are ended; default 1 GiB"`
	AllowedHosts  []string           `json:"allowed_hosts" doc:"other hosts, as host or host:port, that URLs, redirects and next may lead to; they get no credentials"`
	UserAgent     string             `json:"user_agent"`
}

type tlsSettings struct {
	CA         string `json:"ca" doc:"file of certificates to trust instead of the system's"`
	Cert       string `json:"cert" doc:"file with our own certificate"`
	Key        string `json:"key" doc:"file with its key"`
	ServerName string `json:"server_name" doc:"name to expect in the server's certificate instead of the URL's host"`
}

var defaults = settings{
	Timeout:       pluginsdk.Duration(30 * time.Second),
	MaxBytes:      32 << 20,
	MaxTotalBytes: 1 << 30,
	MaxPages:      1000,
	MaxMemory:     1 << 30,
	UserAgent:     "dwmon-plugin-http/" + version,
}

// least bounds max_memory: below it the plugin itself hardly runs.
const leastMemory = 64 << 20

// check says what is wrong with the settings, but for the URL and the files.
func (s *settings) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, n := range map[string]int64{
		"timeout": int64(s.Timeout), "max_bytes": s.MaxBytes, "max_total_bytes": s.MaxTotalBytes, "max_pages": int64(s.MaxPages),
	} {
		if n <= 0 {
			fault("%s must be above 0", name)
		}
	}
	if s.MaxMemory < leastMemory {
		fault("max_memory is %d bytes; at least %d are needed", s.MaxMemory, leastMemory)
	}
	ways := 0
	for _, given := range []bool{s.Bearer != "", s.BearerFile != "", s.User != "" || s.Password != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		fault("bearer, bearer_file and user exclude one another; give one of them")
	}
	if s.URL == "" && s.hasCredentials() {
		fault("url is missing: credentials are for one server; say which")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		fault("tls.cert and tls.key belong together; one of them is missing")
	}
	for name, value := range s.Headers {
		switch {
		case !validHeaderName(name):
			fault("headers: %q is no name of a header", name)
		case slices.Contains(ownHeaders, textproto.CanonicalMIMEHeaderKey(name)):
			fault("headers: %s is set by the plugin itself", name)
		case !validHeaderValue(value):
			fault("headers: the value of %s holds a line break or another control character", name)
		}
	}
	for _, host := range s.AllowedHosts {
		if host == "" || strings.ContainsAny(host, "/@?#* ") {
			fault("allowed_hosts: %q is no host; write host or host:port", host)
		}
	}
	if !validHeaderValue(s.UserAgent) {
		fault("user_agent holds a control character")
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// hasCredentials says that there is something to keep from other hosts.
func (s *settings) hasCredentials() bool {
	return s.Bearer != "" || s.BearerFile != "" || s.User != "" || s.Password != "" ||
		len(s.Headers) > 0 || len(s.Params) > 0 || s.TLS.Cert != ""
}

// ownHeaders are those that a request gets from the plugin or from net/http.
var ownHeaders = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Te", "Trailer", "Upgrade",
	"Keep-Alive", "Proxy-Connection", "Expect", "Range",
}

// validHeaderName says that a name is a token of HTTP.
func validHeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// validHeaderValue says that a value cannot begin a header or a request of its own.
func validHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// setup checks the settings. It does not connect: a server that is down is no
// fault of the settings.
func (g *getter) setup(context.Context) error {
	s := &g.settings
	if err := s.check(); err != nil {
		return pluginsdk.ConfigError(err)
	}
	zone, err := loadZone(s.Timezone)
	if err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("timezone: %w", err))
	}
	g.zone = zone
	plain, own, err := s.TLS.configs()
	if err != nil {
		return pluginsdk.ConfigError(err)
	}
	g.foreign, g.home = newClient(plain), newClient(own)
	g.heap = newHeapGuard(s.MaxMemory)
	if s.URL == "" {
		return nil
	}
	g.base, err = parseBase(s.URL)
	if err != nil {
		return pluginsdk.ConfigError(fmt.Errorf("url: %w", err))
	}
	if g.base.user != nil && (s.Bearer != "" || s.BearerFile != "" || s.User != "") {
		return pluginsdk.ConfigError(errors.New("url: it holds a user, and there are other credentials beside it; give one of them"))
	}
	_, err = g.credentials(g.base, false)
	return pluginsdk.ConfigError(err)
}

func loadZone(name string) (*time.Location, error) {
	if strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("%q differs between machines; name the zone, such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q; use a name such as UTC or Europe/Berlin", name)
	}
	return zone, nil
}

// configs makes the configurations for other hosts and for the base: only the
// latter holds our certificate, which is a credential.
func (s *tlsSettings) configs() (foreign, home *tls.Config, err error) {
	foreign = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, nil, fmt.Errorf("tls.ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("tls.ca: %s holds no certificate in PEM form", s.CA)
		}
		foreign.RootCAs = pool
	}
	home = foreign.Clone()
	home.ServerName = s.ServerName
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, nil, fmt.Errorf("tls.cert and tls.key: %w", err)
		}
		home.Certificates = []tls.Certificate{pair}
	}
	return foreign, home, nil
}

// newClient makes a client that follows no redirect by itself: whether
// credentials go along is decided at each hop.
func newClient(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        config,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    2,
			MaxConnsPerHost:        maxFetches,
			IdleConnTimeout:        2 * time.Minute,
			TLSHandshakeTimeout:    10 * time.Second,
			MaxResponseHeaderBytes: 1 << 20,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
