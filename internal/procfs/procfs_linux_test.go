package procfs

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// child is a process of an executable in a folder of its own; it lives until its input
// ends.
func child(t *testing.T) (dir string, cmd *exec.Cmd, end io.Closer) {
	t.Helper()
	dir = t.TempDir()
	program, err := os.ReadFile("/bin/cat")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "a (child)"), program, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(filepath.Join(dir, "a (child)"))
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, cmd, in
}

func TestAChild(t *testing.T) {
	dir, cmd, end := child(t)
	pid := cmd.Process.Pid
	if !slices.Contains(Descendants(os.Getpid()), pid) || !Runs(pid) {
		t.Error("it is not below this process")
	}
	if got := Below(dir); !slices.Equal(got, []int{pid}) {
		t.Errorf("below its folder there are %v, want %d", got, pid)
	}
	if err := os.Remove(cmd.Path); err != nil {
		t.Fatal(err)
	}
	if got := Program(pid); got != cmd.Path {
		t.Errorf("its program, deleted meanwhile, is %q, want %q", got, cmd.Path)
	}
	end.Close()
	for begin := time.Now(); Runs(pid) && time.Since(begin) < time.Minute; {
		_ = Runs(pid) // until it has ended, and not been waited for
	}
	if Runs(pid) || slices.Contains(Descendants(os.Getpid()), pid) {
		t.Error("it has ended and is said to run")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if Program(pid) != "" {
		t.Error("a process that is gone has a program")
	}
	if _, err := Memory(pid, "VmRSS"); err == nil {
		t.Error("a process that is gone holds memory")
	}
}

func TestThisProcess(t *testing.T) {
	self := os.Getpid()
	before, err := Descriptors(self)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after, _ := Descriptors(self); after != before+1 {
		t.Errorf("%d descriptors after one was opened, %d before", after, before)
	}
	held, err := Memory(self, "VmRSS")
	if err != nil || held < 1<<20 {
		t.Errorf("this process holds %d bytes, %v", held, err)
	}
	if most, err := Memory(self, "VmHWM"); err != nil || most < held {
		t.Errorf("at most it held %d bytes, and holds %d; %v", most, held, err)
	}
	if _, err := Memory(self, "Vm"); err == nil {
		t.Error("there is no line Vm")
	}
	began, err := CPU(self)
	if err != nil {
		t.Fatal(err)
	}
	for now := began; now < began+10*time.Millisecond; {
		if now, err = CPU(self); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := CPU(1 << 23); err == nil {
		t.Error("a process that there is not has used time")
	}
}
