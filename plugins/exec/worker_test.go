//go:build unix

package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// documented gives the block of the documentation whose first line is this one.
func documented(t *testing.T, first string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "exec.md"))
	if err != nil {
		t.Fatal(err)
	}
	const indent = "    "
	_, rest, found := strings.Cut(string(page), "\n"+indent+first+"\n")
	if !found {
		t.Fatalf("docs/exec.md has no block that begins with %q", first)
	}
	block := []string{first}
	for _, line := range strings.Split(rest, "\n") {
		if line != "" && !strings.HasPrefix(line, indent) {
			break
		}
		block = append(block, strings.TrimPrefix(line, indent))
	}
	return strings.Join(block, "\n")
}

// TestDocumentedWorkers runs the examples of the documentation, as they stand
// there, through every kind of work.
func TestDocumentedWorkers(t *testing.T) {
	for _, tool := range []string{"ruby", "node", "perl"} {
		t.Run(tool, func(t *testing.T) {
			needTool(t, tool)
			var log safeBuffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
			defer slog.SetDefault(before)
			dir := t.TempDir()
			script(t, dir, "worker", documented(t, "#!/usr/bin/env "+tool))
			w := func() *work { return &work{Command: []string{"./worker"}, Persistent: true} }
			s := serve(t, dir, kinds{RowGetter: w(), CheckHandler: w(), Purger: w()})

			for range 3 { // one process for all
				out := &sink{}
				if err := (rowGetter{s}).GetRows(t.Context(), query("é😀"), out); err != nil {
					t.Fatal(err)
				}
				want := []string{`"é😀-0" 1780315200000000`, `"é😀-1" 1780315201000000`, `"é😀-2" 1780315202000000`}
				if !slices.Equal(out.rows, want) {
					t.Errorf("rows %v, want %v", out.rows, want)
				}
			}
			ev := pluginsdk.CheckEvent{Result: pluginsdk.Result{CheckerName: "orders", CheckStatus: pluginsdk.Bad}}
			if err := (checkHandler{s}).HandleCheck(t.Context(), ev); err != nil {
				t.Error(err)
			}
			eventually(t, "its words are in the log", func() bool { return strings.Contains(log.String(), "orders is BAD") })
			now := time.Unix(1780315200, 0)
			cut, err := (purger{s}).IdentifyOld(t.Context(), pluginsdk.PurgeInput{Now: now})
			if at, set := cut.OlderThan(); err != nil || !set || !at.Equal(now.Add(-30*24*time.Hour)) {
				t.Errorf("the cut-off is %v %v, %v", at, set, err)
			}
		})
	}
}

// TestWorkerInShell speaks the protocol by hand: settings arrive with the hello,
// faults have their class, and the program's own timeout ends a call.
func TestWorkerInShell(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "worker.sh", `#!/bin/sh
IFS= read -r hello
printf '%s\n' "$hello" > hello.json
echo '{"id":0,"ok":true}'
while IFS= read -r line; do
	id=${line#'{"id":'}; id=${id%%,*}
	case $line in
	*hang*) sleep 600 ;;
	*down*) echo '{"id":'$id',"error":{"type":"Down","message":"no route","code":"UNAVAILABLE"}}' ;;
	*) echo '{"id":'$id',"keys":["a",7],"ts":[1000000,null]}'; echo '{"id":'$id',"done":true,"count":2}' ;;
	esac
done
`)
	s := serve(t, dir, kinds{RowGetter: &work{Command: []string{"./worker.sh"}, Persistent: true, Timeout: pluginsdk.Duration(3 * time.Second)}})
	out := &sink{}
	if err := (rowGetter{s}).GetRows(t.Context(), query("fine"), out); err != nil || fmt.Sprint(out.rows) != `["a" 1000000]` || out.nulls != 1 {
		t.Errorf("%v, %d without a time, %v", out.rows, out.nulls, err)
	}
	hello, err := os.ReadFile(filepath.Join(dir, "hello.json"))
	if v := mustJSON(t, string(hello)); err != nil || v["op"] != "hello" || v["kind"] != "row_getter" || fmt.Sprint(v["settings"]) != "map[token:s3cret]" {
		t.Errorf("the hello is %s, %v", hello, err)
	}
	if err := (rowGetter{s}).GetRows(t.Context(), query("down"), &sink{}); pluginsdk.ClassOf(err) != pluginsdk.ClassRetryable || !strings.Contains(err.Error(), "no route") {
		t.Errorf("a source that is down: %v (%s)", err, pluginsdk.ClassOf(err))
	}
	err = rowGetter{s}.GetRows(t.Context(), query("hang"), &sink{})
	if pluginsdk.ClassOf(err) != pluginsdk.ClassTime || !strings.Contains(err.Error(), "program ./worker.sh took longer than its timeout of 3s") {
		t.Errorf("one that hangs: %v (%s)", err, pluginsdk.ClassOf(err))
	}
	if err := (rowGetter{s}).GetRows(t.Context(), query("fine"), &sink{}); err != nil {
		t.Errorf("after that: %v", err)
	}
}
