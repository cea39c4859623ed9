package pluginhost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func init() {
	sdkFixtures["exec"] = serveBridge
	sdkFixtures["python"] = serveBridge
	sdkFixtures["moody"] = serveMoody
}

// serveBridge is a bridge: it serves the manifest that it was given, under that
// one's name and version, else itself.
func serveBridge(name string) {
	var m struct{ Name, Version string }
	if path := os.Getenv(ManifestEnv); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(text, &m); err != nil {
			panic(err)
		}
		name = m.Name
	}
	serveGood(name)
}

// serveMoody does not answer while there is a file NAME.hang beside it.
func serveMoody(name string) {
	if _, err := os.Stat(filepath.Join(filepath.Dir(os.Args[0]), name+".hang")); err == nil {
		time.Sleep(time.Minute)
	}
	serveGood(name)
}

// putFile writes a file below a folder, and the folders that lead to it.
func putFile(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// putBundle makes a bundle of a name, bridged by exec, and gives its folder.
func putBundle(t testing.TB, dir, name string) string {
	t.Helper()
	at := filepath.Join(dir, name)
	putFile(t, filepath.Join(at, ManifestFile), `{"schema":1,"name":"`+name+`","version":"0.1.0","bridge":"exec","kinds":{"row_getter":{}}}`, 0o644)
	putFile(t, filepath.Join(at, "rows.sh"), "#!/bin/sh\n", 0o755)
	return at
}

// lockFolder writes a lock file of all that is in the folder.
func lockFolder(t testing.TB, dir string) *Lock {
	t.Helper()
	found, err := Folder{Dir: dir, Unlocked: true}.Discover()
	if err != nil {
		t.Fatal(err)
	}
	l := &Lock{Plugins: map[string]Locked{}}
	for _, f := range found {
		if f.Err != nil {
			t.Fatal(f.Err)
		}
		platform, file := LockedFileOf(f)
		l.Plugins[f.Name] = Locked{Version: "0.1.0", Kinds: []Kind{RowGetter}, Protocol: 1, Files: map[string]LockedFile{platform: file}}
	}
	if err := WriteLock(dir, l); err != nil {
		t.Fatal(err)
	}
	return l
}

// memoryCache is a DescribeCache.
type memoryCache struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (c *memoryCache) Described(key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, ok := c.m[key]
	return raw, ok
}

func (c *memoryCache) SaveDescribed(key string, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[string][]byte{}
	}
	c.m[key] = answer
}
