package dwmon_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dwmon/dwmon/internal/dwmon"
)

func TestRowLimit(t *testing.T) {
	const none = -1
	for _, c := range []struct {
		name  string
		query string
		want  int64
	}{
		{"the usual", "SELECT id AS dwmon_unique_key, ts AS dwmon_timestamp FROM t ORDER BY ts DESC LIMIT 10000", 10000},
		{"any case, any space", "select a from t limit\n\t5", 5},
		{"a closing semicolon", "SELECT a FROM t LIMIT 5 ;", 5},
		{"no limit", "SELECT a FROM t ORDER BY ts DESC", none},
		{"an offset", "SELECT a FROM t LIMIT 5 OFFSET 100", 5},
		{"an offset before it", "SELECT a FROM t OFFSET 100 LIMIT 5", 5},
		{"MySQL's offset first", "SELECT a FROM t LIMIT 100, 5", 5},
		{"no limit at all", "SELECT a FROM t LIMIT ALL", none},
		{"a parameter", "SELECT a FROM t LIMIT ?", none},
		{"another parameter", "SELECT a FROM t LIMIT $1", none},
		{"a sum", "SELECT a FROM t LIMIT 5 + 5", none},
		{"a product", "SELECT a FROM t LIMIT 5*5", none},
		{"a cast", "SELECT a FROM t LIMIT 5::int", none},
		{"a sub-query as the number", "SELECT a FROM t LIMIT (SELECT 5)", none},
		{"a fraction", "SELECT a FROM t LIMIT 5.5", none},
		{"a part of the rows", "SELECT a FROM t LIMIT 5%", none},
		{"a number in parentheses", "SELECT a FROM t LIMIT (5)", 5},
		{"underscores in the number", "SELECT a FROM t LIMIT 10_000", 10000},
		{"a number too large", "SELECT a FROM t LIMIT 99999999999999999999", none},
		{"a lock after it", "SELECT a FROM t LIMIT 5 FOR SHARE", 5},
		{"ClickHouse's settings after it", "SELECT a FROM t LIMIT 5 SETTINGS max_threads = 1", 5},
		{"ties", "SELECT a FROM t ORDER BY ts LIMIT 5 WITH TIES", 5},
		{"a limit for each group", "SELECT a FROM t LIMIT 5 BY user", none},
		{"that and a limit", "SELECT a FROM t LIMIT 5 BY user LIMIT 100", 100},
		{"FETCH FIRST", "SELECT a FROM t ORDER BY ts DESC FETCH FIRST 5 ROWS ONLY", 5},
		{"FETCH NEXT with an offset", "SELECT a FROM t OFFSET 10 ROWS FETCH NEXT 5 ROWS ONLY", 5},
		{"a single row", "SELECT a FROM t FETCH FIRST ROW ONLY", 1},
		{"FETCH of a part", "SELECT a FROM t FETCH FIRST 5 PERCENT ROWS ONLY", none},
		{"TOP", "SELECT TOP 5 a FROM t", 5},
		{"TOP in parentheses", "SELECT TOP (5) a FROM t", 5},
		{"TOP of all columns", "SELECT TOP 5 * FROM t", 5},
		{"DISTINCT TOP", "SELECT DISTINCT TOP 5 a FROM t", 5},
		{"TOP of a part", "SELECT TOP 5 PERCENT a FROM t", none},
		{"TOP with ties", "SELECT TOP 5 WITH TIES a FROM t ORDER BY a", 5},
		{"a column named top", "SELECT top, a FROM t", none},
		{"a column named limit", "SELECT limit FROM t", none},
		{"a column of a table named limit", "SELECT t.limit FROM t", none},
		{"a table named limit", "SELECT limit.a FROM t AS limit", none},
		{"a quoted name", `SELECT "a LIMIT 5" FROM t`, none},
		{"MySQL's quoted name", "SELECT `LIMIT 5` FROM t", none},
		{"SQL Server's quoted name", "SELECT [LIMIT 5] FROM t", none},
		{"a string", "SELECT a FROM t WHERE b = ' LIMIT 5'", none},
		{"a string with a quote", "SELECT a FROM t WHERE b = 'it''s LIMIT 5' LIMIT 7", 7},
		{"a string with an escaped quote", `SELECT a FROM t WHERE b = 'it\'s LIMIT 5' LIMIT 7`, 7},
		{"a string that ends in a backslash", `SELECT a FROM t WHERE b = 'c:\' LIMIT 7`, 7},
		{"a dollar-quoted string", "SELECT a FROM t WHERE b = $x$ ' LIMIT 5 $x$ LIMIT 7", 7},
		{"a comment", "SELECT a FROM t -- LIMIT 5", none},
		{"a comment within", "SELECT a FROM t -- LIMIT 5; it's\nLIMIT 7", 7},
		{"a comment in MySQL's way", "SELECT a FROM t # LIMIT 5\n LIMIT 7", 7},
		{"a comment on a line of its own", "SELECT a FROM t\n#LIMIT 5", none},
		{"a temporary table", "SELECT TOP 5 a FROM #recent", 5},
		{"a block comment", "SELECT a FROM t /* LIMIT 5 */", none},
		{"a comment in a comment", "SELECT a FROM t /* a /* b */ LIMIT 5 */ LIMIT 7", 7},
		{"comments that do not nest", "SELECT a /* /* */ FROM t LIMIT 7", 7},
		{"a comment between", "SELECT a FROM t LIMIT /* no more */ 7", 7},
		{"a sub-query", "SELECT a FROM (SELECT a FROM t LIMIT 5) s", none},
		{"a sub-query and a limit", "SELECT a FROM (SELECT a FROM t LIMIT 5) s LIMIT 7", 7},
		{"a common table expression", "WITH s AS (SELECT a FROM t LIMIT 5) SELECT a FROM s", none},
		{"that and a limit", "WITH s AS (SELECT TOP 5 a FROM t) SELECT TOP 7 a FROM s", 7},
		{"all of it in parentheses", "((SELECT a FROM t LIMIT 5))", 5},
		{"a union with a limit", "SELECT a FROM t UNION ALL SELECT a FROM u LIMIT 5", 5},
		{"a union of limits", "(SELECT a FROM t LIMIT 5) UNION (SELECT a FROM u LIMIT 5)", none},
		{"a union of limits with a limit", "(SELECT a FROM t LIMIT 5) UNION (SELECT a FROM u LIMIT 5) LIMIT 7", 7},
		{"a union whose first part has a limit", "SELECT a FROM t LIMIT 5 UNION ALL SELECT a FROM u", none},
		{"a union of tops", "SELECT TOP 5 a FROM t UNION ALL SELECT a FROM u", none},
		{"two statements", "SELECT a FROM t LIMIT 5; SELECT 1", none},
		{"a string without an end", "SELECT a FROM t WHERE b = 'x LIMIT 5", none},
		{"a parenthesis without an end", "SELECT a FROM (t LIMIT 5", none},
		{"an array", "SELECT a[1] FROM t WHERE b = ARRAY['x'] LIMIT 5", 5},
		{"not SQL", `{"query": "SELECT a FROM t", "limit": 5}`, none},
		{"not SQL either", "orders limit 5", none},
		{"nothing", "", none},
		{"only a comment", "-- nothing", none},
	} {
		got, ok := dwmon.RowLimit(c.query)
		if !ok {
			got = none
		}
		if got != c.want {
			t.Errorf("%s: RowLimit(%q) = %d, want %d", c.name, c.query, got, c.want)
		}
	}
}

