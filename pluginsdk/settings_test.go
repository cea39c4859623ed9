package pluginsdk

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type tlsSettings struct {
	CA     string `json:"ca" doc:"a file"`
	Verify bool   `json:"verify"`
}

type common struct {
	Region string `json:"region"`
}

type testSettings struct {
	common
	DSN     string            `json:"dsn" env:"SDK_TEST_DSN" required:"true" secret:"true" doc:"where"`
	Timeout Duration          `json:"timeout" env:"SDK_TEST_TIMEOUT"`
	Port    int               `json:"port" env:"SDK_TEST_PORT"`
	Ratio   float64           `json:"ratio,omitempty"`
	Tags    []string          `json:"tags" env:"SDK_TEST_TAGS"`
	Labels  map[string]string `json:"labels"`
	TLS     tlsSettings       `json:"tls"`
	Proxy   *tlsSettings      `json:"proxy"`
	Hosts   []tlsSettings     `json:"hosts"`
	Any     any               `json:"any"`
	Wait    time.Duration     `json:"wait"`
	Hidden  string            `json:"-"`
	//lint:ignore U1000 fields that are not exported are left alone
	private string
}

func newTestSettings() *testSettings {
	return &testSettings{Port: 5432, Tags: []string{"default", "two"}, TLS: tlsSettings{Verify: true}}
}

