package pluginhost

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

var fileForm = regexp.MustCompile(`^` + pluginsdk.FilePrefix + `([a-z0-9][a-z0-9-]{0,38})(?:\.exe)?$`)

// Found is a file of the plugins folder that claims to be a plugin.
type Found struct {
	Name string
	Path string
	// SHA256 of the file, hexadecimal; empty where it could not be read.
	SHA256 string
	// Conflict says that another file claims the same name: neither is used.
	Conflict bool
	// Err says why the file cannot be run; nil where nothing is known against it.
	Err error
	// Warnings are for people.
	Warnings []string
	// Sidecar are the operator's settings for the plugin: NAME.json beside it.
	Sidecar Sidecar

	fingerprint string // of the file, before it was read
}

// Discover lists the plugins of a folder, by name. Files that do not begin with
// dwmon-plugin- are not looked at; a folder that is not there holds none.
func Discover(dir string) ([]Found, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the plugins folder: %w", err)
	}
	var found []Found
	files := map[string]int{} // name → how many claim it
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), pluginsdk.FilePrefix) || notAProgram(e.Name()) {
			continue
		}
		f := examine(dir, e.Name())
		files[f.Name]++
		found = append(found, f)
	}
	for i := range found {
		if f := &found[i]; files[f.Name] > 1 {
			f.Conflict = true
			f.Err = fmt.Errorf("%d files claim the name %s: remove all but one", files[f.Name], f.Name)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Path < found[j].Path })
	return found, nil
}

// notAProgram leaves out what lies beside plugins: manifests, checksums, and files
// that are being written or were replaced.
func notAProgram(file string) bool {
	switch filepath.Ext(file) {
	case ".json", ".sha256", ".sig", ".asc", ".tmp", ".bak", ".old", ".md", ".txt":
		return true
	}
	return strings.HasSuffix(file, "~")
}

// examine looks at one file. What is wrong is part of the answer.
func examine(dir, file string) Found {
	f := Found{Path: filepath.Join(dir, file), Name: strings.TrimPrefix(file, pluginsdk.FilePrefix)}
	m := fileForm.FindStringSubmatch(file)
	if m == nil {
		f.Err = fmt.Errorf("%q is no name of a plugin: want %sNAME, where NAME is lower-case letters, digits and -, at most 39", file, pluginsdk.FilePrefix)
		return f
	}
	f.Name = m[1]
	if abs, err := filepath.Abs(f.Path); err == nil {
		f.Path = abs
	}
	if f.Err = insideDir(dir, f.Path); f.Err != nil {
		return f
	}
	info, err := os.Stat(f.Path)
	switch {
	case err != nil:
		f.Err = err
		return f
	case info.IsDir():
		f.Err = fmt.Errorf("%s is a folder; a plugin is an executable file", f.Path)
		return f
	case !info.Mode().IsRegular():
		f.Err = fmt.Errorf("%s is not a file", f.Path)
		return f
	case !executable(info):
		f.Err = fmt.Errorf("%s is not executable: chmod +x it", f.Path)
		return f
	}
	f.fingerprint = fingerprint(f.Path)
	if f.SHA256, f.Err = hashFile(f.Path); f.Err != nil {
		return f
	}
	if f.Err = rightSystem(f.Path); f.Err != nil {
		return f
	}
	f.Warnings = writableByAll(dir, f.Path, info)
	f.Sidecar, f.Err = readSidecar(filepath.Join(dir, f.Name+".json"))
	return f
}

// insideDir refuses links that leave the folder: who may write there decides what
// is run.
func insideDir(dir, path string) error {
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	realDir, err = filepath.Abs(realDir)
	if err != nil {
		return err
	}
	target, err = filepath.Abs(target)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(realDir, target); err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return fmt.Errorf("%s is a link to %s, outside the plugins folder: copy the file instead", path, target)
	}
	return nil
}

func writableByAll(dir, path string, info fs.FileInfo) []string {
	var warnings []string
	if worldWritable(info) {
		warnings = append(warnings, fmt.Sprintf("everybody on this machine may change %s: chmod o-w it", path))
	}
	if di, err := os.Stat(dir); err == nil && worldWritable(di) {
		warnings = append(warnings, fmt.Sprintf("everybody on this machine may put plugins into %s: chmod o-w it", dir))
	}
	return warnings
}

// rightSystem reads the header of a Linux executable. Scripts, and formats that
// are not known here, are left for the kernel to judge.
func rightSystem(path string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	f, err := elf.Open(path)
	if err != nil {
		return notForLinux(path)
	}
	defer f.Close()
	want, known := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM,
		"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
	}[runtime.GOARCH]
	if known && f.Machine != want && !(runtime.GOARCH == "amd64" && f.Machine == elf.EM_386) {
		return fmt.Errorf("%s was built for another processor (%s): build it for %s/%s", path, f.Machine, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}

// notForLinux recognises executables of other systems by their first bytes.
func notForLinux(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [4]byte
	n, _ := f.Read(head[:])
	switch {
	case n == 0:
		return fmt.Errorf("%s is empty", path)
	case string(head[:2]) == "MZ":
		return fmt.Errorf("%s was built for Windows: build it for %s/%s", path, runtime.GOOS, runtime.GOARCH)
	case string(head[:]) == "\xcf\xfa\xed\xfe", string(head[:]) == "\xca\xfe\xba\xbe":
		return fmt.Errorf("%s was built for macOS: build it for %s/%s", path, runtime.GOOS, runtime.GOARCH)
	}
	return nil
}
