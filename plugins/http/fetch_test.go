package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

func TestEveryFormOfKeyAndTime(t *testing.T) {
	const at = "2023-11-14T22:13:20Z"
	for _, c := range []struct {
		item, rows string
		want       gettertest.Row
	}{
		{`{"key": "a", "time": 1700000000}`, ".", gettertest.At("a", at)},
		{`{"dwmon_unique_key": "a", "dwmon_timestamp": "1700000000"}`, ".", gettertest.At("a", at)},
		{`["ü ", "2023-11-14T23:13:20+01:00"]`, ".", gettertest.At("ü ", at)},
		{`{"id": 9007199254740993, "t": 1700000000.123456}`, "[.id, .t]", gettertest.At("9007199254740993", "2023-11-14T22:13:20.123456Z")},
		{`{"id": 123456789012345678901234567890, "t": "2023-11-14 23:13:20"}`, "{key: .id, time: .t}", gettertest.At("123456789012345678901234567890", at)},
		{`{"id": 9007199254740993, "t": 1700000000123}`, "{key: (.id + 1), time: (.t / 1000)}", gettertest.At("9007199254740994", "2023-11-14T22:13:20.123Z")},
		{`{"id": 9007199254740993, "t": 1700000000000}`, `{key: "\(.id)/x", time: (.t / 1000)}`, gettertest.At("9007199254740993/x", at)},
		{`{"id": 1.50, "t": 1700000000.9999999}`, "[.id, .t]", gettertest.At("1.50", "2023-11-14T22:13:20.999999Z")}, // digit for digit; floored
		{`{"id": true, "t": "2023-11-14T22:13:20.5Z"}`, "[.id, .t]", gettertest.At("true", "2023-11-14T22:13:20.5Z")},
		{`{"id": "", "t": -1}`, "[.id, .t]", gettertest.At("", "1969-12-31T23:59:59Z")},
		{`{"id": 3, "t": "2023-11-14T22:13:20Z"}`, "[.id / 2, (.t | fromdate)]", gettertest.At("1.5", at)},
		{`{"id": "x", "t": "9999-12-31"}`, "[.id, .t]", gettertest.Row{Key: "x", Micros: 100_000_000_000*1_000_000 - 1}},
	} {
		for _, format := range []string{"json", "ndjson"} {
			s := serve(t, says("application/json", c.item))
			sink, err := start(t, s.URL, map[string]any{"timezone": "Europe/Berlin"}).Get(t.Context(), "GET /\nformat: "+format+"\nrows: "+c.rows)
			if err != nil || len(sink.Rows) != 1 || sink.Rows[0] != c.want {
				t.Errorf("%s of %s as %s: got %v, %v, want %v", c.rows, c.item, format, sink.Rows, err, c.want)
			}
		}
	}
}

func TestRowsThatAreNone(t *testing.T) {
	for _, c := range []struct{ item, rows, want string }{
		{`[{"id": 1, "at": 1}, {"id": null, "at": 2}]`, ".[] | {key: .id, time: .at}", "row 2: its key is null"},
		{`[{"id": 1, "at": 1}, {"at": null}]`, ".[] | {key: .id, time: .at}", "row 2: its key is null"}, // even where the time is null too
		{`[{"key": 1, "tiem": 1}]`, ".[]", `row 1: it has no member "time"; it has "key", "tiem"`},
		{`[{"key": 1, "dwmon_unique_key": 2, "time": 1}]`, ".[]", `it has both "key" and "dwmon_unique_key"`},
		{`[[1, 2, 3]]`, ".[]", "a list of 3 is no row"},
		{`["x"]`, ".[]", `row 1: "x" is no row`},
		{`[{"key": {"a": 1}, "time": 1}]`, ".[]", `its key is {"a":1}; want a text or a number`},
		{`[{"key": 1, "time": [1]}]`, ".[]", "its time is [1]; want a number of seconds or a text"},
		{`[{"key": 1, "time": 1700000000000}]`, ".[]", "its time is 1700000000000, too large for seconds since the epoch; it looks like milliseconds: write / 1000 behind it"},
		{`[{"key": 1, "time": "1700000000000000"}]`, ".[]", "it looks like microseconds: write / 1000000 behind it"},
		{`[{"key": 1, "time": 17000000000000000000000}]`, ".[]", "it looks like nanoseconds"},
		{`[{"key": 1, "time": "soon"}]`, ".[]", `its time is "soon", which is no time`},
		{`[{"key": 1, "time": ""}]`, ".[]", `its time is "", which is no time`},
		{`[{"key": 1, "time": true}]`, ".[]", "its time is true, a boolean and no time"},
		{`{"error": "no such shop"}`, ".items[] | {key: .id}", "rows: after 0 rows: the jq program failed: "},
		{`{"items": {"a": 1}}`, ".items | keys[] | .id", "the jq program failed: expected an object but got: string"},
		{`[{"key": 1, "time": 1}]`, `.[], error("bad page")`, "rows: after 1 rows: the jq program failed: error: bad page"},
		{`[{"key": 1, "time": 1}]`, `.[], halt`, "the jq program called halt"},
		{`[{"key": 1, "time": 1}]`, `.[], halt_error`, "the jq program called halt"},
		{`[{"key": "` + strings.Repeat("x", 300) + `"}]`, ".[]", `it has no member "time"`},
	} {
		s := serve(t, says("application/json", c.item))
		_, err := start(t, s.URL).Get(t.Context(), "GET /\nrows: "+c.rows)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", c.want)
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("an error of %d bytes: %v", len(err.Error()), err)
		}
	}
	s := serve(t, says("application/json", `[{"id": 1, "at": null}, {"id": 2, "at": 5}, {"id": 3, "at": null}]`))
	sink := start(t, s.URL).MustGet(t, "GET /\nrows: .[] | [.id, .at]")
	if keys(sink) != "2" || sink.Skipped != 2 {
		t.Errorf("rows %s, %d skipped", keys(sink), sink.Skipped)
	}
}

