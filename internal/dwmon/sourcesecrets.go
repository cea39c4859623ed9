package dwmon

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// password is that of a URL: what stands between the user's name and the host. One
	// that should have been escaped and is not may hold @, and / where the text before it
	// is no port.
	password = regexp.MustCompile(`(://[^/?#@:\s\[]*):([^/?#\s]*|[^/?#@\s]*[^\d/?#@\s][^/?#@\s]*[/?#]\S*)@`)
	// secretParameter is a parameter of a URL whose name speaks of a secret.
	secretParameter = regexp.MustCompile(`([?&;](?i:[^=&;#\s]*(?:pass|pwd|secret|token|credential|(?:private|client|api|account|access)_?key)[^=&;#\s]*)=)([^&;#\s]+)`)
)

// ShownSource is SOURCE for people, results and labels: without the password of a
// URL, without parameters that speak of secrets, and without what would drive a
// terminal.
func (c *Checker) ShownSource() string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return shown(r)
	}, withoutPassword(c.Source))
}

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
