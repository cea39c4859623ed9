package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dwmon/dwmon/pluginsdk"
)

// look changes when anything in the plugins folder does that discovery heeds, as far
// as can be told without reading files: plugins, bundles with all that is in them,
// sidecars and the lock file, by name, size, time, mode and owner. It is a digest.
func look(dir string) string {
	h := sha256.New()
	entries, err := os.ReadDir(dir)
	if err != nil {
		fmt.Fprintln(h, err)
	}
	if info, err := os.Stat(dir); err == nil {
		fmt.Fprintln(h, info.Mode(), ownership(info))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir() && isBundle(path):
			lookAtTree(h, path)
		case strings.HasPrefix(e.Name(), pluginsdk.FilePrefix), filepath.Ext(e.Name()) == ".json":
			fmt.Fprintf(h, "%q %s\n", e.Name(), mark(os.Stat(path)))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// lookAtTree looks at what a bundle holds, at most as much as it may.
func lookAtTree(h io.Writer, dir string) {
	n := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if n++; n > maxBundleFiles+1 {
			return fs.SkipAll
		}
		if err != nil {
			fmt.Fprintf(h, "%q %v\n", path, err)
			return nil
		}
		fmt.Fprintf(h, "%q %s\n", path, mark(e.Info()))
		return nil
	})
}

// mark is what tells one state of a file from another.
func mark(info fs.FileInfo, err error) string {
	if err != nil {
		return err.Error()
	}
	if info.IsDir() { // its names are looked at, not its time
		return fmt.Sprint(info.Mode(), " ", ownership(info))
	}
	return fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano(), " ", info.Mode(), " ", ownership(info))
}
