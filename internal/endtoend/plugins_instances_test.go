package endtoend

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// keepers reads what the keepers of a world have found, by role.
func (w *world) keepers() map[string][]observation {
	w.Helper()
	files, err := filepath.Glob(w.path("found/*.json"))
	if err != nil {
		w.Fatal(err)
	}
	all := map[string][]observation{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		var o observation
		if err := json.Unmarshal(text, &o); err != nil {
			w.Fatal(err)
		}
		all[o.Role] = append(all[o.Role], o)
	}
	return all
}

// TestInstancesAreApart: two sources and two handlers on one plugin are four
// processes. Each has its own limit and finds its own secret and no other in its
// environment, its arguments and its memory; the end of one is nothing to the
// others.
func TestInstancesAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "keeper")
	secrets := map[string]string{
		"payroll": "SECRET-payroll-0123456789abcdef", "orders": "SECRET-orders-fedcba9876543210",
		"pager": "SECRET-pager-00000000deadbeef", "chat": "SECRET-chat-cafe0000cafe0000",
	}
	config := "timezone: UTC\nlisten: 127.0.0.1:0\nspread: 0s\nsources:\n"
	if err := os.Mkdir(w.path("found"), 0o700); err != nil {
		t.Fatal(err)
	}
	for role, secret := range secrets {
		w.write("secret-"+role, secret+"\n")
	}
	settings := func(role string) string {
		return fmt.Sprintf("settings: {role: %s, dir: %q, token: %q}", role, w.path("found"), "${file:secret-"+role+"}")
	}
	config += "  PAYROLL: {getter: keeper, concurrency: 1, " + settings("payroll") + "}\n"
	config += "  ORDERS: {getter: keeper, concurrency: 3, " + settings("orders") + "}\n"
	config += "handlers:\n  - {name: pager, plugin: keeper, " + settings("pager") + "}\n  - {name: chat, plugin: keeper, " + settings("chat") + "}\n"
	w.write("dwmon.yaml", config)
	for i := range 6 {
		w.checker(fmt.Sprintf("payroll%d", i), "SELECT 1", every, "PAYROLL")
		w.checker(fmt.Sprintf("orders%d", i), "SELECT 1", every, "ORDERS")
	}
	s := w.start()
	s.up()
	w.await("each instance has worked", func() bool { return len(w.keepers()) == len(secrets) })
	w.await("all passes are done", func() bool {
		return w.reached(12, 1)
	})
	before := map[string]int{}
	states := map[string]bool{}
	for role, list := range w.keepers() {
		if len(list) != 1 {
			t.Fatalf("%s was served by %d processes", role, len(list))
		}
		o := list[0]
		before[role] = o.Pid
		states[o.State] = true
		// Of its own, memory that is being used again may hold a torn copy.
		foreign := slices.ContainsFunc(o.Secrets, func(s string) bool { return !strings.HasPrefix(s, "SECRET-"+role+"-") })
		if foreign || !slices.Contains(o.Secrets, secrets[role]) {
			t.Errorf("the process of %s finds the secrets %q in itself, want its own only", role, o.Secrets)
		}
		if want := map[string]int64{"payroll": 1, "orders": 3}[role]; want != 0 && o.Most != want {
			t.Errorf("%s had %d calls at the same time, want %d", role, o.Most, want)
		}
	}
	if len(states) != len(secrets) {
		t.Errorf("the state folders are %v, want one for each", states)
	}
	instances := w.instances("keeper")
	if len(instances) != len(secrets) {
		t.Errorf("plugin list shows %+v", instances)
	}
	for _, in := range instances {
		if in.MemoryBytes == 0 {
			t.Errorf("plugin list does not know the memory of %+v", in)
		}
	}

	// One is killed: it alone is another process.
	if err := syscall.Kill(before["payroll"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.await("the instance that was killed is back, the others are as they were", func() bool {
		pids := map[int]bool{}
		for _, in := range w.instances("keeper") {
			if in.State != "READY" {
				return false
			}
			pids[in.Pid] = true
		}
		return len(pids) == len(secrets) && !pids[before["payroll"]] && pids[before["orders"]] && pids[before["pager"]] && pids[before["chat"]]
	})
	s.stop()
	w.gone(patience)
	for _, line := range s.lines() {
		for _, secret := range secrets {
			if strings.Contains(line, secret) {
				t.Errorf("a secret is in the log: %s", line)
			}
		}
	}
}

// instance is a member of `plugin list --json`.
type instance struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Pid         int    `json:"pid"`
	Restarts    int    `json:"restarts"`
	Generation  int    `json:"generation"`
	InFlight    int    `json:"in_flight"`
	MemoryBytes int64  `json:"memory_bytes"`
	LastError   string `json:"last_error"`
}

// instances are the lives of a plugin, as the running daemon tells them.
func (w *world) instances(plugin string) []instance {
	w.Helper()
	type listed struct {
		Name      string     `json:"name"`
		Instances []instance `json:"instances"`
	}
	for _, p := range lines[listed](w, w.want(0, "plugin", "list", "--json").out) {
		if p.Name == plugin {
			return p.Instances
		}
	}
	return nil
}
