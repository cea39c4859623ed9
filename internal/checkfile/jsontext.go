package checkfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonFault is a fault of a JSON text at a byte of it.
type jsonFault struct {
	at            int
	message, hint string
	warning       bool
	// old, where it is not empty, stands at the fault's place and is mended by with.
	old, with string
}

// jsonChecker says whether a text is one JSON value (RFC 8259). It exists beside
// encoding/json because that stops at 10,000 levels of nesting, and because an
// author who wrote a comma too many is better told so. It keeps its own stack,
// so that no nesting is too deep.
type jsonChecker struct {
	text  string
	pos   int
	stack []jsonLevel
	warns []jsonFault
	fault *jsonFault
}

// jsonLevel is an open array or object.
type jsonLevel struct {
	close byte
	// at is the offset of the opening bracket.
	at int
	// keys are the names in an object so far.
	keys map[string]bool
}

// check gives the first error, if any, and the warnings before it.
func (j *jsonChecker) check() []jsonFault {
	for j.element() {
	}
	if j.fault != nil {
		j.warns = append(j.warns, *j.fault)
	}
	return j.warns
}

func (j *jsonChecker) fail(at int, message, hint string) bool {
	j.fault = &jsonFault{at: at, message: message, hint: hint}
	return false
}

func (j *jsonChecker) space() {
	for j.pos < len(j.text) && strings.IndexByte(jsonSpace, j.text[j.pos]) >= 0 {
		j.pos++
	}
}

// peek gives the next byte behind white space; 0 at the end.
func (j *jsonChecker) peek() byte {
	j.space()
	if j.pos == len(j.text) {
		return 0
	}
	return j.text[j.pos]
}

// element reads one value, or the opening bracket of one, and then whatever
// closes and separates up to the next. It says whether another must follow.
func (j *jsonChecker) element() bool {
	switch c := j.peek(); {
	case c == '{' || c == '[':
		j.pos++
		level := jsonLevel{close: c + 2, at: j.pos - 1}
		if c == '{' {
			level.keys = map[string]bool{}
		}
		j.stack = append(j.stack, level)
		if j.peek() == level.close {
			return j.ended()
		}
		return c == '[' || j.key()
	case c == '"':
		if _, ok := j.str(); !ok {
			return false
		}
	case c == '-' || '0' <= c && c <= '9':
		if !j.num() {
			return false
		}
	case !j.literal():
		return false
	}
	return j.ended()
}

// ended goes on behind a value.
func (j *jsonChecker) ended() bool {
	for len(j.stack) > 0 {
		top := &j.stack[len(j.stack)-1]
		switch c := j.peek(); {
		case j.foreign():
			return false
		case c == top.close:
			j.pos++
			j.stack = j.stack[:len(j.stack)-1]
		case c == ',':
			comma := j.pos
			j.pos++
			if j.peek() == top.close {
				j.fail(comma, "a comma stands before "+string(top.close), "remove the comma")
				j.fault.old = ","
				return false
			}
			return top.keys == nil || j.key()
		case j.pos == len(j.text):
			return j.fail(top.at, string(j.text[top.at])+" is not closed", "add "+string(top.close)+" at the end")
		default:
			return j.fail(j.pos, "a comma or "+string(top.close)+" is missing before "+j.here(), "separate values by commas, and close [ with ] and { with }")
		}
	}
	if j.peek(); j.pos < len(j.text) {
		return j.fail(j.pos, "text behind the end of the value", "remove it, or close the value later")
	}
	return false
}

// key reads a name and its colon.
func (j *jsonChecker) key() bool {
	if j.peek() != '"' {
		if j.pos == len(j.text) {
			top := j.stack[len(j.stack)-1]
			return j.fail(top.at, "{ is not closed", "add } at the end")
		}
		if j.foreign() {
			return false
		}
		return j.fail(j.pos, "a name in double quotes is missing before "+j.here(), `names are in double quotes: {"name": 1}`)
	}
	at := j.pos
	name, ok := j.str()
	if !ok {
		return false
	}
	keys := j.stack[len(j.stack)-1].keys
	if keys[name] {
		j.warns = append(j.warns, jsonFault{at: at, message: "the name " + word(name) + " stands twice in one object", hint: "most readers keep the last; remove one", warning: true})
	}
	keys[name] = true
	if j.peek() != ':' {
		return j.fail(j.pos, "a colon is missing behind the name "+word(name), `write {"name": value}`)
	}
	j.pos++
	return true
}

