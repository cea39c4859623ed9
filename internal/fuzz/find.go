package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// target is one fuzz target.
type target struct {
	// module and pkg are folders, relative to the root and with slashes; pkg lies in
	// or below module.
	module, pkg string
	name        string
	// inputs are the committed ones in testdata, which hold bytes.
	inputs, bytes int
	dir           string // of the package, as the system has it
}

func (t target) String() string { return t.pkg + "." + t.name }

// inPackage is the package as the go command takes it within the module.
func (t target) inPackage() string {
	if t.pkg == t.module {
		return "."
	}
	return "./" + strings.TrimPrefix(strings.TrimPrefix(t.pkg, t.module), "/")
}

// find lists the targets below root, by package and name. What the go command does
// not look at either is left out: testdata, and what begins with a dot or an underscore.
func find(root string) ([]target, error) {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return nil, fmt.Errorf("%s is the root of no module: %w", root, err)
	}
	var all []target
	modules := map[string]string{} // by folder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (d.Name() == "testdata" || d.Name() == "vendor" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")) {
				return fs.SkipDir
			}
			modules[rel] = moduleOf(path, rel, modules)
			return nil
		}
		dir := slashDir(rel)
		names, err := fuzzFuncs(path)
		for _, name := range names {
			t := target{module: modules[dir], pkg: dir, name: name, dir: filepath.Dir(path)}
			t.inputs, t.bytes = corpus(filepath.Join(t.dir, "testdata", "fuzz", name))
			all = append(all, t)
		}
		return err
	})
	slices.SortFunc(all, func(a, b target) int { return strings.Compare(a.String(), b.String()) })
	return all, err
}

func slashDir(rel string) string {
	if at := strings.LastIndexByte(rel, '/'); at >= 0 {
		return rel[:at]
	}
	return "."
}

// moduleOf is the folder of the module that a folder belongs to.
func moduleOf(path, rel string, modules map[string]string) string {
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		return rel
	}
	return modules[slashDir(rel)]
}

// fuzzFuncs are the fuzz targets of a file, where it is a test file for this system.
func fuzzFuncs(path string) (names []string, err error) {
	dir, file := filepath.Split(path)
	if !strings.HasSuffix(file, "_test.go") {
		return nil, nil
	}
	if ours, err := build.Default.MatchFile(dir, file); err != nil || !ours {
		return nil, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && isTarget(f) {
			names = append(names, f.Name.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// isTarget says whether a function is func FuzzX(*testing.F).
func isTarget(f *ast.FuncDecl) bool {
	if f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") || len(f.Type.Params.List) != 1 {
		return false
	}
	star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	of, ok := star.X.(*ast.SelectorExpr)
	return ok && of.Sel.Name == "F"
}

// corpus counts the committed inputs of a target.
func corpus(dir string) (inputs, bytes int) {
	entries, _ := os.ReadDir(dir) // there need be none
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			inputs++
			bytes += int(info.Size())
		}
	}
	return inputs, bytes
}
