package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/plugins/internal/noticetest"
	"github.com/dwmon/dwmon/plugins/internal/provider/providertest"
	"github.com/dwmon/dwmon/pluginsdk"
)

func repeatedOf(t *testing.T) pluginsdk.Notice {
	for _, s := range noticetest.All() {
		if s.Name == "repeated" {
			return s.Notice
		}
	}
	t.Fatal("there is no such sample")
	return pluginsdk.Notice{}
}

// TestWhatFollowsStandsBelow: a reader finds the recovery by its alert, and sees it in
// the channel as well.
func TestWhatFollowsStandsBelow(t *testing.T) {
	s := newSlack(t)
	h := providertest.MustStart(t, newPlugin(), s.byBot())
	for _, n := range []pluginsdk.Notice{noticetest.OpenedLow(), noticetest.SourceDown(), repeatedOf(t), noticetest.Recovered(), noticetest.Recovered()} {
		if err := h.Notice(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, p := range s.posts {
		got = append(got, fmt.Sprintf("%v %v", p["thread_ts"], p["reply_broadcast"]))
	}
	const first = "1772457000.000001 true"
	if want := fmt.Sprint([]string{"<nil> <nil>", "<nil> <nil>", first, first, "<nil> <nil>"}); fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAThreadThatIsGoneIsNoObstacle(t *testing.T) {
	s := newSlack(t)
	h := providertest.MustStart(t, newPlugin(), s.byBot())
	if err := h.Notice(t.Context(), noticetest.OpenedLow()); err != nil {
		t.Fatal(err)
	}
	s.deleted = map[string]bool{"1772457000.000001": true}
	if err := h.Notice(t.Context(), repeatedOf(t)); err != nil {
		t.Fatal(err)
	}
	if err := h.Notice(t.Context(), noticetest.Recovered()); err != nil {
		t.Fatal(err)
	}
	if s.posts[1]["thread_ts"] != nil || s.posts[2]["thread_ts"] != "1772457000.000002" {
		t.Error(s.raw)
	}
}

func TestThreadsOutliveTheProcess(t *testing.T) {
	folder := t.TempDir()
	open := func() *threads {
		threads, err := openThreads(folder)
		if err != nil {
			t.Fatal(err)
		}
		return threads
	}
	a := open()
	for i := range maxThreads + 1 {
		if err := a.begin(fmt.Sprint("inc-", i), "#ops", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := a.begin("inc-1", "#ops", "one"); err != nil { // told anew
				t.Fatal(err)
			}
		}
	}
	if err := a.end("inc-2", "#ops"); err != nil {
		t.Fatal(err)
	}
	b := open()
	for incident, want := range map[string]string{"inc-0": "", "inc-1": "one", "inc-2": "", "inc-1000": "1000"} {
		if got := b.find(incident, "#ops"); got != want {
			t.Errorf("%s: %q, want %q", incident, got, want)
		}
	}
	if got := b.find("inc-1000", "#other"); got != "" {
		t.Error("another channel's thread", got)
	}
	path := filepath.Join(folder, "threads.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if err := os.WriteFile(path, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := openThreads(folder)
	if err == nil || c.find("inc-1000", "#ops") != "" {
		t.Error("a broken file was read")
	}
	if err := c.begin("inc-5", "#ops", "5"); err != nil || open().find("inc-5", "#ops") != "5" {
		t.Error("a broken file is not replaced", err)
	}
}
