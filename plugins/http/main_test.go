package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

// explode makes the test binary take more memory in one step than its limit allows.
const explode = "HTTP_TEST_EXPLODE"

func TestMain(m *testing.M) {
	if os.Getenv(explode) != "" {
		if err := limitAddressSpace(leastMemory); err != nil {
			panic(err)
		}
		fmt.Println("limited")
		text := make([]byte, 64<<30)
		fmt.Println(len(text))
		return
	}
	os.Exit(m.Run())
}

// serve answers with h on loopback until the test ends.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// says answers every request with a type and a text.
func says(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, text)
	}
}

// start starts the plugin on a server; more are further settings.
func start(t testing.TB, url string, more ...map[string]any) *gettertest.Getter {
	t.Helper()
	all := map[string]any{"url": url}
	for _, m := range more {
		for k, v := range m {
			all[k] = v
		}
	}
	return gettertest.MustStart(t, plugin(), all)
}

// fetchWith runs a query with an EXTRA section.
func fetchWith(ctx context.Context, g *gettertest.Getter, text, extra string) (*gettertest.Sink, error) {
	sink := &gettertest.Sink{}
	return sink, g.RowGetter.GetRows(ctx, pluginsdk.Query{Text: text, ExtraJSON: []byte(extra)}, sink)
}

// keys are the keys of a sink, in order.
func keys(s *gettertest.Sink) string {
	all := make([]string, len(s.Rows))
	for i, r := range s.Rows {
		all[i] = r.Key
	}
	return strings.Join(all, " ")
}

// page is a document with items n+1 to n+count.
func page(n, count int) string {
	var items []string
	for i := n + 1; i <= n+count; i++ {
		items = append(items, fmt.Sprintf(`{"id": "k%d", "at": %d}`, i, 1_700_000_000+i))
	}
	return strings.Join(items, ", ")
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
