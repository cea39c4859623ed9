package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
	"github.com/dwmon/dwmon/pluginsdk/sqlrows"
)

const fuzzToken = "s3cr3t-0123456789-0123456789-0123456789-t3rc3s"

// fuzzed is a server whose answers are a target's inputs, and the plugin before it.
type fuzzed struct {
	getter *gettertest.Getter
	answer atomic.Pointer[answer]
}

type answer struct {
	code   int
	header http.Header
	body   []byte
}

func newFuzzed(f *testing.F) *fuzzed {
	z := &fuzzed{}
	server := serve(f, func(w http.ResponseWriter, _ *http.Request) {
		a := z.answer.Load()
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.code)
		_, _ = w.Write(a.body)
	})
	z.getter = start(f, server.URL, map[string]any{"bearer": fuzzToken})
	return z
}

// get asks once. In the body \x01 stands for the token: servers repeat what they were
// asked with.
func (z *fuzzed) get(t *testing.T, query string, code int, body []byte) (*gettertest.Sink, error) {
	z.answer.Store(&answer{code: code, header: http.Header{"Content-Type": {"application/json"}}, body: bytes.ReplaceAll(body, []byte("\x01"), []byte(fuzzToken))})
	sink, err := z.getter.Get(t.Context(), query)
	if err == nil {
		return sink, nil
	}
	text := err.Error()
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, "t3rc3s") {
		t.Fatalf("the token, or a part of it, is shown: %s", text)
	}
	if len(text) > 4096 || strings.ContainsAny(text, "\n\r\x1b") || !utf8.ValidString(text) {
		t.Fatalf("an error of %d bytes: %q", len(text), text)
	}
	if class := pluginsdk.ClassOf(err); !slices.Contains([]pluginsdk.Class{pluginsdk.ClassChecker, pluginsdk.ClassRetryable, pluginsdk.ClassCredentials}, class) {
		t.Fatalf("an error of the class %s: %v", class, err)
	}
	return sink, err
}

// FuzzAnswer: whatever a server answers, it is all rows of it or an error of one line,
// without the token, that says whose fault it is.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"items": [{"id": 1, "at": 1700000000}, {"id": "\u00e9", "at": null}], "next": 7}`, `[["a", 1], ["b", "2026-01-01T00:00:00Z"]]`, "[\"a\", 1]\n[\"b\", 2]\n", "id,at\n1,2\n\"x\"\"y\",\n", `{"error": "bad token \x01"}`,
		strings.Repeat("x", 290) + "\x01", `[["a", 1e999]]`, `[[12345678901234567890, 1.5]]`, "\ufeff[]", "<html>", `[["a",` + "\xff", `{"items": ` + strings.Repeat("[", 2000), "", "null", `[["` + "\x01" + `", "` + "\x01" + `"]]`,
	} {
		for query := range fuzzQueries {
			f.Add(uint8(query), uint16(200), []byte(body))
		}
		f.Add(uint8(0), uint16(404), []byte(body))
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, query uint8, code uint16, body []byte) {
		status := 200 + int(code)%400
		if code == 200 || status < 200 || status == http.StatusNotModified || status == http.StatusNoContent {
			status = http.StatusOK
		}
		if status >= 300 && status < 400 {
			t.Skip("redirects lead elsewhere")
		}
		sink, err := z.get(t, fuzzQueries[int(query)%len(fuzzQueries)], status, body)
		if err == nil && status >= 400 {
			t.Fatalf("rows of an answer %d: %v", status, sink.Rows)
		}
	})
}

var fuzzQueries = []string{
	"GET /\nrows: .items[] | {key: .id, time: .at}",
	"GET /\nrows: .[]",
	"GET /\nformat: ndjson\nrows: .",
	"GET /\nformat: csv\ncolumns: id, at",
	"GET /\nformat: csv\nrows: [.id, .at]",
	"GET /?page={{next|1}}\npages: 3\nrows: .items[]?\nnext: .next",
}

