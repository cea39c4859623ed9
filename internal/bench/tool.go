package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tool is a running sqlite3 command line tool: SQLite in C, with the settings of
// the store's own connection.
type tool struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

// findTool gives the path of the tool.
func findTool() (string, error) {
	path, err := exec.LookPath("sqlite3")
	if err != nil {
		return "", fmt.Errorf("%w: the sqlite3 command line tool is not there to compare with", errMissing)
	}
	return path, nil
}

func startTool(path, database string) (_ *tool, err error) {
	t := &tool{cmd: exec.Command(path, "-batch", "-bail", database), dir: filepath.Dir(database)}
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.out = bufio.NewReader(out)
	t.cmd.Stderr = os.Stderr
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = t.run("PRAGMA journal_mode = WAL;\nPRAGMA synchronous = FULL;\nPRAGMA cache_size = -16384;\n")
	return t, err
}

const endMark = "end of answer"

// run has SQL run and gives what it printed.
func (t *tool) run(script string) (string, error) {
	if _, err := fmt.Fprintf(t.in, "%s\n.print '%s'\n", script, endMark); err != nil {
		return "", fmt.Errorf("sqlite3: %w", err)
	}
	var answer strings.Builder
	for {
		line, err := t.out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("sqlite3 has ended: %w", err)
		}
		if strings.TrimSpace(line) == endMark {
			return strings.TrimSpace(answer.String()), nil
		}
		answer.WriteString(line)
	}
}

// time runs a script from a file and gives how long it took and what it printed.
func (t *tool) time(script string) (time.Duration, string, error) {
	f, err := os.CreateTemp(t.dir, "script-*.sql")
	if err != nil {
		return 0, "", err
	}
	defer os.Remove(f.Name())
	if _, err := io.WriteString(f, script); err != nil {
		return 0, "", err
	}
	if err := f.Close(); err != nil {
		return 0, "", err
	}
	start := time.Now()
	out, err := t.run(".read '" + f.Name() + "'")
	return time.Since(start), out, err
}

// side is SQL whose answer is known, run n times over, as a side of a comparison.
func (t *tool) side(n int, script, want string) side {
	return func(context.Context) (time.Duration, error) {
		took, got, err := t.time(strings.Repeat(script+"\n", n))
		if err == nil {
			err = sameAnswer(got, strings.TrimSpace(strings.Repeat(want+"\n", n)))
		}
		return took / time.Duration(n), err
	}
}

func sameAnswer(got, want string) error {
	if got != want {
		return fmt.Errorf("sqlite3 answered %q, want %q", got, want)
	}
	return nil
}

func (t *tool) close() {
	_ = t.in.Close()
	_ = t.cmd.Wait()
}

// fillBySQL runs a script on a database that nobody has open: by the tool where it is there,
// which is the faster, else by the store's own SQLite.
func fillBySQL(ctx context.Context, database, script string) error {
	script = "PRAGMA journal_mode = OFF;\nPRAGMA synchronous = OFF;\nPRAGMA cache_size = -65536;\n" + script
	if path, err := findTool(); err == nil {
		cmd := exec.CommandContext(ctx, path, "-bail", database)
		cmd.Stdin = strings.NewReader(script + ";\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("fill %s with the sqlite3 tool: %w\n%s", database, err, out)
		}
		return nil
	}
	db, err := sql.Open("sqlite", database)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, script)
	return errors.Join(err, db.Close())
}
