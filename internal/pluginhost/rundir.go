package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// runBaseMax bounds the folder of the sockets: go-plugin appends some 38 bytes,
// and a socket's path holds 104 (macOS) or 108 (Linux).
const runBaseMax = 60

// runDir is the folder of the sockets and of the run files: one small file for
// each living process, by which the next start finds those that outlived us.
type runDir struct {
	path string
	// temporary folders are removed whole.
	temporary bool
}

// runFile names a process beyond doubt: numbers are used again, within one boot
// never with the same start time.
type runFile struct {
	Pid   int    `json:"pid"`
	Start string `json:"start"`
	Boot  string `json:"boot"`
	Exe   string `json:"exe"`
}

const runFileSuffix = ".run.json"

// openRunDir makes and wipes the run folder, and ends processes that an earlier
// host left behind.
func openRunDir(base string, log *slog.Logger) (*runDir, error) {
	d := &runDir{}
	switch {
	case base == "":
		tmp, err := os.MkdirTemp(shortTempDir(), "dwmon-")
		if err != nil {
			return nil, fmt.Errorf("a folder for the plugins' sockets: %w", err)
		}
		d.path, d.temporary = tmp, true
		return d, nil
	case len(filepath.Join(base, "plugins")) <= runBaseMax:
		d.path = filepath.Join(base, "plugins")
	default:
		path, err := shortRunDir(base)
		if err != nil {
			return nil, err
		}
		d.path, d.temporary = path, true
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for the plugins' sockets: %w", err)
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for the plugins' sockets: %w", err)
	}
	d.sweep(log)
	d.wipe()
	return d, nil
}

// shortTempDir is the system's temporary folder if sockets fit into it.
func shortTempDir() string {
	if tmp := os.TempDir(); len(tmp)+len("/dwmon-1234567890") <= runBaseMax {
		return tmp
	}
	return "/tmp"
}

// shortRunDir stands in for a run folder whose path is too long: a folder of its
// own in dwmon-UID, which must be ours and closed to others.
func shortRunDir(base string) (string, error) {
	path, err := shortRunPath(base)
	if err != nil {
		return "", err
	}
	ours := filepath.Dir(path)
	if err := os.Mkdir(ours, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("a short folder for the plugins' sockets, as %s is too long for them: %w", base, err)
	}
	info, err := os.Lstat(ours)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || !ownedByUs(info) || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s must be a folder of this user that nobody else may enter (0700): remove it, or give a shorter run folder than %s", ours, base)
	}
	return path, nil
}

// shortRunPath is where that folder is, or would be.
func shortRunPath(base string) (string, error) {
	abs, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join(shortTempDir(), "dwmon-"+strconv.Itoa(os.Getuid()), hex.EncodeToString(sum[:6])), nil
}

func (d *runDir) file(name string, pid int) string {
	return filepath.Join(d.path, name+"-"+strconv.Itoa(pid)+runFileSuffix)
}

// record writes the run file of a process that has just been started.
func (d *runDir) record(name string, pid int, exe string) error {
	start, err := processStart(pid)
	if errors.Is(err, os.ErrProcessDone) {
		return nil // it will not outlive us
	}
	if err != nil {
		return err
	}
	text, err := json.Marshal(runFile{Pid: pid, Start: start, Boot: bootID(), Exe: exe})
	if err != nil {
		return err
	}
	return os.WriteFile(d.file(name, pid), text, 0o600)
}

func (d *runDir) forget(name string, pid int) { _ = os.Remove(d.file(name, pid)) }

// sweep ends the processes that the run files name, if they are still the same.
func (d *runDir) sweep(log *slog.Logger) {
	files, _ := filepath.Glob(filepath.Join(d.path, "*"+runFileSuffix))
	for _, file := range files {
		text, err := os.ReadFile(file)
		var rf runFile
		if err != nil || json.Unmarshal(text, &rf) != nil || rf.Pid <= 1 || rf.Boot == "" || rf.Boot != bootID() {
			continue
		}
		if start, err := processStart(rf.Pid); err != nil || start != rf.Start {
			continue
		}
		log.Warn("a plugin outlived an earlier dwmon: killed", "pid", rf.Pid, "exe", rf.Exe)
		killLeftover(rf.Pid)
	}
}

// wipe removes what is ours in the folder, and nothing else.
func (d *runDir) wipe() {
	entries, _ := os.ReadDir(d.path)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), runFileSuffix) || strings.HasPrefix(e.Name(), "plugin-dir") {
			_ = os.RemoveAll(filepath.Join(d.path, e.Name()))
		}
	}
}

func (d *runDir) close() {
	d.wipe()
	if d.temporary {
		_ = os.Remove(d.path)
	}
}
