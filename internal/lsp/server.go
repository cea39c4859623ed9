package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/dwmon/dwmon/internal/config"
	"github.com/dwmon/dwmon/internal/dwmon"
)

// Options of a server. The zero value is ready.
type Options struct {
	// Version is told the client.
	Version string
	// Config is the configuration file for every checker; empty: the nearest
	// dwmon.yaml above each.
	Config string
	// Now is the clock by which next due minutes are told; nil: time.Now.
	Now func() time.Time
	// Template finds fault with templates of notices; nil: any text will do.
	Template func(text string, extra []byte) []dwmon.TextFault
	// UnitTests finds fault with a file of unit tests; nil: any text will do. The
	// configuration is nil where there is none.
	UnitTests func(file, text string, cfg *config.Config) []dwmon.FileFault
	// Log is told of what goes wrong within the server; nil: nobody.
	Log *slog.Logger
}

// ErrNoShutdown says that the client went away, or asked to exit, without a
// shutdown before.
var ErrNoShutdown = errors.New("the client ended the session without the request shutdown")

// Serve talks with one client until it asks to exit, the stream ends or ctx does.
// The error is nil after an orderly shutdown; ErrNoShutdown; or says why the
// stream cannot be read. The goroutine that reads in ends with the stream.
func Serve(ctx context.Context, in io.Reader, out io.Writer, opts Options) error {
	s := newServer(out, opts)
	done := make(chan struct{})
	defer close(done)
	arrived := make(chan arrival, 64)
	go s.read(newMessageReader(in), arrived, done)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-arrived:
			end, err := s.take(a)
			if end || err != nil {
				return err
			}
			if len(arrived) == 0 {
				s.publishDirty()
			}
		}
		if s.writeErr != nil {
			return fmt.Errorf("write to the client: %w", s.writeErr)
		}
	}
}

// arrival is a message that came in, or why none can come any more.
type arrival struct {
	msg     *message
	refused *rpcError
	err     error
}

// read hands messages on, and takes note of cancelled requests at once: those
// wait behind what is being worked at.
func (s *server) read(r *messageReader, arrived chan<- arrival, done <-chan struct{}) {
	for {
		var a arrival
		var body []byte
		if body, a.err = r.next(); a.err == nil {
			a.msg, a.refused = parseMessage(body)
		}
		if a.msg != nil {
			s.waiting.note(a.msg)
		}
		select {
		case arrived <- a:
		case <-done:
			return
		}
		if a.err != nil {
			return
		}
	}
}

// server is the state of one session. All but waiting belongs to the goroutine of
// Serve.
type server struct {
	opts     Options
	out      io.Writer
	writeErr error
	waiting  waiting

	initialized, shutdown bool
	// snippets and watches are what the client can do.
	snippets, watches bool

	docs map[string]*document
	// dirty are the documents whose diagnostics are to be told.
	dirty   map[string]bool
	configs map[string]*configFile
}

func newServer(out io.Writer, opts Options) *server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &server{opts: opts, out: out, docs: map[string]*document{}, dirty: map[string]bool{}, configs: map[string]*configFile{}}
}

// waiting are the requests that have come and are not begun.
type waiting struct {
	mu  sync.Mutex
	ids map[string]bool // true: cancelled
}

func (w *waiting) note(m *message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ids == nil {
		w.ids = map[string]bool{}
	}
	switch {
	case m.isRequest():
		w.ids[string(m.ID)] = false
	case m.Method == "$/cancelRequest":
		var p struct {
			ID json.RawMessage `json:"id"`
		}
		if json.Unmarshal(m.Params, &p) != nil {
			return
		}
		if _, ok := w.ids[string(p.ID)]; ok {
			w.ids[string(p.ID)] = true
		}
	}
}

// begin takes a request out and says whether it was cancelled meanwhile.
func (w *waiting) begin(m *message) (cancelled bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cancelled = w.ids[string(m.ID)]
	delete(w.ids, string(m.ID))
	return cancelled
}

