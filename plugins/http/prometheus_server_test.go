package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// prometheusServer starts a real Prometheus that holds the samples given in the
// OpenMetrics format, and returns its URL.
func prometheusServer(t *testing.T, samples string) string {
	t.Helper()
	for _, program := range []string{"prometheus", "promtool"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("DWMON_TEST_ALL") == "1" {
				t.Fatalf("NOT TESTED against Prometheus: %v; install the package prometheus", err)
			}
			t.Skipf("NOT TESTED against Prometheus: %v; install the package prometheus", err)
		}
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	data := filepath.Join(dir, "data")
	if out, err := exec.CommandContext(t.Context(), "promtool", "tsdb", "create-blocks-from", "openmetrics", write("samples", samples), data).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	config := write("prometheus.yml", "global: {scrape_interval: 1h}\n")
	var said string
	for range 3 { // somebody else may take the port in between
		url, out, ok := bootPrometheus(t, dir, data, config)
		if ok {
			return url
		}
		said = out
	}
	t.Fatalf("Prometheus does not start:\n%s", said)
	return ""
}

func bootPrometheus(t *testing.T, dir, data, config string) (url, said string, ok bool) {
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
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file="+config, "--storage.tsdb.path="+data,
		"--storage.tsdb.retention.time=10y", "--web.listen-address="+address)
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

// openMetrics writes samples of series in the format of promtool.
type openMetrics struct{ strings.Builder }

func (o *openMetrics) family(name, kind string) {
	fmt.Fprintf(o, "# TYPE %s %s\n", name, kind)
}

func (o *openMetrics) sample(series string, v float64, at time.Time) {
	fmt.Fprintf(o, "%s %v %d.%03d\n", series, v, at.Unix(), at.UnixMilli()%1000)
}