// str reads a string and gives it decoded; a lone surrogate becomes U+FFFD.
func (j *jsonChecker) str() (string, bool) {
	begin := j.pos
	for j.pos++; j.pos < len(j.text); j.pos++ {
		switch c := j.text[j.pos]; {
		case c == '"':
			j.pos++
			return unescape(j.text[begin+1 : j.pos-1]), true
		case c == '\\':
			if !j.escape() {
				return "", false
			}
		case c < ' ':
			if c == '\n' || c == '\r' {
				return "", j.fail(begin, "the text is not closed on its line", `add ", or write a line break as \n`)
			}
			return "", j.fail(j.pos, fmt.Sprintf("the control character U+%04X in a text", c), fmt.Sprintf(`write it as \u%04x`, c))
		}
	}
	return "", j.fail(begin, "the text is not closed", `add "`)
}

// escape reads the rest of an escape and ends on its last byte.
func (j *jsonChecker) escape() bool {
	begin := j.pos
	rest := j.text[begin+1:]
	switch {
	case rest != "" && strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0:
		j.pos++
		return true
	case len(rest) >= 5 && rest[0] == 'u' && isHex(rest[1:5]):
		j.pos += 5
		return true
	}
	return j.fail(begin, `\ begins no escape that JSON has`, `write a backslash as \\`)
}

func isHex(s string) bool {
	_, err := strconv.ParseUint(s, 16, 16)
	return err == nil && s[0] != '+'
}

// unescape decodes a string whose escapes are right.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			b.WriteByte(s[i])
			continue
		case s[i+1] == 'u':
			v, _ := strconv.ParseUint(s[i+2:i+6], 16, 16)
			r := rune(v)
			i += 5
			if 0xd800 <= r && r < 0xdc00 && strings.HasPrefix(s[i+1:], `\u`) {
				if low, _ := strconv.ParseUint(s[i+3:i+7], 16, 16); 0xdc00 <= low && low < 0xe000 {
					r = (r-0xd800)<<10 + rune(low-0xdc00) + 0x10000
					i += 6
				}
			}
			b.WriteRune(r)
		default:
			i++
			b.WriteByte(escapes[s[i]])
		}
	}
	return b.String()
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (j *jsonChecker) num() bool {
	begin := j.pos
	digits := func() bool {
		from := j.pos
		for j.pos < len(j.text) && '0' <= j.text[j.pos] && j.text[j.pos] <= '9' {
			j.pos++
		}
		return j.pos > from
	}
	accept := func(set string) bool {
		if j.pos < len(j.text) && strings.IndexByte(set, j.text[j.pos]) >= 0 {
			j.pos++
			return true
		}
		return false
	}
	accept("-")
	whole := j.pos
	switch {
	case !digits():
		return j.fail(begin, "a digit is missing behind -", "write a number, or put the text in double quotes")
	case j.text[whole] == '0' && j.pos > whole+1:
		return j.fail(begin, "a number begins with 0", "JSON numbers have no leading zeros")
	case accept(".") && !digits():
		return j.fail(begin, "a digit is missing behind the point of a number", "write 1.0, or 1")
	case accept("eE"):
		accept("+-")
		if !digits() {
			return j.fail(begin, "a digit is missing in the exponent of a number", "write 1e3, or 1000")
		}
	}
	return true
}

// meant reports a word of another language.
func (j *jsonChecker) meant(text, word string) bool {
	j.fail(j.pos, "unknown word "+text, "did you mean "+word+"?")
	j.fault.old, j.fault.with = text, word
	return false
}

// literal reads true, false or null, and says what another word may mean.
func (j *jsonChecker) literal() bool {
	rest := j.text[j.pos:]
	end := 0
	for end < len(rest) && isWord(rest[end]) {
		end++
	}
	switch text := rest[:end]; {
	case text == "true" || text == "false" || text == "null":
		j.pos += end
		return true
	case strings.EqualFold(text, "true"), strings.EqualFold(text, "false"), strings.EqualFold(text, "null"):
		return j.meant(text, strings.ToLower(text))
	case text == "None":
		return j.meant(text, "null")
	case text != "":
		return j.fail(j.pos, "unknown word "+word(text), `texts are in double quotes: "`+word(text)+`"`)
	case rest == "" && len(j.stack) > 0:
		top := j.stack[len(j.stack)-1]
		return j.fail(top.at, string(j.text[top.at])+" is not closed", "add "+string(top.close)+" at the end")
	case j.foreign():
		return false
	case rest == "":
		return j.fail(j.pos, "a value is missing at the end", "")
	}
	return j.fail(j.pos, "a value is missing before "+j.here(), "write one there, such as null")
}

// foreign reports what other languages have and JSON has not.
func (j *jsonChecker) foreign() bool {
	rest := j.text[j.pos:]
	switch {
	case strings.HasPrefix(rest, "'"):
		j.fail(j.pos, "a text in single quotes", `use double quotes: "…"`)
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"), strings.HasPrefix(rest, "#"):
		j.fail(j.pos, "JSON has no comments", "remove it")
	}
	return j.fault != nil
}

// here is the character at the place reached.
func (j *jsonChecker) here() string {
	r, _ := utf8.DecodeRuneInString(j.text[j.pos:])
	return word(string(r))
}
