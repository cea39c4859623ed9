package plugintest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// subset is good with some of its kinds: 1 row getter, 2 check handler, 4 purger.
func subset(bits int) (p pluginsdk.Plugin, kinds []string) {
	p = good()
	p.Name = fmt.Sprintf("subset-%d", bits)
	if kinds = append(kinds, "row_getter"); bits&1 == 0 {
		p.RowGetter, kinds = nil, nil
	}
	if bits&2 != 0 {
		kinds = append(kinds, "check_handler")
	} else {
		p.CheckHandler = nil
	}
	if bits&4 != 0 {
		kinds = append(kinds, "purger")
	} else {
		p.Purger = nil
	}
	return p, kinds
}

func init() {
	for bits := 1; bits < 8; bits++ {
		p, _ := subset(bits)
		fixtures[p.Name] = func() { pluginsdk.Serve(p) }
	}
}

// TestAnySubsetOfTheKinds: one binary may do any of the three.
func TestAnySubsetOfTheKinds(t *testing.T) {
	for bits := 1; bits < 8; bits++ {
		p, kinds := subset(bits)
		words := strings.Join(kinds, ", ")
		for name, target := range map[string]Target{"in process": InProcess(p), "executable": executableFixture(t, p.Name)} {
			t.Run(words+", "+name, func(t *testing.T) {
				results := check(t, target, Options{Query: "few", Only: []int{3, 4, 5, 10, 15}})
				for _, r := range results {
					if r.Status != Pass {
						t.Errorf("%+v", r)
					}
				}
				if want := p.Name + " 0.1.0: " + words; results[3].Detail != want {
					t.Errorf("%s, want %s", results[3].Detail, want)
				}
				if results[10].Detail != words {
					t.Errorf("%s were called, want %s", results[10].Detail, words)
				}
			})
		}
	}
}
