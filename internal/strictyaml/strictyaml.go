// Package strictyaml reads YAML that people write for dwmon, with a place for
// every fault: the OPTIONS section of a checker file and dwmon.yaml. It walks
// the nodes of the parser instead of decoding into structs, because a decoder
// stops at its first error, has no columns, and rounds numbers.
//
// Only what such files need is read: mappings with text keys, lists and plain
// values. Anchors, aliases, merge keys, tags and further documents are faults,
// as is a key that stands twice.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dwmon/dwmon/internal/dwmon"
	"go.yaml.in/yaml/v3"
)

// Reader reads one text and gathers its faults.
type Reader struct {
	// File is named in the faults, which bear Code.
	File, Code string
	// FirstLine and FirstColumn are where the text begins in its file, counted
	// from 1; 0 is taken for 1.
	FirstLine, FirstColumn int
	// Lines are the lines of the file that the text stands in, without their
	// ends. Faults lie within them.
	Lines []string
	// Private says that the text holds values that must not be shown: of a line
	// only the value at fault is, and of a syntax error's only its first key.
	Private bool
	// Hide leaves the lines of further faults out. Callers set it where values
	// may be secret, and messages of this package never quote a value then.
	Hide bool

	Faults []dwmon.FileFault
}

// Read gives the root of the text; nil where it is empty or cannot be read.
func (r *Reader) Read(text []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := decode(dec, &doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	if err := decode(dec, &more); err == nil {
		r.At(&more, "a second YAML document begins here", "remove the line ---")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == "" {
		return nil
	}
	return root
}

// decode turns a panic of the parser on odd input into an error: a file must
// not end the daemon.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("yaml: the text cannot be read")
		}
	}()
	return dec.Decode(n)
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(?s)(.*)$`)

const inQuotes = `put the value in quotes: "…"`

// syntax reports an error of the parser, which knows the line at best.
func (r *Reader) syntax(err error) {
	line, message := 1, err.Error()
	if m := syntaxError.FindStringSubmatch(message); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
		message = m[2]
	}
	// The name of an anchor may be a password that begins with a star; the parser
	// does not know its line.
	if name, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		name = "*" + strings.TrimSuffix(name, "' referenced")
		line = 1 + max(0, slices.IndexFunc(r.ownLines(), func(s string) bool { return strings.Contains(s, name) }))
		message = "a value that begins with * is an alias in YAML"
	}
	f := r.fault(line, 1, "", "")
	f.Column = utf8.RuneCountInString(f.LineText) - utf8.RuneCountInString(strings.TrimLeft(f.LineText, " \t")) + 1
	switch indent := f.LineText[:len(f.LineText)-len(strings.TrimLeft(f.LineText, " \t"))]; {
	case strings.Contains(indent, "\t"):
		message, f.Hint = "a tab indents the line", "indent with spaces: YAML allows no tabs"
	case strings.Contains(message, "alphabetic or numeric character"):
		message, f.Hint = "a value that begins with * or & is an alias or an anchor in YAML", inQuotes
	case strings.Contains(message, "cannot start any token"):
		message, f.Hint = "a value begins with a character that YAML keeps for itself, such as @ or `", inQuotes
	case strings.Contains(message, "alias"):
		f.Hint = inQuotes
	case strings.Contains(message, "did not find expected ',' or"):
		message, f.Hint = "a list in [ ] or a mapping in { } is not closed, or lacks a comma", "separate entries by commas, and close [ with ] and { with }"
	case strings.Contains(message, "mapping values are not allowed"):
		f.Hint = `put a value that holds ": " in quotes, or look at the indentation`
	default:
		f.Hint = "write `key: value`, one to a line, with equal indentation"
	}
	f.Message = "this is no YAML: " + message
	if r.Private {
		f.LineText = upToKey(f.LineText)
	}
	if r.Hide {
		f.LineText = ""
	}
	r.Faults = append(r.Faults, f)
}

// ownLines are the lines of the file from the text's first on.
func (r *Reader) ownLines() []string {
	return r.Lines[min(max(r.FirstLine, 1)-1, len(r.Lines)):]
}

// upToKey cuts a line behind its first key.
func upToKey(line string) string {
	key, _, found := strings.Cut(line, ":")
	if !found {
		return ""
	}
	return key + ": …"
}

// At reports a fault at a node.
func (r *Reader) At(n *yaml.Node, message, hint string) {
	r.report(n, dwmon.SeverityError, true, message, hint)
}