// FuzzRowsOfJSON holds rows of JSON against encoding/json and the SDK's reader of times.
func FuzzRowsOfJSON(f *testing.F) {
	for _, body := range []string{
		`[["a", 1700000000.123456], [17.50, "1700000000"], [true, "2026-01-01 00:00:00.5+01:30"], ["", null], [9007199254740993, -1]]`, `[["a", "-0"], ["b", 1e3], ["c", 99999999999.999999], ["d", "1e-7"]]`, `[["a", 0.1234567], ["b", -0.0000005]]`, `[]`,
	} {
		f.Add([]byte(body))
	}
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.ContainsAny(body, "\x01") {
			t.Skip("the token is another target's")
		}
		sink, err := z.get(t, "GET /\nrows: .[]", http.StatusOK, body)
		if err != nil {
			return
		}
		var list [][]any
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
		dec.UseNumber()
		if err := dec.Decode(&list); err != nil {
			return // objects, which are rows too
		}
		var want []gettertest.Row
		for _, pair := range list {
			if len(pair) != 2 {
				t.Fatalf("%s has the rows %v", body, sink.Rows)
			}
			if pair[1] == nil {
				continue
			}
			us, _, err := sqlrows.Timestamp(fmt.Sprint(pair[1]), time.UTC)
			if err != nil {
				t.Fatalf("%s has the rows %v, and %v is no time: %v", body, sink.Rows, pair[1], err)
			}
			want = append(want, gettertest.Row{Key: fmt.Sprint(pair[0]), Micros: us})
		}
		if !slices.Equal(want, sink.Rows) {
			t.Fatalf("%s has the rows %v, not %v", body, sink.Rows, want)
		}
	})
}

// FuzzRowsOfCSV holds rows of CSV against encoding/csv.
func FuzzRowsOfCSV(f *testing.F) {
	f.Add([]byte("a,1700000000\r\n\"b,\"\"c\",2026-01-01\n\"d\ne\",\n"))
	f.Add([]byte("\ufeffa,1,x\nb,2,y"))
	f.Add([]byte("\ufeff\"a\",1"))
	f.Add([]byte("a,\"1\nb,2"))
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.ContainsAny(body, "\x01") {
			t.Skip("the token is another target's")
		}
		z.answer.Store(&answer{code: http.StatusOK, header: http.Header{"Content-Type": {"text/csv"}}, body: body})
		sink, err := z.getter.Get(t.Context(), "GET /\nformat: csv\ncolumns: 1, 2")
		if err != nil {
			if text := err.Error(); len(text) > 4096 || strings.ContainsAny(text, "\n\r") {
				t.Fatalf("an error of %d bytes: %q", len(text), text)
			}
			return
		}
		records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff")))).ReadAll()
		if err != nil {
			t.Fatalf("%q has the rows %v, and is no CSV: %v", body, sink.Rows, err)
		}
		var want []gettertest.Row
		skipped := 0
		for _, r := range records {
			if r[1] == "" {
				skipped++
				continue
			}
			us, err := sqlrows.ParseTimestamp(r[1], time.UTC)
			if err != nil {
				t.Fatalf("%q has the rows %v, and %q is no time", body, sink.Rows, r[1])
			}
			want = append(want, gettertest.Row{Key: r[0], Micros: us})
		}
		if !slices.Equal(want, sink.Rows) || skipped != sink.Skipped {
			t.Fatalf("%q has the rows %v and %d without a time, not %v and %d", body, sink.Rows, sink.Skipped, want, skipped)
		}
	})
}

// FuzzPrometheus: whatever Prometheus answers, a row has the time of its sample to the
// millisecond; the same answer gives the same keys; units are as many as the values say.
func FuzzPrometheus(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","a":"b\"c"},"values":[[1700000000.123,"1"],[1700000060,"NaN"],[1700000120,"3"]]}]}}`), uint8(0))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[9223372036854775807,"1"],[-1.5,"2"],[1e3,"2"]]}]}}`), uint8(1))
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"values":[[18451744073709.5,"1"]]}]}}`), uint8(0))
	f.Add([]byte(`{"status":"success","warnings":["PromQL info: x","\u0001"],"data":{"resultType":"matrix","result":[{"values":[[1,"1700000000.5"],[2,"1700000000.5"],[3,"5"],[4,"2"]]}]}}`), uint8(2))
	f.Add([]byte(`{"status":"error","errorType":"bad_data","error":"`+strings.Repeat("x", 110)+"\x01"+`"}`), uint8(3))
	f.Add([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"histograms":[1]}]}}`), uint8(3))
	z := newFuzzed(f)
	sample := regexp.MustCompile(` (-?[0-9]+)\.([0-9-]+)( #[0-9]+)?$`)
	f.Fuzz(func(t *testing.T, body []byte, count uint8) {
		counts := []string{"samples", "values", "times", "increases"}
		by := counts[int(count)%len(counts)]
		query := "prometheus: up\nwindow: 2h\ncount: " + by
		first, err := z.get(t, query, http.StatusOK, body)
		if err != nil {
			return
		}
		again, err := z.get(t, query, http.StatusOK, body)
		if err != nil || !slices.Equal(first.Rows, again.Rows) {
			t.Fatalf("%s gave the rows %v, and then %v, %v", body, first.Rows, again.Rows, err)
		}
		if by != "samples" {
			return
		}
		for _, row := range first.Rows {
			m := sample.FindStringSubmatch(row.Key)
			if m == nil {
				t.Fatalf("the key %q has no time", row.Key)
			}
			if m[1][0] == '-' {
				continue // before 1970 a key says it in its own way
			}
			ms, _ := new(big.Int).SetString(m[1]+m[2], 10)
			if want := new(big.Int).Mul(ms, big.NewInt(1000)); want.Cmp(big.NewInt(row.Micros)) != 0 {
				t.Fatalf("%q has the time %d, not %s", row.Key, row.Micros, want)
			}
		}
	})
}