// take handles what arrived. end says that the session is over.
func (s *server) take(a arrival) (end bool, err error) {
	switch {
	case errors.Is(a.err, io.EOF):
		return true, s.ended()
	case a.err != nil:
		return true, a.err
	case a.refused != nil:
		s.send(errorResponse{"2.0", json.RawMessage("null"), a.refused})
	case a.msg.isResponse():
		// Answers to what we asked hold nothing that we need.
	case a.msg.isRequest():
		s.request(a.msg)
	case a.msg.Method == "exit":
		return true, s.ended()
	case s.initialized:
		s.notification(a.msg)
	}
	return false, nil
}

func (s *server) ended() error {
	if s.shutdown {
		return nil
	}
	return ErrNoShutdown
}

// request answers a request, whatever happens.
func (s *server) request(m *message) {
	result, err := s.result(m)
	if err == nil {
		var raw []byte
		if raw, err = json.Marshal(result); err == nil {
			s.send(response{"2.0", m.ID, raw})
			return
		}
	}
	var told *rpcError
	if !errors.As(err, &told) {
		told = &rpcError{codeInternalError, err.Error()}
	}
	s.send(errorResponse{"2.0", m.ID, told})
}

func (s *server) result(m *message) (result any, err error) {
	defer s.recovered(m.Method, &err)
	cancelled := s.waiting.begin(m)
	handle, known := requests[m.Method]
	switch {
	case cancelled:
		return nil, &rpcError{codeRequestCancelled, "the request was cancelled"}
	case !s.initialized && m.Method != "initialize":
		return nil, &rpcError{codeServerNotInitialized, "the first request is initialize"}
	case s.initialized && m.Method == "initialize":
		return nil, &rpcError{codeInvalidRequest, "initialize was asked before"}
	case s.shutdown:
		return nil, &rpcError{codeInvalidRequest, "nothing is answered after shutdown"}
	case !known:
		return nil, &rpcError{codeMethodNotFound, "the method " + m.Method + " is not known"}
	}
	return handle(s, m.Params)
}

func (s *server) notification(m *message) {
	var err error
	defer func() {
		if err != nil {
			s.opts.Log.Warn("a notification was not understood", "method", m.Method, "error", err)
		}
	}()
	defer s.recovered(m.Method, &err)
	if handle, known := notifications[m.Method]; known {
		err = handle(s, m.Params)
	}
}

// recovered turns a panic into an error: a fault of ours in one place must not
// take the editor's whole session away.
func (s *server) recovered(method string, err *error) {
	if p := recover(); p != nil {
		s.opts.Log.Error("a request failed within dwmon", "method", method, "panic", p, "stack", string(debug.Stack()))
		*err = &rpcError{codeInternalError, fmt.Sprintf("%s failed within dwmon: %v", method, p)}
	}
}

// send writes a message; after a failure nothing more is.
func (s *server) send(m any) {
	if s.writeErr != nil {
		return
	}
	body, err := json.Marshal(m)
	if err == nil {
		err = writeMessage(s.out, body)
	}
	s.writeErr = err
}

// requests and notifications are what the server understands.
var (
	requests = map[string]func(*server, json.RawMessage) (any, error){
		"initialize":                  (*server).initialize,
		"shutdown":                    (*server).shutDown,
		"textDocument/hover":          on((*server).hover),
		"textDocument/completion":     on((*server).completion),
		"textDocument/codeAction":     on((*server).codeActions),
		"textDocument/formatting":     on((*server).formatting),
		"textDocument/documentSymbol": on((*server).symbols),
		"textDocument/foldingRange":   on((*server).folding),
	}
	notifications = map[string]func(*server, json.RawMessage) error{
		"initialized":                     (*server).initializedNow,
		"textDocument/didOpen":            (*server).didOpen,
		"textDocument/didChange":          (*server).didChange,
		"textDocument/didSave":            (*server).didSave,
		"textDocument/didClose":           (*server).didClose,
		"workspace/didChangeWatchedFiles": (*server).didChangeWatchedFiles,
	}
)

// on makes a handler of one that wants its parameters decoded.
func on[P, R any](handle func(*server, P) (R, error)) func(*server, json.RawMessage) (any, error) {
	return func(s *server, raw json.RawMessage) (any, error) {
		params, err := decode[P](raw)
		if err != nil {
			return nil, err
		}
		return handle(s, params)
	}
}

