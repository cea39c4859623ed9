// Command licences writes docs/licences.md: the modules in dwmon and in the plugins of the
// default build, with their licences as the texts in the module cache have them. A licence
// that it does not know ends it: somebody is to look at that.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// page is where the list stands, from the root of the repository.
const page = "docs/licences.md"

func main() {
	text, err := write(".")
	if err == nil {
		err = os.WriteFile(page, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

// module is one that a program is built of.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

// write makes the page of the repository at root.
func write(root string) ([]byte, error) {
	modules, err := shipped(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(head)
	for _, m := range modules {
		id, file, err := licenceOf(m.Dir)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Path, m.Version, id, file)
	}
	return b.Bytes(), nil
}

const head = `# Licences

dwmon itself: [LICENSE](../LICENSE). Its programs, dwmon and the plugins of the default build, are built of the modules below, for Linux. Each is pinned by version and content in
` + "`go.mod` and `go.sum`" + `; their texts lie in the module cache (` + "`go mod download`, `go list -m -f '{{.Dir}}' MODULE`" + `) and have to go with binaries that you hand on. Go's own
library and runtime: BSD-3-Clause. Plugins that are modules of their own (duckdb, bigquery, snowflake) have lists of their own in their ` + "`go.mod`" + `, and are not listed here.

This page is written by ` + "`make licences`" + `; a test fails where it is not up to date.

| module | version | licence | file |
| --- | --- | --- | --- |
`

// shipped lists the modules that the programs hold, by path.
func shipped(root string) ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/dwmon", "./plugins/...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, complaint.String())
	}
	byPath := map[string]module{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ Module *module }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if m := p.Module; m != nil && !m.Main {
			if m.Replace != nil {
				m = m.Replace
			}
			byPath[m.Path] = *m
		}
	}
	modules := make([]module, 0, len(byPath))
	for _, m := range byPath {
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	if len(modules) == 0 {
		return nil, errors.New("go list names no module")
	}
	return modules, nil
}

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([.-].*)?$`)
	white       = regexp.MustCompile(`\s+`)
)

// licenceOf reads the licence of a module's folder: its SPDX name and its file.
func licenceOf(dir string) (id, file string, err error) {
	if dir == "" {
		return "", "", errors.New("it is not in the module cache: `go mod download`")
	}
	entries, err := fs.ReadDir(os.DirFS(dir), ".")
	if err != nil {
		return "", "", err
	}
	var ids, files []string
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || strings.Contains(e.Name(), "LOGO") { // of a picture
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", "", err
		}
		id := identify(string(text))
		if id == "" {
			return "", "", fmt.Errorf("%s holds no licence that this program knows: look at it, and add it to identify", e.Name())
		}
		files = append(files, e.Name())
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", "", errors.New("it has no file of a licence")
	}
	return strings.Join(ids, ", "), strings.Join(files, ", "), nil
}

// identify names a licence by words that no other has.
func identify(text string) string {
	text = white.ReplaceAllString(strings.ToLower(text), " ")
	has := func(words string) bool { return strings.Contains(text, words) }
	switch {
	case has("mozilla public license, version 2.0"), has("mozilla public license version 2.0"):
		return "MPL-2.0"
	case has("apache license") && has("version 2.0"):
		return "Apache-2.0"
	case has("permission is hereby granted, free of charge"):
		return "MIT"
	case has("permission to use, copy, modify, and/or distribute this software"), has("permission to use, copy, modify, and distribute this software"):
		return "ISC"
	case has("redistribution and use in source and binary forms") && has("neither the name"), has("redistribution and use in source and binary forms") && has("the names of its contributors"), has("redistribution and use in source and binary forms") && has("may be used to endorse"):
		return "BSD-3-Clause"
	case has("redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("dedicated to the public domain"), has("this is free and unencumbered software released into the public domain"):
		return "public domain"
	}
	return ""
}
