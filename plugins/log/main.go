// Command dwmon-plugin-log is a check handler: one line for every check. Without
// settings the lines go to dwmon's own log, GOOD at level INFO, BAD and UNKNOWN at
// WARN, each with the attribute result=true. With the setting file they are
// appended to that file instead, as JSON Lines: the object that `dwmon history
// --json` prints. A notice is an object with the member "notice": docs/notices.md.
// With on: change there is a line for each incident that begins, goes on and ends.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() { pluginsdk.Serve(newPlugin()) }

type settings struct {
	File string `json:"file" doc:"append results to this file as JSON Lines; a relative path is below the daemon's working directory"`
}

func newPlugin() pluginsdk.Plugin {
	h := &handler{}
	return pluginsdk.Plugin{
		Name:         "log",
		Version:      "0.1.0",
		Summary:      "writes one line for every check, to dwmon's log or to a file",
		Settings:     &h.settings,
		Setup:        h.setup,
		Health:       func(context.Context) error { return h.out.try() },
		CheckHandler: h,
		Statuses:     []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		DefaultOn:    pluginsdk.OnEvery,
	}
}

type handler struct {
	settings settings
	out      *file // nil: dwmon's log
}

func (h *handler) setup(context.Context) (err error) {
	if h.settings.File == "" {
		return nil
	}
	if h.out, err = openFile(h.settings.File); err != nil {
		return pluginsdk.ConfigError(err)
	}
	return nil
}

// retryAfter is when a file that could not be written is tried again.
const retryAfter = 30 * time.Second

func (h *handler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	if h.out != nil {
		return h.append(ev.Result)
	}
	level := slog.LevelWarn
	if ev.Good() {
		level = slog.LevelInfo
	}
	pluginsdk.Logger(ctx).Log(ctx, level, line(&ev.Result), "result", true)
	return nil
}

func (h *handler) HandleNotice(ctx context.Context, n pluginsdk.Notice) error {
	if h.out != nil {
		return h.append(n)
	}
	level := slog.LevelWarn
	if n.Kind == pluginsdk.NoticeRecovered || n.Kind == pluginsdk.NoticeTest {
		level = slog.LevelInfo
	}
	pluginsdk.Logger(ctx).Log(ctx, level, onOneLine(n.Summary), "result", true, "notice", string(n.Kind), "detail", n.Detail)
	return nil
}

// append writes one object to the file.
func (h *handler) append(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	if err := h.out.appendLine(text); err != nil {
		return pluginsdk.Retryable(err, retryAfter)
	}
	return nil
}
