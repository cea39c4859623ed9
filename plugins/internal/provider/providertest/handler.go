// Package providertest is what every handler over HTTP must stand, as tests against
// a server that misbehaves: [Suite]. It has results and notices to tell, as well.
package providertest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dwmon/dwmon/pluginsdk"
)

// Handler is a plugin that has its settings.
type Handler struct{ pluginsdk.Plugin }

// Start gives a plugin its settings. An error of Setup is returned.
func Start(t testing.TB, p pluginsdk.Plugin, settings map[string]any) (*Handler, error) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, p.Settings); err != nil {
		t.Fatal(err)
	}
	if err := p.Setup(t.Context()); err != nil {
		return nil, err
	}
	if p.Shutdown != nil {
		t.Cleanup(func() {
			if err := p.Shutdown(context.Background()); err != nil {
				t.Errorf("shutdown: %v", err)
			}
		})
	}
	return &Handler{p}, nil
}

// MustStart is Start for settings that are right.
func MustStart(t testing.TB, p pluginsdk.Plugin, settings map[string]any) *Handler {
	t.Helper()
	h, err := Start(t, p, settings)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Check tells a result.
func (h *Handler) Check(ctx context.Context, ev pluginsdk.CheckEvent) error {
	return h.CheckHandler.HandleCheck(ctx, ev)
}

// Notice tells a notice.
func (h *Handler) Notice(ctx context.Context, n pluginsdk.Notice) error {
	told, ok := h.CheckHandler.(pluginsdk.NoticeHandler)
	if !ok {
		return errors.New("the handler takes no notices")
	}
	return told.HandleNotice(ctx, n)
}

// Golden compares a text with the file of that name in testdata. With
// UPDATE_GOLDEN=1 it writes the file instead.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; UPDATE_GOLDEN=1 writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s is no longer what is sent; UPDATE_GOLDEN=1 writes it anew\n got %s\nwant %s", path, got, want)
	}
}

// Indented is a JSON text for people, for [Golden].
func Indented(t testing.TB, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}
