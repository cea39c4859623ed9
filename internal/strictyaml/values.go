package strictyaml

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"go.yaml.in/yaml/v3"
)

// Text reads a single value as it is written.
func (r *Reader) Text(n *yaml.Node, what string) (string, bool) {
	if !r.is(n, yaml.ScalarNode, what, "a text") {
		return "", false
	}
	if n.Tag == "!!null" {
		r.At(n, what+" has no value", `give it one, or remove the key; an empty text is ""`)
		return "", false
	}
	return n.Value, true
}

// Word reads a text that must not be empty.
func (r *Reader) Word(n *yaml.Node, what string) (string, bool) {
	text, ok := r.Text(n, what)
	if ok && strings.TrimSpace(text) == "" {
		r.At(n, what+" is empty", "give it a value, or remove the key")
		return "", false
	}
	return text, ok
}

// Bool reads true or false.
func (r *Reader) Bool(n *yaml.Node, what string) (value, ok bool) {
	text, ok := r.Text(n, what)
	if !ok {
		return false, false
	}
	switch text {
	case "true", "True", "TRUE":
		return true, true
	case "false", "False", "FALSE":
		return false, true
	}
	r.At(n, fmt.Sprintf("%s is %s", what, quote(text)), "write true or false")
	return false, false
}

// Int reads a whole number from low to high.
func (r *Reader) Int(n *yaml.Node, what string, low, high int64) (int64, bool) {
	text, ok := r.Text(n, what)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < low || v > high {
		r.At(n, fmt.Sprintf("%s is %s, not a whole number from %d to %d", what, quote(text), low, high), "")
		return 0, false
	}
	return v, true
}

// Duration reads a duration of at least low; high is the longest, 0 for none.
func (r *Reader) Duration(n *yaml.Node, what string, low, high time.Duration) (time.Duration, bool) {
	text, ok := r.Text(n, what)
	if !ok {
		return 0, false
	}
	d, err := CheckDuration(text, low, high)
	if err != nil {
		r.At(n, what+": "+err.Error(), DurationHint(text))
		return 0, false
	}
	return d, true
}

// CheckDuration reads a duration of at least low; high is the longest, 0 for
// none.
func CheckDuration(text string, low, high time.Duration) (time.Duration, error) {
	d, err := dwmon.ParseDuration(text)
	switch {
	case err != nil:
		return 0, err
	case d < low:
		return 0, fmt.Errorf("%s is too short: at least %s", text, dwmon.FormatDuration(low))
	case high > 0 && d > high:
		return 0, fmt.Errorf("%s is too long: at most %s", text, dwmon.FormatDuration(high))
	}
	return d, nil
}

// DurationHint says what may be meant by a text that is no duration; "" where
// nothing is near.
func DurationHint(text string) string {
	if _, err := dwmon.ParseDuration(text); err == nil {
		return ""
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return "did you mean " + text + "s?"
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 && d%time.Second == 0 {
		return "did you mean " + dwmon.FormatDuration(d) + "?"
	}
	return ""
}

// Zone reads the name of a time zone.
func (r *Reader) Zone(n *yaml.Node, what string) (*time.Location, bool) {
	text, ok := r.Text(n, what)
	if !ok {
		return nil, false
	}
	zone, err := LoadZone(text)
	if err != nil {
		r.At(n, what+": "+err.Error(), ZoneHint)
		return nil, false
	}
	return zone, true
}

// ZoneHint goes with errors of LoadZone.
const ZoneHint = "write an IANA name such as Europe/Berlin, UTC or Local"

// LoadZone gives the time zone of a name: an IANA name, UTC or Local.
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return nil, fmt.Errorf("the time zone is empty")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %s", quote(name))
	}
	return zone, nil
}

// List reads a list and gives its nodes; the second result is false where it is
// none.
func (r *Reader) List(n *yaml.Node, what, wanted string) ([]*yaml.Node, bool) {
	if !r.is(n, yaml.SequenceNode, what, wanted) {
		return nil, false
	}
	return n.Content, true
}

// Words reads a list of texts, none of them empty, none twice. It is not nil
// where the list is there.
func (r *Reader) Words(n *yaml.Node, what, wanted string) []string {
	nodes, ok := r.List(n, what, wanted)
	if !ok {
		return nil
	}
	words, seen := make([]string, 0, len(nodes)), map[string]bool{}
	for _, node := range nodes {
		word, ok := r.Word(node, "an entry of "+what)
		switch {
		case !ok:
		case seen[word]:
			r.At(node, quote(word)+" stands twice in "+what, "remove one of them")
		default:
			seen[word] = true
			words = append(words, word)
		}
	}
	return words
}

// Value reads anything as encoding/json has it: map[string]any, []any, string,
// bool, nil, and json.Number so that no number is rounded. text, where it is not
// nil, replaces each text value, and is given its node.
func (r *Reader) Value(n *yaml.Node, what string, text func(*yaml.Node) string) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for _, e := range r.Mapping(n, what) {
			m[e.Name] = r.Value(e.Value, what, text)
		}
		return m
	case yaml.SequenceNode:
		if !r.plain(n) {
			return nil
		}
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = r.Value(c, what, text)
		}
		return list
	default:
		return r.scalar(n, what, text)
	}
}

func (r *Reader) scalar(n *yaml.Node, what string, text func(*yaml.Node) string) any {
	if !r.plain(n) {
		return nil
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value[0] == 't' || n.Value[0] == 'T'
	case "!!int", "!!float":
		if num, ok := number(n.Value); ok {
			return num
		}
		r.At(n, "a number in "+what+" has no one meaning in JSON", `write a decimal number without leading zeros or "_", or put the value in quotes`)
		return nil
	default: // text, and dates, which stay as they are written
		// The parser takes a number that fits no float for text.
		if n.Style == 0 && jsonNumber.MatchString(n.Value) {
			return json.Number(n.Value)
		}
		if text != nil {
			return text(n)
		}
		return n.Value
	}
}

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	baseNumber = regexp.MustCompile(`^[-+]?0[xob][0-9a-fA-F]+$`)
)

// number writes a YAML number as JSON has it, digit for digit. Octal numbers in
// the manner of 010 are refused: versions of YAML differ about them.
func number(text string) (json.Number, bool) {
	plain := strings.TrimPrefix(text, "+")
	if baseNumber.MatchString(plain) {
		n, ok := new(big.Int).SetString(plain, 0)
		if !ok {
			return "", false
		}
		return json.Number(n.String()), true
	}
	sign := ""
	if rest, ok := strings.CutPrefix(plain, "-"); ok {
		sign, plain = "-", rest
	}
	if strings.HasPrefix(plain, ".") {
		plain = "0" + plain
	}
	plain = sign + strings.Replace(plain, ".e", ".0e", 1)
	plain = strings.Replace(plain, ".E", ".0E", 1)
	if strings.HasSuffix(plain, ".") {
		plain += "0"
	}
	return json.Number(plain), jsonNumber.MatchString(plain)
}