func TestWhatProgramsSee(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Shard", "eu")
		_, _ = io.WriteString(w, `{"items": [1, 2], "n": `+r.URL.Query().Get("page")+`}`)
	})
	sink, err := fetchWith(t.Context(), start(t, s.URL), "GET /?page={{next|1}}\n"+
		`rows: .items[] | ["\($page)/\(.)/\($extra.big)/\($headers["x-shard"])", $since]`+"\n"+
		"next: if $page < 3 then [$page, $count] | if . == [$page, 2] then $page + 1 else error(\"count\") end else null end", `{"big": 9007199254740993}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := keys(sink); got != "1/1/9007199254740993/eu 1/2/9007199254740993/eu 2/1/9007199254740993/eu 2/2/9007199254740993/eu 3/1/9007199254740993/eu 3/2/9007199254740993/eu" {
		t.Error(got)
	}
	if ago := time.Since(time.UnixMicro(sink.Rows[0].Micros)); ago < 48*time.Hour || ago > 48*time.Hour+time.Minute {
		t.Errorf("$since lies %v back", ago)
	}
	t.Setenv("DWMON_TEST_SECRET", "s3cret")
	sink = start(t, s.URL).MustGet(t, "GET /?page=1\nrows: [($ENV | tostring) + (env | tostring), 1]")
	if keys(sink) != "{}{}" {
		t.Errorf("a program sees the environment: %s", keys(sink))
	}
}

// TestProgramsAreAlone: nothing of the machine is within their reach.
func TestProgramsAreAlone(t *testing.T) {
	for _, text := range []string{`import "a" as a; .`, `include "a"; .`, `import "a" as $a; $a`, "input", "inputs", "debug", "stderr", "input_filename", "$__prog_args"} {
		if _, err := parse("GET /\nrows: " + text); err == nil {
			s := serve(t, says("", "[]"))
			sink, err := start(t, s.URL).Get(t.Context(), "GET /\nrows: ["+text+" | tostring, 1]")
			t.Errorf("%s is there: %v %v", text, sink.Rows, err)
		}
	}
}

// pages is an API with 250 orders in pages of 100.
func pages(t testing.TB) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method == http.MethodPost {
			var body struct {
				After json.Number `json:"after"`
			}
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Errorf("the body: %v", err)
			}
			if q.Set("cursor", string(body.After)); body.After == "" {
				q.Del("cursor")
			}
		}
		at := 0
		switch {
		case q.Has("offset"):
			at, _ = strconv.Atoi(q.Get("offset"))
		case q.Has("page"):
			at, _ = strconv.Atoi(q.Get("page"))
			at = (at - 1) * 100
		case q.Has("cursor"):
			var err error
			if at, err = strconv.Atoi(strings.TrimPrefix(q.Get("cursor"), "c=&")); err != nil {
				t.Errorf("the cursor %q: %v", q.Get("cursor"), err)
			}
		}
		n := max(min(250-at, 100), 0)
		next := fmt.Sprintf(`, "cursor": "c=&%d", "number": %d, "url": "/api/orders?offset=%d", "full": "http://%s/api/orders?offset=%d"`, at+100, at+100, at+100, r.Host, at+100)
		if at+n < 250 {
			w.Header().Add("Link", fmt.Sprintf(`<http://%s/first>; rel=first, <orders?offset=%d>; title="a, b"; rel="x next"`, r.Host, at+100))
		} else {
			next = ""
		}
		_, _ = fmt.Fprintf(w, `{"orders": [%s]%s}`, page(at, n), next)
	}
}

