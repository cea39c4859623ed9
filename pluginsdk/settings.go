package pluginsdk

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings decodes into the struct that Plugin.Settings points to. Each decode
// starts from the defaults, and replaces whole values: a list that is given does
// not mix with the default one.
type settings struct {
	target   reflect.Value // the struct itself; invalid where there are no settings
	defaults reflect.Value
}

func newSettings(target any) *settings {
	if target == nil {
		return &settings{}
	}
	v := reflect.ValueOf(target).Elem()
	defaults := reflect.New(v.Type()).Elem()
	defaults.Set(v)
	return &settings{target: v, defaults: defaults}
}

// checkSettingsType says what is wrong with the type of Plugin.Settings.
func checkSettingsType(target any) error {
	if target == nil {
		return nil
	}
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("Settings is a %T: want a pointer to a struct", target)
	}
	return nil
}

// decode reads settings JSON, and the environment for what it leaves out.
// Without diagnostics the value is complete.
func (s *settings) decode(raw []byte) (reflect.Value, []Diagnostic) {
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("{}")
	}
	var d decoder
	if !s.target.IsValid() {
		for _, name := range d.object(raw, "").names {
			d.fault("/"+escapePointer(name), "UNKNOWN_SETTING", "setting %q is unknown: this plugin has no settings", name)
		}
		return reflect.Value{}, d.diags
	}
	v := reflect.New(s.target.Type()).Elem()
	v.Set(s.defaults)
	d.structure(raw, v, "")
	return v, d.diags
}

// assign fills Plugin.Settings.
func (s *settings) assign(v reflect.Value) {
	if s.target.IsValid() {
		s.target.Set(v)
	}
}

// equal compares two decoded values.
func (s *settings) equal(a, b reflect.Value) bool {
	return !s.target.IsValid() || reflect.DeepEqual(a.Interface(), b.Interface())
}

// decoder gathers everything that is wrong with one settings document. A
// Diagnostic quotes no value but a bad duration: others may be secrets.
type decoder struct {
	diags []Diagnostic
}

func (d *decoder) fault(pointer, code, format string, args ...any) {
	d.diags = append(d.diags, Diagnostic{Severity: SeverityError, Code: code, Pointer: pointer, Summary: fmt.Sprintf(format, args...)})
}

// members is a JSON object with the order of its names.
type members struct {
	names  []string
	values map[string]json.RawMessage
}

// object splits an object into its members; null has none.
func (d *decoder) object(raw []byte, pointer string) members {
	m := members{values: map[string]json.RawMessage{}}
	if isNull(raw) {
		return m
	}
	if err := json.Unmarshal(raw, &m.values); err != nil {
		d.fault(pointer, "BAD_SETTING", "%s: want a JSON object: %v", pointerName(pointer), plainJSONError(err))
		return members{}
	}
	for name := range m.values {
		m.names = append(m.names, name)
	}
	slices.Sort(m.names)
	return m
}

// structure decodes an object into a struct. raw may be null: then only the
// environment and the required fields are looked at.
func (d *decoder) structure(raw []byte, v reflect.Value, pointer string) {
	m := d.object(raw, pointer)
	if m.values == nil {
		return
	}
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		d.field(f, m, v, pointer)
	}
	for _, name := range m.names {
		if slices.ContainsFunc(fields, func(f field) bool { return f.name == name }) {
			continue
		}
		d.fault(pointer+"/"+escapePointer(name), "UNKNOWN_SETTING", "%s is unknown%s",
			pointerName(pointer+"/"+escapePointer(name)), didYouMean(name, fields))
	}
}

// field decodes one field: from the object, else from the environment, else it
// keeps its default.
func (d *decoder) field(f field, m members, v reflect.Value, pointer string) {
	fv := v.FieldByIndex(f.index)
	at := pointer + "/" + escapePointer(f.name)
	raw, given := m.values[f.name]
	given = given && !isNull(raw)
	if !given && f.env != "" {
		if text := os.Getenv(f.env); text != "" {
			d.environment(text, f, fv, at)
			return
		}
	}
	faults := len(d.diags)
	switch {
	case given:
		d.value(raw, fv, at)
	case isPlainStruct(fv.Type()):
		d.structure([]byte("null"), fv, at)
	}
	if f.required && len(d.diags) == faults && fv.IsZero() && (!given || isEmptyText(raw)) {
		remedy := ""
		if f.env != "" {
			remedy = ", or the environment variable " + f.env
		}
		d.fault(at, "MISSING_SETTING", "%s is missing: set it under settings%s", pointerName(at), remedy)
	}
}

// environment reads a variable's text: as JSON where that fits the field, else as
// a text.
func (d *decoder) environment(text string, f field, fv reflect.Value, at string) {
	asText, _ := json.Marshal(text)
	tries := [][]byte{asText}
	if json.Valid([]byte(text)) {
		tries = [][]byte{asText, []byte(text)}
	}
	for _, raw := range tries {
		var try decoder
		v := reflect.New(fv.Type()).Elem()
		if try.value(raw, v, at); len(try.diags) == 0 {
			fv.Set(v)
			return
		}
	}
	d.fault(at, "BAD_SETTING", "the environment variable %s, for %s: want %s", f.env, pointerName(at), wanted(fv.Type()))
}

