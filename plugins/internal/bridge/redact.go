package bridge

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// secretName is how variables are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|API_?KEY|PRIVATE_?KEY|DSN`)

// shortestSecret is the shortest value that is replaced: a shorter one would blot
// out half of every text.
const shortestSecret = 4

// RedactEnvironment gives a function that replaces the values of variables
// (NAME=value) whose names say that they are secret. What a program prints, and its
// errors, may hold them: the host does not know what it only passes on.
func RedactEnvironment(environ []string) func(string) string {
	var values []string
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if len(value) >= shortestSecret && secretName.MatchString(name) {
			values = append(values, value)
		}
	}
	// One may be the beginning of another: the longest goes first.
	slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	pairs := make([]string, 0, 2*len(values))
	for _, value := range values {
		pairs = append(pairs, value, Redacted)
	}
	return strings.NewReplacer(pairs...).Replace
}
