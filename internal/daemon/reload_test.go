package daemon_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/daemon"
)

// TestAReloadThatCannotBeginAnewEndsTheDaemon sees to it that a daemon that has let its
// engine go, and cannot make another, does not live on without one: whoever watches it
// starts it again.
func TestAReloadThatCannotBeginAnewEndsTheDaemon(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "dwmon.yaml", "listen: \"off\"\nchecks: checks\nplugins: plugins\ndb: dwmon.db\nhandlers: []\n")
	for _, folder := range []string{"checks", "plugins"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	load := func() (*config.Config, error) {
		return config.Load(config.LoadOptions{Path: filepath.Join(dir, "dwmon.yaml")})
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	hangUp, logs := make(chan os.Signal, 1), &lockedBuffer{}
	err = daemon.Run(context.Background(), daemon.Options{
		Config: cfg, Log: slog.New(slog.NewTextHandler(logs, nil)), Guard: []string{os.Args[0], "guard"}, HangUp: hangUp,
		Started: func(string) { hangUp <- os.Interrupt },
		Reload: func() (*config.Config, error) {
			cfg, err := load()
			if err == nil {
				cfg.Heartbeat = &config.Heartbeat{URL: "none at all"} // no file could say so: the parser refuses it
			}
			return cfg, err
		},
	})
	var fault *daemon.EnvironmentError
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "cannot begin it anew: make the heartbeat") {
		t.Errorf("it ended with %v", err)
	}
	if strings.Contains(logs.String(), "dwmon has reloaded") {
		t.Errorf("it says that it has reloaded:\n%s", logs)
	}
}
