package provider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const (
	// hidden stands for a secret.
	hidden = "xxxxx"
	// shortestSecret is the shortest that is looked for: replacing shorter ones
	// would make any text unreadable and give them away.
	shortestSecret = 4
	// shortestSegment is the shortest part of a URL's path that is taken for a secret:
	// shorter ones are words.
	shortestSegment = 10
)

var schemeForm = regexp.MustCompile(`(?i)^https?://`)

// ParseURL reads a setting that is a URL. Nothing of one that cannot be read is in
// the error: there is no telling where its secret is.
func ParseURL(raw string) (*url.URL, error) {
	const example = "want a URL such as https://example.com/path"
	if !schemeForm.MatchString(raw) {
		return nil, errors.New(example)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("it is no valid URL; " + example)
	}
	if u.Fragment != "" {
		return nil, errors.New("it has a fragment (#…), which a server never sees")
	}
	return u, nil
}

// Where names a URL for people: scheme and host. All behind them may be secret.
func Where(u *url.URL) string { return u.Scheme + "://" + u.Host }

// SecretsOf gives what is secret in a URL to which nobody else may post: password,
// path and query.
func SecretsOf(u *url.URL) []string {
	secrets := append(UserSecrets(u), u.RequestURI())
	if u.RawQuery != "" {
		secrets = append(secrets, u.RawQuery)
	}
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	if strings.Count(u.Path, "/") > 1 {
		secrets = append(secrets, u.Path)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if len(segment) >= shortestSegment {
			secrets = append(secrets, segment)
		}
	}
	return secrets
}

// UserSecrets gives what is secret in a URL whose path everybody may know: a password.
func UserSecrets(u *url.URL) []string {
	if u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	return BasicSecrets(u.User.Username(), password)
}

// BasicSecrets gives what is secret in Authorization: Basic.
func BasicSecrets(user, password string) []string {
	return []string{password, base64.StdEncoding.EncodeToString([]byte(user + ":" + password))}
}

// redactor removes secrets in each form in which a server or a library may repeat
// them: as they are, escaped for a URL, as text of JSON.
func redactor(secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`)} {
			if len(form) >= shortestSecret {
				forms = append(forms, form)
			}
		}
	}
	// A secret may be a part of another; the longer one goes first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, hidden)
	}
	return strings.NewReplacer(pairs...)
}

var sourcePassword = regexp.MustCompile(`(://[^/?#@:\s]*:)[^/?#@\s]*@`)

// SourceName is a checker's SOURCE on one line and without the password of a URL.
func SourceName(source string) string {
	return sourcePassword.ReplaceAllString(OneLine(source), "${1}"+hidden+"@")
}

// CheckHeaders says what is wrong with headers of a user's own, which must not be
// among those that the handler sets by itself. Values, which may be secret, are not
// shown.
func CheckHeaders(headers map[string]string, own ...string) error {
	var faults []error
	for name, value := range headers {
		switch {
		case !validHeaderName(name):
			faults = append(faults, errors.New("there is a name that is no name of a header"))
		case slices.ContainsFunc(slices.Concat(netHeaders, own), func(o string) bool { return strings.EqualFold(o, name) }):
			faults = append(faults, errors.New(http.CanonicalHeaderKey(name)+" is set by the plugin itself"))
		case !ValidHeaderValue(value):
			faults = append(faults, errors.New("the value of "+name+" holds a line break or another control character"))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// netHeaders are those that are net/http's own.
var netHeaders = []string{
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Te", "Trailer", "Upgrade",
	"Keep-Alive", "Proxy-Connection", "Expect", "X-Idempotency-Key",
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

// ValidHeaderValue says that a value cannot begin a header or a request of its own.
func ValidHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
