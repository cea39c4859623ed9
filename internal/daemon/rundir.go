package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// longestRunDir leaves room for the names of sockets below it: the path of a
// socket holds 104 bytes at most.
const longestRunDir = 60

// makeRunDir makes the folder of a database's sockets, run files and spill files:
// below the one that systemd or the session gives, else beside the database, else,
// where that path is too long for a socket, in the folder for temporary files.
func makeRunDir(db string) (string, error) {
	dir, err := runDirOf(db)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the run folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("look at the run folder: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByUs(info) {
		return "", fmt.Errorf("the run folder %s must be a folder of this user with mode 0700, it is %s; remove it", dir, info.Mode())
	}
	return dir, nil
}

func runDirOf(db string) (string, error) {
	abs, err := filepath.Abs(db)
	if err != nil {
		return "", fmt.Errorf("find the database's folder: %w", err)
	}
	sum := sha256.Sum256([]byte(abs))
	name := "dwmon-" + hex.EncodeToString(sum[:5])
	for _, base := range []string{os.Getenv("RUNTIME_DIRECTORY"), os.Getenv("XDG_RUNTIME_DIR")} {
		if base == "" || !filepath.IsAbs(base) {
			continue
		}
		if info, err := os.Stat(base); err == nil && info.IsDir() && len(base)+1+len(name) <= longestRunDir {
			return filepath.Join(base, name), nil
		}
	}
	if beside := abs + ".run"; len(beside) <= longestRunDir {
		return beside, nil
	}
	return filepath.Join(os.TempDir(), name+"-"+strconv.Itoa(os.Getuid())), nil
}
