package pluginhost

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// hostLog carries go-plugin's own messages to slog. It never changes after it is
// made: With and Named return another one.
type hostLog struct {
	log  *slog.Logger
	name string
	args []any
	// quiet says that the process ends, or has ended, and that we know it: what
	// go-plugin then calls an error is said by us, once and better.
	quiet func() bool
}

var _ hclog.Logger = hostLog{}

func newHostLog(log *slog.Logger, quiet func() bool) hostLog {
	return hostLog{log: log, quiet: quiet}
}

// Log is what all the others call. go-plugin's chatter about its own workings is
// one level below what it claims.
func (l hostLog) Log(level hclog.Level, msg string, args ...any) {
	lv := slogLevel(level)
	if l.quiet() {
		lv = min(lv, slog.LevelDebug)
	}
	if !l.log.Enabled(context.Background(), lv) {
		return
	}
	if len(args)%2 != 0 {
		args = append(slices.Clip(args), "(missing)")
	}
	for i := 0; i < len(args); i += 2 {
		if _, ok := args[i].(string); !ok {
			args = slices.Clone(args)
			args[i] = fmt.Sprint(args[i])
		}
	}
	l.log.Log(context.Background(), lv, msg, args...)
}

func slogLevel(level hclog.Level) slog.Level {
	switch level {
	case hclog.Error:
		return slog.LevelError
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Info:
		return slog.LevelDebug
	case hclog.Debug:
		return slog.LevelDebug - 2
	default:
		return slog.LevelDebug - 4
	}
}

func (l hostLog) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l hostLog) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l hostLog) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l hostLog) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l hostLog) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l hostLog) enabled(level hclog.Level) bool {
	return l.log.Enabled(context.Background(), slogLevel(level))
}

func (l hostLog) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l hostLog) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l hostLog) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l hostLog) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l hostLog) IsError() bool { return l.enabled(hclog.Error) }

func (l hostLog) ImpliedArgs() []any { return l.args }
func (l hostLog) Name() string       { return l.name }

func (l hostLog) With(args ...any) hclog.Logger {
	l.log = l.log.With(args...)
	l.args = append(slices.Clip(l.args), args...)
	return l
}

func (l hostLog) Named(name string) hclog.Logger {
	if l.name != "" {
		name = l.name + "." + name
	}
	return l.ResetNamed(name)
}

func (l hostLog) ResetNamed(name string) hclog.Logger {
	l.name = name
	return l
}

// SetLevel does nothing: slog's handler has the level.
func (l hostLog) SetLevel(hclog.Level) {}

func (l hostLog) GetLevel() hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn, hclog.Error} {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Off
}

func (l hostLog) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.log.Handler(), slog.LevelDebug)
}

func (l hostLog) StandardWriter(opts *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(opts).Writer()
}
