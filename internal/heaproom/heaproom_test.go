package heaproom

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		what                string
		live, scanned, room uint64
		want                int
	}{
		{"before the first collection: as Go has it", 0, 0, calmRoom, 100},
		{"a heap of a few MiB: as Go has it", 4 * mib, 3 * mib, calmRoom, 100},
		{"a heap full of pointers: as Go has it", 390 * mib, 395 * mib, calmRoom, 100},
		{"more is scanned than lives, the stacks are among it", 20 * mib, 30 * mib, calmRoom, 100},
		{"mostly keys: 4 MiB of room, in steps of five percent", 25 * mib, 3 * mib, calmRoom, 15},
		{"the same while much is going on", 25 * mib, 3 * mib, busyRoom, 60},
		{"a large daemon's keys, and its checkers", 180 * mib, 50 * mib, busyRoom, 25},
		{"never less than five percent", 4000 * mib, 4 * mib, busyRoom, 5},
	} {
		if got := percent(c.live, c.scanned, c.room); got != c.want {
			t.Errorf("%s: percent(%d MiB, %d MiB, %d MiB) = %d, want %d", c.what, c.live/mib, c.scanned/mib, c.room/mib, got, c.want)
		}
	}
}

func TestRoomFollowsWhatIsGoingOn(t *testing.T) {
	tend := &tender{}
	now := time.Unix(1e9, 0)
	for _, c := range []struct {
		what  string
		after time.Duration
		want  uint64
	}{
		{"the first collection", 0, calmRoom},
		{"one soon after it", 100 * time.Millisecond, busyRoom},
		{"and another", 900 * time.Millisecond, busyRoom},
		{"one after a pause", time.Second, calmRoom},
		{"one after a long pause", 2 * time.Minute, calmRoom},
	} {
		now = now.Add(c.after)
		if got := tend.cycle(now); got != c.want {
			t.Errorf("%s: %d MiB of room, want %d", c.what, got>>20, c.want>>20)
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
		{"no wish in the environment: one of the rooms, then as Go has it", "", "(5|20|25) 100"},
		{"the environment has a percentage", "GOGC=150", "150 150"},
		{"the environment has a limit", "GOMEMLIMIT=4GiB", "100 100"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTend$", "-test.v")
		cmd.Env = append(without(os.Environ(), "GOGC", "GOMEMLIMIT"), role+"=child", c.env)
		out, err := cmd.CombinedOutput()
		if err != nil || !regexp.MustCompile("percent: "+c.want+"\n").Match(out) {
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
