package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/engine"
)

// A backfill takes long. The daemon answers with a line of JSON now and then that says
// how far it is, and at last with one that says what came of it. Whoever hangs up
// breaks it off.

// backfillEvent is a line of that answer; one of its fields is set.
type backfillEvent struct {
	Stage *BackfillStage `json:"stage,omitempty"`
	Done  *Backfilled    `json:"done,omitempty"`
	// Faults are those of the checker's file.
	Faults []wireFault `json:"faults,omitempty"`
	Error  string      `json:"error,omitempty"`
	// NoChecker says that Error is an *ErrNoChecker.
	NoChecker bool `json:"no_checker,omitempty"`
}

// wireFault is a dwmon.FileFault with all of its fields: its own JSON is for people's
// programs, and leaves some out.
type wireFault dwmon.FileFault

// stageEvery is how often a daemon says how far a backfill is.
const stageEvery = 200 * time.Millisecond

// controlBackfill adds the request to those of the control socket. daemonCtx ends it
// with the daemon.
func (d *daemon) controlBackfill(daemonCtx context.Context, mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/backfill", func(w http.ResponseWriter, r *http.Request) {
		var q BackfillRequest
		if err := json.NewDecoder(io.LimitReader(r.Body, 4<<20)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(daemonCtx, cancel)()
		w.Header().Set("Content-Type", "application/jsonl")
		tell := func(e backfillEvent) {
			_ = json.NewEncoder(w).Encode(e) // who has hung up ends ctx
			_ = http.NewResponseController(w).Flush()
		}
		var last time.Time
		out, err := d.serveBackfill(ctx, q, func(s BackfillStage) {
			if time.Since(last) >= stageEvery {
				last = time.Now()
				tell(backfillEvent{Stage: &s})
			}
		})
		var faults dwmon.FileFaults
		var none *ErrNoChecker
		switch {
		case errors.As(err, &faults):
			var wire []wireFault
			for _, f := range faults {
				wire = append(wire, wireFault(f))
			}
			tell(backfillEvent{Faults: wire})
		case err != nil:
			tell(backfillEvent{Error: d.redact(err.Error()), NoChecker: errors.As(err, &none)})
		default:
			tell(backfillEvent{Done: out})
		}
	})
}

// serveBackfill does a backfill beside the passes.
func (d *daemon) serveBackfill(ctx context.Context, q BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	var job *engine.Job
	err := d.do(ctx, func(ctx context.Context) (err error) {
		job, err = d.jobOf(ctx, q.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.backfill(ctx, job, q, progress)
}

// jobOf wires a checker as its file stands, also one that is off. Only follow calls it.
func (d *daemon) jobOf(ctx context.Context, name string) (*engine.Job, error) {
	if _, err := d.catalog.refresh(ctx, time.Now(), lookForGood); err != nil {
		return nil, err
	}
	e := d.catalog.entries[name]
	switch {
	case e == nil:
		var names []string
		for other := range d.catalog.entries {
			names = append(names, other)
		}
		return nil, noChecker(name, d.cfg.Checks, names)
	case dwmon.AnyError(e.faults):
		return nil, dwmon.FileFaults(e.faults)
	}
	job, _ := d.routing.job(e.checker)
	if job == nil {
		return nil, fmt.Errorf("checker %s: SOURCE %s: %w", name, shown(d.cfg, e.checker), errUnheard)
	}
	job.Closed = e.closed
	return job, nil
}

// askBackfill has a running daemon do a backfill.
func askBackfill(ctx context.Context, socket string, r BackfillRequest, progress func(BackfillStage)) (*Backfilled, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dwmon/v1/backfill", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, &EnvironmentError{fmt.Errorf("ask the running daemon through %s: %w", socket, err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return nil, fmt.Errorf("the running daemon does not know how to do a backfill (%s): restart it with this version (%s)", resp.Status, bytes.TrimSpace(text))
	}
	out, err := heardBackfill(resp.Body, progress)
	if ctx.Err() != nil {
		return nil, errors.New("the backfill was interrupted; what was stored until then stays, and another one goes on from there")
	}
	return out, err
}

// heardBackfill reads a daemon's answer to its end.
func heardBackfill(r io.Reader, progress func(BackfillStage)) (*Backfilled, error) {
	lines := json.NewDecoder(bufio.NewReader(r))
	for {
		var e backfillEvent
		switch err := lines.Decode(&e); {
		case err != nil:
			return nil, &EnvironmentError{fmt.Errorf("the running daemon has not said what became of the backfill: %w; what it stored stays, and another backfill goes on from there", err)}
		case e.Stage != nil:
			progress(*e.Stage)
		case e.Faults != nil:
			var faults dwmon.FileFaults
			for _, f := range e.Faults {
				faults = append(faults, dwmon.FileFault(f))
			}
			return nil, faults
		case e.NoChecker:
			return nil, &ErrNoChecker{errors.New(e.Error)}
		case e.Error != "":
			return nil, errors.New(e.Error)
		case e.Done != nil:
			return e.Done, nil
		}
	}
}
