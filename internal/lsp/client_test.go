package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/dwmon/dwmon/internal/dwmon"
)

// noon is when all sessions happen: a Friday.
var noon = time.Date(2026, 10, 23, 12, 0, 0, 0, time.UTC)

// client is an editor that speaks with a server.
type client struct {
	t     *testing.T
	in    *io.PipeWriter
	out   *bufio.Reader
	next  int
	ended chan error
	// told are messages that came while another was waited for.
	told []answer
}

// answer is any message of the server.
type answer struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`
}

// start begins a session, initialize not yet asked.
func start(t *testing.T, opts Options) *client {
	t.Helper()
	opts.Now = func() time.Time { return noon }
	opts.Template = func(text string, _ []byte) []dwmon.TextFault { return nil }
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &client{t: t, in: inW, out: bufio.NewReader(outR), ended: make(chan error, 1)}
	go func() {
		err := Serve(context.Background(), inR, outW, opts)
		inR.Close()
		outW.Close()
		c.ended <- err
	}()
	t.Cleanup(func() {
		inW.Close()
		io.Copy(io.Discard, outR)
	})
	return c
}

// begin is a session that is initialized by a client that can do everything.
func begin(t *testing.T, opts Options) *client {
	t.Helper()
	c := start(t, opts)
	c.ask("initialize", `{"capabilities": {"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}},
		"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}}}`)
	c.notify("initialized", `{}`)
	return c
}

func (c *client) raw(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, text); err != nil {
		c.t.Fatalf("the server hears no more: %v", err)
	}
}

func (c *client) message(body string) {
	c.t.Helper()
	c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
}

func (c *client) notify(method, params string) {
	c.t.Helper()
	c.message(fmt.Sprintf(`{"jsonrpc": "2.0", "method": %q, "params": %s}`, method, params))
}

func (c *client) send(method, params string) (id string) {
	c.t.Helper()
	c.next++
	c.message(fmt.Sprintf(`{"jsonrpc": "2.0", "id": %d, "method": %q, "params": %s}`, c.next, method, params))
	return fmt.Sprint(c.next)
}

// hear gives the server's next message.
func (c *client) hear() answer {
	c.t.Helper()
	body, err := newMessageReader(c.out).next()
	if err != nil {
		c.t.Fatalf("the server says no more: %v", err)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		c.t.Fatalf("%v: %s", err, body)
	}
	return a
}

// await hears until the message that is wanted comes; others are kept.
func (c *client) await(wanted func(answer) bool) answer {
	c.t.Helper()
	for i, a := range c.told {
		if wanted(a) {
			c.told = append(c.told[:i:i], c.told[i+1:]...)
			return a
		}
	}
	for {
		a := c.hear()
		if wanted(a) {
			return a
		}
		c.told = append(c.told, a)
	}
}

func (c *client) response(id string) answer {
	c.t.Helper()
	return c.await(func(a answer) bool { return a.Method == "" && string(a.ID) == id })
}

// ask sends a request and gives its result.
func (c *client) ask(method, params string) json.RawMessage {
	c.t.Helper()
	a := c.response(c.send(method, params))
	if a.Error != nil {
		c.t.Fatalf("%s: %v", method, a.Error)
	}
	return a.Result
}

// open opens a document and gives its diagnostics.
func (c *client) open(uri, text string) []Diagnostic {
	c.t.Helper()
	c.notify("textDocument/didOpen", fmt.Sprintf(`{"textDocument": {"uri": %s, "languageId": "dwmon", "version": 1, "text": %s}}`, quote(uri), quote(text)))
	return c.diagnostics(uri, 1)
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// diagnostics waits for those of a version.
func (c *client) diagnostics(uri string, version int) []Diagnostic {
	c.t.Helper()
	var p publishParams
	c.await(func(a answer) bool {
		if a.Method != methodPublish {
			return false
		}
		p = publishParams{}
		if err := json.Unmarshal(a.Params, &p); err != nil {
			c.t.Fatal(err)
		}
		return p.URI == uri && p.Version != nil && *p.Version == version
	})
	return p.Diagnostics
}

// cursor stands in the texts of tests where the cursor is.
const cursor = "¦"

// at opens a text with a cursor and gives the parameters of a request there.
func (c *client) at(uri, text string) (params string, doc *document) {
	c.t.Helper()
	before, after, found := strings.Cut(text, cursor)
	if !found {
		c.t.Fatalf("no %s in %q", cursor, text)
	}
	c.open(uri, before+after)
	doc = newDocument(uri, 1, before+after)
	p := doc.position(len(before))
	return fmt.Sprintf(`{"textDocument": {"uri": %s}, "position": {"line": %d, "character": %d}}`, quote(uri), p.Line, p.Character), doc
}

func (c *client) hoverAt(uri, text string) string {
	c.t.Helper()
	params, _ := c.at(uri, text)
	var h *hoverResult
	if err := json.Unmarshal(c.ask("textDocument/hover", params), &h); err != nil {
		c.t.Fatal(err)
	}
	if h == nil {
		return ""
	}
	return h.Contents.Value
}

func (c *client) completeAt(uri, text string) []completionItem {
	c.t.Helper()
	params, _ := c.at(uri, text)
	var l completionList
	if err := json.Unmarshal(c.ask("textDocument/completion", params), &l); err != nil {
		c.t.Fatal(err)
	}
	return l.Items
}

// shutDown ends the session in order.
func (c *client) shutDown() {
	c.t.Helper()
	c.ask("shutdown", "null")
	c.message(`{"jsonrpc": "2.0", "method": "exit"}`)
	if err := c.end(); err != nil {
		c.t.Errorf("the session ended with %v", err)
	}
}

func (c *client) end() error {
	c.t.Helper()
	go io.Copy(io.Discard, c.out)
	return <-c.ended
}

// apply makes edits in a text, as an editor would.
func apply(d *document, edits []textEdit) string {
	text := d.text
	for i := len(edits) - 1; i >= 0; i-- {
		from, to := d.offset(edits[i].Range.Start), d.offset(edits[i].Range.End)
		text = text[:from] + edits[i].NewText + text[to:]
	}
	return text
}

// folder has files, and gives a function that makes URIs of them.
func folder(t *testing.T, files map[string]string) (uri func(name string) string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return "file://" + filepath.ToSlash(filepath.Join(dir, name)) }
}
