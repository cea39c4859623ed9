package notice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/words"
)

// maxOutput bounds what a template writes, and each text that it makes on the way,
// in bytes.
const maxOutput = 64 << 10

var errTooLong = fmt.Errorf("it writes more than %d KiB", maxOutput>>10)

// own are the functions that templates can call beside the library's. None of
// them looks at anything but its arguments.
var own = template.FuncMap{
	"date":      date,
	"inZone":    inZone,
	"duration":  duration,
	"json":      toJSON,
	"default":   orDefault,
	"trunc":     trunc,
	"join":      join,
	"upper":     boundedCase(strings.ToUpper),
	"lower":     boundedCase(strings.ToLower),
	"plural":    pluralOf,
	"sparkline": sparkline,
	"replace":   replace,
	"indent":    indent,
	"contains":  func(part, text string) bool { return strings.Contains(text, part) },
}

// tamed are those of the library whose results could grow without bound.
var tamed = template.FuncMap{
	"print":    func(args ...any) (string, error) { return bounded(fmt.Sprint(args...)) },
	"println":  func(args ...any) (string, error) { return bounded(fmt.Sprintln(args...)) },
	"printf":   func(format string, args ...any) (string, error) { return bounded(fmt.Sprintf(format, args...)) },
	"html":     func(args ...any) (string, error) { return bounded(template.HTMLEscaper(args...)) },
	"js":       func(args ...any) (string, error) { return bounded(template.JSEscaper(args...)) },
	"urlquery": func(args ...any) (string, error) { return bounded(template.URLQueryEscaper(args...)) },
}

// Functions are the names of the functions that templates can call beside those of
// their language.
func Functions() []string { return slices.Sorted(maps.Keys(own)) }

func bounded(text string) (string, error) {
	if len(text) > maxOutput {
		return "", errTooLong
	}
	return text, nil
}

func boundedCase(f func(string) string) func(string) (string, error) {
	return func(text string) (string, error) { return bounded(f(text)) }
}

// date writes a time, or seconds since the epoch, in Go's layout; nothing for the
// zero time.
func date(layout string, at any) (string, error) {
	t, err := toTime(at)
	if err != nil || t.IsZero() {
		return "", err
	}
	return bounded(t.Format(layout))
}

// inZone gives a time in another zone, by its IANA name.
func inZone(name string, at any) (time.Time, error) {
	t, err := toTime(at)
	if err != nil {
		return time.Time{}, err
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.Time{}, fmt.Errorf("unknown time zone %q", clip(clean(name), maxName))
	}
	if t.IsZero() {
		return t, nil
	}
	return t.In(zone), nil
}

func toTime(at any) (time.Time, error) {
	if t, ok := at.(time.Time); ok {
		return t, nil
	}
	n, ok := toInt(at)
	if !ok {
		return time.Time{}, fmt.Errorf("%T is no time", at)
	}
	return time.Unix(n, 0).UTC(), nil
}

// toInt takes whole numbers of any kind, those of EXTRA too.
func toInt(v any) (int64, bool) {
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		return i, err == nil
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return r.Int(), true
	case r.CanUint():
		return int64(r.Uint()), true
	default:
		return 0, false
	}
}

// duration writes a duration, or a number of seconds, as people say it.
func duration(v any) (string, error) {
	if d, ok := v.(time.Duration); ok {
		return words.Exactly(int64(d / time.Second)), nil
	}
	n, ok := toInt(v)
	if !ok {
		return "", fmt.Errorf("%T is neither a duration nor a number of seconds", v)
	}
	return words.Exactly(n), nil
}

// toJSON writes anything as JSON, on one line.
func toJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return bounded(strings.TrimSuffix(b.String(), "\n"))
}

// orDefault gives the value, or the other where it is empty.
func orDefault(other, v any) any {
	if truth, ok := template.IsTrue(v); !ok || !truth {
		return other
	}
	return v
}

// trunc cuts a text to so many characters.
func trunc(most int, text string) string { return clip(text, max(most, 0)) }

// join puts a separator between the texts of a list.
func join(separator string, list any) (string, error) {
	v := reflect.ValueOf(list)
	if !v.IsValid() {
		return "", nil
	}
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return "", fmt.Errorf("%T is no list", list)
	}
	var b strings.Builder
	for i := range v.Len() {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(fmt.Sprint(v.Index(i).Interface()))
		if b.Len() > maxOutput {
			return "", errTooLong
		}
	}
	return b.String(), nil
}

// pluralOf gives one of two words by a number: {{.Count}} {{plural "row" "rows" .Count}}.
func pluralOf(one, many string, n any) (string, error) {
	i, ok := toInt(n)
	if !ok {
		return "", fmt.Errorf("%T is no whole number", n)
	}
	if i == 1 {
		return one, nil
	}
	return many, nil
}

// sparkline draws .Windows: {{sparkline .Windows .Min .Max}}.
func sparkline(windows []ViewWindow, low, high any) (string, error) {
	var ws []dwmon.NoticeWindow
	for _, w := range windows {
		status, err := dwmon.ParseStatus(w.Status)
		if err != nil {
			status = dwmon.NoStatus
		}
		ws = append(ws, dwmon.NoticeWindow{Minute: w.Minute.Unix(), Count: w.Count, Status: status})
	}
	var bounds [2]dwmon.Bound
	for i, v := range []any{low, high} {
		if v == nil {
			continue
		}
		n, ok := toInt(v)
		if !ok {
			return "", errors.New("the ends of the range are .Min and .Max")
		}
		bounds[i] = dwmon.At(n)
	}
	return Sparkline(ws, bounds[0], bounds[1]), nil
}

// replace replaces each old by new in a text.
func replace(old, new, text string) (string, error) {
	if n := strings.Count(text, old); n*(len(new)-len(old))+len(text) > maxOutput {
		return "", errTooLong
	}
	return strings.ReplaceAll(text, old, new), nil
}

// indent puts so many spaces before each line.
func indent(spaces int, text string) (string, error) {
	if spaces < 0 || spaces > maxName {
		return "", fmt.Errorf("indent by 0 to %d spaces", maxName)
	}
	pad := strings.Repeat(" ", spaces)
	return bounded(pad + strings.ReplaceAll(text, "\n", "\n"+pad))
}
