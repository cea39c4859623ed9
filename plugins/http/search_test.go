package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dwmon/dwmon/plugins/internal/gettertest"
)

// products runs a test against both.
func products(t *testing.T, f func(t *testing.T, s *searchServer)) {
	for name, open := range map[string]bool{"Elasticsearch": false, "OpenSearch": true} {
		t.Run(name, func(t *testing.T) { f(t, &searchServer{t: t, openSearch: open}) })
	}
}

// logs makes n documents in two indices, many of the same millisecond.
func logs(n int) []document {
	from := time.Now().Add(-time.Hour).Truncate(time.Second)
	var docs []document
	for i := range n {
		docs = append(docs, document{
			id: fmt.Sprintf("id-%d", i), index: fmt.Sprintf("logs-%d", i%2), at: from.Add(time.Duration(i/100) * time.Millisecond),
			fields: map[string]any{"level": []string{"info", "error"}[i%10/9], "number": int64(9007199254740993) + int64(i)},
		})
	}
	return docs
}

func TestSearchBringsEveryHitOnce(t *testing.T) {
	products(t, func(t *testing.T, s *searchServer) {
		const n = 2*searchPage + 17
		s.docs = logs(n)
		s.docs[0].at = time.Now().AddDate(0, -1, 0) // before {{since}}
		g := start(t, s.serve())
		sink := g.MustGet(t, "search: logs-*")
		got := map[string]int64{}
		for _, r := range sink.Rows {
			got[r.Key] = r.Micros
		}
		if len(sink.Rows) != n-1 || len(got) != n-1 {
			t.Fatalf("%d rows, %d keys, want %d", len(sink.Rows), len(got), n-1)
		}
		for _, d := range s.docs[1:] {
			if got[d.id] != d.at.UnixMicro() {
				t.Fatalf("%s lies at %d, want %d", d.id, got[d.id], d.at.UnixMicro())
			}
		}
		if s.pages != 3 || s.open() != 0 {
			t.Errorf("%d pages, %d points in time are left", s.pages, s.open())
		}
		// Who made the server is asked once.
		g.MustGet(t, "search: logs-0\nwindow: 40d")
		if n := len(slices.DeleteFunc(slices.Clone(s.asked), func(a string) bool { return a != "GET /" })); n != 1 {
			t.Errorf("the server was asked %d times who it is", n)
		}
		sink, err := fetchWith(t.Context(), g, "search: logs-*,logs-1\nquery:\n  {\"term\": {\"level\": \"{{extra.level}}\"}}\nkey: number\nwindow: 2h", `{"level": "error"}`)
		if err != nil || len(sink.Rows) == 0 || !strings.HasPrefix(sink.Rows[0].Key, "90071992547410") && sink.Rows[0].Key < "9007199254740993" {
			t.Fatalf("%v %v", sink.Rows, err)
		}
		for _, r := range sink.Rows {
			if (r.Key[len(r.Key)-1]-'3'+10)%10 != 9 { // 9007199254740993 + i with i%10 == 9, digit for digit
				t.Fatalf("the key %s is none of an error", r.Key)
			}
		}
	})
}

