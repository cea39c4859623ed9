package lsp

import (
	"slices"
	"strings"
)

// yamlEntry is a key of a YAML text with its place in it.
type yamlEntry struct {
	// path are the keys above, without key itself.
	path []string
	key  string
	// from and to are the key's place, valueTo is where its line or its value ends.
	from, to, valueTo int
}

// yamlPlace is what would stand at the end of a YAML text, were it gone on with.
type yamlPlace struct {
	// path leads to the mapping whose key is being written, or to the value.
	path []string
	// value says that a value is being written and not a key.
	value bool
	// list says that the value is one of a list.
	list bool
	// from is where the word begins that is being written.
	from int
	// none says that nothing can be proposed: in a comment, or within a long text.
	none bool
}

// scanYAML finds the keys of a YAML text, and what its end is about. It takes
// texts that are no YAML yet, as they are while somebody writes them, which no
// parser does; strictness is the reader's business.
func scanYAML(text string) ([]yamlEntry, yamlPlace) {
	s := yamlScanner{text: text, block: -1}
	for at := 0; at <= len(text); {
		end := len(text)
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		s.line(at, end)
		at = end + 1
	}
	return s.entries, s.place
}

type yamlScanner struct {
	text    string
	entries []yamlEntry
	place   yamlPlace
	// levels are the keys that are open, by indentation.
	levels []yamlLevel
	// flow are the brackets that are open.
	flow []yamlFlow
	// block is the indentation of the key whose text goes over several lines
	// (| or >); -1 for none.
	block int
}

type yamlLevel struct {
	indent int
	key    string
}

// yamlFlow is an open { or [.
type yamlFlow struct {
	list bool
	// path leads to what is in the brackets; key is the one whose value is written.
	path []string
	key  string
}

func (s *yamlScanner) path() []string {
	path := make([]string, len(s.levels))
	for i, l := range s.levels {
		path[i] = l.key
	}
	return path
}

func (s *yamlScanner) line(from, to int) {
	line := strings.TrimSuffix(s.text[from:to], "\r")
	to = from + len(line)
	content := strings.TrimLeft(line, " \t")
	indent := len(line) - len(content)
	blank := strings.TrimSpace(content) == ""
	if s.block >= 0 && (blank && to < len(s.text) || indent > s.block) {
		s.place = yamlPlace{none: true}
		return
	}
	s.block = -1
	if len(s.flow) > 0 {
		s.flowLine(from, to)
		return
	}
	if strings.HasPrefix(content, "#") {
		s.place = yamlPlace{none: true}
		return
	}
	if blank && to < len(s.text) {
		return
	}
	if item, ok := strings.CutPrefix(content, "-"); ok && (item == "" || item[0] == ' ') {
		s.closeLevels(indent + 1)
		s.value(to-len(strings.TrimLeft(item, " \t")), to, indent)
		s.place.list = true
		return
	}
	s.closeLevels(indent)
	if strings.HasPrefix(content, "{") || strings.HasPrefix(content, "[") {
		s.value(from+indent, to, indent)
		return
	}
	colon := keyEnd(content)
	if colon < 0 {
		s.place = yamlPlace{path: s.path(), from: from + indent}
		return
	}
	key := strings.Trim(strings.TrimSpace(content[:colon]), `"'`)
	at := from + indent
	s.entries = append(s.entries, yamlEntry{path: s.path(), key: key, from: at, to: at + colon, valueTo: to})
	s.levels = append(s.levels, yamlLevel{indent, key})
	rest := content[colon+1:]
	s.value(to-len(strings.TrimLeft(rest, " \t")), to, indent)
}

// closeLevels leaves what is not less indented than a line.
func (s *yamlScanner) closeLevels(indent int) {
	for len(s.levels) > 0 && s.levels[len(s.levels)-1].indent >= indent {
		s.levels = s.levels[:len(s.levels)-1]
	}
}

// value reads what stands behind a key or a dash.
func (s *yamlScanner) value(from, to, indent int) {
	text := s.text[from:to]
	s.place = yamlPlace{path: s.path(), value: true, from: from}
	switch {
	case strings.HasPrefix(text, "|"), strings.HasPrefix(text, ">"):
		s.block = indent
		s.place.none = true
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		s.flowLine(from, to)
	case strings.Contains(text, " #"):
		s.place.none = true
	}
}

// keyEnd is where the colon behind a key stands; -1 where there is none.
func keyEnd(content string) int {
	if content == "" || strings.ContainsAny(content[:1], "{}[],") {
		return -1
	}
	from := 0
	if q := content[0]; q == '"' || q == '\'' {
		n := strings.IndexByte(content[1:], q)
		if n < 0 {
			return -1
		}
		from = n + 2
	}
	for i := from; i < len(content); i++ {
		if content[i] == ':' && (i+1 == len(content) || strings.IndexByte(" \t\r", content[i+1]) >= 0) {
			return i
		}
	}
	return -1
}

// flowLine reads on within brackets.
func (s *yamlScanner) flowLine(from, to int) {
	word := from
	for i := from; i < to; i++ {
		switch c := s.text[i]; c {
		case '"', '\'':
			if strings.TrimSpace(s.text[min(word, i):i]) != "" { // it's
				continue
			}
			n := strings.IndexByte(s.text[i+1:to], c)
			if n < 0 {
				s.flowPlace(i)
				return
			}
			i += n + 1
		case '#':
			if i == from || s.text[i-1] == ' ' {
				s.place = yamlPlace{none: true}
				return
			}
		case '{', '[':
			s.flow = append(s.flow, yamlFlow{list: c == '[', path: s.flowPath()})
			word = i + 1
		case '}', ']':
			s.endEntry(i)
			if s.flow = s.flow[:len(s.flow)-1]; len(s.flow) == 0 {
				s.place = yamlPlace{none: true}
				return
			}
			word = i + 1
		case ',':
			s.endEntry(i)
			s.flow[len(s.flow)-1].key = ""
			word = i + 1
		case ':':
			top := &s.flow[len(s.flow)-1]
			if top.list || top.key != "" || i+1 < to && s.text[i+1] != ' ' {
				continue
			}
			begin := word + len(s.text[word:i]) - len(strings.TrimLeft(s.text[word:i], " \t"))
			top.key = strings.Trim(strings.TrimSpace(s.text[word:i]), `"'`)
			s.entries = append(s.entries, yamlEntry{path: slices.Clone(top.path), key: top.key, from: begin, to: i, valueTo: to})
			word = i + 1
		}
	}
	s.flowPlace(word + len(s.text[word:to]) - len(strings.TrimLeft(s.text[word:to], " \t")))
}

// endEntry notes where the value of the innermost open key ends.
func (s *yamlScanner) endEntry(at int) {
	top := s.flow[len(s.flow)-1]
	for i := len(s.entries) - 1; i >= 0 && top.key != ""; i-- {
		if e := &s.entries[i]; e.key == top.key && slices.Equal(e.path, top.path) {
			e.valueTo = at
			return
		}
	}
}

// flowPath leads to what is written next within brackets.
func (s *yamlScanner) flowPath() []string {
	if len(s.flow) == 0 {
		return s.path()
	}
	top := s.flow[len(s.flow)-1]
	if top.key == "" {
		return slices.Clone(top.path)
	}
	return append(slices.Clone(top.path), top.key)
}

func (s *yamlScanner) flowPlace(from int) {
	top := s.flow[len(s.flow)-1]
	s.place = yamlPlace{path: s.flowPath(), value: top.list || top.key != "", list: top.list, from: from}
}
