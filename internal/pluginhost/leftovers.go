package pluginhost

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// Leftover is a process that a run file names.
type Leftover struct {
	// File is the run file.
	File string
	Pid  int
	Exe  string
	// Alive says that this very process still runs.
	Alive bool
}

// Leftovers reads the run files below a run folder. While a dwmon runs there, they are
// those of its plugins; else they belong to one that was killed, and its next start ends
// what is still alive.
func Leftovers(base string) ([]Leftover, error) {
	dir := filepath.Join(base, "plugins")
	if len(dir) > runBaseMax {
		var err error
		if dir, err = shortRunPath(base); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+runFileSuffix))
	if err != nil {
		return nil, err
	}
	var found []Leftover
	for _, file := range files {
		text, err := os.ReadFile(file)
		var rf runFile
		if err != nil || json.Unmarshal(text, &rf) != nil || rf.Pid <= 1 {
			continue // it is being written or removed this instant
		}
		start, err := processStart(rf.Pid)
		alive := err == nil && start == rf.Start && rf.Boot != "" && rf.Boot == bootID()
		found = append(found, Leftover{File: file, Pid: rf.Pid, Exe: rf.Exe, Alive: alive})
	}
	return found, nil
}
