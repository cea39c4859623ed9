package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// searchServer keeps documents in memory and answers as Elasticsearch or OpenSearch
// do, as far as searches of one point in time go. It is no proof that the products
// do the same.
type searchServer struct {
	t          testing.TB
	openSearch bool
	// hidden: the role may not read the page about the server.
	hidden bool
	// spoil may change an answer to a search, by the number of the page from 1.
	spoil func(page int, answer map[string]any)

	mu    sync.Mutex
	docs  []document
	pits  map[string][]document // what each point in time sees
	pages int
	asked []string
}

type document struct {
	id, index string
	at        time.Time
	fields    map[string]any
}

func (s *searchServer) serve() string {
	s.pits = map[string][]document{}
	return serve(s.t, s.answer).URL
}

// open counts the points in time that were not given back.
func (s *searchServer) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pits)
}

func (s *searchServer) refuse(w http.ResponseWriter, status int, kind, reason string) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"type": kind, "reason": reason}, "status": status})
}

func (s *searchServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	if !s.openSearch {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	var body map[string]any
	if text, _ := io.ReadAll(r.Body); len(text) > 0 {
		if err := decodeJSON(text, &body); err != nil {
			s.refuse(w, 400, "parsing_exception", err.Error())
			return
		}
	}
	pit, list := "/_pit", false
	if s.openSearch {
		pit, list = "/_search/point_in_time", true
	}
	switch index, isOpen := strings.CutSuffix(r.URL.Path, pit); {
	case r.URL.Path == "/" && s.hidden:
		s.refuse(w, 403, "security_exception", "no permission for cluster:monitor/main")
	case r.URL.Path == "/" && s.openSearch:
		_, _ = io.WriteString(w, `{"version": {"distribution": "opensearch", "number": "2.19.0"}}`)
	case r.URL.Path == "/":
		_, _ = io.WriteString(w, `{"version": {"number": "8.17.0", "build_flavor": "default"}, "tagline": "You Know, for Search"}`)
	case r.Method == http.MethodPost && isOpen && index != "":
		s.openPIT(w, strings.TrimPrefix(index, "/"))
	case r.Method == http.MethodDelete && r.URL.Path == pit:
		id := body["id"]
		if list {
			id = body["pit_id"].([]any)[0]
		}
		delete(s.pits, fmt.Sprint(id))
		_, _ = io.WriteString(w, `{"succeeded": true, "num_freed": 1}`)
	case r.Method == http.MethodPost && r.URL.Path == "/_search":
		s.search(w, r.URL.Query(), body)
	case strings.HasSuffix(r.URL.Path, "/_field_caps"):
		s.fieldCaps(w, strings.Trim(strings.TrimSuffix(r.URL.Path, "/_field_caps"), "/"), r.URL.Query().Get("fields"))
	default:
		s.refuse(w, 400, "illegal_argument_exception", "no handler found for uri ["+r.URL.Path+"]")
	}
}

// in finds the documents of an index, several, or a pattern.
func (s *searchServer) in(pattern string) (found []document, named bool) {
	for _, one := range strings.Split(pattern, ",") {
		prefix, wild := strings.CutSuffix(one, "*")
		before := len(found)
		for _, d := range s.docs {
			if d.index == one || wild && strings.HasPrefix(d.index, prefix) {
				found = append(found, d)
			}
		}
		if len(found) == before && !wild {
			return nil, false
		}
	}
	return found, true
}

func (s *searchServer) openPIT(w http.ResponseWriter, pattern string) {
	found, ok := s.in(pattern)
	if !ok {
		s.refuse(w, 404, "index_not_found_exception", "no such index ["+pattern+"]")
		return
	}
	id := fmt.Sprintf("pit-%d/+=", len(s.asked))
	s.pits[id] = slices.Clone(found)
	name := "id"
	if s.openSearch {
		name = "pit_id"
	}
	_ = json.NewEncoder(w).Encode(map[string]any{name: id})
}

func (s *searchServer) fieldCaps(w http.ResponseWriter, pattern, field string) {
	found, _ := s.in(pattern)
	indices, fields := []string{}, map[string]any{}
	for _, d := range found {
		if !slices.Contains(indices, d.index) {
			indices = append(indices, d.index)
		}
	}
	if field == "@timestamp" && len(indices) > 0 {
		fields[field] = map[string]any{"date": map[string]any{"type": "date"}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"indices": indices, "fields": fields})
}

// search answers one page.
func (s *searchServer) search(w http.ResponseWriter, q url.Values, body map[string]any) {
	pit := body["pit"].(map[string]any)
	docs, ok := s.pits[fmt.Sprint(pit["id"])]
	if !ok {
		s.refuse(w, 404, "search_context_missing_exception", "No search context found")
		return
	}
	if q.Get("allow_partial_search_results") != "false" || body["_source"] != false {
		s.t.Errorf("asked %v %v", q, body)
	}
	var hits []document
	for _, d := range docs {
		ok, err := matches(d, body["query"].(map[string]any))
		if err != nil {
			s.refuse(w, 400, "parsing_exception", err.Error())
			return
		}
		if ok {
			hits = append(hits, d)
		}
	}
	total := len(hits)
	place := map[string]int{} // as _shard_doc: unique, and beyond what a float can tell apart
	for i, d := range docs {
		place[d.index+"/"+d.id] = i + 1<<53
	}
	tiebreak := func(d document) []any {
		if s.openSearch {
			return []any{d.at.UnixMilli(), d.id, d.index}
		}
		return []any{d.at.UnixMilli(), place[d.index+"/"+d.id]}
	}
	if n := len(body["sort"].([]any)); n != len(tiebreak(document{})) {
		s.t.Errorf("sorted by %v", body["sort"])
	}
	slices.SortFunc(hits, func(a, b document) int { return compareSort(tiebreak(a), tiebreak(b)) })
	if after, ok := body["search_after"].([]any); ok {
		hits = slices.DeleteFunc(hits, func(d document) bool { return compareSort(tiebreak(d), after) <= 0 })
	}
	size, _ := body["size"].(json.Number).Int64()
	hits = hits[:min(int64(len(hits)), size)]
	s.pages++
	answer := map[string]any{
		"pit_id": pit["id"], "timed_out": false, "_shards": map[string]any{"total": 3, "successful": 3, "skipped": 1, "failed": 0},
	}
	list := []any{}
	for _, d := range hits {
		list = append(list, map[string]any{"_index": d.index, "_id": d.id, "fields": docValues(d, body["docvalue_fields"].([]any)), "sort": tiebreak(d)})
	}
	inner := map[string]any{"hits": list}
	if body["track_total_hits"] == true {
		inner["total"] = map[string]any{"value": total, "relation": "eq"}
	}
	answer["hits"] = inner
	if s.spoil != nil {
		s.spoil(s.pages, answer)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// compareSort compares sort values: numbers digit for digit, then texts.
func compareSort(a, b []any) int {
	for i := range a {
		x, y := fmt.Sprint(a[i]), fmt.Sprint(b[i])
		if _, text := a[i].(string); !text {
			if c := cmp.Compare(len(x), len(y)); c != 0 {
				return c
			}
		}
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

func docValues(d document, wanted []any) map[string]any {
	fields := map[string]any{}
	for _, w := range wanted {
		name := w.(map[string]any)["field"].(string)
		if name == "@timestamp" {
			fields[name] = []any{d.at.UTC().Format(time.RFC3339Nano)}
		} else if v, ok := d.fields[name]; ok {
			if _, several := v.([]any); !several {
				v = []any{v}
			}
			fields[name] = v
		}
	}
	return fields
}

// matches knows bool/filter, range, term and match_all.
func matches(d document, query map[string]any) (bool, error) {
	for kind, v := range query {
		switch clause := v.(map[string]any); kind {
		case "match_all":
		case "bool":
			for _, inner := range clause["filter"].([]any) {
				if ok, err := matches(d, inner.(map[string]any)); !ok || err != nil {
					return ok, err
				}
			}
		case "range":
			bounds, ok := clause["@timestamp"].(map[string]any)
			if !ok {
				return false, nil // a field that no document has
			}
			from, err := time.Parse(time.RFC3339, bounds["gte"].(string))
			if err != nil || d.at.Before(from) {
				return false, err
			}
		case "term":
			for field, want := range clause {
				if fmt.Sprint(d.fields[field]) != fmt.Sprint(want) {
					return false, nil
				}
			}
		default:
			return false, fmt.Errorf("unknown query [%s]", kind)
		}
	}
	return true, nil
}
