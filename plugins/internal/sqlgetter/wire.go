package sqlgetter

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// Wire is the network connection below a driver's connection that is being opened.
// It is for drivers whose handshake knows no context, or which say of a connection
// that broke no more than that it is bad.
//
// A connector makes one with [NewWire], opens the driver's connection with the
// context that it is given, has the driver dial with [DialWire], and calls Keep when
// the connection is ready, or HangUp.
type Wire struct {
	mu    sync.Mutex
	conns []net.Conn // dialled; there may be several addresses
	hung  bool
	err   error
	stop  func() bool
}

type wireKey struct{}

// NewWire returns a wire that hangs up when ctx ends, and the context to open the
// connection with.
func NewWire(ctx context.Context) (*Wire, context.Context) {
	w := &Wire{}
	w.stop = context.AfterFunc(ctx, w.HangUp)
	return w, context.WithValue(ctx, wireKey{}, w)
}

// DialWire connects the wire that ctx was made with.
func DialWire(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w, ok := ctx.Value(wireKey{}).(*Wire)
	if !ok {
		return conn, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hung {
		conn.Close()
		return nil, context.Canceled
	}
	w.conns, w.err = append(w.conns, conn), nil
	return tapped{conn, w}, nil
}

// Keep ends the wire's bond with its context: from now on the connection is the
// driver's. It is false where the context was the first to end.
func (w *Wire) Keep() bool {
	kept := w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = nil
	return kept
}

// HangUp closes the wire, or keeps it from being connected.
func (w *Wire) HangUp() {
	w.stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hung = true
	for _, conn := range w.conns {
		conn.Close()
	}
	w.conns = nil
}

// Failure is how the wire broke, as a [*Lost]; nil where it did not.
func (w *Wire) Failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		return nil
	}
	return &Lost{w.err}
}

func (w *Wire) failed(err error) {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// Lost is a connection that broke.
type Lost struct{ err error }

func (l *Lost) Error() string { return "the connection was lost: " + l.err.Error() }
func (l *Lost) Unwrap() error { return l.err }

// tapped is a network connection whose failures its wire hears of.
type tapped struct {
	net.Conn
	wire *Wire
}

func (t tapped) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.wire.failed(err)
	return n, err
}

func (t tapped) Write(b []byte) (int, error) {
	n, err := t.Conn.Write(b)
	t.wire.failed(err)
	return n, err
}

// SyscallConn lets a driver see whether the server has hung up meanwhile.
func (t tapped) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := t.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
