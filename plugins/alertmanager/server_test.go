package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// program is Alertmanager as Debian calls it, or as its makers do; empty where it is
// not there.
func program() string {
	for _, name := range []string{"prometheus-alertmanager", "alertmanager"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// server starts a real Alertmanager that tells the receiver of what fires and ends,
// at once, and returns its URL.
func server(t *testing.T, receiver string) string {
	t.Helper()
	path := program()
	if path == "" {
		const text = "NOT TESTED against Alertmanager: it is not here; install the package prometheus-alertmanager"
		if os.Getenv("DWMON_TEST_ALL") == "1" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	text := `
route: {receiver: us, group_by: ["..."], group_wait: 10ms, group_interval: 50ms, repeat_interval: 100h}
receivers:
  - name: us
    webhook_configs: [{url: "` + receiver + `", send_resolved: true}]
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said string
	for range 3 { // somebody else may take the port in between
		url, out, ok := boot(t, path, dir, config)
		if ok {
			return url
		}
		said = out
	}
	t.Fatalf("Alertmanager does not start:\n%s", said)
	return ""
}

func boot(t *testing.T, path, dir, config string) (url, said string, ok bool) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The context ends before the test's clean-ups, which is when it is killed.
	cmd := exec.CommandContext(t.Context(), path, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/-/ready", nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address, "", true
			}
		}
		select {
		case <-ended:
		case <-ctx.Done():
		case <-tick.C:
			continue
		}
		text, _ := os.ReadFile(log.Name())
		return "", string(text), false
	}
}
