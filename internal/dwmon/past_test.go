package dwmon

import (
	"reflect"
	"testing"
)

// What was brought in reaches as far back as it goes. What lies between it and the first
// fetch is a hole, where it is not the longer of the two.
func TestHistoryReachesBackOverHoles(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	loaded := func(from, until int64) Loaded { return Loaded{From: at(from), Until: at(until)} }
	whole := &PastFetch{Fetch: Fetch{Started: 1100, Reach: 1100, Ended: 1101, Tally: Tally{Rows: 5, Oldest: 1000, Newest: 1090}}}
	cut := &PastFetch{Fetch: Fetch{Started: 1100, Reach: 1100, Ended: 1101, Cut: true, Tally: Tally{Rows: 5, Oldest: 999, Newest: 1090}}}
	for what, tt := range map[string]struct {
		first  *PastFetch
		holes  []Span
		loaded []Loaded
		from   int64
		left   []Span
	}{
		"nothing was brought in":               {first: whole, from: 1000},
		"it reaches up to the fetch":           {first: whole, loaded: []Loaded{loaded(100, 1000)}, from: 100},
		"it reaches into the fetch":            {first: whole, loaded: []Loaded{loaded(100, 1050)}, from: 100},
		"a gap is a hole":                      {first: whole, loaded: []Loaded{loaded(100, 900)}, from: 100, left: []Span{{900, 999}}},
		"a gap longer than what was brought":   {first: whole, loaded: []Loaded{loaded(100, 300)}, from: 1000},
		"a gap that a later one fills":         {first: whole, loaded: []Loaded{loaded(100, 900), loaded(880, 1000)}, from: 100},
		"two, with a gap between":              {first: whole, loaded: []Loaded{loaded(100, 300), loaded(400, 1000)}, from: 100, left: []Span{{300, 399}}},
		"nothing but what was brought in":      {loaded: []Loaded{loaded(100, 300), loaded(400, 1000)}, from: 100, left: []Span{{300, 399}}},
		"the first fetch was cut":              {first: cut, holes: []Span{{Forever, 999}}, loaded: []Loaded{loaded(100, 900)}, from: 100, left: []Span{{Forever, 99}, {900, 999}}},
		"it was cut, and the hole is filled":   {first: cut, holes: []Span{{Forever, 999}}, loaded: []Loaded{loaded(100, 1000)}, from: 100, left: []Span{{Forever, 99}}},
		"what is not known to be whole is not": {first: whole, loaded: []Loaded{{}}, from: 1000},
	} {
		p := Past{First: tt.first, Holes: tt.holes, Loaded: tt.loaded}
		if from, ok := p.WholeFrom(); !ok || from != tt.from {
			t.Errorf("%s: whole from %d, %v, want %d", what, from, ok, tt.from)
		}
		if got := p.LeftHoles(); !reflect.DeepEqual(got, tt.left) {
			t.Errorf("%s: holes %v, want %v", what, got, tt.left)
		}
	}
}
