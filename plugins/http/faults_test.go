package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// after is how long a retriable error asks to wait: read where the SDK keeps it.
func after(t testing.TB, err error) time.Duration {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		if v := reflect.ValueOf(e); v.Type().String() == "*pluginsdk.callError" {
			return time.Duration(v.Elem().FieldByName("after").Int())
		}
	}
	t.Fatalf("no error of the SDK: %v", err)
	return 0
}

func TestStatusCodesHaveTheirClass(t *testing.T) {
	for status, want := range map[int]codes.Code{
		202: codes.Unavailable, 204: codes.InvalidArgument, 206: codes.InvalidArgument, 304: codes.InvalidArgument,
		400: codes.InvalidArgument, 401: codes.Unauthenticated, 403: codes.Unauthenticated, 404: codes.InvalidArgument,
		405: codes.InvalidArgument, 407: codes.Unauthenticated, 408: codes.Unavailable, 410: codes.InvalidArgument,
		422: codes.InvalidArgument, 425: codes.Unavailable, 429: codes.Unavailable, 500: codes.Unavailable, 503: codes.Unavailable, 504: codes.Unavailable,
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = fmt.Fprintf(w, "the reason is\n %s", r.Header.Get("Authorization"))
			}
		})
		words := []string{"GET " + s.URL + "/x: the server answered " + fmt.Sprint(status)}
		if status >= 400 {
			words = append(words, "the reason is Bearer xxxxx")
		}
		_, err := start(t, s.URL, map[string]any{"bearer": "s3cret/+token"}).Get(t.Context(), "GET /x?q=1\nrows: .[]")
		gettertest.WantFault(t, err, want, "s3cret/+token", words...)
		// A SOURCE of the checker's own is the checker's fault.
		if want == codes.Unauthenticated {
			_, err := gettertest.MustStart(t, plugin(), nil).From(s.URL).Get(t.Context(), "GET /x\nrows: .[]")
			gettertest.WantFault(t, err, codes.InvalidArgument, "", "dwmon.yaml")
		}
		if status == 204 || status == 404 {
			sink, err := start(t, s.URL).Get(t.Context(), "GET /x\nrows: .[]\nempty: 404, 204")
			if err != nil || len(sink.Rows) != 0 {
				t.Errorf("%d that is declared empty: %v", status, err)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		status    int
		text      string
		want, off time.Duration
	}{
		{429, "17", 17 * time.Second, 0},
		{503, "0", 0, 0},
		{503, "999999", time.Hour, 0},
		{503, "soon", 0, 0},
		{429, "-5", 0, 0},
		{503, "", 0, 0},
		{429, "date", 90 * time.Second, 0},
		{429, "past", 0, 0},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			// The server's clock is a year behind, which changes nothing.
			clock := time.Now().UTC().AddDate(-1, 0, 0)
			w.Header().Set("Date", clock.Format(http.TimeFormat))
			switch c.text {
			case "date":
				w.Header().Set("Retry-After", clock.Add(90*time.Second).Format(http.TimeFormat))
			case "past":
				w.Header().Set("Retry-After", clock.Add(-time.Minute).Format(http.TimeFormat))
			default:
				w.Header().Set("Retry-After", c.text)
			}
			w.WriteHeader(c.status)
		})
		_, err := start(t, s.URL).Get(t.Context(), "GET /\nrows: .[]")
		gettertest.WantFault(t, err, codes.Unavailable, "")
		if got := after(t, err); got != c.want {
			t.Errorf("Retry-After %q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func TestALoginPageIsNoData(t *testing.T) {
	s := serve(t, says("text/html; charset=utf-8", "<html>\n<title>Sign in</title>"))
	for _, query := range []string{"rows: .[]", "format: csv\ncolumns: a, b", "format: ndjson"} {
		_, err := start(t, s.URL).Get(t.Context(), "GET /\n"+query)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", "a web page (text/html)", "login page?", "<html> <title>Sign in")
	}
}

// raw answers with bytes as they are, and closes the connection.
func raw(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestAnswersCutShort: whatever way an answer is cut, the fetch fails.
func TestAnswersCutShort(t *testing.T) {
	var z strings.Builder
	w := gzip.NewWriter(&z)
	_, _ = io.WriteString(w, strings.Repeat(`{"key": 1, "time": 1}`+"\n", 1000))
	_ = w.Close()
	const head = "HTTP/1.1 200 OK\r\n"
	const line = `{"key": 1, "time": 1}` + "\n"
	for name, c := range map[string]struct {
		answer, query string
		code          codes.Code
		word          string
	}{
		"a shorter body than announced":   {head + "Content-Length: 100\r\n\r\n[[1, 1]]", "rows: .[]", codes.Unavailable, "cut short"},
		"lines, shorter than announced":   {head + "Content-Length: 100\r\n\r\n" + line, "format: ndjson", codes.Unavailable, "cut short"},
		"half a line":                     {head + "Content-Length: 100\r\n\r\n" + line + `{"key": 2, "ti`, "format: ndjson", codes.Unavailable, "cut short"},
		"half a line, and that announced": {head + "Content-Length: 36\r\n\r\n" + line + `{"key": 2, "ti`, "format: ndjson", codes.Unavailable, "line 2 is no JSON: unexpected EOF"},
		"half a number":                   {head + "Content-Length: 100\r\n\r\n[1, 1", "format: ndjson", codes.Unavailable, "cut short"},
		"CSV, shorter than announced":     {head + "Content-Length: 100\r\n\r\na,1\nb,2\n", "format: csv\ncolumns: 1, 2", codes.Unavailable, "cut short"},
		"half a record":                   {head + "Content-Length: 100\r\n\r\na,1\nb", "format: csv\ncolumns: 1, 2", codes.Unavailable, "cut short"},
		"an open quote":                   {head + "Content-Length: 100\r\n\r\na,1\n\"b", "format: csv\ncolumns: 1, 2", codes.Unavailable, "cut short"},
		"chunks without an end":           {head + "Transfer-Encoding: chunked\r\n\r\n8\r\n[[1, 1]]\r\n", "rows: .[]", codes.Unavailable, "cut short"},
		"lines in chunks without an end":  {head + "Transfer-Encoding: chunked\r\n\r\n16\r\n" + line + "\r\n", "format: ndjson", codes.Unavailable, "cut short"},
		"half a chunk":                    {head + "Transfer-Encoding: chunked\r\n\r\nff\r\n" + line, "format: ndjson", codes.Unavailable, "cut short"},
		"JSON that ends early":            {head + "Content-Length: 8\r\n\r\n[[1, 1],", "rows: .[]", codes.Unavailable, "ends in the middle of its JSON"},
		"JSON without a length":           {head + "\r\n[[1, 1],", "rows: .[]", codes.Unavailable, "ends in the middle of its JSON"},
		"lines without a length":          {head + "\r\n" + line, "format: ndjson", codes.InvalidArgument, "neither Content-Length nor chunked"},
		"CSV of HTTP/1.0":                 {"HTTP/1.0 200 OK\r\n\r\na,1\n", "format: csv\ncolumns: 1, 2", codes.InvalidArgument, "neither Content-Length nor chunked"},
		"half of a compressed answer":     {head + "Content-Encoding: gzip\r\n\r\n" + z.String()[:z.Len()/2], "format: ndjson", codes.Unavailable, "cut short"},
		"compressed, without its sum":     {head + "Content-Encoding: gzip\r\n\r\n" + z.String()[:z.Len()-6], "format: ndjson", codes.Unavailable, "cut short"},
		"compressed, and broken":          {head + "Content-Encoding: gzip\r\n\r\n" + z.String()[:z.Len()-8] + "12345678", "format: ndjson", codes.Unavailable, "could not be read to its end"},
		"no answer at all":                {"", "rows: .[]", codes.Unavailable, "closed the connection without an answer"},
		"an answer that is no HTTP":       {"SSH-2.0-OpenSSH\r\n\r\n", "rows: .[]", codes.Unknown, "malformed HTTP"},
	} {
		_, err := start(t, raw(t, c.answer)).Get(t.Context(), "GET /\n"+c.query)
		if got := gettertest.Code(t, err); got != c.code || !strings.Contains(fmt.Sprint(err), c.word) {
			t.Errorf("%s: %v: %v, want %v and %q", name, got, err, c.code, c.word)
		}
	}
	// A whole compressed answer needs no length: gzip says where it ends.
	sink, err := start(t, raw(t, head+"Content-Encoding: gzip\r\n\r\n"+z.String())).Get(t.Context(), "GET /\nformat: ndjson")
	if err != nil || len(sink.Rows) != 1000 {
		t.Errorf("%d rows, %v", len(sink.Rows), err)
	}
}

func TestNetworksThatAreDown(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	plain := serve(t, says("", "[]"))
	secure := httptest.NewUnstartedServer(says("", "[]"))
	secure.Config.ErrorLog = quietLog
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for url, c := range map[string]struct {
		code codes.Code
		word string
	}{
		closed:                                  {codes.Unavailable, "connection refused"},
		"http://no-such-host.invalid":           {codes.Unavailable, "no-such-host.invalid"},
		secure.URL:                              {codes.FailedPrecondition, "is not trusted: no known authority has signed it; name the authority's file in tls.ca"},
		"https" + plain.URL[len("http"):]:       {codes.FailedPrecondition, "does not speak TLS at this port"},
		"http" + secure.URL[len("https"):]:      {codes.InvalidArgument, "400 Bad Request: Client sent an HTTP request to an HTTPS server"},
		"http://user:pa55word@127.0.0.1:1/base": {codes.Unavailable, "GET http://127.0.0.1:1/base/x: dial tcp"},
	} {
		_, err := start(t, url).Get(t.Context(), "GET /x?q=pa55word\nrows: .[]")
		gettertest.WantFault(t, err, c.code, "pa55word", c.word)
	}
}

func TestTimeLimits(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "[[1, 1],")
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	for _, path := range []string{"/head", "/body"} {
		g := start(t, s.URL, map[string]any{"timeout": "1s"})
		_, err := g.Get(t.Context(), "GET "+path+"\nrows: .[]")
		gettertest.WantFault(t, err, codes.Unavailable, "", "no answer within 1s", "setting timeout")

		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err = g.Get(ctx, "GET "+path+"\nrows: .[]")
		cancel()
		gettertest.WantFault(t, err, codes.DeadlineExceeded, "", s.URL+path, "the time limit was over")

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		began := time.Now()
		_, err = g.Get(ctx, "GET "+path+"\nrows: .[]")
		gettertest.WantFault(t, err, codes.Canceled, "", "the host gave up")
		if took := time.Since(began); took > 900*time.Millisecond {
			t.Errorf("it took %v to give up", took)
		}
	}
}

func TestLimitsOnSize(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		z := io.Writer(w)
		if r.URL.Path == "/bomb" { // 1 MiB in a few bytes
			w.Header().Set("Content-Encoding", "gzip")
			c := gzip.NewWriter(w)
			defer c.Close()
			z = c
		}
		switch r.URL.Path {
		case "/quote":
			_, _ = io.WriteString(z, "a,1\n\"")
		}
		_, _ = io.WriteString(z, strings.Repeat("[1, 1]\t", 150_000))
	})
	for query, word := range map[string]string{
		"/\nrows: .[]":                          "the page has more than 10000 bytes",
		"/bomb\nrows: .[]":                      "the page has more than 10000 bytes",
		"/\nformat: ndjson":                     "a line has more than 10000 bytes",
		"/quote\nformat: csv\ncolumns: 1, 2":    "a record has more than 10000 bytes",
		"/\nformat: ndjson\nrows: .[] | .[1:2]": "a line has more than 10000 bytes",
	} {
		_, err := start(t, s.URL, map[string]any{"max_bytes": 10_000}).Get(t.Context(), "GET "+query)
		gettertest.WantFault(t, err, codes.InvalidArgument, "", word, "max_bytes")
	}
	paged := serve(t, pages(t))
	_, err := start(t, paged.URL, map[string]any{"max_total_bytes": 8000}).Get(t.Context(), "GET /o?cursor={{next}}\nrows: .orders[] | [.id, .at]\nnext: .cursor")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "page 3", "more than 8000 bytes", "max_total_bytes")
}

