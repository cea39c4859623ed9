package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

//go:embed worker.py
var workerText []byte

// bootstrap reads the worker's text from standard input, so that it need not be in
// a file, and leaves what follows unread.
const bootstrap = `import os
text = b''
while len(text) < %[1]d:
    more = os.read(0, %[1]d - len(text))
    if not more: os._exit(0)
    text += more
exec(compile(text, 'dwmon_worker.py', 'exec'))`

// What a datetime without a zone means to the worker.
const (
	naiveUTC   = "utc"
	naiveLocal = "local"
	naiveText  = "text" // handed over as text, which is read in the setting timezone
)

type hello struct {
	Op            string         `json:"op"`
	Version       int            `json:"v"`
	Kind          pluginsdk.Kind `json:"kind"`
	OrgDir        string         `json:"org_dir"`
	NaiveDatetime string         `json:"naive_datetime"`
}

// workers are those of one kind. Each kind has its own: a slow query must not hold
// up an alert.
func (p *bridged) workers(kind pluginsdk.Kind) bridge.Options {
	naive := p.settings.NaiveDatetime
	if naive == "" && p.settings.Timezone != "" {
		naive = naiveText
	}
	o := bridge.Options{
		Name: fmt.Sprintf("python worker (%s)", kind),
		Command: func(context.Context) (*exec.Cmd, error) {
			cmd := exec.Command(p.interpreter.path, "-c", fmt.Sprintf(bootstrap, len(workerText)))
			cmd.Dir, cmd.Env = p.org.dir, environment()
			return cmd, nil
		},
		Preamble:  workerText,
		Hello:     hello{"hello", 1, kind, p.org.dir, naive},
		Workers:   1,
		Redact:    bridge.RedactEnvironment(os.Environ()),
		MaxCalls:  p.settings.MaxCalls,
		MaxMemory: int64(p.settings.MaxMemoryMB) << 20,
	}
	if kind == pluginsdk.KindRowGetter {
		o.Workers = p.settings.Workers
	}
	if p.settings.Reload {
		o.Stale = func(started time.Time) bool { return p.org.changedSince(started) }
	}
	return o
}

type rowGetter struct{ *bridged }

// GetRows calls get_rows_from_query(query_details).
func (p rowGetter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	if err := p.org.need(pluginsdk.KindRowGetter); err != nil {
		return err
	}
	return (&bridge.RowGetter{Pool: p.pools[pluginsdk.KindRowGetter], Zone: p.zone}).GetRows(ctx, q, out)
}

type checkHandler struct{ *bridged }

// What of a result handle_check is given.
const (
	detailsOriginal = "original"
	detailsFull     = "full"
)

// HandleCheck calls handle_check(details, extra). The original knew no UNKNOWN.
func (p checkHandler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	if ev.CheckStatus == pluginsdk.Unknown && !p.settings.UnknownEvents {
		return nil
	}
	if err := p.org.need(pluginsdk.KindCheckHandler); err != nil {
		return err
	}
	h := &bridge.CheckHandler{Pool: p.pools[pluginsdk.KindCheckHandler]}
	if p.settings.Details == detailsOriginal {
		h.Details = originalDetails
	}
	return h.HandleCheck(ctx, ev)
}

// originalDetails are the fields that the original program gave.
func originalDetails(ev pluginsdk.CheckEvent) any {
	return struct {
		CheckerName     string           `json:"checker_name"`
		EventCount      int64            `json:"event_count"`
		MinRequired     *int64           `json:"min_required"`
		MaxAllowed      *int64           `json:"max_allowed"`
		CheckStatus     pluginsdk.Status `json:"check_status"`
		MinuteEpoch     int64            `json:"minute_epoch"`
		MinuteLocalTime string           `json:"minute_local_time"`
		LookbackSeconds int64            `json:"lookback_seconds"`
	}{
		ev.CheckerName, ev.EventCount, ev.MinRequired, ev.MaxAllowed, ev.CheckStatus,
		ev.MinuteEpoch, ev.MinuteLocalTime, ev.LookbackSeconds,
	}
}

type purger struct{ *bridged }

// IdentifyOld calls identify_old(checker_name, extra).
func (p purger) IdentifyOld(ctx context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	if err := p.org.need(pluginsdk.KindPurger); err != nil {
		return pluginsdk.Keep(), err
	}
	return (&bridge.Purger{Pool: p.pools[pluginsdk.KindPurger]}).IdentifyOld(ctx, in)
}
