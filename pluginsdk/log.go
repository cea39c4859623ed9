package pluginsdk

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// Logger writes to dwmon's log, with the request and checker of the call that ctx
// belongs to. Outside a call it is slog.Default.
func Logger(ctx context.Context) *slog.Logger {
	if log := scopeOf(ctx).log; log != nil {
		return log
	}
	return slog.Default()
}

// RequestID is what the log calls the call that ctx belongs to; empty outside one,
// and where the host gives none.
func RequestID(ctx context.Context) string { return scopeOf(ctx).request }

// StateDir is a folder of this instance's own, or empty where the host gives
// none. ctx is that of Setup or of a call.
func StateDir(ctx context.Context) string {
	if inst := scopeOf(ctx).instance; inst != nil {
		return inst.stateDir
	}
	return ""
}

// InstanceID names this plugin with its settings; empty where the host gives
// none. ctx is that of Setup or of a call.
func InstanceID(ctx context.Context) string {
	if inst := scopeOf(ctx).instance; inst != nil {
		return inst.id
	}
	return ""
}

// scope is what a call's context carries.
type scope struct {
	log      *slog.Logger
	request  string
	receipts *receipts
	instance *instance
}

type scopeKey struct{}

var noScope = &scope{}

func withScope(ctx context.Context, sc *scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, sc)
}

func scopeOf(ctx context.Context) *scope {
	if sc, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return sc
	}
	return noScope
}

// receipts gathers what Receipt is given during one call.
type receipts struct {
	mu    sync.Mutex
	texts []string
}

func (r *receipts) add(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, text)
}

func (r *receipts) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.texts)
}

// newLog is the logger of a plugin process: one JSON object a line, with the keys
// time, level and msg.
func newLog(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), level
}

// setLevel reads debug, info, warn or error; anything else changes nothing.
func setLevel(level *slog.LevelVar, text string) {
	var l slog.Level
	if text != "" && l.UnmarshalText([]byte(strings.ToUpper(text))) == nil {
		level.Set(l)
	}
}
