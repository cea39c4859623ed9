package provider

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

func serve(t *testing.T, h http.HandlerFunc) Request {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	u, err := ParseURL(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return Request{URL: u, Body: []byte("{}")}
}

func client(t *testing.T) *Client {
	t.Helper()
	c, err := New(Options{Provider: "Pager", Plugin: "pager", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestAConnectionThatHadJustBeenClosed: only what the receiver knows again is sent
// again.
func TestAConnectionThatHadJustBeenClosed(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		var asked atomic.Int64
		r := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Header["X-Idempotency-Key"] != nil {
				t.Error("a header for net/http went out")
			}
			if asked.Add(1) == 2 {
				panic(http.ErrAbortHandler)
			}
		})
		r.Idempotent = idempotent
		c := client(t)
		if _, err := c.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		_, err := c.Do(t.Context(), r)
		if idempotent && (err != nil || asked.Load() != 3) {
			t.Errorf("it was not sent again: %v, asked %d times", err, asked.Load())
		}
		if !idempotent && (pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || asked.Load() != 2) {
			t.Errorf("it was sent again: %v, asked %d times", err, asked.Load())
		}
	}
}

func TestALargeAnswerIsNotKept(t *testing.T) {
	for _, code := range []int{http.StatusOK, http.StatusBadRequest} {
		r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 3*maxAnswer))
		})
		answer, err := client(t).Do(t.Context(), r)
		if code == http.StatusOK && (err != nil || len(answer.Body) != maxAnswer) {
			t.Errorf("%v, or %d bytes were kept", err, len(answer.Body))
		}
		if code != http.StatusOK && (err == nil || len(err.Error()) > 2*excerptLength) {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

func TestErrorsSayWhoAndWhy(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("{\n\t\"error\":\x00 \"short\r\nand stout\"}"))
	})
	_, err := client(t).Do(t.Context(), r)
	want := "Pager at " + Where(r.URL) + `: the server answered 418 I'm a teapot: { "error": "short and stout"}`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	r.URL.Host = "nobody.invalid"
	if _, err := client(t).Do(t.Context(), r); err == nil || !strings.Contains(err.Error(), "Pager at http://nobody.invalid: ") || pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable {
		t.Error(err)
	}
}

func TestResultSummary(t *testing.T) {
	five, twenty := int64(5), int64(20)
	for want, r := range map[string]pluginsdk.Result{
		"a: 4 rows in 3m, fewer than 5":              {EventCount: 4, MinRequired: &five, MaxAllowed: &twenty},
		"a: 21 rows in 3m, more than 20, 2 in a row": {EventCount: 21, MinRequired: &five, MaxAllowed: &twenty, ConsecutiveBad: 2},
		"a: 7 rows in 3m":                            {EventCount: 7, MinRequired: &five},
		"a: 9000 rows in 3m, more than 20":           {EventCount: 9000, MaxAllowed: &twenty, ConsecutiveBad: 1},
	} {
		r.CheckerName, r.LookbackSeconds = "a", 180
		if got := ResultSummary(&r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