func TestSettings(t *testing.T) {
	base := func(change func(*testSettings)) *testSettings {
		s := newTestSettings()
		s.DSN = "x"
		change(s)
		return s
	}
	for _, c := range []struct {
		name, raw string
		env       map[string]string
		want      *testSettings
		faults    []string // of the form pointer: summary
	}{
		{name: "defaults stay", raw: `{"dsn":"x"}`, want: base(func(*testSettings) {})},
		{name: "null is as good as left out", raw: `{"dsn":"x","port":null,"tls":null}`, want: base(func(*testSettings) {})},
		{name: "a list replaces the default one", raw: `{"dsn":"x","tags":["a"]}`, want: base(func(s *testSettings) { s.Tags = []string{"a"} })},
		{name: "an object adds to the default one", raw: `{"dsn":"x","tls":{"ca":"f"}}`, want: base(func(s *testSettings) { s.TLS.CA = "f" })},
		{
			name: "embedded, pointers, lists and maps", raw: `{"dsn":"x","region":"eu","proxy":{"ca":"p"},"hosts":[{"ca":"1"},{"verify":true}],"labels":{"a":"b"},"any":{"n":9007199254740993}}`,
			want: base(func(s *testSettings) {
				s.Region, s.Proxy, s.Hosts = "eu", &tlsSettings{CA: "p"}, []tlsSettings{{CA: "1"}, {Verify: true}}
				s.Labels, s.Any = map[string]string{"a": "b"}, map[string]any{"n": json.Number("9007199254740993")}
			}),
		},
		{name: "durations", raw: `{"dsn":"x","timeout":"400d","wait":"90s"}`, want: base(func(s *testSettings) {
			s.Timeout, s.Wait = Duration(400*24*time.Hour), 90*time.Second
		})},
		{
			name: "the environment fills what is missing", raw: `{}`,
			env: map[string]string{"SDK_TEST_DSN": "123", "SDK_TEST_TIMEOUT": "90s", "SDK_TEST_PORT": "1", "SDK_TEST_TAGS": `["e"]`},
			want: base(func(s *testSettings) {
				s.DSN, s.Timeout, s.Port, s.Tags = "123", Duration(90*time.Second), 1, []string{"e"}
			}),
		},
		{name: "settings beat the environment", raw: `{"dsn":"x"}`, env: map[string]string{"SDK_TEST_DSN": "y"}, want: base(func(*testSettings) {})},
		{name: "missing", raw: `{}`, faults: []string{`/dsn: setting "dsn" is missing: set it under settings, or the environment variable SDK_TEST_DSN`}},
		{name: "empty is missing", raw: `{"dsn":""}`, faults: []string{`/dsn: setting "dsn" is missing`}},
		{name: "all faults at once, and near names", raw: `{"dns":"x","prot":1,"tls":{"verfy":1},"hosts":[{"zzzzzz":1}],"qqqq/b":1}`, faults: []string{
			`/dsn: setting "dsn" is missing`, `/tls/verfy: setting "tls.verfy" is unknown; did you mean "verify"?`,
			`/hosts/0/zzzzzz: setting "hosts.0.zzzzzz" is unknown; there are ca, verify`,
			`/dns: setting "dns" is unknown; did you mean "dsn"?`, `/prot: setting "prot" is unknown; did you mean "port"?`, `/qqqq~1b: setting "qqqq/b" is unknown; there are region, dsn`,
		}},
		{name: "wrong types", raw: `{"dsn":1,"timeout":5,"port":"x","ratio":"y","tags":"z","labels":[],"tls":3}`, faults: []string{
			`/dsn: setting "dsn": want a text, not a JSON number`, `/timeout: setting "timeout": 5 is no duration`,
			`/port: setting "port": want a whole number, not a JSON string`, `/ratio: setting "ratio": want a number, not a JSON string`,
			`/tags: setting "tags": want a list`, `/labels: setting "labels": want a JSON object`, `/tls: setting "tls": want a JSON object`,
		}},
		{name: "nanoseconds", raw: `{"dsn":"x","wait":5000000000}`, faults: []string{`/wait: setting "wait": 5000000000 is no duration: want a text such as "90s"`}},
		{name: "a number with a part", raw: `{"dsn":"x","port":1.5}`, faults: []string{`/port: setting "port": want a whole number`}},
		{name: "duration without a unit", raw: `{"dsn":"x","timeout":"5"}`, faults: []string{`/timeout: setting "timeout": "5" is no duration`}},
		{
			name: "environment of a wrong type", raw: `{"dsn":"x"}`, env: map[string]string{"SDK_TEST_PORT": "abc"},
			faults: []string{`/port: the environment variable SDK_TEST_PORT, for setting "port": want a whole number`},
		},
		{name: "no object", raw: `[1]`, faults: []string{`: settings: want a JSON object`}},
		{name: "no JSON", raw: `{`, faults: []string{`: settings: want a JSON object`}},
		{name: "case matters", raw: `{"dsn":"x","Port":1}`, faults: []string{`/Port: setting "Port" is unknown; did you mean "port"?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"SDK_TEST_DSN", "SDK_TEST_TIMEOUT", "SDK_TEST_PORT", "SDK_TEST_TAGS"} {
				t.Setenv(name, c.env[name])
			}
			target := newTestSettings()
			s := newSettings(target)
			v, diags := s.decode([]byte(c.raw))
			var got []string
			for _, d := range diags {
				if d.Severity != SeverityError || d.Code == "" {
					t.Errorf("%+v", d)
				}
				got = append(got, d.Pointer+": "+d.Summary)
			}
			if len(got) != len(c.faults) {
				t.Fatalf("faults:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.faults, "\n"))
			}
			for i, want := range c.faults {
				if !strings.HasPrefix(got[i], want) {
					t.Errorf("fault %d: %s\nwant     %s", i, got[i], want)
				}
			}
			if c.faults != nil {
				return
			}
			if s.assign(v); !reflect.DeepEqual(target, c.want) {
				t.Errorf("got  %+v\nwant %+v", target, c.want)
			}
			if again, _ := s.decode([]byte(c.raw)); !s.equal(v, again) {
				t.Error("the same settings are not equal")
			}
		})
	}
}

func TestSettingsNeverQuoteASecret(t *testing.T) {
	s := newSettings(newTestSettings())
	for _, raw := range []string{`{"dsn":["hunter2"]}`, `{"dsn":"hunter2","port":"hunter2"}`, `{"dsn":{"hunter":"hunter2"}}`, `"hunter2"`} {
		_, diags := s.decode([]byte(raw))
		if len(diags) == 0 || strings.Contains(fmt.Sprint(diags), "hunter2") {
			t.Errorf("%s: %v", raw, diags)
		}
	}
}

func TestNoSettings(t *testing.T) {
	s := newSettings(nil)
	v, diags := s.decode(nil)
	if s.assign(v); len(diags) != 0 || !s.equal(v, v) {
		t.Error(diags)
	}
	if _, diags := s.decode([]byte(`{"a":1}`)); len(diags) != 1 || diags[0].Summary != `setting "a" is unknown: this plugin has no settings` {
		t.Error(diags)
	}
}

func TestSchema(t *testing.T) {
	type node struct {
		Next *node `json:"next"`
	}
	s := newTestSettings()
	s.Timeout, s.Wait, s.DSN = Duration(time.Minute), time.Hour, "secret default"
	got := string(newSettings(s).schema())
	for _, want := range []string{
		`"dsn":{"description":"where","type":"string","writeOnly":true}`,
		`"timeout":{"default":"1m","pattern":"^[0-9]+[smhd]$","type":"string"}`,
		`"wait":{"default":"1h","pattern":"^[0-9]+[smhd]$","type":"string"}`,
		`"port":{"default":5432,"type":"integer"}`, `"ratio":{"type":"number"}`,
		`"tags":{"default":["default","two"],"items":{"type":"string"},"type":"array"}`,
		`"labels":{"additionalProperties":{"type":"string"},"type":"object"}`,
		`"region":{"type":"string"}`, `"any":{}`, `"verify":{"default":true,"type":"boolean"}`,
		`"hosts":{"items":{"additionalProperties":false,"properties":{`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the schema lacks %s:\n%s", want, got)
		}
	}
	for _, no := range []string{"secret default", "Hidden", "private", `"required"`} {
		if strings.Contains(got, no) {
			t.Errorf("the schema has %s:\n%s", no, got)
		}
	}
	if got := string(newSettings(&node{}).schema()); !json.Valid([]byte(got)) {
		t.Error(got)
	}
	bad := struct {
		F float64 `json:"f" required:"true"`
	}{math.Inf(1)}
	if got := string(newSettings(&bad).schema()); !strings.Contains(got, `"required":["f"]`) {
		t.Error(got)
	}
	env := newSettings(newTestSettings()).env()
	if len(env) != 4 || env[0].Name != "SDK_TEST_DSN" || !env[0].Required || !env[0].Secret || env[0].Description != "where" {
		t.Error(env)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "90s": 90 * time.Second, "007m": 7 * time.Minute, "24h": 24 * time.Hour, "400d": 9600 * time.Hour, "106751d": 106751 * 24 * time.Hour,
	} {
		if d, err := ParseDuration(text); err != nil || d.Std() != want {
			t.Errorf("%s: %v %v", text, d, err)
		}
	}
	for _, text := range []string{"", "s", "5", "1.5h", "-1s", "+1s", "1h30m", "1w", "1 h", "106752d", "99999999999999999999s", "1ms", "１s"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(time.Duration(rapid.Int64Range(0, math.MaxInt64/int64(time.Second)).Draw(t, "s")) * time.Second)
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back Duration
		if err := json.Unmarshal(raw, &back); err != nil || back != d {
			t.Fatalf("%v became %s and %v: %v", d, raw, back, err)
		}
	})
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		n    int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"dns", "dsn", 2}, {"kitten", "sitting", 3}, {"port", "ports", 1}} {
		if n := editDistance(c.a, c.b); n != c.n {
			t.Errorf("%s to %s: %d, want %d", c.a, c.b, n, c.n)
		}
	}
}
