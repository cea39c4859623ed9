package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// settings of the plugin exec.
type settings struct {
	Kinds kinds `json:"kinds" doc:"the kinds of work that are done, and how"`
	// Settings are handed on as they are.
	Settings map[string]json.RawMessage `json:"settings" secret:"true" doc:"handed to the programs as they are"`
}

func (s *settings) json() ([]byte, error) {
	if s.Settings == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(s.Settings)
}

// manifest is that of a bundle.
type manifest struct {
	bridge.Header
	Kinds    kinds                  `json:"kinds" doc:"the kinds of work that the bundle does, and how"`
	Settings map[string]declaration `json:"settings" doc:"the settings that the bundle takes from dwmon.yaml"`
}

// kinds are the kinds of work.
type kinds struct {
	RowGetter    *work `json:"row_getter" doc:"fetches rows"`
	CheckHandler *work `json:"check_handler" doc:"is told of results"`
	Purger       *work `json:"purger" doc:"says what is old"`
}

var allKinds = []pluginsdk.Kind{pluginsdk.KindRowGetter, pluginsdk.KindCheckHandler, pluginsdk.KindPurger}

func (k *kinds) of(kind pluginsdk.Kind) *work {
	switch kind {
	case pluginsdk.KindRowGetter:
		return k.RowGetter
	case pluginsdk.KindCheckHandler:
		return k.CheckHandler
	default:
		return k.Purger
	}
}

func (k *kinds) configured() (served []pluginsdk.Kind) {
	for _, kind := range allKinds {
		if k.of(kind) != nil {
			served = append(served, kind)
		}
	}
	return served
}

// work is how one kind of work is done.
type work struct {
	Command     []string           `json:"command" required:"true" doc:"the program and its arguments, as a list"`
	Workdir     string             `json:"workdir" doc:"where it runs; default: the bundle's folder, else the working directory"`
	Env         map[string]string  `json:"env" doc:"variables for its environment"`
	Timeout     pluginsdk.Duration `json:"timeout" doc:"it is ended after this; default: the limit of the call alone"`
	Format      string             `json:"format" doc:"what a row getter prints: tsv, ndjson or csv; default tsv"`
	Timezone    string             `json:"timezone" doc:"zone of a row getter's times in words that carry none, such as Europe/Berlin; default UTC"`
	Persistent  bool               `json:"persistent" doc:"the program lives from call to call and speaks lines of JSON"`
	Workers     int                `json:"workers" doc:"processes of a persistent program, 1 to 8; default 1"`
	MaxCalls    int                `json:"max_calls" doc:"after so many calls a persistent program makes way for a new one; default: never"`
	MaxMemoryMB int                `json:"max_memory_mb" doc:"when it has grown beyond this it does so too; default: never"`
}

// maxWorkers is the most that the host calls at the same time.
const maxWorkers = 8

// check says what is wrong with the settings of a kind of work, its command aside.
func (w *work) check(kind pluginsdk.Kind) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	getter := kind == pluginsdk.KindRowGetter
	switch {
	case w.Format != "" && !getter:
		fault("format is for row getters")
	case w.Format != "" && w.Persistent:
		fault("format is for programs that run once for each call; a persistent one answers in lines of JSON")
	case w.Format != "" && formats[w.Format] == nil:
		fault("format is %q; want %s", w.Format, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	if w.Timezone != "" && !getter {
		fault("timezone is for row getters")
	}
	if _, err := time.LoadLocation(w.Timezone); err != nil {
		fault("timezone: %w", err)
	}
	if w.Timeout < 0 {
		fault("timeout is negative")
	}
	if !w.Persistent && (w.Workers != 0 || w.MaxCalls != 0 || w.MaxMemoryMB != 0) {
		fault("workers, max_calls and max_memory_mb are for persistent programs")
	}
	if w.Workers < 0 || w.Workers > maxWorkers {
		fault("workers is %d; want 1 to %d", w.Workers, maxWorkers)
	}
	if w.MaxCalls < 0 || w.MaxMemoryMB < 0 {
		fault("max_calls and max_memory_mb must not be negative")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(w.Env[name], "\x00") {
			fault("env: %q is no name, or no text, for a variable", name)
		}
	}
	return errors.Join(faults...)
}

// declaration is how a bundle declares one of its settings.
type declaration struct {
	Type     string          `json:"type" doc:"string, integer, number, boolean, array or object; default string"`
	Required bool            `json:"required" doc:"it must be given"`
	Secret   bool            `json:"secret" doc:"it is never shown"`
	Env      string          `json:"env" doc:"the variable that it is taken from where it is left out"`
	Doc      string          `json:"doc" doc:"what it is"`
	Default  json.RawMessage `json:"default" doc:"its value where it is left out"`
}

// settingTypes are pointers and the like: what is left out stays nil.
var settingTypes = map[string]reflect.Type{
	"":        reflect.TypeFor[*string](),
	"string":  reflect.TypeFor[*string](),
	"integer": reflect.TypeFor[*int64](),
	"number":  reflect.TypeFor[*float64](),
	"boolean": reflect.TypeFor[*bool](),
	"array":   reflect.TypeFor[[]json.RawMessage](),
	"object":  reflect.TypeFor[map[string]json.RawMessage](),
}

// declaredSettings is a struct, made at run time, with the settings that a bundle
// declares: the SDK then checks, describes and hides them as those of any plugin.
type declaredSettings struct {
	target any // a pointer to the struct; nil where there are none
}

func (d declaredSettings) json() ([]byte, error) {
	if d.target == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(d.target)
}

func declared(settings map[string]declaration) (declaredSettings, error) {
	if len(settings) == 0 {
		return declaredSettings{}, nil
	}
	var fields []reflect.StructField
	var faults []error
	names := slices.Sorted(maps.Keys(settings))
	for i, name := range names {
		d := settings[name]
		typ := settingTypes[d.Type]
		if typ == nil {
			faults = append(faults, fmt.Errorf("settings.%s: type is %q; want string, integer, number, boolean, array or object", name, d.Type))
			continue
		}
		if !settingName(name) {
			faults = append(faults, fmt.Errorf("settings: %q is no name; want letters, digits and _", name))
			continue
		}
		fields = append(fields, reflect.StructField{Name: "F" + strconv.Itoa(i), Type: typ, Tag: d.tag(name)})
	}
	if err := errors.Join(faults...); err != nil {
		return declaredSettings{}, err
	}
	target := reflect.New(reflect.StructOf(fields))
	for i, name := range names {
		if raw := settings[name].Default; len(raw) > 0 {
			if err := json.Unmarshal(raw, target.Elem().Field(i).Addr().Interface()); err != nil {
				return declaredSettings{}, fmt.Errorf("settings.%s: its default is of another type than %q", name, settings[name].Type)
			}
		}
	}
	return declaredSettings{target.Interface()}, nil
}

func settingName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	})
}

// tag is the declaration as the SDK reads it.
func (d declaration) tag(name string) reflect.StructTag {
	parts := []string{`json:` + strconv.Quote(name+",omitempty")}
	for key, value := range map[string]string{"doc": d.Doc, "env": d.Env, "required": truth(d.Required), "secret": truth(d.Secret)} {
		if value != "" {
			parts = append(parts, key+":"+strconv.Quote(value))
		}
	}
	slices.Sort(parts)
	return reflect.StructTag(strings.Join(parts, " "))
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return ""
}