// AtHidden reports a fault at a node whose value may be something to keep
// private, put in the wrong place.
func (r *Reader) AtHidden(n *yaml.Node, message, hint string) {
	r.report(n, dwmon.SeverityError, false, message, hint)
}

// AtText reports a fault within the text that a node holds: at its own place where
// the text is a literal block (|) or stands on one line as it is, else at the node.
func (r *Reader) AtText(n *yaml.Node, what string, f dwmon.TextFault) {
	message := what + ": " + f.Message
	lines := strings.Split(n.Value, "\n")
	known := len(r.Faults)
	if n.Style&yaml.LiteralStyle == 0 || f.Line < 1 || f.Line > len(lines) {
		if r.At(n, message, f.Hint); len(r.Faults) > known {
			r.Faults[known].Column += r.columnsInto(n, f)
		}
		return
	}
	if r.full() {
		return
	}
	fault := r.fault(n.Line+f.Line, 1, message, f.Hint)
	indent, ok := strings.CutSuffix(fault.LineText, lines[f.Line-1])
	if !ok {
		indent = ""
	}
	fault.Column = min(utf8.RuneCountInString(indent)+max(f.Column, 1), utf8.RuneCountInString(fault.LineText)+1)
	if r.Hide {
		fault.LineText = ""
	}
	r.Faults = append(r.Faults, fault)
}

// columnsInto is how far behind the node's place the fault is; 0 where that is not
// plain to see.
func (r *Reader) columnsInto(n *yaml.Node, f dwmon.TextFault) int {
	at := r.fault(n.Line, n.Column, "", "")
	chars := []rune(at.LineText)
	rest := string(chars[min(at.Column-1, len(chars)):])
	if f.Column < 1 || f.Column > utf8.RuneCountInString(n.Value)+1 || n.Value == "" {
		return 0
	}
	switch {
	case strings.HasPrefix(rest, n.Value):
		return f.Column - 1
	case strings.HasPrefix(rest, `"`+n.Value), strings.HasPrefix(rest, "'"+n.Value):
		return f.Column
	default:
		return 0
	}
}

// Warn reports a warning at a node.
func (r *Reader) Warn(n *yaml.Node, message, hint string) {
	r.report(n, dwmon.SeverityWarning, true, message, hint)
}

func (r *Reader) report(n *yaml.Node, severity dwmon.Severity, show bool, message, hint string) {
	if r.full() {
		return
	}
	f := r.fault(n.Line, n.Column, message, hint)
	f.Severity = severity
	if r.Private {
		f.LineText = alone(f.LineText, f.Column-1, n, show)
	}
	if r.Hide {
		f.LineText = ""
	}
	r.Faults = append(r.Faults, f)
}

// keysOnly is the beginning of a line that holds keys but no value yet.
var keysOnly = regexp.MustCompile(`^[\s{\[-]*([A-Za-z0-9_.-]+:[\s{\[]+)*$`)

// alone gives a line with no value but that of n, and with that only if show is
// set: the others may be passwords, a key that is unknown where it stands among
// them. It is empty where values stand before n.
func alone(line string, column int, n *yaml.Node, show bool) string {
	// What stands that far right is no lone key with its value.
	const far = 500
	if column > far {
		return ""
	}
	chars := []rune(line[:min(len(line), 8*far)])
	column = min(column, len(chars))
	before, rest := string(chars[:column]), string(chars[column:])
	if !keysOnly.MatchString(before) {
		return ""
	}
	if !show || n.Kind != yaml.ScalarNode {
		if !strings.Contains(before, ":") {
			return ""
		}
		return before + "…"
	}
	for _, form := range []string{n.Value, `"` + n.Value + `"`, "'" + n.Value + "'"} {
		if after, ok := strings.CutPrefix(rest, form); ok && form != "" {
			if strings.TrimSpace(after) != "" {
				form += " …"
			}
			return before + form
		}
	}
	return before + "…"
}

// maxFaults bounds what is reported of a text that is nothing of ours.
const maxFaults = 100

// fault turns a place in the text into one in the file. The parser ends lines at
// more characters than we do, so that its places are held within the file.
func (r *Reader) fault(line, column int, message, hint string) dwmon.FileFault {
	line, column = max(line, 1), max(column, 1)
	if line == 1 {
		column += max(r.FirstColumn, 1) - 1
	}
	line = r.lineOf(line)
	var text string
	if line <= len(r.Lines) {
		text = r.Lines[line-1]
	}
	return dwmon.FileFault{
		File: r.File, Line: line, Column: min(column, utf8.RuneCountInString(text)+1),
		Severity: dwmon.SeverityError, Message: message, Hint: hint, LineText: text, Code: r.Code,
	}
}

