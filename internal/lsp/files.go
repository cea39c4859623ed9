package lsp

import (
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/dwmon/dwmon/internal/checkfile"
	"github.com/dwmon/dwmon/internal/config"
)

// kind is what a document is.
type kind int

const (
	foreign kind = iota
	checkerFile
	configuration
	unitTests
)

// unitTestsEnding is that of files with unit tests.
const unitTestsEnding = ".dwmontest.yaml"

func kindOf(uri string) kind {
	u, err := url.Parse(uri)
	if err != nil {
		return foreign
	}
	name := u.Path
	if name == "" { // untitled:new.dwmon
		name = u.Opaque
	}
	switch {
	case strings.HasSuffix(name, checkfile.Ending), strings.HasSuffix(name, ".dwmonsample"):
		return checkerFile
	case strings.HasSuffix(name, unitTestsEnding):
		return unitTests
	case path.Base(name) == config.FileName:
		return configuration
	default:
		return foreign
	}
}

// filePath is the path of a URI; empty where it is no file's.
func filePath(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return ""
	}
	p := u.Path
	if runtime.GOOS == "windows" && len(p) > 2 && p[0] == '/' && p[2] == ':' {
		p = p[1:]
	}
	return filepath.FromSlash(p)
}

// configFile is a dwmon.yaml as it last was read.
type configFile struct {
	modified time.Time
	size     int64
	cfg      *config.Config
}

// configOf is the configuration that counts for a document, with whatever in it is
// right; nil for none. The file is looked at each time, and read where it has
// changed: clients need not watch it for us.
func (s *server) configOf(uri string) *config.Config {
	if s.opts.Config != "" {
		return s.readConfig(s.opts.Config)
	}
	file := filePath(uri)
	if file == "" {
		return nil
	}
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if cfg := s.readConfig(filepath.Join(dir, config.FileName)); cfg != nil {
			return cfg
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// maxConfig is the largest configuration that is read, in bytes.
const maxConfig = 1 << 20

func (s *server) readConfig(path string) *config.Config {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
		delete(s.configs, path)
		return nil
	}
	if known := s.configs[path]; known != nil && known.modified.Equal(info.ModTime()) && known.size == info.Size() {
		return known.cfg
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return nil
	}
	cfg, _ := config.Check(path, string(text), s.opts.Template)
	s.configs[path] = &configFile{info.ModTime(), info.Size(), cfg}
	return cfg
}

// zone is where checkers without a zone of their own live.
func zone(cfg *config.Config) *time.Location {
	if cfg == nil {
		return time.Local
	}
	return cfg.Timezone
}

// checkerName is the name that a checker file has, and whether that is known: a
// file may lie outside of the folder of checks.
func checkerName(file string, cfg *config.Config) (name string, known bool) {
	if cfg != nil && file != "" {
		dir, err1 := filepath.Abs(cfg.Checks)
		rel, err2 := filepath.Rel(dir, file)
		if err1 == nil && err2 == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return strings.TrimSuffix(filepath.ToSlash(rel), checkfile.Ending), true
		}
	}
	return strings.TrimSuffix(filepath.Base(file), checkfile.Ending), false
}
