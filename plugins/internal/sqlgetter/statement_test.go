package sqlgetter

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReading(t *testing.T) {
	for _, c := range []struct{ query, want, wrong string }{
		{query: "SELECT 1", want: "SELECT 1"},
		{query: " select 1 ; ", want: " select 1 "},
		{query: "/* a; b */ -- c;\nWITH x AS (SELECT ';') SELECT \"a;b\", `c;` FROM x; -- end;", want: "/* a; b */ -- c;\nWITH x AS (SELECT ';') SELECT \"a;b\", `c;` FROM x"},
		{query: "((SELECT 1))", want: "((SELECT 1))"},
		{query: "SELECT 'it''s;' -- comment", want: "SELECT 'it''s;' -- comment"},
		{query: "SELECT 'open;", want: "SELECT 'open;"}, // the server's to refuse
		{query: "SELECT 1; SELECT 2", wrong: "several statements"},
		{query: "SELECT 1;;", wrong: "several statements"},
		{query: "SELECT 1;'", wrong: "several statements"},
		{query: "-- nothing", wrong: "empty"},
		{query: ";", wrong: "empty"},
		{query: "DELETE FROM t", wrong: "begins with DELETE"},
		{query: "/* SELECT */ insert INTO t SELECT 1", wrong: "begins with insert"},
		{query: "'SELECT' 1", wrong: "begins with 'SELECT'"},
		{query: "SELECTED 1", wrong: "begins with SELECTED"},
	} {
		got, err := Reading(c.query, "SELECT", "WITH")
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%q: got %q, %v; want an error that says %q", c.query, got, err, c.wrong)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%q: got %q, %v; want %q", c.query, got, err, c.want)
		}
	}
}

// TestReadingOfAnything: it ends, and what it lets through is a beginning of the
// query behind which only blanks are left out.
func TestReadingOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		query := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"SELECT", " ", ";", "'", "\"", "`", "--", "/*", "*/", "\n", "a", "ä", "(", ")", "\xff", "DELETE",
		})).Draw(t, "pieces"), "")
		got, err := Reading(query, "SELECT")
		if err != nil {
			return
		}
		if !strings.HasPrefix(query, got) {
			t.Fatalf("%q is no beginning of %q", got, query)
		}
		if again, err := Reading(got, "SELECT"); err != nil || again != got {
			t.Fatalf("%q read again: %q, %v", got, again, err)
		}
		rest := query[len(got):]
		if rest != "" && rest[0] != ';' {
			t.Fatalf("%q was left out of %q", rest, query)
		}
	})
}
