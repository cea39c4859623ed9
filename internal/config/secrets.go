package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// secrets remembers the values that must not be shown. The zero value knows
// none. Some come to be known only when plugins have said what is secret.
type secrets struct {
	mu     sync.RWMutex
	values []string
	// forms replaces every form of every longer value; built by seal.
	forms *strings.Replacer
	// short are values so short that they are replaced as whole words only: a
	// user named db must not blot out every text about databases.
	short []*regexp.Regexp
}

const shortest = 4

// keep takes values in once seal was called. A configuration that was not loaded, which
// has no secrets at all, learns none.
func (s *secrets) keep(values []string) {
	if s == nil {
		return
	}
	s.mu.RLock()
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" || slices.Contains(s.values, v) })
	s.mu.RUnlock()
	if len(values) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		s.add(v)
	}
	s.seal()
}

func (s *secrets) add(value string) {
	if value == "" || slices.Contains(s.values, value) {
		return
	}
	s.values = append(s.values, value)
	if isShort(value) {
		s.short = append(s.short, regexp.MustCompile(`(^|[^\pL\pN])`+regexp.QuoteMeta(value)+`([^\pL\pN]|$)`))
	}
	// Keys and certificates have many lines, of which an error may show one.
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != value && len(line) >= shortest*2 {
			s.add(line)
		}
	}
}

// isShort says that a value is replaced as a whole word only. Bytes that are no text are
// no word, and regexp takes none.
func isShort(value string) bool { return len(value) < shortest && utf8.ValidString(value) }

var (
	// Passwords in key=value connection texts, in URLs that need not be right,
	// and in user:password@tcp(host) ones.
	wordPassword = regexp.MustCompile(`(?i)(?:password|passwd|pwd|secret|token)\s*=\s*('(?:[^']|'')*'|[^\s;&]+)`)
	urlPassword  = regexp.MustCompile(`://[^:/@\s]*:([^@\s]+)@`)
	userPassword = regexp.MustCompile(`^[^:/@\s]+:(.+)@[a-z]+\(`)
)

// addEmbedded remembers passwords inside a setting, whether they came in by a
// reference or stand in the file: drivers tell their parts of it in errors.
func (s *secrets) addEmbedded(text string) {
	for _, find := range []*regexp.Regexp{urlPassword, userPassword} {
		if m := find.FindStringSubmatch(text); m != nil {
			s.add(m[1])
			if plain, err := url.PathUnescape(m[1]); err == nil {
				s.add(plain)
			}
		}
	}
	for _, m := range wordPassword.FindAllStringSubmatch(text, -1) {
		s.add(strings.Trim(m[1], "'"))
		if plain, err := url.QueryUnescape(m[1]); err == nil {
			s.add(plain)
		}
	}
}

func (s *secrets) list() []string {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.values)
}

func (s *secrets) redact(text string) string {
	if s == nil {
		return text
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.values) == 0 {
		return text
	}
	text = s.forms.Replace(text)
	for _, short := range s.short {
		// Twice: of two neighbours, the first match takes the sign between.
		for range 2 {
			text = short.ReplaceAllString(text, "${1}"+Redacted+"${2}")
		}
	}
	return text
}

// seal gets redact ready. Of several forms the longest goes first: a password
// may be part of another value.
func (s *secrets) seal() {
	var forms []string
	for _, v := range s.values {
		if isShort(v) {
			continue
		}
		forms = append(forms, v, url.QueryEscape(v), url.PathEscape(v), url.UserPassword("", v).String()[1:])
		escaped, _ := json.Marshal(v) // & and its like as \u0026
		for _, quoted := range []string{string(escaped), string(bytes.TrimSpace(canonical(v))), strconv.Quote(v), strconv.QuoteToASCII(v)} {
			forms = append(forms, quoted[1:len(quoted)-1])
		}
	}
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, Redacted)
	}
	s.forms = strings.NewReplacer(pairs...)
}
