package dwmon_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestWithRowLimit(t *testing.T) {
	for _, c := range []struct {
		name, query, want string
	}{
		{"the usual", "SELECT a FROM t ORDER BY ts DESC LIMIT 10000 -- ten thousand", "SELECT a FROM t ORDER BY ts DESC LIMIT 77 -- ten thousand"},
		{"underscores", "SELECT a FROM t LIMIT 10_000;", "SELECT a FROM t LIMIT 77;"},
		{"an offset", "SELECT a FROM t LIMIT 5 OFFSET 5", "SELECT a FROM t LIMIT 77 OFFSET 5"},
		{"MySQL's offset first", "SELECT a FROM t LIMIT 5, 5", "SELECT a FROM t LIMIT 5, 77"},
		{"in parentheses", "(SELECT a FROM t LIMIT (5))", "(SELECT a FROM t LIMIT (77))"},
		{"FETCH", "SELECT a FROM t FETCH FIRST 5 ROWS ONLY", "SELECT a FROM t FETCH FIRST 77 ROWS ONLY"},
		{"FETCH of a single row", "SELECT a FROM t FETCH FIRST ROW ONLY", "SELECT a FROM t FETCH FIRST 77 ROW ONLY"},
		{"TOP", "SELECT TOP 5 a FROM t WHERE b = 5", "SELECT TOP 77 a FROM t WHERE b = 5"},
		{"a sub-query's limit stays", "SELECT a FROM (SELECT a FROM t LIMIT 5) s LIMIT 5", "SELECT a FROM (SELECT a FROM t LIMIT 5) s LIMIT 77"},
		{"a name that is longer in capitals", "SELECT 'ß', ß FROM t LIMIT 5", "SELECT 'ß', ß FROM t LIMIT 77"},
	} {
		if got, ok := dwmon.WithRowLimit(c.query, 77); !ok || got != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, ok, c.want)
		}
	}
	const none = "SELECT a FROM t WHERE b = ' LIMIT 5'"
	if got, ok := dwmon.WithRowLimit(none, 77); ok || got != none {
		t.Errorf("got %q, %v, want the query as it was", got, ok)
	}
}

// TestWithRowLimitIsWhatRowLimitFinds puts limits into random surroundings.
func TestWithRowLimitIsWhatRowLimitFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		query := "SELECT a, " + rapid.SampledFrom([]string{"'it''s'", "`x`", "/* LIMIT 3 */ 1", "(SELECT 1 LIMIT 3)", "$q$ ' $q$", "ǅ"}).Draw(t, "column") +
			" FROM t" + rapid.SampledFrom([]string{" ", "\n--x\n", "\t"}).Draw(t, "space") +
			rapid.SampledFrom([]string{"LIMIT 5", "LIMIT 9 OFFSET 2", "LIMIT 2, 9", "LIMIT (9)", "FETCH NEXT ROWS ONLY", "OFFSET 1 ROWS FETCH FIRST 9 ROWS ONLY"}).Draw(t, "limit") +
			rapid.SampledFrom([]string{"", ";", " -- LIMIT 4"}).Draw(t, "end")
		rows := rapid.Int64Range(1, 1<<40).Draw(t, "rows")
		raised, ok := dwmon.WithRowLimit(query, rows)
		if got, found := dwmon.RowLimit(raised); !ok || !found || got != rows {
			t.Fatalf("WithRowLimit(%q, %d) = %q, %v: its limit is %d, %v", query, rows, raised, ok, got, found)
		}
		before, _ := dwmon.RowLimit(query)
		if back, _ := dwmon.WithRowLimit(raised, before); back != query && !strings.Contains(query, "NEXT ROWS") {
			t.Fatalf("put back, %q is %q", query, back)
		}
	})
}
