package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// counter counts rows.
type counter struct {
	pluginsdk.RowSink
	rows int
}

func (c *counter) AppendBytes([]byte, int64) error {
	c.rows++
	return nil
}

// BenchmarkRows fetches 100,000 rows, with a new Python process and with one that
// is there already.
func BenchmarkRows(b *testing.B) {
	const rows = 100_000
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip(err)
	}
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, orgPackage), 0o755); err != nil {
		b.Fatal(err)
	}
	module := fmt.Sprintf("def get_rows_from_query(q):\n    return [('execution-%%d' %% i, 1764000000.25 + i) for i in range(%d)]\n", rows)
	if err := os.WriteFile(organisation{dir}.file(pluginsdk.KindRowGetter), []byte(module), 0o644); err != nil {
		b.Fatal(err)
	}
	for name, calls := range map[string]int{"a process each": 1, "one process": 0} {
		b.Run(name, func(b *testing.B) {
			p := &bridged{settings: settings{OrgDir: dir, Python: python, Details: detailsOriginal, Workers: 1, MaxCalls: calls}, kinds: kinds[:1]}
			if err := p.setup(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				c := &counter{}
				if err := (rowGetter{p}).GetRows(b.Context(), pluginsdk.Query{Text: "q"}, c); err != nil || c.rows != rows {
					b.Fatal(c.rows, err)
				}
			}
			b.StopTimer()
			if err := p.shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