func TestSearchesThatAreNotWhole(t *testing.T) {
	products(t, func(t *testing.T, s *searchServer) {
		s.docs = logs(searchPage + 1)
		g := start(t, s.serve())
		in := func(answer map[string]any, name string) map[string]any { return answer[name].(map[string]any) }
		for name, c := range map[string]struct {
			spoil func(page int, answer map[string]any)
			code  codes.Code
			words []string
		}{
			"a shard that failed": {func(page int, a map[string]any) {
				if page == 2 {
					a["_shards"] = map[string]any{"total": 3, "successful": 2, "failed": 1, "failures": []any{map[string]any{"reason": map[string]any{"type": "circuit_breaking_exception"}}}}
				}
			}, codes.Unavailable, []string{"page 2", "1 of 3 shards did not answer", "circuit_breaking_exception"}},
			"a shard that is missing": {func(_ int, a map[string]any) { in(a, "_shards")["successful"] = 2 }, codes.Unavailable, []string{"1 of 3 shards"}},
			"a cluster that gave up":  {func(_ int, a map[string]any) { a["timed_out"] = true }, codes.Unavailable, []string{"the cluster gave up"}},
			"an end before its time":  {func(_ int, a map[string]any) { a["terminated_early"] = true }, codes.Unavailable, []string{"ended early"}},
			"no word of shards":       {func(_ int, a map[string]any) { delete(a, "_shards") }, codes.InvalidArgument, []string{"not that of a search"}},
			"no word of time":         {func(_ int, a map[string]any) { delete(a, "timed_out") }, codes.InvalidArgument, []string{"not that of a search"}},
			"a number that is a guess": {func(_ int, a map[string]any) {
				if total, ok := in(a, "hits")["total"].(map[string]any); ok {
					total["relation"] = "gte"
				}
			}, codes.InvalidArgument, []string{"exactly how many hits"}},
			"a page that is lost": {func(page int, a map[string]any) {
				if page == 2 {
					in(a, "hits")["hits"] = []any{}
				}
			}, codes.Unavailable, []string{fmt.Sprintf("%d hits came of the %d announced", searchPage, searchPage+1)}},
			"one hit too many": {func(page int, a map[string]any) {
				if page == 2 {
					hits := in(a, "hits")
					hits["hits"] = append(hits["hits"].([]any), hits["hits"].([]any)...)
				}
			}, codes.Unavailable, []string{"hits came of the"}},
			"no sort values": {func(_ int, a map[string]any) {
				delete(in(a, "hits")["hits"].([]any)[0].(map[string]any), "sort")
				trim(a)
			}, codes.InvalidArgument, []string{"does not say where the next page begins"}},
		} {
			s.mu.Lock()
			s.spoil, s.pages = c.spoil, 0
			s.mu.Unlock()
			_, err := g.Get(t.Context(), "search: logs-*")
			if gettertest.WantFault(t, err, c.code, "", c.words...); t.Failed() {
				t.Fatal(name)
			}
			if n := s.open(); n != 0 {
				t.Fatalf("%s: %d points in time are left", name, n)
			}
		}
	})
}

// trim leaves one hit.
func trim(answer map[string]any) {
	hits := answer["hits"].(map[string]any)
	hits["hits"] = hits["hits"].([]any)[:1]
}

func TestSearchesThatFindNothing(t *testing.T) {
	products(t, func(t *testing.T, s *searchServer) {
		s.docs = logs(10)
		g := start(t, s.serve())
		if sink := g.MustGet(t, "search: logs-*\nquery: {\"term\": {\"level\": \"none\"}}"); len(sink.Rows) != 0 {
			t.Error(sink.Rows)
		}
		for query, words := range map[string][]string{
			"search: nothing-*":                           {"there is no index nothing-*"},
			"search: nothing":                             {"404 Not Found", "index_not_found_exception"},
			"search: logs-*\ntime: created":               {"no index of logs-* has a field created of type date", "`time`"},
			"search: logs-*\nquery: {\"trem\": {}}":       {"400 Bad Request", "unknown query [trem]"},
			"search: logs-*\nkey: nosuch":                 {"the document", "its key is null"},
			"search: logs-*\nquery: {\"term\": {{since}}": {"it is no valid JSON"},
		} {
			_, err := g.Get(t.Context(), query)
			gettertest.WantFault(t, err, codes.InvalidArgument, "", words...)
		}
		if n := s.open(); n != 0 {
			t.Errorf("%d points in time are left", n)
		}
		s.docs[3].fields["tag"] = []any{"a", "b"}
		_, err := g.Get(t.Context(), "search: logs-*\nkey: tag")
		gettertest.WantFault(t, err, codes.InvalidArgument, "", "its key is null")
		s.docs = s.docs[3:4]
		_, err = g.Get(t.Context(), "search: logs-*\nkey: tag")
		gettertest.WantFault(t, err, codes.InvalidArgument, "", `the document "id-3"`, "its field tag has 2 values")
	})
}

func TestWhoMadeTheServer(t *testing.T) {
	products(t, func(t *testing.T, s *searchServer) {
		s.hidden, s.docs = true, logs(3)
		if n := len(start(t, s.serve()).MustGet(t, "search: logs-*").Rows); n != 3 {
			t.Errorf("%d rows", n)
		}
	})
	s := serve(t, says("application/json", `{"hello": "world"}`))
	_, err := start(t, s.URL).Get(t.Context(), "search: logs")
	gettertest.WantFault(t, err, codes.InvalidArgument, "", "neither Elasticsearch nor OpenSearch")
}
