package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
	"github.com/dwmon/dwmon/internal/store/sqlite"
)

// The control socket is how commands that write reach a running daemon, which is
// the only writer of its database: JSON over HTTP on a socket of the run folder
// that only its owner can open.

const socketName = "control.sock"

// SettleRequest asks to move a checker's walk.
type SettleRequest struct {
	Name string `json:"name"`
	// To is a minute, seconds since the epoch.
	To int64 `json:"to"`
}

// RenameRequest asks to give a checker's history another name.
type RenameRequest struct {
	Old string `json:"old"`
	New string `json:"new"`
	// Replace drops what is known of a checker that has the new name already.
	Replace bool `json:"replace"`
}

// ForgetRequest asks to remove a checker, or one of its keys.
type ForgetRequest struct {
	Name string `json:"name"`
	// Key is nil where the whole checker is meant.
	Key []byte `json:"key"`
}

// Outcome is what a command that writes has done, for people.
type Outcome struct {
	Message string `json:"message"`
}

// control serves the control socket until ctx ends.
func (d *daemon) control(ctx context.Context, group *sync.WaitGroup) error {
	path := filepath.Join(d.runDir, socketName)
	// Whoever left it there is gone: we hold the lock.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return &EnvironmentError{fmt.Errorf("remove an old control socket: %w", err)}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return &EnvironmentError{fmt.Errorf("open the control socket: %w", err)}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return &EnvironmentError{fmt.Errorf("guard the control socket: %w", err)}
	}
	if err := d.lock.SetInfo(path, d.runDir); err != nil {
		l.Close()
		return &EnvironmentError{fmt.Errorf("say in the lock file where the control socket is: %w", err)}
	}
	mux := http.NewServeMux()
	handle(mux, "POST /v1/settle", func(ctx context.Context, r SettleRequest) (Outcome, error) {
		return d.change(ctx, func(ctx context.Context) (Outcome, error) { return settle(ctx, d.db, d.cfg, r) })
	})
	handle(mux, "POST /v1/rename", func(ctx context.Context, r RenameRequest) (Outcome, error) {
		return d.change(ctx, func(ctx context.Context) (Outcome, error) {
			out, err := rename(ctx, d.db, r)
			if err == nil {
				d.catalog.rename(r.Old, r.New)
			}
			return out, err
		})
	})
	handle(mux, "POST /v1/forget", func(ctx context.Context, r ForgetRequest) (Outcome, error) {
		return d.change(ctx, func(ctx context.Context) (Outcome, error) {
			out, err := forget(ctx, d.db, r)
			if err == nil && r.Key == nil {
				d.catalog.forget(r.Name)
			}
			return out, err
		})
	})
	handle(mux, "POST /v1/deliveries/retry", d.retryDeliveries)
	handle(mux, "POST /v1/deliveries/drop", d.dropDeliveries)
	handle(mux, "POST /v1/plugins", d.listPlugins)
	d.controlSilences(mux)
	d.controlAcks(mux)
	d.controlBackfill(ctx, mux)
	serve(ctx, group, d, &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, l)
	return nil
}

// change does work that changes a checker while none of its passes runs: the
// engine is stopped meanwhile, which takes moments, and the walk loses nothing.
func (d *daemon) change(ctx context.Context, f func(context.Context) (Outcome, error)) (out Outcome, err error) {
	err = d.do(ctx, func(ctx context.Context) (err error) {
		d.stopParts()
		out, err = f(ctx)
		return errors.Join(err, d.beginAnew(ctx))
	})
	return out, err
}

// handle answers one kind of request.
func handle[Q, A any](mux *http.ServeMux, pattern string, f func(context.Context, Q) (A, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		err := json.NewDecoder(io.LimitReader(r.Body, 4<<20)).Decode(&q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := f(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(a) // the asker has gone
	})
}

// ask sends a request to a daemon's control socket.
func ask[A any](ctx context.Context, socket, path string, q any) (a A, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://dwmon"+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return a, &EnvironmentError{fmt.Errorf("ask the running daemon through %s: %w", socket, err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return a, &EnvironmentError{fmt.Errorf("read the running daemon's answer: %w", err)}
	}
	if resp.StatusCode != http.StatusOK {
		return a, errors.New(string(bytes.TrimSpace(text)))
	}
	return a, json.Unmarshal(text, &a)
}

