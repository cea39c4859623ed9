package pluginhost

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// impatient lets a plugin that does not answer fail soon, but not one that a busy
// machine keeps waiting.
func impatient() Timings {
	t := quick
	t.Start = 5 * time.Second
	return t
}

// TestSilence: a plugin that did not answer is known to be broken at the next start,
// which does not wait for it. It is asked again, and when it answers, that is news.
func TestSilence(t *testing.T) {
	cache := &memoryCache{}
	dir := filepath.Join(t.TempDir(), "plugins")
	hang := putFile(t, filepath.Join(dir, "moody.hang"), "", 0o644)
	first := newRig(t, Options{Dir: dir, Cache: cache, Timings: impatient()}, "moody", "good", "dies")
	if p, _ := first.Plugin(t.Context(), "moody"); p.State != StateBroken {
		t.Fatalf("plugin %+v", p)
	}
	if err := first.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Close(t.Context())
	remembered := 0
	for key := range cache.m {
		if strings.HasPrefix(key, "silent:") {
			remembered++
		}
	}
	if remembered != 1 {
		t.Errorf("%d failures are remembered, want that of moody alone: dies fails at once", remembered)
	}

	slow := quick
	slow.Start = time.Minute
	second := newRig(t, Options{Dir: dir, Cache: cache, Timings: slow})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // far below Start
	defer cancel()
	ps, err := second.Plugins(ctx)
	if err != nil {
		t.Fatalf("the second start waits for it: %v", err)
	}
	for _, p := range ps {
		if p.Name == "moody" && (p.State != StateBroken || p.Unheard || !strings.Contains(p.Err, "did not say anything") || !strings.Contains(p.Err, "asked again")) {
			t.Errorf("plugin %+v", p)
		}
		if p.Name == "good" && p.State != StateVerified {
			t.Errorf("plugin %+v", p)
		}
	}
	second.Close(t.Context())

	if err := os.Remove(hang); err != nil {
		t.Fatal(err)
	}
	third := newRig(t, Options{Dir: dir, Cache: cache, Timings: slow})
	for answered := false; !answered; {
		select {
		case <-third.News():
			for _, p := range third.PluginsNow() {
				answered = answered || p.Name == "moody" && p.State == StateVerified && p.Serves(RowGetter)
			}
		case <-ctx.Done():
			t.Fatal("no news of the plugin that is well again")
		}
	}
	if third.recall(third.Found()[2].key()) != nil {
		t.Errorf("it is still remembered as silent: %+v", third.Found()[2])
	}
}

func TestSilenceStands(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	tests := []struct {
		times int
		after time.Duration
		want  bool
	}{
		{1, 0, true},
		{1, 10*time.Minute - 1, true},
		{1, 10 * time.Minute, false},
		{2, 20*time.Minute - 1, true},
		{2, 20 * time.Minute, false},
		{6, 320*time.Minute - 1, true},
		{7, 6*time.Hour - 1, true},
		{7, 6 * time.Hour, false},
		{1 << 40, 6*time.Hour - 1, true},
		{1 << 40, 6 * time.Hour, false},
		{1, -time.Second, false}, // the clock was set back
	}
	for _, tt := range tests {
		s := silence{AtEpoch: at.Unix(), Times: tt.times}
		if got := s.stands(at.Add(tt.after)); got != tt.want {
			t.Errorf("%d times, after %v: %v", tt.times, tt.after, got)
		}
	}
}

// TestNeededAreAskedFirst: plugins that hang keep nobody waiting for one that is
// needed.
func TestNeededAreAskedFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plugins")
	for _, name := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		putFile(t, filepath.Join(dir, "dwmon-plugin-"+name), "#!/bin/sh\nexec sleep 60\n", 0o755)
	}
	slow := quick
	slow.Start = time.Minute
	r := newRig(t, Options{Dir: dir, Timings: slow}, "good")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Settle(ctx, "good", "not-there"); err != nil {
		t.Fatal(err)
	}
	unheard := 0
	for _, p := range r.PluginsNow() {
		if p.Unheard {
			unheard++
			if p.State != StateDiscovered {
				t.Errorf("plugin %+v", p)
			}
		}
		if p.Name == "good" && p.State != StateVerified {
			t.Errorf("plugin %+v", p)
		}
	}
	if unheard != 6 {
		t.Errorf("%d plugins have not answered, want 6", unheard)
	}
}

func listJSON(t *testing.T, ps []Plugin) string {
	t.Helper()
	text, err := json.Marshal(ps)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSecretsStayApart: an instance is given its own secrets and no other's, and none
// reaches the list, the log or the story of a crash.
func TestSecretsStayApart(t *testing.T) {
	secrets := []string{"s3cret-of-one", "s3cret-of-two"}
	r := newRig(t, Options{Redact: func(s string) string {
		for _, secret := range secrets {
			s = strings.ReplaceAll(s, secret, "***")
		}
		return s
	}}, "good")
	t.Setenv("UNRELATED_TOKEN", "s3cret-of-the-daemon")
	for i, secret := range secrets {
		g := r.RowGetter(InstanceSpec{Plugin: "good", Settings: []byte(`{"word":"` + secret + `"}`)})
		if keys, err := fetchKeys(t.Context(), g, "word"); err != nil || keys[0] != secret {
			t.Fatalf("it was given %q, %v", keys, err)
		}
		env, err := fetchKeys(t.Context(), g, "env")
		if err != nil || strings.Contains(strings.Join(env, "\n"), "s3cret") {
			t.Errorf("its environment holds secrets: %v", err)
		}
		// What other processes of this user can see of it.
		pid, err := fetchKeys(t.Context(), g, "pid")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"environ", "cmdline"} {
			if text, err := os.ReadFile(filepath.Join("/proc", pid[0], file)); err == nil && strings.Contains(string(text), secrets[1-i]) {
				t.Errorf("%s of one instance holds the other's secret", file)
			}
		}
		_, err = fetchKeys(t.Context(), g, "panic-with-word")
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error %v", err)
		}
	}
	bad := r.RowGetter(InstanceSpec{Plugin: "good", Settings: []byte(`{"refuse":"` + secrets[0] + ` is wrong"}`)})
	if _, err := fetchKeys(t.Context(), bad, "word"); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "*** is wrong") {
		t.Errorf("error %v", err)
	}
	ps, err := r.Plugins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the list": listJSON(t, ps), "the log": r.logs.String()} {
		if at := strings.Index(text, "s3cret"); at >= 0 {
			t.Errorf("%s holds a secret: …%s…", what, text[max(0, at-80):min(len(text), at+80)])
		}
	}
}