func TestTheHostsWordEndsAFetch(t *testing.T) {
	enough := errors.New("enough rows")
	for format, text := range map[string]string{
		"rows: .[]":                   "[" + strings.Repeat("[1, 1], ", 1000) + "[1, 1]]",
		"format: ndjson":              strings.Repeat("[1, 1]\n", 1000),
		"format: ndjson\nrows: .":     strings.Repeat("[1, 1]\n", 1000),
		"format: csv\ncolumns: 1, 2":  strings.Repeat("1,1\n", 1000),
		"format: csv\nrows: [.a, .b]": "a,b\n" + strings.Repeat("1,1\n", 1000),
	} {
		s := serve(t, says("", text))
		sink := &gettertest.Sink{Refuse: func(n int) error {
			if n == 10 {
				return enough
			}
			return nil
		}}
		if err := start(t, s.URL).Fetch(t.Context(), "GET /\n"+format, sink); !errors.Is(err, enough) || sink.Count != 10 {
			t.Errorf("%s: %v after %d rows", format, err, sink.Count)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	for _, c := range []struct {
		settings map[string]any
		word     string
	}{
		{map[string]any{"url": "api.example.com"}, "want a URL such as"},
		{map[string]any{"url": "ftp://user:pa55word@h/"}, "want a URL such as"},
		{map[string]any{"url": "https://user:pa55word@h:port/"}, "no valid URL"},
		{map[string]any{"url": "https://h/?key=pa55word"}, "`params`"},
		{map[string]any{"url": "https://h/#x"}, "fragment"},
		{map[string]any{"bearer": "pa55word"}, "url is missing"},
		{map[string]any{"url": "https://h", "bearer": "pa55word", "user": "u"}, "exclude one another"},
		{map[string]any{"url": "https://u:pa55word@h", "bearer": "x"}, "give one of them"},
		{map[string]any{"url": "https://h", "bearer": "pa55word\nX-Evil: 1"}, "control character"},
		{map[string]any{"url": "https://h", "bearer_file": "/nowhere/token"}, "/nowhere/token"},
		{map[string]any{"url": "https://h", "headers": map[string]string{"A B": "pa55word"}}, `"A B" is no name of a header`},
		{map[string]any{"url": "https://h", "headers": map[string]string{"host": "pa55word"}}, "set by the plugin itself"},
		{map[string]any{"url": "https://h", "headers": map[string]string{"X": "pa55word\r\n"}}, "the value of X holds a line break"},
		{map[string]any{"url": "https://h", "timezone": "Mars/Olympus"}, "Mars/Olympus"},
		{map[string]any{"url": "https://h", "timezone": "Local"}, "Europe/Berlin"},
		{map[string]any{"url": "https://h", "max_bytes": 0}, "max_bytes must be above 0"},
		{map[string]any{"url": "https://h", "max_pages": -1, "timeout": "0s"}, "timeout must be above 0"},
		{map[string]any{"url": "https://h", "max_memory": 1000}, "max_memory is 1000"},
		{map[string]any{"url": "https://h", "allowed_hosts": []string{"https://x/"}}, "write host or host:port"},
		{map[string]any{"url": "https://h", "tls": map[string]string{"ca": "/nowhere/ca.pem"}}, "/nowhere/ca.pem"},
		{map[string]any{"url": "https://h", "tls": map[string]string{"ca": "main.go"}}, "no certificate in PEM form"},
		{map[string]any{"url": "https://h", "tls": map[string]string{"cert": "main.go"}}, "belong together"},
	} {
		_, err := gettertest.Start(t, plugin(), c.settings)
		gettertest.WantFault(t, err, codes.FailedPrecondition, "pa55word", c.word)
	}
}

func TestSourceMayBeTheURL(t *testing.T) {
	s := serve(t, says("", `[["a", 1]]`))
	g := gettertest.MustStart(t, plugin(), nil)
	if got := keys(g.From(s.URL+"/").MustGet(t, "GET /x\nrows: .[]")); got != "a" {
		t.Error(got)
	}
	_, err := g.From("AWS").Get(t.Context(), "GET /x\nrows: .[]")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "SOURCE: want a URL such as", "setting url")
	if got := keys(start(t, s.URL).From("AWS").MustGet(t, "GET /x\nrows: .[]")); got != "a" {
		t.Error(got)
	}
	v := g.RowGetter.(pluginsdk.Validator)
	for _, c := range []struct {
		text, source, extra string
		want                []string
	}{
		{"GET /{{extra.x}}\nrows: .[]", s.URL, `{"x": 1}`, nil},
		{"GET /{{extra.x}}\nrows: .[]", s.URL, ``, []string{`QUERY: {{extra.x}}: EXTRA has no "x"`}},
		{"GET /x\nrow: .[]", "AWS", ``, []string{`QUERY:2:1: "row" is unknown`, "SOURCE: want a URL"}},
		{"GET https://elsewhere/\nrows: .", s.URL, ``, []string{"QUERY: https://elsewhere/ is not where the source is"}},
		{"prometheus: up{a=\"{{extra.x}}\"}", s.URL, ``, []string{"EXTRA has no"}},
		{"search: a\nquery: {\"a\": {{extra.x}}}", s.URL, ``, []string{"EXTRA has no"}},
		{"prometheus: up", s.URL, ``, nil},
	} {
		found := v.ValidateChecker(t.Context(), pluginsdk.CheckerText{Text: c.text, Source: c.source, ExtraJSON: []byte(c.extra)})
		if len(found) != len(c.want) {
			t.Errorf("%q: %v, want %q", c.text, found, c.want)
			continue
		}
		for i, d := range found {
			if !strings.Contains(d.Summary, c.want[i]) || d.Severity != pluginsdk.SeverityError {
				t.Errorf("%q: %v, want %q", c.text, d, c.want[i])
			}
			if strings.HasPrefix(d.Summary, "QUERY:2") && d.Detail != "    row: .[]\n    ^" {
				t.Errorf("the excerpt is %q", d.Detail)
			}
		}
	}
	_, err = g.From(s.URL).Get(t.Context(), "GET /x\nrow: .[]")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "the request is wrong:\nQUERY:2:1: \"row\" is unknown", "    row: .[]\n    ^")
}

func TestHealth(t *testing.T) {
	status := 404
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	g := start(t, s.URL)
	if err := g.Health(t.Context()); err != nil {
		t.Error(err) // whatever it answers, it is there
	}
	status = 401
	gettertest.WantFault(t, g.Health(t.Context()), codes.Unauthenticated, "", "401")
	status = 503
	gettertest.WantFault(t, g.Health(t.Context()), codes.Unavailable, "", "503")
	if err := gettertest.MustStart(t, plugin(), nil).Health(t.Context()); err != nil {
		t.Error(err)
	}
}
