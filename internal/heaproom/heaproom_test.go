package heaproom

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
)

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		what          string
		live, scanned uint64
		want          int
	}{
		{"before the first collection: as Go has it", 0, 0, 100},
		{"a heap of a few MiB: as Go has it", 5 * mib, 3 * mib, 100},
		{"a heap full of pointers: as Go has it", 390 * mib, 395 * mib, 100},
		{"more is scanned than lives, the stacks are among it", 20 * mib, 30 * mib, 100},
		{"mostly keys: 8 MiB of room, in steps of five percent", 40 * mib, 4 * mib, 20},
		{"a large daemon's keys, and its checkers", 180 * mib, 50 * mib, 25},
		{"never less than five percent", 4000 * mib, 4 * mib, 5},
	} {
		if got := percent(c.live, c.scanned); got != c.want {
			t.Errorf("%s: percent(%d MiB, %d MiB) = %d, want %d", c.what, c.live/mib, c.scanned/mib, got, c.want)
		}
	}
}

// role names what a process of this test is.
const role = "HEAPROOM_TEST_ROLE"

// TestTend sees the setting follow a heap, each time in a process of its own: the
// setting is the whole process's.
func TestTend(t *testing.T) {
	if os.Getenv(role) != "" {
		live(t)
		return
	}
	for _, c := range []struct {
		what string
		env  string
		want string
	}{
		{"no wish in the environment", "", "10 100"},
		{"the environment has a percentage", "GOGC=150", "150 150"},
		{"the environment has a limit", "GOMEMLIMIT=4GiB", "100 100"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTend$", "-test.v")
		cmd.Env = append(without(os.Environ(), "GOGC", "GOMEMLIMIT"), role+"=child", c.env)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "percent: "+c.want+"\n") {
			t.Errorf("%s: want percent: %s, got %v\n%s", c.what, c.want, err, out)
		}
	}
}

func without(env []string, names ...string) (rest []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		keep := true
		for _, n := range names {
			keep = keep && n != name
		}
		if keep {
			rest = append(rest, e)
		}
	}
	return rest
}

// live says which setting is in use with 64 MiB of bytes, and with nothing.
func live(t *testing.T) {
	Tend()
	block := make([]byte, 64<<20)
	large := settled()
	runtime.KeepAlive(block)
	block = nil
	none := settled()
	t.Logf("percent: %d %d", large, none)
}

// settled has collections made until the setting has been the same for some of
// them: the bell is answered on a goroutine of the runtime's own.
func settled() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	var last uint64
	for same := 0; same < 20; same++ {
		runtime.GC()
		metrics.Read(sample)
		if v := sample[0].Value.Uint64(); v != last {
			last, same = v, 0
		}
	}
	return last
}
