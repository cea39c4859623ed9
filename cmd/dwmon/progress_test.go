package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dwmon/dwmon/internal/daemon"
)

// TestProgressLine: it comes when something takes long, is no longer than the terminal,
// does not flicker, and goes.
func TestProgressLine(t *testing.T) {
	t.Setenv("COLUMNS", "30")
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		line := &progressLine{out: &out, began: time.Now()}
		wrote := func(what, want string) {
			t.Helper()
			if got := out.String(); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
			out.Reset()
		}
		tell := line.ofTry()
		fetching := daemon.TryProgress{Fetching: "postgres", Rows: 12345, Took: 2900 * time.Millisecond}
		tell(fetching)
		wrote("at once", "")
		tell(daemon.TryProgress{})
		wrote("a line that never was is taken away", "")
		time.Sleep(quietFor)
		tell(daemon.TryProgress{Waiting: []string{"a", "b"}})
		wrote("later", eraseLine+"asking a, b …")
		tell(fetching)
		wrote("too soon to be read", "")
		time.Sleep(readable)
		tell(fetching)
		wrote("longer than the terminal", eraseLine+"asking postgres: 12,345 rows…")
		tell(daemon.TryProgress{})
		wrote("the end", eraseLine)
		tell(fetching)
		wrote("the next work is not long yet", "")
	})
}

// TestProgressLineElsewhere: files and pipes get no progress.
func TestProgressLineElsewhere(t *testing.T) {
	var out bytes.Buffer
	percentLine(&out, "reading rows")(0.5)
	unitTestLine(&out)("a test", 1, 2)
	waitingLine(&out)([]string{"postgres"})
	if out.Len() > 0 {
		t.Errorf("%q was written to what is no terminal", out.String())
	}
}
