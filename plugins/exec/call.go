package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dwmon/dwmon/pluginsdk"

	"github.com/dwmon/dwmon/plugins/internal/bridge"
)

// header is what the requests of all kinds begin with.
type header struct {
	Op        string  `json:"op"`
	RequestID string  `json:"request_id"`
	Checker   checker `json:"checker"`
}

type checker struct {
	Name     string `json:"name"`
	File     string `json:"file"`
	Revision string `json:"revision"`
}

func newHeader(ctx context.Context, op string, c pluginsdk.Checker) header {
	return header{op, pluginsdk.RequestID(ctx), checker{c.Name, c.Path, c.Revision}}
}

// call is one run of a program: its standard input and what the environment says
// beside.
type call struct {
	request []byte
	env     map[string]string
}

// newCall writes the request: the members of body, then settings and EXTRA, the
// latter byte for byte as it stands in the checker's file.
func (p *program) newCall(h header, body any, extra []byte, env map[string]string) (*call, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("write the request as JSON: %w", err)
	}
	b.Truncate(b.Len() - len("}\n"))
	for _, member := range []struct {
		name  string
		value []byte
	}{{"settings", orEmpty(p.settings)}, {"extra", orEmpty(bytes.TrimSpace(extra))}} {
		fmt.Fprintf(&b, `,"%s":%s`, member.name, member.value)
	}
	b.WriteString("}\n")
	c := &call{request: b.Bytes(), env: map[string]string{"DWMON_OP": h.Op, "DWMON_REQUEST_ID": h.RequestID, "DWMON_CHECKER": h.Checker.Name}}
	maps.Copy(c.env, env)
	return c, nil
}

// maxVariable bounds a variable: systems refuse to start a program with one beyond
// 128 KiB. What is longer is in the request only.
const maxVariable = 100_000

// variables are the call's own in the environment, in order. One that is too long, or
// holds a zero byte, is left out.
func (c *call) variables() (env []string) {
	for _, name := range slices.Sorted(maps.Keys(c.env)) {
		if value := c.env[name]; len(value) <= maxVariable && !strings.Contains(value, "\x00") {
			env = append(env, name+"="+value)
		}
	}
	return env
}

type rowGetter struct{ *server }

// GetRows runs the row getter's program and passes on what it prints.
func (g rowGetter) GetRows(ctx context.Context, q pluginsdk.Query, out pluginsdk.RowSink) error {
	p, err := g.program(pluginsdk.KindRowGetter)
	if err != nil {
		return err
	}
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if p.pool != nil {
		return p.overtime(ctx, (&bridge.RowGetter{Pool: p.pool, Zone: p.zone}).GetRows(ctx, q, out))
	}
	h := newHeader(ctx, "get_rows", q.Checker)
	env := map[string]string{"DWMON_QUERY": q.Text, "DWMON_SOURCE": q.Source}
	body := struct {
		header
		Query   string       `json:"query"`
		Source  string       `json:"source"`
		Since   *json.Number `json:"since_epoch"`
		MaxRows *int         `json:"max_rows"`
	}{header: h, Query: q.Text, Source: q.Source, Since: epoch(q.Since)}
	if body.Since != nil {
		env["DWMON_SINCE"] = body.Since.String()
	}
	if q.MaxRows > 0 {
		body.MaxRows = &q.MaxRows
		env["DWMON_MAX_ROWS"] = strconv.Itoa(q.MaxRows)
	}
	c, err := p.newCall(h, body, q.ExtraJSON, env)
	if err != nil {
		return err
	}
	return p.run(ctx, c, func(stdout io.Reader) error { return readRows(p.work.Format, stdout, out, p.zone) })
}

type checkHandler struct{ *server }

// HandleCheck runs the check handler's program with one result.
func (h checkHandler) HandleCheck(ctx context.Context, ev pluginsdk.CheckEvent) error {
	p, err := h.program(pluginsdk.KindCheckHandler)
	if err != nil {
		return err
	}
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if p.pool != nil {
		return p.overtime(ctx, (&bridge.CheckHandler{Pool: p.pool}).HandleCheck(ctx, ev))
	}
	head := newHeader(ctx, "handle_check", ev.Checker)
	c, err := p.newCall(head, struct {
		header
		Key    string           `json:"idempotency_key"`
		Result pluginsdk.Result `json:"result"`
	}{head, ev.IdempotencyKey, ev.Result}, ev.ExtraJSON, map[string]string{
		"DWMON_CHECKER":           ev.CheckerName,
		"DWMON_IDEMPOTENCY_KEY":   ev.IdempotencyKey,
		"DWMON_STATUS":            string(ev.CheckStatus),
		"DWMON_REASON":            ev.Reason,
		"DWMON_PREVIOUS_STATUS":   string(ev.PreviousStatus),
		"DWMON_EVENT_COUNT":       strconv.FormatInt(ev.EventCount, 10),
		"DWMON_MINUTE_EPOCH":      strconv.FormatInt(ev.MinuteEpoch, 10),
		"DWMON_MINUTE_LOCAL_TIME": ev.MinuteLocalTime,
		"DWMON_SOURCE":            ev.Source,
		"DWMON_OWNER":             ev.Owner,
	})
	if err != nil {
		return err
	}
	return p.run(ctx, c, nil)
}

type purger struct{ *server }

// maxAnswer is the longest answer of a purger: a number and some white space.
const maxAnswer = 4 << 10

// IdentifyOld runs the purger's program and reads its answer.
func (u purger) IdentifyOld(ctx context.Context, in pluginsdk.PurgeInput) (pluginsdk.Cutoff, error) {
	p, err := u.program(pluginsdk.KindPurger)
	if err != nil {
		return pluginsdk.Keep(), err
	}
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	if p.pool != nil {
		cut, err := (&bridge.Purger{Pool: p.pool}).IdentifyOld(ctx, in)
		return cut, p.overtime(ctx, err)
	}
	h := newHeader(ctx, "identify_old", in.Checker)
	now := strconv.FormatInt(in.Now.Unix(), 10)
	c, err := p.newCall(h, struct {
		header
		Now      json.Number  `json:"now_epoch"`
		Oldest   *json.Number `json:"oldest_epoch"`
		Newest   *json.Number `json:"newest_epoch"`
		KeepFrom *json.Number `json:"keep_from_epoch"`
	}{h, json.Number(now), epoch(in.Oldest), epoch(in.Newest), epoch(in.KeepFrom)}, in.ExtraJSON, map[string]string{"DWMON_NOW": now})
	if err != nil {
		return pluginsdk.Keep(), err
	}
	cut := pluginsdk.Keep()
	err = p.run(ctx, c, func(stdout io.Reader) (err error) {
		cut, err = readAnswer(stdout)
		return err
	})
	if err != nil {
		return pluginsdk.Keep(), err
	}
	return cut, nil
}

func readAnswer(stdout io.Reader) (pluginsdk.Cutoff, error) {
	text, err := io.ReadAll(io.LimitReader(stdout, maxAnswer+1))
	if err != nil {
		return pluginsdk.Keep(), err
	}
	text = bytes.TrimSpace(text)
	if len(text) > maxAnswer {
		return pluginsdk.Keep(), fmt.Errorf("its answer is longer than %d bytes; want one whole number, or nothing", maxAnswer)
	}
	if len(text) == 0 {
		return pluginsdk.Keep(), nil
	}
	return bridge.ReadCutoff(text)
}

// epoch is a time in whole seconds, floored; nil for none.
func epoch(t time.Time) *json.Number {
	if t.IsZero() {
		return nil
	}
	n := json.Number(strconv.FormatInt(t.Unix(), 10))
	return &n
}
