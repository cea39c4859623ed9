package checkfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// obeyPermissions takes root's exemption from file permissions away from the
// calling test: from its thread, which ends with it.
func obeyPermissions(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

// What lies below a folder that cannot be read is not gone; the rest goes on.
func TestLoadFolderWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "billing/x.dwmon", good(1))
	write(t, dir, "y.dwmon", good(2))
	l := &Loader{Dir: dir}
	if _, err := l.LoadNow(later(0)); err != nil {
		t.Fatal(err)
	}
	obeyPermissions(t)
	sub := filepath.Join(dir, "billing")
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	set := mustLoad(t, l, later(1))
	if err := os.Chmod(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, set, "y 2")
	if !set.Hides("billing/x") || set.Hides("billing") || set.Hides("y") {
		t.Errorf("hidden %v", set.hidden)
	}
	if len(set.Faults) != 1 || set.Faults[0].Error() != sub+": cannot be read: permission denied" {
		t.Errorf("faults %v", set.Faults)
	}
	wantSummary(t, mustLoad(t, l, later(2)), "billing/x 1", "y 2")
}

func TestLoadFileWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "x.dwmon", good(1))
	l := &Loader{Dir: dir}
	if _, err := l.LoadNow(later(0)); err != nil {
		t.Fatal(err)
	}
	obeyPermissions(t)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	set := mustLoad(t, l, later(1))
	wantSummary(t, set, "x bad")
	if got, want := set.Files[0].Faults[0].Error(), path+": cannot be read: permission denied"; got != want {
		t.Errorf("fault %q, want %q", got, want)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	wantSummary(t, mustLoad(t, l, later(2)), "x 1")
}