// TestRowLimitReadsAnything puts words of queries together as they come.
func TestRowLimitReadsAnything(t *testing.T) {
	words := []string{"SELECT", "TOP", "5", "LIMIT", "(", ")", "'", "\"", "`", "--", "/*", "*/", "#", "\n", "$a$", "$", "\\", ",", ";", "UNION", "FETCH", "FIRST", "ROWS", "[", "]", "x"}
	rapid.Check(t, func(t *rapid.T) {
		query := strings.Join(rapid.SliceOf(rapid.SampledFrom(words)).Draw(t, "words"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		if n, ok := dwmon.RowLimit(query); ok && n != 5 && n != 55 && n != 1 && !strings.Contains(query, "555") {
			t.Fatalf("RowLimit(%q) = %d", query, n)
		}
	})
}

// TestRowLimitIgnoresWhatIsWrapped hides random text where no limit counts.
func TestRowLimitIgnoresWhatIsWrapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hidden := rapid.StringMatching(`[A-Za-z0-9 ,;.]{0,20}`).Draw(t, "hidden") + " LIMIT 5 "
		wrap := rapid.SampledFrom([]string{"'%s'", `"%s"`, "`%s`", "$q$%s$q$", "/*%s*/", "(%s)", "--%s\n"}).Draw(t, "wrap")
		query := "SELECT a, " + strings.Replace(wrap, "%s", hidden, 1) + " b FROM t"
		if n, ok := dwmon.RowLimit(query); ok {
			t.Fatalf("RowLimit(%q) = %d, want none", query, n)
		}
		if n, ok := dwmon.RowLimit(query + " LIMIT 7"); !ok || n != 7 {
			t.Fatalf("RowLimit(%q LIMIT 7) = %d, %v", query, n, ok)
		}
	})
}

func TestNewestFirst(t *testing.T) {
	for query, want := range map[string]bool{
		"SELECT a FROM t ORDER BY ts DESC LIMIT 5":                              true,
		"SELECT a FROM t order by\n ts desc nulls last, a FETCH FIRST ROW ONLY": true,
		"(SELECT a FROM t ORDER BY 2 DESC)":                                     true,
		"SELECT a FROM t ORDER BY greatest(ts, 0) DESC":                         true,
		"SELECT a FROM t ORDER BY ts LIMIT 5":                                   false,
		"SELECT a FROM t ORDER BY a, ts DESC LIMIT 5":                           false,
		"SELECT a FROM t LIMIT 5":                                               false,
		"SELECT a FROM (SELECT a FROM t ORDER BY ts DESC) s LIMIT 5":            false,
		"SELECT rank() OVER (ORDER BY ts DESC) FROM t LIMIT 5":                  false,
		"SELECT a FROM t WHERE b = 'ORDER BY ts DESC' LIMIT 5":                  false,
		"SELECT a FROM t GROUP BY ts -- ORDER BY ts DESC":                       false,
		"DESC t": false,
		"":       false,
	} {
		if got := dwmon.NewestFirst(query); got != want {
			t.Errorf("NewestFirst(%q) = %v, want %v", query, got, want)
		}
	}
}