// FuzzSearch: whatever a search answers, it is rows or an error of one line.
func FuzzSearch(f *testing.F) {
	f.Add([]byte(`{"pit_id":"p","timed_out":false,"_shards":{"total":1,"successful":1,"failed":0},"hits":{"total":{"value":1,"relation":"eq"},"hits":[{"_id":"a","fields":{"@timestamp":["1700000000.5"]},"sort":[1,2]}]}}`))
	f.Add([]byte(`{"version":{"number":"8.1.0"},"tagline":"You Know, for Search"}`))
	f.Add([]byte(`{"_shards":{"total":2,"successful":1,"failed":1,"failures":[{"reason":"` + strings.Repeat("x", 280) + "\x01" + `"}]},"hits":{"hits":[]}}`))
	f.Add([]byte(`{"id":"p","hits":null}`))
	z := newFuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = z.get(t, "search: orders\ntime: '@timestamp'", http.StatusOK, body)
	})
}

// TestNoBeginningOfASecretIsShown: a secret that was cut before it is looked for.
func TestNoBeginningOfASecretIsShown(t *testing.T) {
	r := redactor([]string{"s3cr3t-token"})
	for text, want := range map[string]string{
		"it said s3cr3t-tok…":           "it said xxxxx…",
		"array ([\"s3cr3t ...])":        "array ([xxxxx ...])",
		"it begins s3cr3t-t":            "it begins xxxxx",
		"s3cr3t-token…, s3cr3t-token":   "xxxxx…, xxxxx",
		"s3cr3t-t in the middle of it":  "s3cr3t-t in the middle of it",
		"nothing … of the sort ... s3":  "nothing … of the sort ... s3",
		"é…":                            "é…",
		"":                              "",
		"s3cr3t-tokens3cr3t-token… s3c": "xxxxxxxxxx… xxxxx",
	} {
		if got := r.Replace(text); got != want {
			t.Errorf("%q became %q, not %q", text, got, want)
		}
	}
}

func TestAByteOrderMarkIsNoPartOfAKey(t *testing.T) {
	for _, c := range []struct{ name, body, query, want string }{
		{"by number", "\ufeffa,1\nb,2\n", "columns: 1, 2", "a b"},
		{"before a quote", "\ufeff\"a\",1\n", "columns: 1, 2", "a"},
		{"by name", "\ufeff\"id\",at\na,1\n", "columns: id, at", "a"},
		{"a key that is one", "x,1\n\ufeff,2\n", "columns: 1, 2", "x \ufeff"},
	} {
		s := serve(t, says("text/csv", c.body))
		sink, err := start(t, s.URL).Get(t.Context(), "GET /\nformat: csv\n"+c.query)
		if err != nil || keys(sink) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, keys(sink), err, c.want)
		}
	}
}

func TestSamplesThatAreNone(t *testing.T) {
	for values, want := range map[string]string{
		`[[1, ""]]`:                     `up{} at 1.000: the value "" is no number`,
		`[[1, "five"]]`:                 `the value "five" is no number`,
		`[[18451744073709.5, "1"]]`:     "18451744073709.5 is no time of a sample",
		`[[-1000000000000000.0, "1"]]`:  "is no time of a sample",
		`[[99999999999999999999, "1"]]`: "is no time of a sample",
	} {
		s := serve(t, says("application/json", `{"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {"__name__": "up"}, "values": `+values+`}]}}`))
		_, err := start(t, s.URL).Get(t.Context(), "prometheus: up\nwindow: 2h")
		gettertest.WantFault(t, err, codes.InvalidArgument, "", want)
	}
}
