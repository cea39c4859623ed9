package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"plain\n\tand 注文 … ▁▂\n":                   "plain\n\tand 注文 … ▁▂\n",
		"\x1b[32mGOOD\x1b[0m, \x1b[31;1mBAD\x1b[m": "\x1b[32mGOOD\x1b[0m, \x1b[31;1mBAD\x1b[m",
		"a\x1b]0;title\x07b":                       "a�]0;title�b",
		"gone\x1b[2J\x1b[8mhidden":                 "gone�[2J�[8mhidden",
		"over\rwritten\b\x7f":                      "over�written��",
		"one byte \u009b2J":                        "one byte �2J",
		"turned \u202eround":                       "turned �round",
		"\x1b[38;5;1m":                             "�[38;5;1m",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

// TestScreenWritesWholeCharacters: one that comes in two writes stays one.
func TestScreenWritesWholeCharacters(t *testing.T) {
	text := "注文 \x1b[31mäöü\x1b[0m 𝄞 end\n"
	for size := 1; size < 8; size++ {
		path := filepath.Join(t.TempDir(), "out")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		s := &screen{file: f}
		// Codes are written whole.
		for _, part := range []string{"注文 ", "\x1b[31m", "äöü", "\x1b[0m", " 𝄞 end\n"} {
			for b := []byte(part); len(b) > 0; {
				n := min(size, len(b))
				if part[0] == '\x1b' {
					n = len(b)
				}
				if wrote, err := s.Write(b[:n]); wrote != n || err != nil {
					t.Fatal(wrote, err)
				}
				b = b[n:]
			}
		}
		f.Close()
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("by %d bytes: %q, %v", size, got, err)
		}
	}
}

// TestScreenIsShared: the log and what a command says come from different goroutines.
func TestScreenIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{file: f}
	const line, writers, times = "one line of 注文\n", 4, 50
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range times {
				if _, err := s.Write([]byte(line)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	f.Close()
	if got, err := os.ReadFile(path); err != nil || string(got) != strings.Repeat(line, writers*times) {
		t.Errorf("the lines are torn: %q, %v", got, err)
	}
}