func TestPaging(t *testing.T) {
	s := serve(t, pages(t))
	const rows = "\nrows: .orders[] | [.id, .at]\n"
	for name, query := range map[string]string{
		"the header Link":      "GET /orders" + rows + "next: link",
		"a relative URL":       "GET /orders" + rows + "next: .url",
		"a full URL":           "GET /orders" + rows + "next: .full",
		"a cursor left out":    "GET /orders?limit=100&cursor={{next}}" + rows + "next: .cursor",
		"a cursor, with false": "GET /orders?cursor={{next}}" + rows + "next: .cursor // false",
		"a page's number":      "GET /orders?page={{next|1}}" + rows + "next: if (.orders | length) == 100 then $page + 1 else null end",
		"an offset":            "GET /orders?offset={{next|0}}" + rows + `next: if $count == 100 then $page * 100 else "" end`,
		"nothing at the end":   "GET /orders?offset={{next|0}}" + rows + "next: select($count == 100) | $page * 100",
		"a cursor in a body":   "POST /orders\nbody: {\"after\": {{next|null}}}" + rows + "next: .number",
	} {
		sink, err := start(t, s.URL+"/api/").Get(t.Context(), query)
		if err != nil || len(sink.Rows) != 250 || sink.Rows[249].Key != "k250" {
			t.Errorf("%s: %d rows, %v", name, len(sink.Rows), err)
		}
	}
	sink := start(t, s.URL+"/api").MustGet(t, "GET /orders"+rows+"next: link\npages: 2")
	if len(sink.Rows) != 200 {
		t.Errorf("two pages: %d rows", len(sink.Rows))
	}
	_, err := start(t, s.URL+"/api", map[string]any{"max_pages": 2}).Get(t.Context(), "GET /orders"+rows+"next: link")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "more than 2 pages", "max_pages")
}

func TestPagingThatGoesWrong(t *testing.T) {
	requests := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		switch r.URL.Path {
		case "/circle":
			_, _ = fmt.Fprintf(w, `{"items": [], "next": "/circle?n=%d"}`, (n+1)%3)
		case "/ignored": // a server that does not know the parameter
			_, _ = fmt.Fprintf(w, `{"took": %d, "items": [%s], "next": %d}`, requests, page(0, 3), n+1)
		case "/empty": // pages without rows are nothing strange
			_, _ = fmt.Fprintf(w, `{"items": [], "next": %d}`, n+1)
		case "/breaks":
			if n == 2 {
				http.Error(w, "no more today", http.StatusBadGateway)
				return
			}
			_, _ = fmt.Fprintf(w, `{"items": [%s], "next": %d}`, page(n, 1), n+1)
		}
	})
	const rest = "?n={{next|0}}\nrows: .items[] | [.id, .at]\nnext: .next"
	for path, c := range map[string]struct {
		code  codes.Code
		words []string
	}{
		"/circle\nrows: .items[] | [.id, .at]\nnext: .next": {codes.InvalidArgument, []string{"page 5", "`next` leads back to page 2: paging goes round"}},
		"/ignored" + rest:                                      {codes.InvalidArgument, []string{"page 2", "the same rows as page 1"}},
		"/breaks" + rest:                                       {codes.Unavailable, []string{"page 3 (GET " + s.URL + "/breaks)", "502 Bad Gateway: no more today"}},
		"/empty" + rest:                                        {codes.InvalidArgument, []string{"more than 20 pages"}},
		"/empty\nrows: .items[]\nnext: .next":                  {codes.InvalidArgument, []string{"next: it gives 1, which is no URL", "{{next}}"}},
		"/empty\nrows: .items[]\nnext: \"abc\"":                {codes.InvalidArgument, []string{"looks like a cursor"}},
		"/empty\nrows: .items[]\nnext: .next, .next":           {codes.InvalidArgument, []string{"next: it gives more than one value"}},
		"/empty\nrows: .items[]\nnext: [1]":                    {codes.InvalidArgument, []string{"next: it gives [1]; want a URL"}},
		"/empty\nrows: .items[]\nnext: true":                   {codes.InvalidArgument, []string{"next: it gives true; want a URL"}},
		"/empty\nrows: .items[]\nnext: .a.b.c | fromjson":      {codes.InvalidArgument, []string{"next: the jq program failed"}},
		"/empty\nrows: .items[]\nnext: \"http://[::1\"":        {codes.InvalidArgument, []string{"which is no URL"}},
		"/empty\nrows: .items[]\nnext: \"https://u:p@h/\"":     {codes.InvalidArgument, []string{"a URL with a user"}},
		"/empty\nrows: .items[]\nnext: \"file:///etc/passwd\"": {codes.InvalidArgument, []string{"is not where the source is"}},
	} {
		_, err := start(t, s.URL, map[string]any{"max_pages": 20}).Get(t.Context(), "GET "+path)
		gettertest.WantFault(t, err, c.code, "", c.words...)
	}
}

