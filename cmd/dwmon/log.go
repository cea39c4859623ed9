package main

import (
	"context"
	"log/slog"
)

// plainResults shows the lines of the handler `log` without the attributes of the
// plugin that wrote them: on a terminal they are the product, not its log.
type plainResults struct {
	slog.Handler
	bare slog.Handler // without the attributes that loggers were given
}

func (h plainResults) Handle(ctx context.Context, r slog.Record) error {
	result := false
	r.Attrs(func(a slog.Attr) bool {
		result = result || a.Key == "result"
		return !result
	})
	if result {
		return h.bare.Handle(ctx, slog.NewRecord(r.Time, r.Level, r.Message, 0))
	}
	return h.Handler.Handle(ctx, r)
}

func (h plainResults) WithAttrs(attrs []slog.Attr) slog.Handler {
	return plainResults{h.Handler.WithAttrs(attrs), h.bare}
}

func (h plainResults) WithGroup(name string) slog.Handler {
	return plainResults{h.Handler.WithGroup(name), h.bare}
}
