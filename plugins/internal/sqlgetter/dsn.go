package sqlgetter

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xo/dburl"
)

// DSN says where a database is: a URL as xo/dburl reads it. A query parameter
// timezone is taken off it and beats the setting of that name.
type DSN struct {
	*dburl.URL
	// Location is the zone of timestamps that carry none, and of the session.
	Location *time.Location

	name    string
	secrets *strings.Replacer
}

// Name names the database without its password: PRODUCT USER@HOST/DATABASE.
func (d DSN) Name() string { return d.name }

// parse reads a DSN. Nothing of a DSN that cannot be read is in the error: there is
// no telling where its password is.
func (g *getter) parse(raw string) (DSN, error) {
	p := g.product
	scheme := schemeOf(raw)
	if !slices.Contains(p.Schemes, scheme) {
		if scheme == "" {
			return DSN{}, fmt.Errorf("the plugin %s wants a URL such as %s", p.Name, p.Example)
		}
		return DSN{}, fmt.Errorf("the plugin %s wants a URL that begins with one of %s:, such as %s, not with %s:",
			p.Name, strings.Join(p.Schemes, ":, "), p.Example, scheme)
	}
	u, err := dburl.Parse(raw)
	if err != nil {
		why := "it is no valid URL; special characters in user, password and names must be percent-encoded"
		if plain := dburl.Error(""); errors.As(err, &plain) {
			why = plain.Error()
		}
		return DSN{}, fmt.Errorf("the plugin %s wants a URL such as %s: %s", p.Name, p.Example, why)
	}
	d := DSN{URL: u, Location: g.location, secrets: secretsOf(u)}
	d.name = nameOf(p.Name, u)
	q := u.Query()
	if zone := q.Get("timezone"); zone != "" {
		loc, err := loadLocation(zone)
		if err != nil {
			return DSN{}, fmt.Errorf("timezone: %w", err)
		}
		d.Location = loc
	}
	q.Del("timezone")
	u.RawQuery = q.Encode()
	return d, nil
}

var schemeForm = regexp.MustCompile(`^([a-z][a-z0-9]{0,15})(?:\+[a-z]{1,8})?:`)

// schemeOf returns the scheme that a URL begins with, without a transport; empty
// where it does not look like one, and so might be a piece of a password.
func schemeOf(raw string) string {
	m := schemeForm.FindStringSubmatch(raw)
	if m == nil {
		return ""
	}
	return m[1]
}

// nameOf names a database for people.
func nameOf(product string, u *dburl.URL) string {
	at := u.Host + u.Path
	if u.Opaque != "" {
		at = u.Opaque
	}
	if user := u.User.Username(); user != "" {
		at = user + "@" + at
	}
	return product + " " + at
}

// hidden stands for a secret.
const hidden = "xxxxx"

// shortestSecret is the shortest secret that is looked for in texts. Replacing
// shorter ones would make any text unreadable and give them away.
const shortestSecret = 3

// secretName is found in the names of parameters that hold secrets.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|credential|(private|client|api|account)_?key`)

// secretsOf finds the secrets in a URL, in each form in which they may turn up in
// an error: as they are, and escaped.
func secretsOf(u *dburl.URL) *strings.Replacer {
	var found []string
	if pw, ok := u.User.Password(); ok {
		found = append(found, pw)
	}
	for name, values := range u.Query() {
		if secretName.MatchString(name) {
			found = append(found, values...)
		}
	}
	var forms []string
	for _, s := range found {
		userinfo := strings.TrimPrefix(url.UserPassword("", s).String(), ":")
		quoted := strconv.Quote(s)
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), userinfo, quoted[1 : len(quoted)-1]} {
			if len(form) >= shortestSecret {
				forms = append(forms, form)
			}
		}
	}
	// One may be the beginning of another: the longest goes first.
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, hidden)
	}
	return strings.NewReplacer(pairs...)
}

// redact removes the DSN's secrets from a text.
func (d DSN) redact(text string) string {
	return d.secrets.Replace(text)
}

// Unwanted returns an error for the first of the parameters given that the URL has,
// with the reason why it must not.
func (d DSN) Unwanted(reasons map[string]string) error {
	q := d.Query()
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for unwanted, why := range reasons {
			if strings.EqualFold(name, unwanted) {
				return fmt.Errorf("the parameter %s of the URL is not allowed: %s", unwanted, why)
			}
		}
	}
	return nil
}
