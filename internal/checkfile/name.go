package checkfile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the longest name of a checker, in bytes.
const MaxName = 200

// Ending is how the name of a checker file ends.
const Ending = ".dwmon"

// CheckName says whether a checker may bear a name: letters, digits, space and
// _ - . / in Unicode's composed form (NFC), at most 200 bytes, no "..".
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > MaxName:
		return fmt.Errorf("the name %s is %d bytes long; at most %d are allowed", word(name), len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %s is not UTF-8", word(name))
	case !norm.NFC.IsNormalString(name):
		return fmt.Errorf("the name %s is not in Unicode's composed form (NFC): rename the file to %q, typed anew", word(name), norm.NFC.String(name))
	case strings.Contains(name, ".."):
		return fmt.Errorf("the name %s holds \"..\"", word(name))
	}
	for _, part := range strings.Split(name, "/") {
		switch {
		case strings.TrimSpace(part) == "":
			return fmt.Errorf("the name %s has an empty part", word(name))
		case part[0] == '.':
			return fmt.Errorf("the name %s has a part that begins with a dot; such entries are skipped", word(name))
		}
	}
	last := ' '
	for _, r := range name {
		if !nameRune(r, last) {
			return fmt.Errorf("the name %s holds %q; letters, digits, space and _ - . / are allowed", word(name), r)
		}
		last = r
	}
	return nil
}

// nameRune says whether r may stand behind last. Marks belong to the letter
// before them: many scripts cannot be written without.
func nameRune(r, last rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" _-./", r) ||
		unicode.IsMark(r) && (unicode.IsLetter(last) || unicode.IsMark(last))
}
