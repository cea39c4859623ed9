package dwmon

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// SilenceSubject is what matchers look at: whom trouble belongs to. Of a source's
// own incident only Source is set; of dwmon's own, nothing.
type SilenceSubject struct {
	// Checker is the checker's name; empty where it is about no single checker.
	Checker string
	Owner   string
	// Source is ShownSource.
	Source string
	Labels map[string]string
}

// Matcher is one condition on a subject. The zero value is none.
type Matcher struct {
	// Key is name, owner, source, or label. and the label's key.
	Key string
	// Not turns the condition round: != instead of =.
	Not bool
	// Value is compared as it is; of the key name it is a pattern: * stands for any
	// characters within a folder, ** for any folders too, ? for one character.
	Value string
}

// Matchers must all match. None match everything.
type Matchers []Matcher

const (
	matchName   = "name"
	matchOwner  = "owner"
	matchSource = "source"
	matchLabel  = "label."
)

// Match says whether all matchers match. Where the trouble is about no checker,
// only matchers on the source can: what is said of owners and names is about
// checkers.
func (ms Matchers) Match(s SilenceSubject) bool {
	return !slices.ContainsFunc(ms, func(m Matcher) bool { return !m.Match(s) })
}

// Match says whether the condition holds. A label that is not there is empty.
func (m Matcher) Match(s SilenceSubject) bool {
	if s.Checker == "" && (m.Key != matchSource || s.Source == "") {
		return false
	}
	return m.equals(s) != m.Not
}

func (m Matcher) equals(s SilenceSubject) bool {
	switch m.Key {
	case matchName:
		return matchGlob(m.Value, s.Checker)
	case matchOwner:
		return m.Value == s.Owner
	case matchSource:
		return m.Value == s.Source
	default:
		return m.Value == s.Labels[strings.TrimPrefix(m.Key, matchLabel)]
	}
}

// String writes what ParseMatcher reads.
func (m Matcher) String() string {
	if m.Not {
		return m.Key + "!=" + m.Value
	}
	return m.Key + "=" + m.Value
}

func (ms Matchers) String() string {
	if len(ms) == 0 {
		return "everything"
	}
	texts := make([]string, len(ms))
	for i, m := range ms {
		texts[i] = m.String()
	}
	return strings.Join(texts, ", ")
}