// write does a change through the running daemon, else under the lock.
func write[A any](ctx context.Context, cfg *config.Config, path string, q any, direct func(context.Context, *sqlite.DB) (A, error)) (out A, err error) {
	lock, err := sqlite.AcquireLock(cfg.DB)
	var held *sqlite.ErrLocked
	switch {
	case errors.As(err, &held) && held.Holder.Socket != "":
		return ask[A](ctx, held.Holder.Socket, path, q)
	case err != nil:
		return out, &EnvironmentError{err}
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if _, err := os.Stat(cfg.DB); err != nil {
		return out, &EnvironmentError{fmt.Errorf("there is no database to change: %w", err)}
	}
	db, err := sqlite.Open(ctx, cfg.DB, sqlite.Options{})
	if err != nil {
		return out, &EnvironmentError{err}
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return direct(ctx, db)
}

// Settle moves a checker's walk to a minute.
func Settle(ctx context.Context, cfg *config.Config, r SettleRequest) (Outcome, error) {
	return write(ctx, cfg, "/v1/settle", r, func(ctx context.Context, db *sqlite.DB) (Outcome, error) { return settle(ctx, db, cfg, r) })
}

// Rename gives a checker's history another name.
func Rename(ctx context.Context, cfg *config.Config, r RenameRequest) (Outcome, error) {
	return write(ctx, cfg, "/v1/rename", r, func(ctx context.Context, db *sqlite.DB) (Outcome, error) { return rename(ctx, db, r) })
}

// Forget removes a checker, or one of its keys.
func Forget(ctx context.Context, cfg *config.Config, r ForgetRequest) (Outcome, error) {
	return write(ctx, cfg, "/v1/forget", r, func(ctx context.Context, db *sqlite.DB) (Outcome, error) { return forget(ctx, db, r) })
}

func settle(ctx context.Context, db *sqlite.DB, cfg *config.Config, r SettleRequest) (Outcome, error) {
	p, err := db.Progress(ctx, r.Name)
	if err != nil {
		return Outcome{}, err
	}
	now := time.Now()
	if err := settleable(r.To, now); err != nil {
		return Outcome{}, doing("settle", r.Name, err)
	}
	closed, err := closedNow(ctx, db, cfg, r.Name, now)
	if err != nil {
		return Outcome{}, err
	}
	settled, err := db.SettleTo(ctx, r.Name, r.To, zoneOf(p, cfg), closed)
	if err != nil {
		return Outcome{}, doing("settle", r.Name, err)
	}
	text := fmt.Sprintf("%s is settled through %s", r.Name, time.Unix(r.To, 0).UTC().Format(time.RFC3339))
	if n := settled.Gaps; n > 0 {
		text += fmt.Sprintf("; %d eligible minutes were passed over and are recorded as a gap", n)
	}
	return Outcome{text}, nil
}

// settleable refuses minutes that nobody can mean: a slip in the year would leave a
// checker unchecked for as long.
func settleable(to int64, now time.Time) error {
	at := time.Unix(to, 0).UTC().Format(time.RFC3339)
	switch {
	case to < 0:
		return fmt.Errorf("%s lies before 1970", at)
	case to > now.Unix()+dwmon.MaxAhead:
		return fmt.Errorf("%s lies ahead of the clock, and nothing would be checked until then; "+
			"`dwmon silence add` keeps alerts quiet for a while, `enabled: false` in OPTIONS switches a checker off", at)
	}
	return nil
}

// doing says what was tried with a checker. That there is none says it all.
func doing(what, name string, err error) error {
	if errors.Is(err, dwmon.ErrNoChecker) {
		return err
	}
	return fmt.Errorf("%s %s: %w", what, name, err)
}

// zoneOf is the zone in which a checker was judged last.
func zoneOf(p *dwmon.Progress, cfg *config.Config) *time.Location {
	if zone, err := time.LoadLocation(p.Zone); err == nil && p.Zone != "Local" && p.Zone != "" {
		return zone
	}
	return cfg.Timezone
}

func rename(ctx context.Context, db *sqlite.DB, r RenameRequest) (Outcome, error) {
	err := db.Rename(ctx, r.Old, r.New, r.Replace)
	if errors.Is(err, sqlite.ErrNameTaken) {
		err = fmt.Errorf("%w; --replace drops what is recorded of %s", err, r.New)
	}
	if err != nil {
		return Outcome{}, doing("rename", r.Old, err)
	}
	return Outcome{fmt.Sprintf("%s is now %s, history included; its file is to be %s.dwmon", r.Old, r.New, r.New)}, nil
}

func forget(ctx context.Context, db *sqlite.DB, r ForgetRequest) (Outcome, error) {
	if r.Key != nil {
		found, err := db.ForgetKey(ctx, r.Name, r.Key)
		switch {
		case err != nil:
			return Outcome{}, doing("forget a key of", r.Name, err)
		case !found:
			return Outcome{}, fmt.Errorf("%s has no such key", r.Name)
		}
		return Outcome{"the key is forgotten; where the source still returns it, it counts as new: erase it there first"}, nil
	}
	if err := db.Forget(ctx, r.Name); err != nil {
		return Outcome{}, doing("forget", r.Name, err)
	}
	return Outcome{r.Name + " is forgotten, history included; where its file is still there, it starts anew"}, nil
}