// value decodes any value, looking into structs, lists and maps so that unknown
// names are found at any depth.
func (d *decoder) value(raw []byte, v reflect.Value, at string) {
	switch {
	case isLeaf(v.Type()):
		d.leaf(raw, v, at)
	case v.Kind() == reflect.Struct:
		d.structure(raw, v, at)
	case v.Kind() == reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		d.value(raw, to.Elem(), at)
		v.Set(to)
	case v.Kind() == reflect.Slice:
		d.list(raw, v, at)
	case v.Kind() == reflect.Map:
		d.mapping(raw, v, at)
	}
}

func (d *decoder) list(raw []byte, v reflect.Value, at string) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		d.fault(at, "BAD_SETTING", "%s: want a list: %v", pointerName(at), plainJSONError(err))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item, list.Index(i), at+"/"+strconv.Itoa(i))
	}
	v.Set(list)
}

func (d *decoder) mapping(raw []byte, v reflect.Value, at string) {
	m := d.object(raw, at)
	into := reflect.MakeMap(v.Type())
	for _, name := range m.names {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(m.values[name], item, at+"/"+escapePointer(name))
		into.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
	}
	v.Set(into)
}

func (d *decoder) leaf(raw []byte, v reflect.Value, at string) {
	if v.Type() == stdDuration {
		// A number would be taken for nanoseconds: nobody writes those.
		var own Duration
		d.leaf(raw, reflect.ValueOf(&own).Elem(), at)
		v.SetInt(int64(own))
		return
	}
	to := reflect.New(v.Type())
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(to.Interface()); err != nil {
		d.fault(at, "BAD_SETTING", "%s: %v", pointerName(at), plainJSONError(err))
		return
	}
	v.Set(to.Elem())
}

// field is one setting of a struct.
type field struct {
	name, env, doc   string
	required, secret bool
	index            []int
	typ              reflect.Type
}

// fieldsOf lists a struct's settings as encoding/json names them; embedded
// structs are looked through.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if sf.Anonymous && name == "" && isPlainStruct(sf.Type) {
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				fs = append(fs, f)
			}
			continue
		}
		if !sf.IsExported() || sf.Tag.Get("json") == "-" {
			continue
		}
		if name == "" {
			name = sf.Name
		}
		fs = append(fs, field{
			name: name, env: sf.Tag.Get("env"), doc: sf.Tag.Get("doc"),
			required: sf.Tag.Get("required") == "true", secret: sf.Tag.Get("secret") == "true",
			index: []int{i}, typ: sf.Type,
		})
	}
	return fs
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	stdDuration     = reflect.TypeFor[time.Duration]()
)

// isLeaf says that encoding/json alone decodes the type: scalars, types that
// decode themselves, bytes, interfaces, arrays and maps without text keys.
func isLeaf(t reflect.Type) bool {
	if p := reflect.PointerTo(t); p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	case reflect.Map:
		return t.Key().Kind() != reflect.String
	default:
		return true
	}
}

func isPlainStruct(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isLeaf(t) }

func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

func isEmptyText(raw []byte) bool { return string(bytes.TrimSpace(raw)) == `""` }

func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// pointerName is a JSON Pointer as people read it: setting "tls.ca".
func pointerName(pointer string) string {
	if pointer == "" {
		return "settings"
	}
	path := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	return "setting " + strconv.Quote(strings.NewReplacer("~1", "/", "~0", "~").Replace(path))
}

// plainJSONError says what encoding/json found in words for people, without the
// value.
func plainJSONError(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		where := ""
		if wrongType.Field != "" {
			where = wrongType.Field + ": "
		}
		got, _, _ := strings.Cut(wrongType.Value, " ")
		return fmt.Errorf("%swant %s, not a JSON %s", where, wanted(wrongType.Type), got)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return errors.New("the JSON ends too early")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

// wanted names a type for people.
func wanted(t reflect.Type) string {
	if t == reflect.TypeFor[Duration]() || t == stdDuration {
		return `a duration such as "90s" or "400d"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	default:
		return "another value"
	}
}

// didYouMean names the settings there are, the closest first where one is close.
func didYouMean(name string, fields []field) string {
	if len(fields) == 0 {
		return ": there are none"
	}
	names := make([]string, len(fields))
	best, bestDistance := "", 3
	for i, f := range fields {
		names[i] = f.name
		if n := editDistance(strings.ToLower(name), strings.ToLower(f.name)); n < min(bestDistance, len(name)) {
			best, bestDistance = f.name, n
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return "; there are " + strings.Join(names, ", ")
}

// editDistance is the number of letters to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
