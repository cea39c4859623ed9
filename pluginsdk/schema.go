package pluginsdk

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	pluginv1 "github.com/dwmon/dwmon/proto/dwmon/plugin/v1"
)

// schema is the JSON schema of the settings.
func (s *settings) schema() []byte {
	obj := map[string]any{"type": "object", "additionalProperties": false}
	if s.target.IsValid() {
		obj = schemaOfStruct(s.defaults.Type(), s.defaults, nil)
	}
	obj["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	raw, err := json.Marshal(obj)
	if err != nil {
		// A default that cannot be written as JSON costs the defaults, not the schema.
		raw, _ = json.Marshal(schemaOfStruct(s.defaults.Type(), reflect.Value{}, nil))
	}
	return raw
}

// schemaOfStruct describes a struct. defaults may be invalid: then none are told.
// outer are the structs around it: a type within itself is left open.
func schemaOfStruct(t reflect.Type, defaults reflect.Value, outer []reflect.Type) map[string]any {
	for _, o := range outer {
		if o == t {
			return map[string]any{"type": "object"}
		}
	}
	outer = append(outer, t)
	properties := map[string]any{}
	required := []string{}
	for _, f := range fieldsOf(t) {
		var def reflect.Value
		if defaults.IsValid() {
			def = defaults.FieldByIndex(f.index)
		}
		properties[f.name] = schemaOfField(f, def, outer)
		if f.required && f.env == "" {
			required = append(required, f.name)
		}
	}
	obj := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		obj["required"] = required
	}
	return obj
}

func schemaOfField(f field, def reflect.Value, outer []reflect.Type) map[string]any {
	p := schemaOfType(f.typ, def, outer)
	if f.doc != "" {
		p["description"] = f.doc
	}
	if f.secret {
		p["writeOnly"] = true
		return p
	}
	if def.IsValid() && !def.IsZero() && !isPlainStruct(f.typ) {
		p["default"] = defaultOf(def)
	}
	return p
}

// defaultOf is a default as it would be given.
func defaultOf(def reflect.Value) any {
	if def.Type() == stdDuration {
		return Duration(def.Int())
	}
	return def.Interface()
}

func schemaOfType(t reflect.Type, def reflect.Value, outer []reflect.Type) map[string]any {
	if t == reflect.TypeFor[Duration]() || t == stdDuration {
		return map[string]any{"type": "string", "pattern": "^[0-9]+[smhd]$"}
	}
	if isLeaf(t) {
		return schemaOfLeaf(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return schemaOfStruct(t, def, outer)
	case reflect.Pointer:
		return schemaOfType(t.Elem(), reflect.Value{}, outer)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOfType(t.Elem(), reflect.Value{}, outer)}
	default: // a map with text keys
		return map[string]any{"type": "object", "additionalProperties": schemaOfType(t.Elem(), reflect.Value{}, outer)}
	}
}

func schemaOfLeaf(t reflect.Type) map[string]any {
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(jsonUnmarshaler):
		return map[string]any{}
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String, reflect.Slice: // bytes are base64 in JSON
		return map[string]any{"type": "string"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	default:
		return map[string]any{}
	}
}

// env lists the environment variables that the settings are taken from.
func (s *settings) env() []*pluginv1.EnvVar {
	var vars []*pluginv1.EnvVar
	s.walk(func(_ string, f field, _ int) {
		if f.env != "" {
			vars = append(vars, &pluginv1.EnvVar{Name: f.env, Required: f.required, Secret: f.secret, Description: f.doc})
		}
	})
	return vars
}

// walk visits every setting outside lists and maps, nested ones under their
// dotted name.
func (s *settings) walk(visit func(path string, f field, depth int)) {
	var into func(t reflect.Type, prefix string, depth int)
	into = func(t reflect.Type, prefix string, depth int) {
		for _, f := range fieldsOf(t) {
			visit(prefix+f.name, f, depth)
			if isPlainStruct(f.typ) {
				into(f.typ, prefix+f.name+".", depth+1)
			}
		}
	}
	if s.target.IsValid() {
		into(s.defaults.Type(), "", 0)
	}
}

// print lists the settings for people.
func (s *settings) print(w io.Writer) {
	first := true
	s.walk(func(path string, f field, _ int) {
		if first {
			fmt.Fprintln(w, "\nsettings")
			first = false
		}
		var notes []string
		if f.required {
			notes = append(notes, "required")
		}
		if f.env != "" {
			notes = append(notes, "or $"+f.env)
		}
		if f.secret {
			notes = append(notes, "secret")
		}
		line := fmt.Sprintf("  %-16s %s", path, wanted(f.typ))
		if len(notes) > 0 {
			line += " (" + strings.Join(notes, ", ") + ")"
		}
		if f.doc != "" {
			line += ": " + f.doc
		}
		fmt.Fprintln(w, line)
	})
}
