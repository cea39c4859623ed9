package interpose_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dwmon/dwmon/internal/torture/interpose"
)

// TestMain makes the test binary the launcher, and the program that is launched.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("DWMON_INTERPOSE") != "":
		fmt.Fprintln(os.Stderr, interpose.Launch())
		os.Exit(3)
	case os.Getenv("INTERPOSE_TEST") == "child":
		fmt.Println(time.Now().Unix())
	case os.Getenv("INTERPOSE_TEST") == "program":
		program()
	default:
		os.Exit(m.Run())
	}
}

// program says what the clock says, to itself and to a child, and writes to a file.
func program() {
	fmt.Println(time.Now().Unix())
	self, _ := os.Executable()
	child := exec.Command(self)
	child.Env = []string{"INTERPOSE_TEST=child"}
	out, err := child.Output()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println(err)
	}
	f, err := os.Create(os.Args[1])
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 3 {
		_, err := f.WriteAt([]byte("12345678"), int64(i*8))
		var errno syscall.Errno
		errors.As(err, &errno)
		fmt.Println("write", i, int(errno))
	}
	fmt.Println("sync", f.Sync())
}

func TestClockAndFilesAreOurs(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	cmd := exec.Command(self, file)
	cmd.Env = []string{"INTERPOSE_TEST=program"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	then := time.Date(2031, 3, 30, 0, 59, 0, 0, time.UTC)
	var mu sync.Mutex // the hook is the supervisor's goroutine's
	var calls []string
	err = interpose.Start(cmd, self, interpose.Options{
		Now: func() time.Time { return then },
		Hook: func(c interpose.Call) error {
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, fmt.Sprintf("%s %s %d at %d", c.Op, filepath.Base(c.Path), c.Size, c.Offset))
			if c.Op == interpose.Write && c.Offset == 8 {
				return syscall.ENOSPC
			}
			return nil
		},
	})
	if errors.Is(err, interpose.ErrUnsupported) && os.Getenv("DWMON_TEST_ALL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	want := fmt.Sprintf("%d\n%d\nwrite 0 0\nwrite 1 %d\nwrite 2 0\nsync <nil>\n", then.Unix(), then.Unix(), int(syscall.ENOSPC))
	if out.String() != want {
		t.Errorf("the program says\n%s, want\n%s", out.String(), want)
	}
	mu.Lock()
	defer mu.Unlock()
	if got, want := strings.Join(calls, "; "), "write file 8 at 0; write file 8 at 8; write file 8 at 16; sync file 0 at 0"; got != want {
		t.Errorf("the hook was asked of %s, want %s", got, want)
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != "12345678\x00\x00\x00\x00\x00\x00\x00\x0012345678" {
		t.Errorf("the file holds %q, %v", written, err)
	}
}