func (s *server) initialize(raw json.RawMessage) (any, error) {
	params, err := decode[initializeParams](raw)
	if err != nil {
		return nil, err
	}
	s.initialized = true
	s.snippets = params.Capabilities.TextDocument.Completion.CompletionItem.SnippetSupport
	s.watches = params.Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration
	type object = map[string]any
	return object{
		"serverInfo": object{"name": "dwmon", "version": s.opts.Version},
		"capabilities": object{
			"positionEncoding":           "utf-16",
			"textDocumentSync":           object{"openClose": true, "change": 2, "save": object{"includeText": false}},
			"hoverProvider":              true,
			"completionProvider":         object{"triggerCharacters": []string{"_", " ", ":", "[", ","}},
			"codeActionProvider":         object{"codeActionKinds": []string{kindQuickFix}},
			"documentFormattingProvider": true,
			"documentSymbolProvider":     true,
			"foldingRangeProvider":       true,
		},
	}, nil
}

func (s *server) shutDown(json.RawMessage) (any, error) {
	s.shutdown = true
	return nil, nil
}

// initializedNow asks to be told of changes of dwmon.yaml that are made elsewhere.
func (s *server) initializedNow(json.RawMessage) error {
	if !s.watches {
		return nil
	}
	type object = map[string]any
	s.send(outgoing{Version: "2.0", ID: json.RawMessage(`"dwmon-watch"`), Method: "client/registerCapability", Params: object{
		"registrations": []object{{
			"id": "dwmon-watch", "method": "workspace/didChangeWatchedFiles",
			"registerOptions": object{"watchers": []object{{"globPattern": "**/" + config.FileName}}},
		}},
	}})
	return nil
}

func (s *server) didOpen(raw json.RawMessage) error {
	p, err := decode[didOpenParams](raw)
	if err != nil {
		return err
	}
	d := p.TextDocument
	s.docs[d.URI] = newDocument(d.URI, d.Version, d.Text)
	s.dirty[d.URI] = true
	return nil
}

func (s *server) didChange(raw json.RawMessage) error {
	p, err := decode[didChangeParams](raw)
	if err != nil {
		return err
	}
	d := s.docs[p.TextDocument.URI]
	if d == nil {
		return fmt.Errorf("%s is not open", p.TextDocument.URI)
	}
	for _, c := range p.ContentChanges {
		d = newDocument(d.uri, p.TextDocument.Version, d.change(c))
	}
	s.docs[d.uri] = d
	s.dirty[d.uri] = true
	return nil
}

func (s *server) didSave(raw json.RawMessage) error {
	p, err := decode[documentParams](raw)
	if err != nil {
		return err
	}
	s.dirty[p.TextDocument.URI] = true
	if kindOf(p.TextDocument.URI) == configuration {
		s.outdateAll()
	}
	return nil
}

func (s *server) didClose(raw json.RawMessage) error {
	p, err := decode[documentParams](raw)
	if err != nil {
		return err
	}
	if s.docs[p.TextDocument.URI] == nil {
		return nil
	}
	delete(s.docs, p.TextDocument.URI)
	delete(s.dirty, p.TextDocument.URI)
	s.send(outgoing{Version: "2.0", Method: methodPublish, Params: publishParams{URI: p.TextDocument.URI, Diagnostics: []Diagnostic{}}})
	return nil
}

func (s *server) didChangeWatchedFiles(json.RawMessage) error {
	s.outdateAll()
	return nil
}

// outdateAll has the diagnostics of all open documents told anew.
func (s *server) outdateAll() {
	for uri := range s.docs {
		s.dirty[uri] = true
	}
}

const methodPublish = "textDocument/publishDiagnostics"

func (s *server) publishDirty() {
	for uri := range s.dirty {
		delete(s.dirty, uri)
		d := s.docs[uri]
		if d == nil {
			continue
		}
		var err error
		found := []Diagnostic{}
		func() {
			defer s.recovered("diagnostics", &err)
			found = s.diagnostics(d)
		}()
		s.send(outgoing{Version: "2.0", Method: methodPublish, Params: publishParams{URI: uri, Version: &d.version, Diagnostics: found}})
	}
}
