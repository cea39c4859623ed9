package scaffold

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// moduleVersion is a module that a plugin's go.mod names.
type moduleVersion struct{ Path, Version string }

var (
	requireBlock = regexp.MustCompile(`(?ms)^require \(\n(.*?)^\)`)
	requireLine  = regexp.MustCompile(`(?m)^require ([^\s(]+) (\S+)`)
	blockLine    = regexp.MustCompile(`(?m)^\t([^\s/]\S*) (\S+)`)
)

// readRequires lists what a go.mod requires.
func readRequires(text []byte) []moduleVersion {
	var all []moduleVersion
	add := func(matches [][][]byte) {
		for _, m := range matches {
			all = append(all, moduleVersion{string(m[1]), string(m[2])})
		}
	}
	for _, block := range requireBlock.FindAllSubmatch(text, -1) {
		add(blockLine.FindAllSubmatch(block[1], -1))
	}
	add(requireLine.FindAllSubmatch(text, -1))
	return all
}

// pruneModules leaves in go.mod and go.sum what the plugin needs of all that the SDK's
// module does. With everything that is needed named there, Go looks at no other module's
// go.mod: a module cache in which dwmon itself can be built is enough.
func pruneModules(ctx context.Context, dir string) error {
	out, err := goCommand(ctx, dir, "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./...")
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for line := range strings.Lines(out) {
		used[strings.TrimSpace(line)] = true
	}
	err = rewrite(filepath.Join(dir, "go.mod"), func(line string) bool {
		m := blockLine.FindStringSubmatch(line)
		return m == nil || used[m[1]+" "+m[2]]
	})
	if err != nil {
		return err
	}
	return rewrite(filepath.Join(dir, "go.sum"), func(line string) bool {
		fields := strings.Fields(line)
		return len(fields) == 3 && used[fields[0]+" "+strings.TrimSuffix(fields[1], "/go.mod")]
	})
}

// rewrite keeps some of a file's lines.
func rewrite(path string, keep func(line string) bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if keep(line) {
			b.WriteString(line)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