func TestRequestsArriveAsWritten(t *testing.T) {
	var got *http.Request
	var body string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		_, _ = io.WriteString(w, "[]")
	})
	g := start(t, s.URL+"/base%2Fx/", map[string]any{"headers": map[string]string{"X-Key": "k3y"}, "params": map[string]string{"api_key": "p4ram"}, "user_agent": "ours/1"})
	_, err := fetchWith(t.Context(), g, "POST /a%20b/{{extra.x}}?q={{extra.x}}&api_key=theirs\nContent-Type: application/x-www-form-urlencoded\nX-Team: {{extra.x}}\nbody: a={{extra.x}}&b=2\nrows: .[]", `{"x": "1/2 &"}`)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/base%2Fx/a%20b/1%2F2%20&?q=1%2F2+%26&api_key=p4ram"; got.RequestURI != want {
		t.Errorf("the target is %s, want %s", got.RequestURI, want)
	}
	if body != "a=1%2F2+%26&b=2" || got.Header.Get("X-Team") != "1/2 &" || got.Header.Get("X-Key") != "k3y" || got.UserAgent() != "ours/1" || got.Header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("body %q, headers %v", body, got.Header)
	}
	for query, want := range map[string]string{
		"GET /{{extra.none}}\nrows: .":        `EXTRA has no "none"`,
		"GET /{{extra.up}}\nrows: .":          "would lead elsewhere",
		"GET /\nX-A: {{extra.line}}\nrows: .": "X-A: {{extra.line}} holds a line break",
	} {
		_, err := fetchWith(t.Context(), g, query, `{"up": "..", "line": "a\r\nX-Evil: 1"}`)
		gettertest.WantFault(t, err, codes.InvalidArgument, "k3y", want)
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ name, query, kind, text, want string }{
		{"names of ours", "format: ndjson", "", `{"key": "a", "time": 1}` + "\n\n" + `{"dwmon_unique_key": 2, "dwmon_timestamp": null}` + "\n" + `["c", "3"]`, "a c 1"},
		{"a program", "format: ndjson\nrows: select(.ok) | [.id, .at]", "application/x-ndjson", "\ufeff" + `{"id": 9007199254740993, "at": 1, "ok": true}` + "\r\n" + `{"ok": false}` + "\r\n", "9007199254740993 0"},
		{"nothing", "format: ndjson", "application/json", "", " 0"},
		{"columns by name", "format: csv\ncolumns: order_id, at", "text/csv", "\ufeffx,order_id,at\n1,\"a,\"\"b\"\"\n\",1700000000\n2,c,\n", "a,\"b\"\n 1"},
		{"our names", "format: csv", "", "dwmon_unique_key,time\r\na,2023-11-14 22:13:20\r\n", "a 0"},
		{"by number", "format: csv\ndelimiter: ;\ncolumns: 2, 1", "", "1;a\n2;b\n", "a b 0"},
		{"tabs", "format: csv\ndelimiter: tab\ncolumns: 1, 2", "", "a b\t1\n", "a b 0"},
		{"records", "format: csv\nrows: [.a + \"/\" + .b, .t]", "", "a,b,t\nx,y,1\nz,w,\n", "x/y 1"},
		{"only names", "format: csv\ncolumns: a, b", "text/csv; charset=utf-8", "a,b\n", " 0"},
		{"a byte order mark", "rows: .[]", "application/vnd.api+json", "\ufeff[[\"a\", 1]]", "a 0"},
	} {
		s := serve(t, says(c.kind, c.text))
		sink, err := start(t, s.URL).Get(t.Context(), "GET /\n"+c.query)
		if got := fmt.Sprint(keys(sink), " ", sink.Skipped); err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
	for _, c := range []struct{ query, kind, text, want string }{
		{"format: ndjson", "", `{"key": 1, "time": 1}` + "\n" + `{"key": 2}`, `row 2: it has no member "time"`},
		{"format: ndjson", "", `{"key": 1, "time": 1} x`, "line 1 is no JSON"},
		{"format: ndjson", "", "[1,\n2]", "line 1 is no JSON"},
		{"format: ndjson\nrows: .a", "", "{\"a\": [1, 1]}\n\xff", "line 2 is no JSON: it is not UTF-8"},
		{"format: csv\ncolumns: id, at", "", "id,created\n1,2\n", `no column "at"; the first line has id, created`},
		{"format: csv", "", "id,time\n", `no column "key"`},
		{"format: csv\ncolumns: id, at", "", "id,at,id\n", `two columns "id"`},
		{"format: csv\nrows: .", "", "id,at,id\n", `two columns "id"`},
		{"format: csv\ncolumns: 1, 3", "", "a,b\n", "no column 3"},
		{"format: csv\ncolumns: 1, 2", "", "a,1\nb\n", "line 2, column 1 is no CSV: wrong number of fields"},
		{"format: csv\ncolumns: 1, 2", "", "a,1\n\"b,2\n", "is no CSV"},
		{"format: csv\ncolumns: 1, 2", "", "a,1\n,2\n", "row 2: its key is empty"},
		{"format: csv\ncolumns: 1, 2", "", "a,1700000000000\n", "milliseconds: write / 1000"},
		{"format: csv\ncolumns: 1, 2", "", "", "not even a line of column names"},
		{"format: csv\ncolumns: a, b", "application/json", `{"error": "no"}`, `the answer is application/json and no CSV; it begins {"error": "no"}`},
		{"rows: .[]", "", "", "the answer is empty"},
		{"rows: .[]", "text/plain", "oops", "the answer is no JSON (text/plain): invalid character 'o'"},
		{"rows: .[]", "", "[] []", "one in each line, are `format: ndjson`"},
		{"rows: .[]", "", "[\"\xe4\"]", "it is not UTF-8"},
	} {
		s := serve(t, says(c.kind, c.text))
		_, err := start(t, s.URL).Get(t.Context(), "GET /\n"+c.query)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", c.want)
	}
}

