package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// checkJSON puts a text into JSON, between quotes and as a value.
func checkJSON(t *rapid.T, put func(string, syntax) (string, error), text string) {
	got, err := put(`{"a": "<{{extra.x}}>", "b": {{extra.x}}, "c": 1}`, &quoting{})
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal([]byte(got), &back); err != nil {
		t.Fatalf("%q became %s: %v", text, got, err)
	}
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(back) != 3 || back["a"] != "<"+text+">" || back["b"] != text {
		t.Fatalf("%q became %s", text, got)
	}
}

// checkURL puts a text into a path and into a parameter.
func checkURL(t *rapid.T, e *env, text string) {
	r, err := parse("GET /a/{{extra.x}}/b?x={{extra.x}}&y=1\nrows: .")
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.target.render(e)
	if text == "." || text == ".." {
		if err == nil {
			t.Fatalf("%q leads elsewhere: %s", text, got)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &base{url: &url.URL{Scheme: "https", Host: "h", Path: "/p"}}
	u, err := b.resolve(got)
	if err != nil {
		t.Fatalf("%q became %s: %v", text, got, err)
	}
	if u.Host != "h" || u.Path != "/p/a/"+text+"/b" || u.Query().Get("x") != text || u.Query().Get("y") != "1" {
		t.Fatalf("%q became %s", text, u)
	}
}

func TestPlaceholders(t *testing.T) {
	var extra any
	if err := decodeJSON([]byte(`{"n": 9007199254740993, "t": "a b", "yes": true, "o": {"list": [1, "x"], "null": null}}`), &extra); err != nil {
		t.Fatal(err)
	}
	e := &env{since: time.UnixMicro(1_700_000_000_999_999), now: time.Unix(1_700_003_600, 0), extra: extra}
	for _, c := range []struct {
		s          syntax
		text, want string
	}{
		{always(inPlain), "{{since}} {{since.rfc3339}}", "2023-11-14T22:13:20Z 2023-11-14T22:13:20Z"},
		{always(inPlain), "{{since.epoch}} {{since.epoch_ms}} {{ since.date }}", "1700000000 1700000000999 2023-11-14"},
		{always(inQuery), "{{now}}", "2023-11-14T23%3A13%3A20Z"},
		{always(inQuery), "{{extra.n}}{{extra.t}}{{extra.yes}}", "9007199254740993a+btrue"},
		{&quoting{}, `{"a": {{extra.o}}, "b": "{{extra.n}}", "c": {{since}}, "d": {{since.epoch}}}`, `{"a": {"list":[1,"x"],"null":null}, "b": "9007199254740993", "c": "2023-11-14T22:13:20Z", "d": 1700000000}`},
		{&quoting{promQL: true}, "up{job=\"{{extra.t}}\"}[{{extra.n}}s]", "up{job=\"a b\"}[9007199254740993s]"},
		{&quoting{promQL: true}, "up # it's\n + x{a='{{extra.t}}'}", "up # it's\n + x{a='a b'}"},
		{always(inPlain), "{{{{since}}", "{{since}}"},
		{always(inPlain), "{{next|1}}", "1"},
	} {
		tmpl, err := parseTemplate(c.text, c.s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.render(e); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"{{extra.none}}":   `{{extra.none}}: EXTRA has no "none"`,
		"{{extra.o.none}}": `{{extra.o.none}}: EXTRA has no "o.none"`,
		"{{extra.t.x}}":    `{{extra.t.x}}: extra.t in EXTRA is no object`,
		"{{extra.o}}":      `{{extra.o}} is a list or an object`,
		"{{extra.o.null}}": `{{extra.o.null}} is null`,
	} {
		tmpl, err := parseTemplate(text, always(inQuery))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.render(e); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
