package strictyaml

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// FuzzRead: a text is read as something that JSON can say, or has faults with places
// within it. What it costs is bounded by its length: no few bytes stand for many.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"a: 1\nb: [x, 'y', \"z\"]\nc:\n  d: |\n    text\n", "a: &x [1]\nb: *x\n", "a: !!binary abc\n", "<<: {a: 1}\n", "a: 0x1F\nb: 1_000\nc: .5\nd: 1e400\ne: 012\n",
		"---\na: 1\n---\nb: 2\n", "\ta: 1", "a: @x", "a: {b: [c, {d: e}", "a: 1\na: 2\n", "? [a]\n: b\n", "a: 5m\nb: Europe/Berlin\n", "\xff", "a: \"\\x", "%YAML 1.2\n---\na", "a:\r\n- b\r\n-\r\n",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, hide bool) {
		lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
		r := &Reader{File: "a", Lines: lines, Hide: hide}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		root := r.Read([]byte(strings.Join(lines, "\n")))
		var value any
		if root != nil {
			value = r.Value(root, "it", nil)
			readAsAll(r, root)
		}
		runtime.ReadMemStats(&after)
		if most := uint64(4<<20 + 4000*len(text)); after.TotalAlloc-before.TotalAlloc > most {
			t.Fatalf("%d bytes of text took %d of memory", len(text), after.TotalAlloc-before.TotalAlloc)
		}
		for _, fault := range r.Faults {
			if fault.Line < 1 || fault.Line > len(lines) || fault.Column < 1 || fault.Column > len([]rune(lines[fault.Line-1]))+1 || fault.Message == "" {
				t.Fatalf("%q: the fault %+v has no place in the text", text, fault)
			}
			if hide && fault.LineText != "" {
				t.Fatalf("%q: the fault %+v shows what is to be hidden", text, fault)
			}
		}
		if len(r.Faults) > maxFaults+1 {
			t.Fatalf("%d faults", len(r.Faults))
		}
		if len(r.Faults) == 0 {
			if _, err := json.Marshal(value); err != nil {
				t.Fatalf("%q was read as no JSON: %v", text, err)
			}
		}
	})
}

// readAsAll asks each node of a text for everything that it might be.
func readAsAll(r *Reader, n *yaml.Node) {
	r.Text(n, "a")
	r.Word(n, "a")
	r.Bool(n, "a")
	r.Int(n, "a", 0, 10)
	r.Duration(n, "a", time.Second, time.Hour)
	r.Zone(n, "a")
	r.Words(n, "a", "a list")
	r.Fields(n, "a", []Field{{Name: "a", Read: func(n *yaml.Node) { readAsAll(r, n) }}, {Name: "bc", Read: func(n *yaml.Node) { r.Alert(n, "bc") }}})
}