func TestGzip(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `[["a", 1], ["b", 2]]`)
		_ = z.Close()
	})
	if got := keys(start(t, s.URL).MustGet(t, "GET /\nrows: .[]")); got != "a b" {
		t.Error(got)
	}
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "x")
	})
	_, err := start(t, s.URL).Get(t.Context(), "GET /\nrows: .[]")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", `coded as "br"`)
}

func TestParallelFetchesShareNothing(t *testing.T) {
	s := serve(t, pages(t))
	g := start(t, s.URL)
	done := make(chan string)
	for range maxFetches {
		go func() {
			sink, err := g.Get(context.Background(), "GET /orders?cursor={{next}}\nrows: .orders[] | [.id, .at]\nnext: .cursor")
			done <- fmt.Sprint(len(sink.Rows), err)
		}()
	}
	for range maxFetches {
		if got := <-done; got != "250 <nil>" {
			t.Error(got)
		}
	}
}

func TestTheServersClockIsTold(t *testing.T) {
	aged := false
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Tue, 14 Nov 2023 22:13:20 GMT")
		if aged {
			w.Header().Set("Age", "20")
		}
		_, _ = io.WriteString(w, "[]")
	})
	if got := start(t, s.URL).MustGet(t, "GET /\nrows: .[]").Now.Unix(); got != 1_700_000_000 {
		t.Errorf("got %d", got)
	}
	aged = true
	if got := start(t, s.URL).MustGet(t, "GET /\nrows: .[]").Now; !got.IsZero() {
		t.Errorf("the clock of a cache was told: %v", got)
	}
}

func TestLinkHeader(t *testing.T) {
	for line, want := range map[string]any{
		`</2>; rel="next"`:                          "/2",
		`</1>; rel=prev, </3>;rel=next`:             "/3",
		`</a,b;c>; title="x>, <y"; rel="last Next"`: "/a,b;c",
		`</1>; rel="nextish"`:                       nil,
		`</1>; title="rel=next"`:                    nil,
		``:                                          nil,
	} {
		if got := linkNext(http.Header{"Link": {line}}); got != want {
			t.Errorf("%s: got %v, want %v", line, got, want)
		}
	}
}
