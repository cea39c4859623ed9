package main

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk/plugintest"
)

func TestConformance(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/many":
			out := bufio.NewWriter(w)
			for i := range 100_000 {
				// Keys so long that a plugin that gathered them would be seen.
				fmt.Fprintf(out, "[\"%s%d\", 1700000000]\n", strings.Repeat("0", 300), i)
			}
			_ = out.Flush()
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = fmt.Fprint(w, `[["a", 1700000000], ["b", 1700000000.5]]`)
		}
	})
	o := plugintest.Options{
		Settings:  map[string]any{"url": s.URL},
		Query:     "GET /\nrows: .[]",
		ManyRows:  "GET /many\nformat: ndjson\nrows: .",
		SlowQuery: "GET /slow\nrows: .[]",
	}
	t.Run("in process", func(t *testing.T) { plugintest.Run(t, plugin(), o) })
	t.Run("executable", func(t *testing.T) { plugintest.Binary(t, plugintest.Build(t, "http"), o) })
}