// ParseMatchers reads matchers, each as ParseMatcher does; the error is about the
// first that is wrong.
func ParseMatchers(texts []string) (Matchers, error) {
	ms := make(Matchers, 0, len(texts))
	for _, text := range texts {
		m, err := ParseMatcher(text)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// matcherForm tells how a matcher is written.
const matcherForm = "write name=PATTERN, owner=O, source=S or label.KEY=VALUE, each with = or !="

// ParseMatcher reads a matcher: KEY=VALUE or KEY!=VALUE. White space around key and
// value does not count. A source may be written as in the file: the password of a
// URL is left out, as in ShownSource. The error is one line that says how to mend it.
func ParseMatcher(text string) (Matcher, error) {
	if strings.HasPrefix(strings.TrimSpace(text), matchSource) {
		text = withoutPassword(text)
	}
	key, value, found := strings.Cut(text, "=")
	if !found {
		return Matcher{}, fmt.Errorf("the matcher %q compares nothing: %s", text, matcherForm)
	}
	key, not := strings.CutSuffix(strings.TrimSpace(key), "!")
	m := Matcher{Key: strings.TrimSpace(key), Not: not, Value: strings.TrimSpace(value)}
	if v := m.Value; v != "" && (v[0] == '=' || v[0] == '~') {
		m.Value = strings.TrimSpace(v[1:])
		return Matcher{}, fmt.Errorf("the matcher %q: there is only = and !=: write %s%s", text, Printable(m.String()), patternHint(v[0]))
	}
	if err := m.checkKey(); err != nil {
		return Matcher{}, fmt.Errorf("the matcher %q: %w", text, err)
	}
	if err := m.checkValue(); err != nil {
		return Matcher{}, fmt.Errorf("the matcher %q: %w", text, err)
	}
	return m, nil
}

func patternHint(operator byte) string {
	if operator == '~' {
		return "; there are no regular expressions, but name takes *, ** and ?"
	}
	return ""
}

// strayKeys are words that people use for the keys that there are.
var strayKeys = map[string]string{"checker": matchName, "checker_name": matchName, "alertname": matchName, "team": matchOwner}

func (m Matcher) checkKey() error {
	label, isLabel := strings.CutPrefix(m.Key, matchLabel)
	switch {
	case isLabel && label != "", m.Key == matchName, m.Key == matchOwner, m.Key == matchSource:
		return nil
	case m.Key == "":
		return fmt.Errorf("nothing stands before the =: %s", matcherForm)
	case m.Key == "label" || isLabel:
		return fmt.Errorf("say which label: label.KEY=VALUE")
	}
	if _, rest, ok := strings.Cut(m.Key, "."); ok && rest != "" {
		if word, _ := Nearest(m.Key[:len(m.Key)-len(rest)-1], []string{"label"}); word != "" {
			return fmt.Errorf("there is no %q; did you mean %s%s?", m.Key, matchLabel, Printable(rest))
		}
	}
	meant, ok := strayKeys[strings.ToLower(m.Key)]
	if !ok {
		meant, ok = Nearest(m.Key, []string{matchName, matchOwner, matchSource})
	}
	if ok {
		return fmt.Errorf("there is no %q; did you mean %s? A label is %s%s", m.Key, meant, matchLabel, Printable(m.Key))
	}
	return fmt.Errorf("there is no %q: name, owner or source; a label is %s%s", m.Key, matchLabel, Printable(m.Key))
}

func (m Matcher) checkValue() error {
	switch {
	case m.Value == "" && m.Key == matchName:
		return fmt.Errorf("the pattern is empty; ** stands for every name")
	case m.Value == "" && m.Key == matchSource:
		return fmt.Errorf("the source is empty, and every checker has one")
	case m.Key != matchName:
		return nil
	case strings.HasPrefix(m.Value, "/"):
		return fmt.Errorf("no name begins with /: write %s", Printable(strings.TrimLeft(m.Value, "/")))
	}
	for _, r := range m.Value {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(" _-./*?", r) {
			return fmt.Errorf("no name holds %q; a pattern holds what names hold, and *, ** and ?", r)
		}
	}
	return nil
}

// globStep is one part of a pattern.
type globStep uint8

const (
	globRune    globStep = iota
	globOne              // ?
	globWithin           // *: within a folder
	globAcross           // **
	globFolders          // **/ where a part begins: any folders, or none
)

// matchGlob matches a whole name, in time that grows with the product of the
// lengths. What a pattern's parts from a place on match is worked out from its end:
// rest[i] says that they match the name from rune i on.
func matchGlob(pattern, name string) bool {
	steps, runes := globSteps(pattern)
	n := []rune(name)
	rest := make([]bool, len(n)+1)
	rest[len(n)] = true
	for k := len(steps) - 1; k >= 0; k-- {
		here := make([]bool, len(n)+1)
		folders := false // a / follows, behind which the rest matches
		for i := len(n); i >= 0; i-- {
			more := i < len(n)
			switch steps[k] {
			case globRune:
				here[i] = more && n[i] == runes[k] && rest[i+1]
			case globOne:
				here[i] = more && n[i] != '/' && rest[i+1]
			case globWithin:
				here[i] = rest[i] || more && n[i] != '/' && here[i+1]
			case globAcross:
				here[i] = rest[i] || more && here[i+1]
			case globFolders:
				folders = folders || more && n[i] == '/' && rest[i+1]
				here[i] = rest[i] || folders
			}
		}
		rest = here
	}
	return rest[0]
}

// globSteps cuts a pattern into its parts; runes holds what a globRune stands for.
func globSteps(pattern string) (steps []globStep, runes []rune) {
	p := []rune(pattern)
	for i := 0; i < len(p); i++ {
		step := globRune
		switch {
		case p[i] == '?':
			step = globOne
		case p[i] != '*':
		case i+2 < len(p) && p[i+1] == '*' && p[i+2] == '/' && (i == 0 || p[i-1] == '/'):
			step, i = globFolders, i+2
		case i+1 < len(p) && p[i+1] == '*':
			step, i = globAcross, i+1
		default:
			step = globWithin
		}
		steps, runes = append(steps, step), append(runes, p[i])
	}
	return steps, runes
}
