package endtoend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

// serveFixture is the main function of the plugins of these tests.
func serveFixture(name string) {
	switch name {
	case "recorder":
		serveRecorder()
	case "junk":
		fmt.Println("Welcome to junk 3.1! Loading your data, please wait...")
		time.Sleep(time.Hour)
	case "told", "hanger", "crasher":
		pluginsdk.Serve(pluginsdk.Plugin{
			Name: name, Version: "1.0.0", Sources: []string{name}, Settings: new(struct{}),
			RowGetter: pluginsdk.RowGetterFunc(obey),
		})
	case "refused":
		var settings struct {
			Password string `json:"password"`
		}
		pluginsdk.Serve(pluginsdk.Plugin{
			Name: name, Version: "1.0.0", Sources: []string{name}, Settings: &settings,
			RowGetter: pluginsdk.RowGetterFunc(func(context.Context, pluginsdk.Query, pluginsdk.RowSink) error {
				return pluginsdk.CredentialsError(fmt.Errorf("password authentication failed for user dwmon with %s", settings.Password))
			}),
		})
	default:
		if serve := misbehaving[name]; serve != nil {
			serve(name)
		}
		fmt.Fprintln(os.Stderr, "no such fixture:", name)
		os.Exit(1)
	}
}

// order is what a QUERY tells the fixture getters to do, from top to bottom.
type order struct {
	// KeepExtra is a file that EXTRA is written to, byte for byte.
	KeepExtra string `json:"keep_extra"`
	Rows      []struct {
		// Key is bytes, base64 in JSON.
		Key    []byte `json:"key"`
		Micros int64  `json:"us"`
	} `json:"rows"`
	// LongKey adds a row whose key has so many bytes.
	LongKey int `json:"long_key"`
	// Crash ends the process in the middle of the result.
	Crash bool `json:"crash"`
	// Hang blocks, deaf to the end of the call.
	Hang bool `json:"hang"`
}

func obey(_ context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	var o order
	if err := json.Unmarshal([]byte(q.Text), &o); err != nil {
		return pluginsdk.CheckerError(err)
	}
	if o.KeepExtra != "" {
		if err := os.WriteFile(o.KeepExtra, q.ExtraJSON, 0o600); err != nil {
			return err
		}
	}
	for _, r := range o.Rows {
		if err := out.AppendBytes(r.Key, r.Micros); err != nil {
			return err
		}
	}
	if o.LongKey > 0 {
		if err := out.AppendBytes(make([]byte, o.LongKey), 0); err != nil {
			return err
		}
	}
	if o.Crash {
		for i := range int64(5000) { // more than a batch: some of it is on its way
			if err := out.AppendMicros(fmt.Sprint(i), i); err != nil {
				return err
			}
		}
		go panic("no memory left for rows")
		select {}
	}
	if o.Hang {
		time.Sleep(time.Hour)
	}
	return nil
}

// told is one line of the recorder's file.
type told struct {
	Key     string          `json:"key"`
	Checker string          `json:"checker"`
	Minute  int64           `json:"minute"`
	Line    int             `json:"line"`
	Extra   []byte          `json:"extra"`
	Result  json.RawMessage `json:"result"`
}

// serveRecorder is a check handler that appends what it is told to a file.
func serveRecorder() {
	var settings struct {
		File string `json:"file"`
		// FailWhile is a file: while it exists every delivery fails.
		FailWhile string `json:"fail_while"`
		// HoldWhile is a file: while it exists, what was written is not answered.
		HoldWhile string `json:"hold_while"`
	}
	var mu sync.Mutex
	pluginsdk.Serve(pluginsdk.Plugin{
		Name: "recorder", Version: "1.0.0", Settings: &settings, DefaultOn: pluginsdk.OnEvery,
		Statuses: []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
		CheckHandler: pluginsdk.CheckHandlerFunc(func(ctx context.Context, ev pluginsdk.CheckEvent) error {
			exists := func(file string) bool {
				_, err := os.Stat(file)
				return file != "" && err == nil
			}
			if exists(settings.FailWhile) {
				return pluginsdk.Retryable(errors.New("the receiver is down"), time.Second)
			}
			result, err := json.Marshal(ev.Result)
			if err != nil {
				return pluginsdk.Permanent(err)
			}
			line, err := json.Marshal(told{ev.IdempotencyKey, ev.CheckerName, ev.MinuteEpoch, ev.RequirementIndex, ev.ExtraJSON, result})
			if err != nil {
				return pluginsdk.Permanent(err)
			}
			mu.Lock()
			defer mu.Unlock()
			f, err := os.OpenFile(settings.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			// The line end before closes a line that a kill has torn.
			if _, err = f.Write(append(append([]byte{'\n'}, line...), '\n')); err != nil {
				return err
			}
			if settings.HoldWhile == "" {
				return nil
			}
			if err := f.Sync(); err != nil {
				return err
			}
			for exists(settings.HoldWhile) && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			return ctx.Err()
		}),
	})
}
