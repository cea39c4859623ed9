package lsp

import (
	"bytes"
	"encoding/json"
)

// message is a message of JSON-RPC 2.0: a request has a method and an id, a
// notification a method alone, a response an id alone.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

func (m *message) isRequest() bool  { return m.Method != "" && len(m.ID) > 0 }
func (m *message) isResponse() bool { return m.Method == "" && len(m.ID) > 0 }

// Codes of errors.
const (
	codeParseError           = -32700
	codeInvalidRequest       = -32600
	codeMethodNotFound       = -32601
	codeInvalidParams        = -32602
	codeInternalError        = -32603
	codeServerNotInitialized = -32002
	codeRequestCancelled     = -32800
)

// rpcError is an error that the client is told.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

// parseMessage reads a message; the error is for the client.
func parseMessage(body []byte) (*message, *rpcError) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		if trimmed := bytes.TrimSpace(body); json.Valid(trimmed) {
			return nil, &rpcError{codeInvalidRequest, "the message is no object of JSON-RPC 2.0"}
		}
		return nil, &rpcError{codeParseError, "the message is no JSON"}
	}
	if m.Version != "2.0" || m.Method == "" && len(m.ID) == 0 {
		return nil, &rpcError{codeInvalidRequest, "the message is no object of JSON-RPC 2.0"}
	}
	return &m, nil
}

// decode reads parameters; missing ones are those of no value.
func decode[T any](params json.RawMessage) (T, error) {
	var v T
	if len(params) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(params, &v); err != nil {
		return v, &rpcError{codeInvalidParams, "the parameters are not as the protocol has them: " + err.Error()}
	}
	return v, nil
}
