package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// colours says whether a stream is a terminal that wants them.
func colours(w io.Writer) bool {
	f, ok := fileOf(w)
	return ok && os.Getenv("NO_COLOR") == "" && isatty.IsTerminal(f.Fd())
}

// page is a stream for texts of many pieces. It keeps the first error, so that a disk
// that is full does not go unnoticed, and drops what comes behind it.
type page struct {
	out io.Writer
	err error
}

func (p *page) Write(b []byte) (n int, err error) {
	if p.err == nil {
		n, p.err = p.out.Write(b)
	}
	return n, p.err
}

// fileOf is the file behind a stream.
func fileOf(w io.Writer) (*os.File, bool) {
	if p, ok := w.(*page); ok {
		w = p.out
	}
	if s, ok := w.(*screen); ok {
		return s.file, true
	}
	f, ok := w.(*os.File)
	return f, ok
}

// jsonLines writes objects one below another.
type jsonLines struct{ enc *json.Encoder }

func newJSONLines(w io.Writer) *jsonLines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &jsonLines{enc}
}

func (j *jsonLines) write(v any) error { return j.enc.Encode(v) }

// newTable is a table without frames, its columns named in capitals.
func newTable(w io.Writer, columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(columns)
	return t
}

// painted gives a state its colour on a terminal.
func painted(w io.Writer, state string) string {
	if !colours(w) {
		return state
	}
	switch state {
	case "GOOD":
		return text.FgGreen.Sprint(state)
	case "BAD":
		return text.Colors{text.FgRed, text.Bold}.Sprint(state)
	case "UNKNOWN":
		return text.FgYellow.Sprint(state)
	default:
		return state
	}
}

// ago is how long ago a time was, in its two largest units.
func ago(now, then time.Time) string {
	d := now.Sub(then).Truncate(time.Second)
	switch {
	case d < 0:
		return "in " + short(-d)
	case d < time.Second:
		return "now"
	default:
		return short(d) + " ago"
	}
}

func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}

// logFlags adds the flags of commands that log, with their defaults.
func logFlags(cmd *cobra.Command, level, format string) {
	cmd.Flags().String("log-level", level, "debug, info, warn or error")
	cmd.Flags().String("log-format", format, "auto (text on a terminal, else json), text or json")
}

// logger makes the log that the flags ask for, on standard error. Secrets are
// taken out of its attributes by redact.
func logger(cmd *cobra.Command, redact func(string) string) (*slog.Logger, string, error) {
	levelText, _ := cmd.Flags().GetString("log-level")
	format, _ := cmd.Flags().GetString("log-format")
	var level slog.Level
	if err := level.UnmarshalText([]byte(levelText)); err != nil {
		return nil, "", &usageError{fmt.Errorf("--log-level %q is none of debug, info, warn, error", levelText), ""}
	}
	out := cmd.ErrOrStderr()
	if format == "auto" {
		format = "json"
		if f, ok := fileOf(out); ok && isatty.IsTerminal(f.Fd()) {
			format = "text"
		}
	}
	clean := func(_ []string, a slog.Attr) slog.Attr {
		switch v := a.Value; v.Kind() {
		case slog.KindString:
			a.Value = slog.StringValue(redact(v.String()))
		case slog.KindAny:
			if err, ok := v.Any().(error); ok {
				a.Value = slog.StringValue(redact(err.Error()))
			}
		}
		return a
	}
	switch format {
	case "text":
		h := tint.NewTextHandler(out, &tint.Options{Level: level, TimeFormat: "15:04:05", NoColor: !colours(out), ReplaceAttr: clean})
		return slog.New(plainResults{h, h}), levelText, nil
	case "json":
		return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: clean})), levelText, nil
	default:
		return nil, "", &usageError{fmt.Errorf("--log-format %q is none of auto, text, json", format), ""}
	}
}

// shellWord is a name or a path as a shell takes it for one word.
func shellWord(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