// Entry is one key of a mapping with its value.
type Entry struct {
	Key   *yaml.Node
	Name  string
	Value *yaml.Node
}

// Mapping gives the entries of a mapping in file order, without those whose key
// is at fault. what names the mapping in messages.
func (r *Reader) Mapping(n *yaml.Node, what string) []Entry {
	if !r.is(n, yaml.MappingNode, what, "a mapping (key: value)") {
		return nil
	}
	entries := make([]Entry, 0, len(n.Content)/2)
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content) && !r.full(); i += 2 {
		key := n.Content[i]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.At(key, "the key of "+what+" is not plain text", "a key that begins with [ or { needs quotes")
		case key.Tag == "!!merge":
			r.At(key, "merge keys (<<) are not read", "write the values out")
		case key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			r.At(key, "anchors (&) and tags (!) are not read", "put the key in quotes")
		default:
			if line, twice := first[key.Value]; twice {
				r.At(key, fmt.Sprintf("%s stands twice in %s; the first is in line %d", quote(key.Value), what, r.lineOf(line)), "remove one of them")
				continue
			}
			first[key.Value] = key.Line
			entries = append(entries, Entry{Key: key, Name: key.Value, Value: n.Content[i+1]})
		}
	}
	return entries
}

// lineOf turns a line of the text into one of the file.
func (r *Reader) lineOf(line int) int {
	return min(max(line, 1)+max(r.FirstLine, 1)-1, max(len(r.Lines), 1))
}

// full says that looking for more faults is of no use.
func (r *Reader) full() bool { return len(r.Faults) >= maxFaults }

// Field is a known key of a mapping and what reads its value.
type Field struct {
	Name string
	Read func(value *yaml.Node)
}

// Fields reads a mapping whose keys are all known; another key is a fault. It
// reports which fields were there.
func (r *Reader) Fields(n *yaml.Node, what string, fields []Field) map[string]bool {
	seen := map[string]bool{}
	for _, e := range r.Mapping(n, what) {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == e.Name })
		if i < 0 {
			r.unknown(e.Key, what, fields)
			continue
		}
		seen[e.Name] = true
		fields[i].Read(e.Value)
	}
	return seen
}

func (r *Reader) unknown(key *yaml.Node, what string, fields []Field) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	hint := "known are " + strings.Join(names, ", ")
	near, ok := dwmon.Nearest(key.Value, names)
	if ok {
		hint = "did you mean " + near + "?"
	}
	known := len(r.Faults)
	r.At(key, "unknown key "+quote(key.Value)+" in "+what, hint)
	slips := func(name string) bool { return dwmon.Distance(strings.ToLower(key.Value), name) <= 1 }
	only := ok && slips(near) && !slices.ContainsFunc(names, func(name string) bool { return name != near && slips(name) })
	if only && len(r.Faults) > known && key.Style == 0 {
		f := &r.Faults[known]
		f.Edit = dwmon.TextEdit{Until: f.Column + utf8.RuneCountInString(key.Value), With: near}
	}
}

// is reports a node of another kind than wanted, and what this package does not
// read at all.
func (r *Reader) is(n *yaml.Node, kind yaml.Kind, what, wanted string) bool {
	if !r.plain(n) {
		return false
	}
	if n.Kind != kind {
		hint := ""
		if kind == yaml.ScalarNode {
			hint = "a text that begins with [ or { needs quotes"
		}
		r.AtHidden(n, what+" is "+kindOf(n)+", not "+wanted, hint)
		return false
	}
	return true
}

// plain reports aliases, anchors and tags.
func (r *Reader) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.At(n, "aliases (*) are not read", `write the value out; a text that begins with * needs quotes`)
	case n.Anchor != "":
		r.At(n, "anchors (&) are not read", `write the value where it is used; a text that begins with & needs quotes`)
	case n.Style&yaml.TaggedStyle != 0 && n.Tag != "!!str":
		r.At(n, "tags (!) are not read", `a text that begins with ! needs quotes`)
	default:
		return true
	}
	return false
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	default:
		return "a single value"
	}
}

// quote makes a word of the text fit for a message.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
