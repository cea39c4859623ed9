package dwmon

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// password is that of a URL: what stands between the user's name and the host.
	password = regexp.MustCompile(`(://[^/?#@:]*):([^/?#@]*)@`)
	// secretParameter is a parameter of a URL whose name speaks of a secret.
	secretParameter = regexp.MustCompile(`([?&;](?i:[^=&;#\s]*(?:pass|pwd|secret|token|credential|(?:private|client|api|account|access)_?key)[^=&;#\s]*)=)([^&;#\s]+)`)
)

// ShownSource is SOURCE for people, results and labels: without the password of a
// URL, and without parameters that speak of secrets.
func (c *Checker) ShownSource() string { return withoutPassword(c.Source) }

func withoutPassword(source string) string {
	source = password.ReplaceAllString(source, "$1:…@")
	if !strings.Contains(source, "://") && !strings.Contains(source, "?") {
		return source
	}
	return secretParameter.ReplaceAllString(source, "$1…")
}

// SourceSecrets are the passwords in SOURCE, as they stand there and as they are meant,
// for whoever takes them out of what a plugin says.
func (c *Checker) SourceSecrets() (secrets []string) {
	for _, form := range []*regexp.Regexp{password, secretParameter} {
		for _, m := range form.FindAllStringSubmatch(c.Source, -1) {
			secrets = append(secrets, m[2])
			if plain, err := url.PathUnescape(m[2]); err == nil {
				secrets = append(secrets, plain)
			}
			if plain, err := url.QueryUnescape(m[2]); err == nil {
				secrets = append(secrets, plain)
			}
		}
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
	slices.Sort(secrets)
	return slices.Compact(secrets)
}
