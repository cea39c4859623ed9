package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// base is the server that a source is, and the path below which its requests stand.
type base struct {
	origin string // scheme://host:port
	url    *url.URL
	user   *url.Userinfo
}

var schemeForm = regexp.MustCompile(`(?i)^https?://`)

// isURL says that a target or SOURCE is a whole URL.
func isURL(text string) bool { return schemeForm.MatchString(text) }

// parseBase reads the setting url, or a SOURCE. Nothing of a URL that cannot be
// read is in the error: there is no telling where its password is.
func parseBase(raw string) (*base, error) {
	const example = "want a URL such as https://api.example.com"
	if !isURL(raw) {
		return nil, errors.New(example)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("it is no valid URL; %s", example)
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("it has parameters (?…); write them into the QUERY section, or secret ones into the setting `params`")
	case u.Fragment != "":
		return nil, errors.New("it has a fragment (#…), which a server never sees")
	}
	b := &base{user: u.User, url: u}
	u.User = nil
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	b.origin = originOf(u)
	return b, nil
}

// originOf is what credentials are bound to: scheme, host and port.
func originOf(u *url.URL) string {
	return strings.ToLower(u.Scheme) + "://" + hostPort(u)
}

// hostPort is the host in lower case with its port, the scheme's own if none is
// given.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if strings.EqualFold(u.Scheme, "https") {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// resolve makes the URL of a target: a path stands below the base's own, a full
// URL is taken as it is.
func (b *base) resolve(target string) (*url.URL, error) {
	if isURL(target) {
		u, err := url.Parse(target)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("%q is no valid URL", cut(target))
		}
		if u.User != nil {
			return nil, errors.New("the URL of the request holds a user; credentials belong into dwmon.yaml")
		}
		return u, nil
	}
	// Not Parse, to which //name begins with a host.
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fmt.Errorf("%q is no valid path", cut(target))
	}
	joined := *b.url
	joined.Path = b.url.Path + u.Path
	joined.RawPath = ""
	if b.url.RawPath != "" || u.RawPath != "" {
		joined.RawPath = b.url.EscapedPath() + u.EscapedPath()
	}
	joined.RawQuery = u.RawQuery
	return &joined, nil
}

// credentials are what is sent to a base's origin and nowhere else.
type credentials struct {
	headers http.Header
	params  map[string]string
	// secrets removes them from texts.
	secrets *redaction
}

// credentials gathers what the base is sent. own says that the base comes from the
// checker's SOURCE.
func (g *getter) credentials(b *base, own bool) (*credentials, error) {
	c := &credentials{headers: http.Header{}}
	var secrets []string
	authorize := func(scheme, value string) {
		c.headers.Set("Authorization", scheme+" "+value)
		secrets = append(secrets, value)
	}
	basic := func(user, password string) {
		secrets = append(secrets, password)
		authorize("Basic", base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	}
	if b.user != nil {
		password, _ := b.user.Password()
		basic(b.user.Username(), password)
	}
	if s := &g.settings; !own {
		switch {
		case s.Bearer != "":
			authorize("Bearer", s.Bearer)
		case s.BearerFile != "":
			token, err := os.ReadFile(s.BearerFile)
			if err != nil {
				return nil, fmt.Errorf("bearer_file: %w", err)
			}
			authorize("Bearer", strings.TrimSpace(string(token)))
		case s.User != "" || s.Password != "":
			basic(s.User, s.Password)
		}
		for name, value := range s.Headers {
			c.headers.Set(name, value)
			secrets = append(secrets, value)
		}
		c.params = s.Params
		for _, value := range s.Params {
			secrets = append(secrets, value)
		}
	}
	for _, values := range c.headers {
		if !validHeaderValue(values[0]) {
			return nil, errors.New("a token, user or password holds a line break or another control character")
		}
	}
	c.secrets = redactor(secrets)
	return c, nil
}

const (
	// hidden stands for a secret.
	hidden = "xxxxx"
	// shortestSecret is the shortest that is looked for: replacing shorter ones
	// would make any text unreadable and give them away.
	shortestSecret = 3
)

// redaction removes secrets in each form in which a server or a library may repeat
// them: as they are, escaped for a URL, as text of JSON.
type redaction struct {
	whole *strings.Replacer
	forms []string // the longest first
}

func redactor(secrets []string) *redaction {
	var forms []string
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		plain, _ := gojqText(s)
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`), plain} {
			if len(form) >= shortestSecret {
				forms = append(forms, form)
			}
		}
	}
	// A secret may be a part of another; the longer one goes first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	forms = slices.Compact(forms)
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, hidden)
	}
	return &redaction{strings.NewReplacer(pairs...), forms}
}

// cutEnds is where a text that was cut may end, by us or by a library: at its mark, or
// where all ends.
var cutEnds = regexp.MustCompile(`…| ?\.\.\.|$`)

// Replace takes secrets out of a text, and the beginnings of such as were cut before they
// came here.
func (r *redaction) Replace(text string) string {
	text = r.whole.Replace(text)
	var b strings.Builder
	from := 0
	for _, end := range cutEnds.FindAllStringIndex(text, -1) {
		begin := end[0] - r.begun(text[from:end[0]])
		b.WriteString(text[from:begin])
		if begin < end[0] {
			b.WriteString(hidden)
		}
		b.WriteString(text[end[0]:end[1]])
		from = end[1]
	}
	return b.String() + text[from:]
}

// begun is how many bytes at the end of a text are the beginning of a secret.
func (r *redaction) begun(text string) (n int) {
	for _, form := range r.forms {
		for at := min(len(form), len(text)); at >= shortestSecret && at > n; at-- {
			if strings.HasSuffix(text, form[:at]) {
				n = at
			}
		}
	}
	return n
}

// allowed says that requests without credentials may go to u.
func (g *getter) allowed(b *base, u *url.URL) bool {
	if !strings.EqualFold(u.Scheme, "https") && !(strings.EqualFold(u.Scheme, "http") && b.url.Scheme == "http") {
		return false
	}
	return slices.ContainsFunc(g.settings.AllowedHosts, func(host string) bool {
		if strings.EqualFold(host, u.Hostname()) {
			return u.Port() == "" || hostPort(u) == hostPort(&url.URL{Scheme: u.Scheme, Host: u.Hostname()})
		}
		return strings.EqualFold(host, hostPort(u))
	})
}

// where names a URL for people, without its parameters: they may hold secrets.
func where(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// cut bounds a text that is quoted in an error.
func cut(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
