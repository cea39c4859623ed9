// Command plugin is the three plugins of the fault suite, each under its own name: feed,
// a row getter that asks a server of the suite over TCP; ledger, a check handler that
// writes down what it is told before it says that it was; and trim, a purger.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"
)

func main() {
	switch name := strings.TrimPrefix(filepath.Base(os.Args[0]), pluginsdk.FilePrefix); name {
	case "feed":
		pluginsdk.Serve(feed())
	case "ledger":
		pluginsdk.Serve(ledger())
	case "trim":
		pluginsdk.Serve(trim())
	default:
		fmt.Fprintln(os.Stderr, "the fault suite has no plugin", name)
		os.Exit(2)
	}
}

func feed() pluginsdk.Plugin {
	var settings struct {
		Address string `json:"address" doc:"host:port of the server"`
	}
	return pluginsdk.Plugin{
		Name: "feed", Version: "1.0.0", Sources: []string{"feed"}, Settings: &settings,
		RowGetter: pluginsdk.RowGetterFunc(func(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", settings.Address)
			if err != nil {
				return err
			}
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			return relay(conn, q.Text, out)
		}),
	}
}

// relay asks for a feed and hands its rows on.
func relay(conn net.Conn, name string, out pluginsdk.RowSink) error {
	if _, err := fmt.Fprintln(conn, name); err != nil {
		return err
	}
	rows := 0
	in := bufio.NewScanner(conn)
	for in.Scan() {
		key, number, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return err
		}
		if key == "end" {
			if int(n) != rows {
				return fmt.Errorf("%d rows have come, and the source has sent %d", rows, n)
			}
			return nil
		}
		if err := out.AppendMicros(key, n); err != nil {
			return err
		}
		rows++
	}
	if in.Err() != nil {
		return in.Err()
	}
	return errors.New("the result ends without its end")
}

// entry is a line of the ledger.
type entry struct {
	Key     string          `json:"key"`
	Checker string          `json:"checker"`
	Minute  int64           `json:"minute"`
	Line    int             `json:"line"`
	Result  json.RawMessage `json:"result"`
	// Status is what the result says, for those who read on.
	Status string `json:"status"`
	Count  int64  `json:"count"`
	// Notice and Incident are of a notice: its kind, and the incident it is about.
	Notice   string `json:"notice,omitempty"`
	Incident string `json:"incident,omitempty"`
}

// book is the ledger's file.
type book struct {
	settings struct {
		File string `json:"file" doc:"the file that entries are appended to"`
	}
	mu sync.Mutex
}

func ledger() pluginsdk.Plugin {
	b := &book{}
	return pluginsdk.Plugin{
		Name: "ledger", Version: "1.0.0", Settings: &b.settings, DefaultOn: pluginsdk.OnEvery, CheckHandler: b,
		Statuses: []pluginsdk.Status{pluginsdk.Good, pluginsdk.Bad, pluginsdk.Unknown},
	}
}

func (b *book) HandleCheck(_ context.Context, ev pluginsdk.CheckEvent) error {
	result, err := json.Marshal(ev.Result)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	return b.enter(entry{
		Key: ev.IdempotencyKey, Checker: ev.CheckerName, Minute: ev.MinuteEpoch, Line: ev.RequirementIndex,
		Result: result, Status: string(ev.CheckStatus), Count: ev.EventCount,
	})
}

func (b *book) HandleNotice(_ context.Context, n pluginsdk.Notice) error {
	e := entry{Key: n.IdempotencyKey, Notice: string(n.Kind)}
	if n.Incident != nil {
		e.Incident = n.Incident.ID
	}
	return b.enter(e)
}

// enter appends a line and waits until it is on the disk.
func (b *book) enter(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return pluginsdk.Permanent(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, err := os.OpenFile(b.settings.File, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	// The line end before closes a line that a kill has torn.
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func trim() pluginsdk.Plugin {
	settings := struct {
		Keep string `json:"keep" doc:"how long rows are kept"`
	}{Keep: "2h"}
	return pluginsdk.Plugin{
		Name: "trim", Version: "1.0.0", Settings: &settings,
		Purger: pluginsdk.PurgerFunc(func(_ context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
			keep, err := time.ParseDuration(settings.Keep)
			if err != nil {
				return pluginsdk.Keep(), pluginsdk.ConfigError(err)
			}
			return pluginsdk.DeleteOlderThan(in.Now.Add(-keep)), nil
		}),
	}
}
