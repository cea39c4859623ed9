// Package schema holds the JSON Schemas (draft 2020-12) of what people write for
// dwmon in YAML: OPTIONS of a checker file, dwmon.yaml, and unit tests. Editors check and
// complete by them; what a key means is said here and nowhere else, for them and
// for the language server.
//
// The strict readers (internal/checkfile, internal/config, internal/checktest) decide what is right.
// The tests hold the schemas against them, key by key and value by value.
package schema

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

var (
	//go:embed options.schema.json
	options []byte
	//go:embed config.schema.json
	config []byte
	//go:embed test.schema.json
	test []byte
)

// texts are the schemas by name.
var texts = map[string][]byte{"options": options, "config": config, "test": test}

// Names are the schemas that there are.
func Names() []string { return []string{"options", "config", "test"} }

// Text gives the schema of that name as JSON text; false where there is none.
// It must not be changed.
func Text(name string) ([]byte, bool) {
	text, ok := texts[name]
	return text, ok
}

// Node is what a schema says of one value, for people.
type Node struct {
	Description string
	// Default is nil where there is none, or no constant one.
	Default any
	// Values are all that the value can be; nil where that is not a short list.
	Values []any
	// Keys are the names that a mapping can hold, in the order of the text; nil
	// where it is none, or holds any.
	Keys []string
}

// Tree is a schema that can be walked by keys.
type Tree struct {
	root json.RawMessage
	defs map[string]json.RawMessage
}

// Of gives the schema of that name; nil where there is none.
func Of(name string) *Tree { return trees[name] }

// trees are read once: the texts are part of the program.
var trees = func() map[string]*Tree {
	all := map[string]*Tree{}
	for name, text := range texts {
		var doc struct {
			Defs map[string]json.RawMessage `json:"$defs"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			panic(fmt.Sprintf("schema: %s is no JSON: %v", name, err))
		}
		all[name] = &Tree{root: text, defs: doc.Defs}
	}
	return all
}()

// At gives what the schema says of the value under a path of keys, the root for
// none; false where it knows no such key.
func (t *Tree) At(path ...string) (Node, bool) {
	p, ok := t.part(t.root)
	for _, key := range path {
		if !ok || p.Properties[key] == nil {
			return Node{}, false
		}
		p, ok = t.part(p.Properties[key])
	}
	return Node{Description: p.Description, Default: p.Default, Values: p.Enum, Keys: p.keys}, ok
}

// part is a part of the schema as it is written.
type part struct {
	Ref         string                     `json:"$ref"`
	Description string                     `json:"description"`
	Default     any                        `json:"default"`
	Enum        []any                      `json:"enum"`
	Properties  map[string]json.RawMessage `json:"properties"`
	keys        []string
}

// part reads a part. What stands beside a reference goes before what it refers to.
func (t *Tree) part(raw json.RawMessage) (part, bool) {
	var p part
	var ordered struct {
		Properties json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(raw, &p) != nil || json.Unmarshal(raw, &ordered) != nil {
		return part{}, false
	}
	p.keys = keys(ordered.Properties)
	name, isRef := strings.CutPrefix(p.Ref, "#/$defs/")
	if !isRef {
		return p, true
	}
	to, ok := t.part(t.defs[name])
	if name == "bool" {
		to.Enum = []any{true, false}
	}
	if p.Description != "" {
		to.Description = p.Description
	}
	if p.Default != nil {
		to.Default = p.Default
	}
	return to, ok
}

// keys are the names of an object in the order of its text.
func keys(raw json.RawMessage) (names []string) {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil
	}
	for dec.More() {
		tok, err := dec.Token()
		name, ok := tok.(string)
		if err != nil || !ok {
			return names
		}
		names = append(names, name)
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return names
		}
	}
	return names
}
